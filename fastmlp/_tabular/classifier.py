"""The classifier for tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from fastmlp._core.network import Objective
from fastmlp._data import validation
from fastmlp._data.class_weight import expanded, positive_weights
from fastmlp._mlp.constraints import constraints
from fastmlp._mlp.predictions import ClassPredictions
from fastmlp._mlp.targets import ClassTargets
from fastmlp._tabular import parameters
from fastmlp._tabular.base import BaseTabularMLP
from fastmlp._tabular.calibration import temperature
from fastmlp._tabular.scores import Accuracy, MinusLoss
from fastmlp._utils.spelling import suggests_keywords
from fastmlp._utils.warnings import warn

if TYPE_CHECKING:
    from fastmlp._mlp.annotations import (
        BatchSize,
        ClassWeight,
        HiddenLayerSizes,
        RandomSource,
    )
    from fastmlp._tabular.annotations import (
        CategoricalFeatures,
        ClassifierScoring,
        NumberEmbedding,
        TableLike,
        Validation,
    )
    from fastmlp._utils.annotations import Array, DType


class TabularMLPClassifier(ClassPredictions, BaseTabularMLP):
    """Multi-layer perceptron classifier for tables, good without tuning.

    It takes a raw table, with numbers, texts, categories and missing values, and needs
    no preprocessing. The recipe is that of RealMLP-TD: numbers are scaled robustly and
    embedded periodically, categories are one-hot or embedded, and the epoch with the
    best score on held-out rows is kept. Two or more classes, or several labels at once.

    Parameters
    ----------
    -- Table --

    categorical_features : "from_dtype", None, list or mask, default="from_dtype"
        Which columns are categories: those of texts, objects, categories and bools;
        none; those of the names or positions in a list; those where a mask is True. A
        column of objects that are all numbers or missing is one of numbers.

    class_weight : "balanced", dict, list of dict, array-like or None, default=None
        Weights of the classes: each row counts ``sample_weight`` times the weight of
        its class, in training and validation. A dict ``{class: weight}`` gives 1 to
        classes that it does not name; "balanced" is ``n_samples / (n_classes *
        count)``. A multi-label task takes "balanced" or a list with one dict ``{0:
        weight, 1: weight}`` per label, or one number > 0 per label, which multiplies
        the positive term of that label in the loss.

    -- Loss --

    calibrate : bool, default=True
        Whether the probabilities are calibrated: the outputs are divided by a
        temperature that makes the loss of the validation rows smallest [1]_,
        with a prior that keeps few rows from moving it far from 1. It does not change
        which class of a single member is most probable.

    label_smoothing : float, default=0.0
        Share of each target, in [0, 1), that is divided equally among all classes
        [2]_. It makes probabilities less extreme. Validation losses and
        scores take the targets as they are.

    -- Network --

    hidden_layer_sizes : int or array-like of int, default=(256, 256, 256)
        Number of units of each hidden layer; ``()`` gives a linear model of the
        embedded columns.

    number_embedding : "periodic" or None, default="periodic"
        Inputs of a number beside its scaled value: "periodic" adds 3
        learnt functions of it, made of 16 cosines [3]_; None adds nothing, which
        takes less time and suits tables that are nearly linear.

    dropout : float, default=0.15
        Share of the units of each hidden layer that a step leaves out, in [0, 1). It
        is constant for half of the steps and then falls to 0.

    -- Training --

    n_members : int or "auto", default="auto"
        Networks whose predictions are averaged, each with a start and an order of
        rows of its own. Several are more accurate, most on small tables, and take so
        many times the arithmetic; threads share them. "auto" is 5 up to 2,000 rows and
        for folds, else 1.

    n_epochs : int or "auto", default="auto"
        Epochs over which the schedule of the learning rate is laid, and the most that
        are trained. "auto" is 256 up to 500 rows and then falls as the root of the
        number of rows rises, 128 at 2,000 and 64 at 8,000, to 16.

    batch_size : int or "auto", default="auto"
        Rows of a step. "auto" goes by the number of training rows: 64 up to 1,024
        rows, 128 up to 8,192, 256 up to 30,000, 512 up to 100,000 and then 1,024.

    learning_rate_init : float or "auto", default="auto"
        Largest rate of Adam, which four cosine cycles reach and leave [4]_;
        "auto" is 0.04 for the classifier and 0.2 for the regressor. Some tensors take
        a multiple of it.

    weight_decay : float, default=0.02
        Decoupled weight decay, constant for half of the steps, then falling to 0;
        each step takes ``rate * weight_decay`` of a weight away.

    early_stopping : bool, default=True
        Whether training ends in the epoch after twice the best one and 20 more. The
        best epoch is kept in any case.

    max_time : float or None, default=None
        Seconds after which ``fit`` stops, with the best weights so far.

    -- Validation --

    validation : {"auto", "holdout", "folds"}, default="auto"
        Rows that choose the epoch: the same held-out part for all members, or a fold
        for each of ``n_members`` >= 2, so that every row is trained on by some and
        judged by another. Medians, scales and levels are then those of all rows.
        "auto" takes folds for five members or more, which leave each as many rows as
        a held-out part would, unless ``validation_fraction`` is given.

    validation_fraction : float or None, default=None
        Share of the rows that are held out, in (0, 1), stratified by class; None is
        0.2. Folds hold out ``1 / n_members``.

    scoring : {"log_loss", "accuracy"}, default="log_loss"
        Score that chooses the epoch: "log_loss" suits probabilities, "accuracy"
        labels.

    refit : bool, default=False
        Whether to train anew, on all rows up to the best epoch. It costs as much time
        again, and nothing judges its weights.

    -- Machine --

    dtype : {"float32", "float64"} or dtype, default="float32"
        Precision of weights and arithmetic.

    n_threads : int or None, default=None
        Threads of a fit and of predictions: members share them first, then the rows
        of a batch. None takes what the processor affinity, the container,
        ``OMP_NUM_THREADS`` and threadpoolctl allow. The weights are the same bits for
        any number.

    random_state : int, RandomState instance or None, default=None
        Source of the split, the initial weights, the order of rows and dropout.

    verbose : bool or int, default=False
        True prints the loss and the score of each epoch; the int 1 one progress line;
        2 a line an epoch with all figures.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; ``arange(n_labels)`` for multi-label y.

    best_epoch_ : int
        Epoch whose weights are kept, from 1.

    best_validation_score_ : float
        Score of that epoch.

    validation_scores_ : list of float
        Score of the validation rows after each epoch: minus the mean loss, or the
        accuracy.

    validation_loss_curve_ : list of float
        Loss of the validation rows after each epoch.

    loss_curve_ : list of float
        Training loss of each epoch, the mean over its batches and members.

    loss_ : float
        That of the last epoch.

    history_ : dict of ndarray of shape (n_epochs,)
        "loss", "validation_loss", "validation_score", "learning_rate" (the largest
        one) and "seconds" of each epoch.

    temperature_ : float
        The divisor of the outputs with ``calibrate``, else 1; above 1 for a
        network that was too sure of itself.

    feature_importances_ : ndarray of shape (`n_features_in_`,)
        How much each column counts, with sum 1: the mean over at most 1,000 validation
        rows of ``abs(sum(gradient * (x - mean)))``, the sum over the inputs x of the
        network that the column makes, the gradient that of an output before its
        activation. It costs one pass, and is of the weights before a ``refit``. Columns
        that say the same share their importance.

    n_iter_ : int
        Epochs of training, without those of ``refit``.

    stop_reason_ : str
        The reason why training ended: "early_stopping", "max_iter" (all epochs),
        "max_time", "callback", "interrupted" (by Ctrl-C) or "divergence".

    t_ : int
        Training rows seen by a member.

    n_features_in_ : int
        Number of columns.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns, where X had names that are all strings.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern neural
       networks", ICML 2017.
    .. [2] C. Szegedy et al., "Rethinking the inception architecture for computer
       vision", 2016, arXiv:1512.00567.
    .. [3] Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical
       features in tabular deep learning", NeurIPS 2022.
    .. [4] D. Holzmueller, L. Grinsztajn and I. Steinwart, "Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data", NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from fastmlp import TabularMLPClassifier
    >>> rng = np.random.RandomState(0)
    >>> colour = rng.choice(["red", "green", "blue"], 300)
    >>> size = rng.standard_normal(300)
    >>> frame = pd.DataFrame({"colour": colour, "size": size})
    >>> frame.loc[::10, "size"] = None
    >>> target = np.where((colour == "red") | (size > 1), "yes", "no")
    >>> model = TabularMLPClassifier(n_epochs=30, random_state=0).fit(frame, target)
    >>> model.predict(pd.DataFrame({"colour": ["red", "blue"], "size": [0.0, None]}))
    array(['yes', 'no'], dtype='<U3')
    >>> model.score(frame, target) > 0.9
    True
    """

    __module__ = "fastmlp"

    _parameter_rules = parameters.CLASSIFIER_RULES | parameters.RULES
    _parameter_constraints = constraints(_parameter_rules)
    _targets_are_numbers = False
    _activation_and_rate = ("selu", 0.04)

    @suggests_keywords
    def __init__(
        self,
        *,
        n_members: int | Literal["auto"] = "auto",
        categorical_features: CategoricalFeatures = "from_dtype",
        scoring: ClassifierScoring = "log_loss",
        calibrate: bool = True,
        label_smoothing: float = 0.0,
        class_weight: ClassWeight = None,
        hidden_layer_sizes: HiddenLayerSizes = (256, 256, 256),
        number_embedding: NumberEmbedding = "periodic",
        n_epochs: int | Literal["auto"] = "auto",
        batch_size: BatchSize = "auto",
        learning_rate_init: float | Literal["auto"] = "auto",
        weight_decay: float = 0.02,
        dropout: float = 0.15,
        validation: Validation = "auto",
        validation_fraction: float | None = None,
        early_stopping: bool = True,
        refit: bool = False,
        max_time: float | None = None,
        dtype: DType = "float32",
        n_threads: int | None = None,
        random_state: RandomSource = None,
        verbose: bool | int = False,
    ) -> None:
        self._store(locals())

    def _targets(self):
        """The codec of the targets."""
        return ClassTargets(self.classes_, self._label_binarizer)

    def _learn_targets(self, y, dtype):
        """Learn the classes."""
        self._label_binarizer = validation.fit_binarizer(y)
        self.classes_ = self._label_binarizer.classes_

    def _is_multilabel(self):
        """Return whether the model predicts several labels at once."""
        return self._label_binarizer.y_type_.startswith("multilabel")

    def _strata(self, encoded):
        """Class numbers for the split, or None."""
        return None if self._is_multilabel() else encoded[:, 0].astype(np.intp)

    def _warn_of_targets(self, encoded, rows, held_out):
        """Warn of classes that cannot be learnt or judged."""
        if len(self.classes_) == 1:
            warn(
                f"y holds a single class, {self.classes_.tolist()[0]!r}: there is "
                "nothing to learn, and the model predicts it for every row."
            )
            return
        codes = self._strata(encoded)
        if codes is None:
            return
        part = "training part"
        remedy = "set refit=True, or lower validation_fraction"
        if rows[0] is not rows[-1]:  # folds
            part, remedy = "training part of a member", "or set refit=True"
        for train_rows, judging in zip(rows, held_out):
            unseen = np.setdiff1d(codes[judging], codes[train_rows])
            if len(unseen):
                warn(
                    f"Class {self.classes_[unseen].tolist()[0]!r} has no row in the "
                    f"{part}, so that it cannot be learnt. Give more rows of it, "
                    f"{remedy}."
                )
                return
        judged = np.unique(codes[np.concatenate(held_out)])
        if len(judged) == 1:
            warn(
                "All validation rows are of class "
                f"{self.classes_[judged].tolist()[0]!r}, so that they say little about "
                "the others. Give more rows, or raise validation_fraction."
            )

    def _row_weights(self, encoded, sample_weight, dtype):
        """The weights of the rows times those of their classes, or None."""
        is_multilabel = self._is_multilabel()
        if self.class_weight is not None and self._positive_weights() is None:
            sample_weight = expanded(
                self.class_weight, self.classes_, is_multilabel, encoded, sample_weight
            )
        return validation.check_sample_weight(sample_weight, len(encoded), dtype)

    def _positive_weights(self):
        """The weights of the positive terms, one per label, or None."""
        return positive_weights(
            self.class_weight, len(self.classes_), self._is_multilabel()
        )

    def _objective_and_outputs(self, encoded):
        """The loss of the core, and the number of outputs of the network."""
        if self._is_multilabel():
            objective = Objective("binary_log_loss", positive=self._positive_weights())
            return objective, encoded.shape[1]
        return Objective("log_loss"), max(2, len(self.classes_))

    def _scaling(self, network, statistics_of_targets):
        """The objective, and no standardisation: targets are classes."""
        return network.objective, None

    def _bounds(self, targets, objective):
        """None: probabilities have bounds of their own."""

    def _temperature(self, task):
        """The divisor of the outputs that calibrates the probabilities."""
        self.temperature_ = temperature(task) if self.calibrate else 1.0
        return self.temperature_

    def _score(self):
        """The score that chooses the epoch."""
        if self.scoring == "log_loss":
            return MinusLoss()
        return Accuracy(self._targets())

    def _outputs(self, X):
        outputs = super()._outputs(X)
        return outputs[:, : len(self.classes_)]  # two at least for a single class

    def predict_proba(self, X: TableLike) -> Array:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : {DataFrame, Table, array-like} of shape (n_samples, n_features)
            Raw rows, as in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``, the mean over the members; for a multi-label
            model the probability of each label.
        """
        proba = self._outputs(X)
        return np.ones_like(proba) if len(self.classes_) == 1 else proba

    def predict_log_proba(self, X: TableLike) -> Array:
        """Predict logarithms of the probabilities.

        Parameters
        ----------
        X : {DataFrame, Table, array-like} of shape (n_samples, n_features)
            Raw rows, as in ``fit``.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``, of the smallest normal number where a probability
            rounds to 0.
        """
        proba = self.predict_proba(X)
        return np.log(np.maximum(proba, np.finfo(proba.dtype).tiny))
