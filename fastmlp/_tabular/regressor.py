"""The regressor for tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from fastmlp._data import validation
from fastmlp._data.scaling import Scaling, step_objectives
from fastmlp._mlp.constraints import constraints
from fastmlp._mlp.predictions import NumberPredictions
from fastmlp._mlp.targets import NumberTargets
from fastmlp._model import losses
from fastmlp._tabular import parameters
from fastmlp._tabular.base import BaseTabularMLP
from fastmlp._tabular.scores import MinusLoss
from fastmlp._utils.spelling import suggests_keywords
from fastmlp._utils.warnings import warn

if TYPE_CHECKING:
    from fastmlp._mlp.annotations import (
        BatchSize,
        Factors,
        HiddenLayerSizes,
        NumberLoss,
        RandomSource,
    )
    from fastmlp._tabular.annotations import (
        CategoricalFeatures,
        NumberEmbedding,
        Validation,
    )
    from fastmlp._utils.annotations import DType


LOST_DIGITS = 100  # steps of the precision within which targets must not vary only


def warn_of_digits(spread, largest, dtype):
    """Warn of targets whose differences are lost in the precision of the model.

    Parameters
    ----------
    spread, largest : ndarray of shape (n_targets,)
        Standard deviations, and the largest magnitudes.
    dtype : dtype
    """
    with np.errstate(over="ignore", invalid="ignore"):
        step = largest * np.finfo(dtype).eps
        lost = np.flatnonzero((spread > 0) & (spread < LOST_DIGITS * step))
    if len(lost):
        which = "y" if len(spread) == 1 else f"Column {lost[0]} of y"
        warn(
            f"{which} varies by {spread[lost[0]]:.3g} only, around values that "
            f"{dtype.name} knows to {step[lost[0]]:.3g}: subtract a constant from y, "
            "or set dtype='float64'."
        )


class TabularMLPRegressor(NumberPredictions, BaseTabularMLP):
    """Multi-layer perceptron regressor for tables, good without tuning.

    It takes a raw table, with numbers, texts, categories and missing values, and needs
    no preprocessing. The recipe is that of RealMLP-TD: numbers are scaled robustly and
    embedded periodically, categories are one-hot or embedded, targets are standardised,
    and the epoch with the best score on held-out rows is kept. One or many outputs.

    Parameters
    ----------
    -- Table --

    categorical_features : "from_dtype", None, list or mask, default="from_dtype"
        Which columns are categories: those of texts, objects, categories and bools;
        none; those of the names or positions in a list; those where a mask is True. A
        column of objects that are all numbers or missing is one of numbers.

    -- Loss --

    loss : str, default="squared_error"
        The function of r = y - prediction to minimise:

        - "squared_error": r**2 / 2, for the mean
        - "absolute_error": ``|r|``, for the median
        - "huber": r**2 / 2 up to ``|r| = huber_delta``, then linear [1]_
        - "log_cosh": log(cosh(r)), a smooth form between the two
        - "quantile": the pinball loss of the level(s) ``quantile`` [2]_
        - "poisson", "gamma", "tweedie": half the deviance [3]_, for y >= 0, y > 0
          and y >= 0; predictions are above 0
        - "gaussian_nll": minus the log likelihood of a normal distribution [4]_,
          whose mean ``predict`` gives, and whose standard deviation with
          ``return_std=True``; of several members it is that of their mixture [5]_

        But for the three deviances training takes standardised targets, and predictions
        (means and quantiles) do not leave the range of the training targets.

    huber_delta : float, default=1.0
        Residual from which the huber loss is linear, > 0, in units of the standard
        deviation of each target.

    quantile : float or array-like of shape (n_quantiles,), default=0.5
        Level of the quantile loss, in (0, 1), or several, strictly increasing, which
        are learnt at once.

    monotone_quantiles : bool, default=False
        Whether several quantiles must not cross: each is the one below plus a step >
        0.

    tweedie_power : float, default=1.5
        Power of the variance of "tweedie", in (1, 2).

    -- Network --

    hidden_layer_sizes : int or array-like of int, default=(256, 256, 256)
        Number of units of each hidden layer; ``()`` gives a linear model of the
        embedded columns.

    number_embedding : "periodic" or None, default="periodic"
        Inputs of a number beside its scaled value: "periodic" adds 3
        learnt functions of it, made of 16 cosines [6]_; None adds nothing, which
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
        Largest rate of Adam, which four cosine cycles reach and leave [7]_;
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
    quantiles_ : ndarray of shape (n_quantiles,)
        Levels of the fitted model; only for the quantile loss.

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
    .. [1] P. J. Huber, "Robust estimation of a location parameter", The Annals of
       Mathematical Statistics 35(1), 1964.
    .. [2] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46(1), 1978.
    .. [3] B. Jorgensen, "Exponential dispersion models", Journal of the Royal
       Statistical Society B 49(2), 1987.
    .. [4] D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target
       probability distribution", ICNN 1994.
    .. [5] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable
       predictive uncertainty estimation using deep ensembles", NeurIPS 2017.
    .. [6] Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical
       features in tabular deep learning", NeurIPS 2022.
    .. [7] D. Holzmueller, L. Grinsztajn and I. Steinwart, "Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data", NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from fastmlp import TabularMLPRegressor
    >>> rng = np.random.RandomState(0)
    >>> colour = rng.choice(["red", "green", "blue"], 300)
    >>> size = rng.standard_normal(300)
    >>> frame = pd.DataFrame({"colour": colour, "size": size})
    >>> target = size + 2 * (colour == "red")
    >>> model = TabularMLPRegressor(n_epochs=30, random_state=0).fit(frame, target)
    >>> model.predict(pd.DataFrame({"colour": ["red"], "size": [0.5]})).shape
    (1,)
    >>> model.score(frame, target) > 0.9
    True
    """

    __module__ = "fastmlp"

    _parameter_rules = parameters.REGRESSOR_RULES | parameters.RULES
    _parameter_constraints = constraints(_parameter_rules)
    _targets_are_numbers = True
    _activation_and_rate = ("mish", 0.2)

    @suggests_keywords
    def __init__(
        self,
        *,
        loss: NumberLoss = "squared_error",
        n_members: int | Literal["auto"] = "auto",
        categorical_features: CategoricalFeatures = "from_dtype",
        huber_delta: float = 1.0,
        quantile: float | Factors = 0.5,
        monotone_quantiles: bool = False,
        tweedie_power: float = 1.5,
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

    def _wanted_objective(self):
        """The loss of the core."""
        return losses.regression_objective(
            self.loss,
            huber_delta=self.huber_delta,
            tweedie_power=self.tweedie_power,
            quantile=self.quantile,
            monotone_quantiles=self.monotone_quantiles,
        )

    def _targets(self):
        """The codec of the targets."""
        return NumberTargets(self._wanted_objective())

    def _learn_targets(self, y, dtype):
        """Learn the levels of quantiles; warn of targets that lose their digits."""
        self._take_quantiles()
        with np.errstate(over="ignore", invalid="ignore"):
            spread = np.atleast_1d(np.std(y, axis=0, dtype=np.float64))
            largest = np.atleast_1d(np.abs(y).max(axis=0))
        warn_of_digits(spread, largest, dtype)

    def _take_quantiles(self):
        """Take over the levels of quantiles, where there are any."""
        objective = self._wanted_objective()
        vars(self).pop("quantiles_", None)
        if objective.loss == "quantile":
            self.quantiles_ = np.array(objective.levels)

    def _strata(self, encoded):
        """None: the split is not stratified."""

    def _warn_of_targets(self, encoded, rows, held_out):
        """Warn of targets that are constant."""
        seen = encoded[np.unique(np.concatenate(rows))]
        constant = np.flatnonzero(np.ptp(seen, axis=0) == 0)
        if len(constant):
            which = "y" if encoded.shape[1] == 1 else f"Column {constant[0]} of y"
            warn(
                f"{which} is constant, {seen[0, constant[0]]:g}, in the training part: "
                "there is nothing to learn of it."
            )

    def _row_weights(self, encoded, sample_weight, dtype):
        """The weights of the rows, or None."""
        return validation.check_sample_weight(sample_weight, len(encoded), dtype)

    def _objective_and_outputs(self, encoded):
        """The loss of the core, and the number of outputs of the network."""
        targets = self._targets()
        return targets.objective, targets.n_outputs(encoded)

    def _scaling(self, network, statistics_of_targets):
        """The objective for raw targets, and how targets are standardised, or None.

        The network then has the objective for standardised ones.
        """
        objective = network.objective
        if not losses.standardizable(objective):
            return objective, None
        found = statistics_of_targets()
        if objective.is_monotone:
            of_raw, of_scaled = step_objectives(objective, found["scale"], True)
            network.set_objective(of_scaled)
            objective = of_raw
        return objective, Scaling(network, y=found)

    def _bounds(self, targets, objective):
        """The range of the targets for each output that is a place in it, or None."""
        if not losses.standardizable(objective):
            return None
        bounds = np.stack([targets.min(axis=0), targets.max(axis=0)])
        if objective.loss == "gaussian_nll":  # log variances have none
            free = np.full_like(bounds, np.inf)
            free[0] = -np.inf
            return np.hstack([bounds, free])
        return np.repeat(bounds, losses.outputs_per_target(objective), axis=1)

    def _score(self):
        """The score that chooses the epoch."""
        return MinusLoss()

    def _outputs(self, X):
        return super()._outputs(X).astype(np.float64)  # as scikit-learn's regressors

    def _plainly_predicts(self):
        return self._fitted_objective().loss not in ("quantile", "gaussian_nll")
