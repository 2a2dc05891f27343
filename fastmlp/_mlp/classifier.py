"""The classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target

from fastmlp._core.network import Objective
from fastmlp._data import validation
from fastmlp._data.class_weight import expanded, positive_weights
from fastmlp._functions.losses import Loss
from fastmlp._mlp import fitting, input_checks, parameters
from fastmlp._mlp.base import BaseMLP, for_stochastic_solvers
from fastmlp._mlp.constraints import constraints
from fastmlp._mlp.fast_partial_fit import streamed
from fastmlp._mlp.fast_predict import PROBA, RAW
from fastmlp._mlp.predictions import ClassPredictions
from fastmlp._mlp.targets import ClassTargets
from fastmlp._utils.spelling import suggests_keywords

if TYPE_CHECKING:
    from typing import Self

    from fastmlp._mlp.annotations import (
        BatchSize,
        Callback,
        ClassifierLoss,
        ClassWeight,
        Factors,
        HiddenActivations,
        HiddenLayerSizes,
        LearningRate,
        OnDivergence,
        RandomSource,
        RandomStream,
        Scoring,
        Shuffle,
        Solver,
        ValidationSplit,
        WeightAveraging,
        WeightInit,
    )
    from fastmlp._utils.annotations import Array, ArrayLike, DType, MatrixLike, Weights


class MLPClassifier(ClassPredictions, BaseMLP):
    """Multi-layer perceptron classifier.

    A drop-in for scikit-learn's class of this name on a native core: binary,
    multi-class and multi-label tasks by minimising the log loss. In the signature, the
    parameters from ``dtype`` on are additions.

    Parameters
    ----------
    -- Network --

    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units of each hidden layer; ``()`` gives logistic or
        softmax regression.

    activation : str, (str, float), Activation or list, default="relu"
        Activation of the hidden layers, or a list with one for each of them; one of
        your own is an :class:`Activation`, a pair of functions (forward, derivative)
        or a name given to it by :func:`register_activation`:

        - "identity": f(z) = z
        - "logistic": f(z) = 1 / (1 + exp(-z))
        - "tanh": f(z) = tanh(z)
        - "relu": f(z) = max(0, z)
        - "softplus": f(z) = log(1 + exp(z))
        - "leaky_relu": f(z) = z if z >= 0 else slope * z, slope 0.01;
          ``("leaky_relu", slope)`` sets another slope > 0
        - "elu" [1]_: f(z) = z if z > 0 else alpha * (exp(z) - 1), alpha 1;
          ``("elu", alpha)`` sets another alpha > 0
        - "selu" [2]_: f(z) = 1.0507 * elu(z) with alpha 1.67326
        - "gelu" [3]_: f(z) = z Phi(z), Phi the standard normal distribution
        - "silu" [4]_ (swish): f(z) = z / (1 + exp(-z))
        - "mish" [5]_: f(z) = z tanh(log(1 + exp(z)))
        - "softsign": f(z) = z / (1 + abs(z))
        - "hard_sigmoid": f(z) = z / 6 + 1 / 2, cut to [0, 1]

    fit_intercept : bool, default=True
        Whether the layers learn intercepts; without, they start from zeros and stay
        as they are.

    weight_init : str, default="glorot_uniform"
        Distribution of the initial weights: "glorot_uniform" (scikit-learn's,
        intercepts included; narrower into logistic layers, and out of the last hidden
        layer if that is logistic), "glorot_normal", "he_uniform", "he_normal",
        "lecun_normal", "orthogonal" or "standard_normal" (intercepts zero).

    -- Loss --

    loss : {"log_loss", "focal"} or Loss, default="log_loss"
        "log_loss" is the cross entropy; "focal" [6]_ multiplies its terms by
        ``(1 - p) ** focal_gamma``, p the probability of the true class, so that easy
        rows count less. Its probabilities are less extreme than those of "log_loss".
        One of your own is a :class:`Loss`, with ``output_activation="softmax"`` for
        more than two classes, else "logistic".

    focal_gamma : float, default=2.0
        Exponent of "focal", >= 0; 0 is the log loss.

    -- Optimisation --

    solver : {"lbfgs", "sgd", "adam", "nadam", "rmsprop", "adagrad", "lion"}, \
            default="adam"
        "lbfgs" [7]_ takes all rows at each step and often does better on tables of up
        to a few thousand rows. The others learn from mini-batches: "adam" [8]_ and
        "sgd"; "nadam" [9]_, Adam with Nesterov's momentum; "rmsprop" [10]_, which
        divides by the root of a mean square; "adagrad" [11]_, by that of a sum of
        squares, with a larger ``learning_rate_init`` such as 0.01; "lion" [12]_, which
        takes the sign of a momentum, with a rate some 3 to 10 times smaller than that
        of adam and ``beta_2=0.99``.

    batch_size : int or "auto", default="auto"
        Rows per step of sgd and adam; "auto" is ``min(200, n_samples)``.

    shuffle : bool or "blocks", default=True
        Whether sgd and adam go through the rows in a new random order each epoch.
        "blocks" takes blocks of neighbouring rows (2 ** 17 values each) in random order
        and mixes the rows of 64 at a time: for X on disk that is larger than memory.

    learning_rate : str, (str, float) or callable, default="constant"
        Schedules of all stochastic solvers but adam: "constant" keeps
        ``learning_rate_init``; "invscaling" divides it by ``(t_ + 1) ** power_t`` after
        each epoch, ``t_`` in samples; "adaptive" divides the rate by 5 whenever
        ``n_iter_no_change`` epochs in a row bring no improvement by ``tol``, and stops
        below 1e-6.
        Schedules of all stochastic solvers, planned over ``max_iter`` epochs:

        - "cosine", or ``("cosine", floor)``: falls to ``floor`` (0) times the rate;
        - "warmup_cosine", ``("warmup_cosine", share)``: rises over that share (0.1)
          of the epochs, then falls to 0;
        - "one_cycle", ``("one_cycle", share)``: from 1/25 of the rate up to it over
          that share (0.3), then down to nearly 0;
        - "plateau", ``("plateau", factor)``: as "adaptive", times ``factor`` (0.1);
        - a callable: the rate as a function of the epoch, from 1 on.

    learning_rate_init : float, default=0.001
        Step size of the stochastic solvers at the start.

    power_t : float, default=0.5
        Exponent of "invscaling".

    learning_rate_factors : array-like of shape (`n_layers_` - 1,) or None, default=None
        Factors >= 0 of the learning rate of each layer of weights with its
        intercepts, the first hidden layer first. 0 freezes a layer: it stays as it
        is, to the last bit (but for the rounding of ``standardize_X`` and
        ``standardize_y``, whose scales are folded into the outer layers).

    max_grad_norm : float or None, default=None
        Largest Euclidean norm of the gradient of a batch, over all weights and
        intercepts and with the L2 penalty; a longer one is scaled to it [13]_.

    momentum : float, default=0.9
        Momentum of sgd, in [0, 1].

    nesterovs_momentum : bool, default=True
        Whether sgd takes Nesterov's form of momentum.

    beta_1 : float, default=0.9
        Decay rate of the first moment of adam, nadam and lion, in [0, 1).

    beta_2 : float, default=0.999
        Decay rate of the second moment of adam, nadam and rmsprop, and of the momentum
        that lion keeps, in [0, 1).

    epsilon : float, default=1e-8
        Guard against division by zero in adam, nadam, rmsprop and adagrad.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the validation split and the order of rows. The
        same int gives the same model as scikit-learn's estimator.

    random_stream : {"restart", "continue"}, default="restart"
        The meaning of an int in ``random_state`` for ``partial_fit`` and warm starts:
        "restart" draws the same numbers in each call, as scikit-learn does, so that
        batches of one size are all shuffled alike; "continue" goes on where the last
        call ended.

    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last fit.

    n_threads : int or None, default=None
        Threads that share the batches of a fit. None takes one a core,
        as far as the processor affinity, the container, ``OMP_NUM_THREADS`` and
        threadpoolctl allow, where the batches are large enough to pay. With AVX2,
        AVX-512 or NEON the weights are the same bits for any number.

    verbose : bool or int, default=False
        True prints scikit-learn's line about each epoch; the int 1 one progress line
        that is written over; 2 or more a line about each epoch with all figures.

    -- Stopping --

    max_iter : int, default=200
        Largest number of epochs (sgd, adam) or iterations (lbfgs).

    max_fun : int, default=15000
        Largest number of evaluations of the loss by lbfgs.

    max_time : float or None, default=None
        Seconds after which ``fit`` stops, within an epoch too (to about 50 ms), with
        the weights of the last step.

    tol : float, default=1e-4
        Smallest improvement of the loss (of the score with early stopping) that
        counts; for lbfgs the largest absolute entry of the gradient at which training
        ends.

    n_iter_no_change : int or np.inf, default=10
        Epochs without improvement after which sgd and adam stop.

    early_stopping : bool, default=False
        Whether sgd and adam hold out a validation part, stop when its score (accuracy)
        no longer rises by ``tol`` for ``n_iter_no_change`` epochs, and
        keep the best weights. The split
        is stratified for two classes.

    validation_fraction : float, default=0.1
        Fraction of the rows held out with early stopping, in [0, 1).

    validation_split : float, array-like of int or bool, splitter or None, default=None
        Rows to hold out as validation data: a share of them in (0, 1), drawn by
        ``random_state`` as with ``early_stopping``; their numbers; a mask; or a
        splitter of scikit-learn such as ``GroupShuffleSplit`` (pass ``groups`` to
        ``fit``) or ``TimeSeriesSplit``, of which the last split counts. They are judged
        after each epoch; with ``early_stopping`` they decide, in place of
        ``validation_fraction``. Works for all solvers.

    scoring : str, callable or None, default=None
        Score of the validation data: None is accuracy (classifier) or R2
        (regressor), "loss" minus the validation loss, else a name or a callable
        ``(estimator, X, y)`` of :mod:`sklearn.metrics`. An epoch whose score is NaN is
        never the best one.

    target_score : float or None, default=None
        Validation score at which training stops; 1.0 is a perfect accuracy or R2.

    on_divergence : {"raise", "warn", "reduce_lr"}, default="raise"
        The remedy when the weights are no longer finite: "raise" an error (with
        ``early_stopping`` only if no epoch had a score: else warn, stop and keep the
        best weights); "warn" and keep the weights of the best epoch; or "reduce_lr":
        go on from them at a tenth of the learning rate, at most ten times.

    -- Regularisation --

    alpha : float, default=0.0001
        Strength of the L2 penalty ``alpha / (2 S) sum(W^2)``, S the number of rows (or
        the sum of their weights) of a batch; intercepts are not penalised. The L1
        penalty is ``l1``, decoupled decay ``weight_decay``.

    l1 : float, default=0.0
        Strength of the L1 penalty ``l1 * sum(abs(W))`` on the mean loss, so that
        ``alpha`` and ``l1`` together make an elastic net (``l1`` is not divided by S).
        It is a proximal step [14]_: after each update the weights move towards 0
        by ``l1`` times the rate that the solver has for the gradient of the weight, and
        stay at 0 once they reach it, so that some are exactly 0. Intercepts stay; the
        reported loss does not hold the penalty. Not with "lion" and "lbfgs".

    weight_decay : float, default=0.0
        Decoupled weight decay [15]_: each step takes ``rate * weight_decay`` of every
        weight away, rate being the current learning rate; intercepts stay. With
        solver "adam" this is AdamW. Other than ``alpha`` it does not go through the
        moments and is not part of the loss.

    dropout : float or array-like of shape (`n_layers_` - 1,), default=0.0
        Share of the units that each training step leaves out at random (inverted
        dropout [16]_: the others are divided by 1 - rate, so nothing changes in
        prediction and validation). A float holds for all hidden layers; a list has
        one rate for the input and each hidden layer, as in ``[0.1, 0.5]``. Rates lie
        in [0, 1). The masks depend on ``random_state``, not on ``n_threads``.

    input_noise : float, default=0.0
        Standard deviation of the normal noise that training adds to each feature, in
        units of X (of standardised X with ``standardize_X``); dense X only.

    label_smoothing : float, default=0.0
        Share of each target, in [0, 1), that is divided equally among all classes
        [17]_; for two classes and for each label it is 0 and 1 that share it.
        Validation losses and scores take the targets as they are.

    max_weight_norm : float or None, default=None
        Largest Euclidean norm of the weights into a unit; longer ones are scaled to
        it after each step [16]_.

    weight_averaging : {None, "ema", "swa"} or (str, float), default=None
        Average of the weights over the course of training, which is validated and
        becomes ``coefs_`` in the end. Training itself goes on with the weights as they
        are, over calls of ``partial_fit`` too.

        - "ema", or ``("ema", decay)``: a moving average of the weights after each
          step. Those after step i of n count in proportion to ``decay ** (n - i)``,
          with the decay in [0, 1), by default 0.999.
        - "swa" [18]_, or ``("swa", start)``: the mean of the weights after each epoch
          from the share ``start`` of ``max_iter`` on, in [0, 1), by default 0.75. A fit
          that stops earlier keeps its weights without an average.

    -- Data --

    dtype : {"auto", "float32", "float64"} or dtype, default="auto"
        Precision of weights and arithmetic. "auto" is float32 for X in float32 and
        float64 for any other.

    class_weight : "balanced", dict, list of dict, array-like or None, default=None
        Weights of the classes: each row counts ``sample_weight`` times the weight of
        its class, which is the same as passing the products as ``sample_weight``.
        A dict ``{class: weight}`` gives 1 to classes that it does not name;
        "balanced" is ``n_samples / (n_classes * count)`` of the labels of the call
        (in ``partial_fit`` too, where a dict is steadier). A multi-label task takes
        "balanced" or a list with one dict ``{0: weight, 1: weight}`` per label,
        whose weights are multiplied; or one number > 0 per label, which multiplies
        the positive term of that label in the loss and nothing else.

    standardize_X : bool, default=False
        Whether training sees each feature with mean 0 and variance 1 (sparse X:
        variance only; so too without intercepts), by the weighted statistics of the
        training rows of the first fit. The weights that result are folded into the
        first layer, so that ``coefs_`` and ``predict`` take raw features. Takes a copy
        of X; sparse rows become dense in it where the first fit was on dense X.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; ``arange(n_labels)`` for multi-label y.

    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer. What you assign to an entry is used from then on by
        ``predict``, ``partial_fit`` and a warm start.

    intercepts_ : list of ndarray of shape (fan_out,)
        Intercepts of each layer.

    n_layers_ : int
        Number of layers, input and output included.

    n_outputs_ : int
        Number of units of the output layer.

    out_activation_ : str
        "softmax" for more than two classes, else "logistic". Set to "identity",
        "logistic", "tanh", "relu", "softmax", "exp" or "softplus" after the fit, it
        changes what prediction applies to the output layer, as in scikit-learn.

    loss_ : float
        Loss of the last epoch or iteration.

    loss_curve_ : list of float
        Loss of each epoch (sgd, adam): the mean over its batches, penalty included.

    best_loss_ : float or None
        Smallest loss of an epoch (sgd, adam); None with early stopping.

    validation_scores_ : list of float or None
        Score of the validation data after each epoch, where there are any.

    best_validation_score_ : float or None
        Largest of them.

    validation_loss_curve_ : list of float
        Loss of the validation data after each epoch, without penalty; only where
        there are validation data.

    history_ : dict of ndarray of shape (n_epochs,)
        "loss", "validation_loss", "validation_score", "learning_rate" (of adam before
        the bias corrections) and "seconds" of each epoch or iteration of lbfgs, NaN
        where there is none; grows over warm starts and ``partial_fit``.

    n_iter_ : int
        Epochs or iterations of the last fit.

    stop_reason_ : str
        The reason why the last fit ended: "tol" (the loss fell no more),
        "early_stopping", "learning_rate" (too small), "target_score", "max_time",
        "max_iter", "n_epochs" (of ``partial_fit``), "max_fun", "line_search" (of lbfgs,
        which found no lower loss), "callback", "interrupted" (by Ctrl-C), "divergence",
        or "error" (of a user-defined function, after some steps).

    t_ : int
        Training samples seen; 0 for lbfgs.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the features, where X had names that are all strings.

    References
    ----------
    .. [1] D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate deep
       network learning by exponential linear units", 2015, arXiv:1511.07289.
    .. [2] G. Klambauer et al., "Self-normalizing neural networks", 2017,
       arXiv:1706.02515.
    .. [3] D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016,
       arXiv:1606.08415.
    .. [4] S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural
       network function approximation in reinforcement learning", 2017,
       arXiv:1702.03118.
    .. [5] D. Misra, "Mish: a self regularized non-monotonic activation function", 2019,
       arXiv:1908.08681.
    .. [6] T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.
    .. [7] C. Zhu, R. H. Byrd, P. Lu and J. Nocedal, "Algorithm 778: L-BFGS-B", ACM
       Transactions on Mathematical Software 23(4), 1997.
    .. [8] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2014,
       arXiv:1412.6980.
    .. [9] T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop, 2016.
    .. [10] T. Tieleman and G. Hinton, "Lecture 6.5 - RMSProp", Coursera, 2012.
    .. [11] J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online
       learning and stochastic optimization", JMLR 12, 2011.
    .. [12] X. Chen et al., "Symbolic discovery of optimization algorithms", 2023,
       arXiv:2302.06675.
    .. [13] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training
       recurrent neural networks", 2013, arXiv:1211.5063.
    .. [14] N. Parikh and S. Boyd, "Proximal algorithms", Foundations and Trends in
       Optimization 1(3), 2014.
    .. [15] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019,
       arXiv:1711.05101.
    .. [16] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov,
       "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
       2014.
    .. [17] C. Szegedy et al., "Rethinking the inception architecture for computer
       vision", 2016, arXiv:1512.00567.
    .. [18] P. Izmailov et al., "Averaging weights leads to wider optima and better
       generalization", 2018, arXiv:1803.05407.

    Examples
    --------
    >>> from fastmlp import MLPClassifier
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = make_classification(n_samples=100, random_state=1)
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     X, y, stratify=y, random_state=1)
    >>> clf = MLPClassifier(random_state=1, max_iter=300).fit(X_train, y_train)
    >>> clf.predict_proba(X_test[:1]).round(3)
    array([[0.038, 0.962]])
    >>> clf.predict(X_test[:5])
    array([1, 0, 1, 0, 1])
    >>> clf.score(X_test, y_test)
    0.88
    """

    __module__ = "fastmlp"

    _parameter_rules = parameters.CLASSIFIER_RULES | parameters.RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)

    @suggests_keywords
    def __init__(
        self,
        hidden_layer_sizes: HiddenLayerSizes = (100,),
        activation: HiddenActivations = "relu",
        *,
        solver: Solver = "adam",
        alpha: float = 0.0001,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: Shuffle = True,
        random_state: RandomSource = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dtype: DType = "auto",
        fit_intercept: bool = True,
        weight_init: WeightInit = "glorot_uniform",
        n_threads: int | None = None,
        class_weight: ClassWeight = None,
        validation_split: ValidationSplit = None,
        scoring: Scoring = None,
        target_score: float | None = None,
        max_time: float | None = None,
        on_divergence: OnDivergence = "raise",
        standardize_X: bool = False,
        random_stream: RandomStream = "restart",
        loss: ClassifierLoss = "log_loss",
        focal_gamma: float = 2.0,
        dropout: float | Factors = 0.0,
        input_noise: float = 0.0,
        weight_decay: float = 0.0,
        l1: float = 0.0,
        max_weight_norm: float | None = None,
        max_grad_norm: float | None = None,
        label_smoothing: float = 0.0,
        learning_rate_factors: Factors | None = None,
        weight_averaging: WeightAveraging = None,
    ) -> None:
        self._store(locals())

    def _wanted_objective(self):
        """The loss of the core: over classes, or that of each label."""
        multiclass = self._label_binarizer.y_type_ == "multiclass"
        if isinstance(self.loss, Loss):
            return self._own_objective(multiclass)
        return Objective(
            self.loss if multiclass else f"binary_{self.loss}",
            parameter=float(self.focal_gamma) if self.loss == "focal" else 0.0,
            positive=self._positive_weights(),
        )

    def _own_objective(self, multiclass):
        """The objective of the core beside a user-defined loss, after a check."""
        needed = "softmax" if multiclass else "logistic"
        if self.loss.output_activation != needed:
            what = "several classes" if multiclass else "two classes, or labels,"
            raise ValueError(
                f"{self.loss!r} has output_activation={self.loss.output_activation!r}, "
                f"but {what} need output_activation={needed!r}."
            )
        if self._positive_weights() is not None:
            raise ValueError(
                f"class_weight with one weight per label needs loss='log_loss' or "
                f"'focal', got {self.loss!r}. Pass a list of dicts."
            )
        return Objective("log_loss" if multiclass else "binary_log_loss")

    def _positive_weights(self):
        """The weights of the positive terms, one per label, or None."""
        return positive_weights(
            self.class_weight,
            len(self.classes_),
            self._label_binarizer.y_type_.startswith("multilabel"),
        )

    def _targets(self):
        """The codec of the targets."""
        return ClassTargets(self.classes_, self._label_binarizer)

    def _learn_classes(self, y, incremental, exact):
        if hasattr(self, "classes_") and (self.warm_start or incremental):
            validation.check_classes(y, self.classes_, exact and self.warm_start)
            if not hasattr(self, "_label_binarizer"):
                self._label_binarizer = LabelBinarizer().fit(self.classes_)
        else:
            self._label_binarizer = validation.fit_binarizer(y)
            self.classes_ = self._label_binarizer.classes_

    def _row_weights(self, y, sample_weight, dtype, total=None):
        """The weights of the rows times those of their classes, or None."""
        if self.class_weight is not None and self._positive_weights() is None:
            sample_weight = expanded(
                self.class_weight,
                self.classes_,
                self._label_binarizer.y_type_.startswith("multilabel"),
                y,
                sample_weight,
                total,
            )
        return super()._row_weights(y, sample_weight, dtype)

    def _known_classes(self, classes):
        """Return whether ``classes`` are certainly those of the model."""
        if classes is None:
            return True
        known = getattr(self, "classes_", None)
        return known is not None and np.array_equal(np.asarray(classes), known)

    def _plain_out_activation(self):
        is_multiclass = len(self.intercepts_[-1]) > 1 and not self._is_multilabel()
        return "softmax" if is_multiclass else "logistic"

    def _is_multilabel(self):
        binarizer = getattr(self, "_label_binarizer", None)
        if binarizer is not None:
            return binarizer.y_type_.startswith("multilabel")
        # a model built by hand
        return self.out_activation_ == "logistic" and len(self.intercepts_[-1]) > 1

    @for_stochastic_solvers
    @suggests_keywords
    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: Weights = None,
        classes: ArrayLike | None = None,
        *,
        n_epochs: int = 1,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: Weights = None,
        callback: Callback | None = None,
    ) -> Self:
        """Update the model with some epochs over the given data.

        A loop over small float arrays of one shape costs about 60 us a call, training a
        small network included; ``coefs_`` are then changed in place.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Targets; they need not hold all classes.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur; needed in the first call.
        n_epochs : int, default=1
            Epochs over the data.
        X_val : {array-like, sparse matrix, DataFrame} of shape (n_val, n_features), \
                default=None
            Validation data, as in ``fit``. With ``early_stopping`` it is needed, and
            the best epoch of this call is kept.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of the validation data.
        sample_weight_val : float or array-like of shape (n_val,), default=None
            Weights of the validation rows.
        callback : callable, default=None
            Called at the end of each epoch, as in ``fit``.

        Returns
        -------
        self : object
        """
        options = fitting.incremental_options(
            n_epochs, X_val, y_val, sample_weight_val, callback
        )
        if self._known_classes(classes) and streamed(
            self, X, y, sample_weight, options
        ):
            return self
        with input_checks.restored_on_error(self):
            if input_checks.first_partial_fit(self, classes):
                self._begin_labels(y)
            error = self._train(X, y, sample_weight, options)
        if error is not None:
            raise error
        return self

    def _begin_labels(self, y):
        """Learn the kind of task from the first part of the data."""
        is_multilabel = type_of_target(y).startswith("multilabel")
        labels = y if is_multilabel else self.classes_
        self._label_binarizer = LabelBinarizer().fit(labels)

    def predict_proba(self, X: MatrixLike) -> Array:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; for a multi-label model the probability of
            each label.
        """
        proba = self._outputs(X, PROBA)
        if len(self.classes_) == 1:
            return np.ones_like(proba[:, :1])
        return proba

    def predict_log_proba(self, X: MatrixLike) -> Array:
        """Predict logarithms of the probabilities, without underflow.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``, finite where the probability rounds to 0.
        """
        proba = self.predict_proba(X)
        if self.out_activation_ != self._own_out_activation():
            return np.log(proba)
        lost = proba < np.finfo(proba.dtype).tiny  # too small for all its digits
        log_proba = np.log(proba, where=~lost, out=np.zeros_like(proba))
        if lost.any():
            z = self._outputs(X, RAW)
            if self.out_activation_ == "softmax":
                log_proba[lost] = log_softmax(z, axis=1)[lost]
            else:
                z = z if z.shape[1] > 1 else np.hstack([-z, z])
                log_proba[lost] = log_expit(z)[lost]
        return log_proba
