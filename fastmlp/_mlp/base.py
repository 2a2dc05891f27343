"""What classifier and regressor share."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fastmlp._core.batch import BatchSum
from fastmlp._core.network import Data, Layers, Network, Objective
from fastmlp._core.prediction import predict
from fastmlp._data import validation
from fastmlp._data.rows import check_names, column_names
from fastmlp._data.scaling import standardize
from fastmlp._functions.user_functions import Loss
from fastmlp._inspection import representation
from fastmlp._inspection.summary import summary
from fastmlp._inspection.trace import trace_step
from fastmlp._mlp import fast_predict, input_checks, parameters
from fastmlp._mlp.callbacks import CallbackSupportMixin, announced_fit, with_callbacks
from fastmlp._mlp.constraints import check_own_constraints, constraints
from fastmlp._mlp.fast_partial_fit import Stream, restarts
from fastmlp._mlp.fast_predict import OUTPUTS
from fastmlp._model import losses
from fastmlp._model.snapshot import (
    Snapshot,
    output_activation,
    predicting_objective,
    special,
)
from fastmlp._model.versions import stamped, unstamped
from fastmlp._training import record
from fastmlp._training.checkpoint.file import make_checkpoint
from fastmlp._training.epochs import fit_stochastic
from fastmlp._training.holdout import hold_out
from fastmlp._training.initialization import initial_weights
from fastmlp._training.lbfgs import fit_lbfgs
from fastmlp._training.optimizers import OPTIMIZERS
from fastmlp._training.regularization import Regularization, smoothed
from fastmlp._training.task import FitOptions, Task
from fastmlp._utils.numbers import float_dtype
from fastmlp._utils.spelling import Method, did_you_mean, suggests_keywords
from fastmlp._utils.threads import allowed_threads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal

    from fastmlp._inspection.trace import StepTrace
    from fastmlp._mlp.annotations import Callback
    from fastmlp._utils.annotations import (
        Array,
        ArrayLike,
        FilePath,
        MatrixLike,
        Weights,
    )
    from fastmlp.runtime import Predictor


# Not typing.Self, by which jedi takes the base class for the result.
Model = TypeVar("Model", bound="BaseMLP")


def solver_is_stochastic(estimator):
    """Condition of ``partial_fit``."""
    if estimator.solver not in OPTIMIZERS:
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. "
            f"{estimator.solver} is not stochastic."
        )
    return True


def for_stochastic_solvers(method: Method) -> Method:
    """Offer a method for stochastic solvers only; a type checker sees it anyway."""
    return available_if(solver_is_stochastic)(method)


class BaseMLP(CallbackSupportMixin, BaseEstimator):
    """What classifier and regressor share."""

    _parameter_rules = parameters.RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)
    # Splitters take groups too: with metadata routing on, those of a search are not
    # meant for fit unless set_fit_request(groups=True) says so.
    __metadata_request__fit = {"groups": False}

    def __init__(
        self,
        loss,
        hidden_layer_sizes,
        activation,
        solver,
        alpha,
        batch_size,
        learning_rate,
        learning_rate_init,
        power_t,
        max_iter,
        shuffle,
        random_state,
        tol,
        verbose,
        warm_start,
        momentum,
        nesterovs_momentum,
        early_stopping,
        validation_fraction,
        beta_1,
        beta_2,
        epsilon,
        n_iter_no_change,
        max_fun,
        dtype,
        fit_intercept,
        weight_init,
        n_threads,
        validation_split,
        scoring,
        target_score,
        max_time,
        on_divergence,
        standardize_X,
        random_stream,
        dropout,
        input_noise,
        weight_decay,
        l1,
        max_weight_norm,
        max_grad_norm,
        label_smoothing,
        learning_rate_factors,
        weight_averaging,
    ):
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dtype = dtype
        self.fit_intercept = fit_intercept
        self.weight_init = weight_init
        self.n_threads = n_threads
        self.validation_split = validation_split
        self.scoring = scoring
        self.target_score = target_score
        self.max_time = max_time
        self.on_divergence = on_divergence
        self.standardize_X = standardize_X
        self.random_stream = random_stream
        self.dropout = dropout
        self.input_noise = input_noise
        self.weight_decay = weight_decay
        self.l1 = l1
        self.max_weight_norm = max_weight_norm
        self.max_grad_norm = max_grad_norm
        self.label_smoothing = label_smoothing
        self.learning_rate_factors = learning_rate_factors
        self.weight_averaging = weight_averaging

    @suggests_keywords
    @with_callbacks
    def fit(
        self: Model,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: Weights = None,
        *,
        coefs_init: Sequence[ArrayLike] | None = None,
        intercepts_init: Sequence[ArrayLike] | None = None,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: Weights = None,
        groups: ArrayLike | None = None,
        callback: Callback | None = None,
        checkpoint: FilePath | None = None,
        checkpoint_every: int = 1,
        resume: FilePath | None = None,
    ) -> Model:
        """Fit the model to data.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training data; CSR and CSC stay sparse.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels or a multi-label indicator matrix; for regression numbers.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows: weight k counts as k equal rows.
        coefs_init : list of array-like of shape (fan_in, fan_out), default=None
            Weights to start from in place of random ones.
        intercepts_init : list of array-like of shape (fan_out,), default=None
            Intercepts to start from in place of random ones.
        X_val : {array-like, sparse matrix, DataFrame} of shape (n_val, n_features), \
                default=None
            Validation data, judged after each epoch. With ``early_stopping`` it takes
            the place of the held-out fraction; without, it is only recorded. A
            pipeline transforms it with ``Pipeline(..., transform_input=["X_val"])``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of the validation data.
        sample_weight_val : float or array-like of shape (n_val,), default=None
            Weights of the validation rows, in loss and score.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, handed to the splitter in ``validation_split``.
        callback : callable, default=None
            Called at the end of each epoch with a record: ``epoch``, ``loss``,
            ``validation_loss``, ``validation_score``, ``learning_rate``, ``seconds``
            and ``fitted_estimator()``, which gives a copy with the current weights.
            The estimator itself has them too, read-only. To end the fit, raise
            StopIteration or call ``record.stop()``; what the callback returns does
            not count.
        checkpoint : str or path-like, default=None
            File for the state of the fit, written as a whole after each
            ``checkpoint_every`` epochs, so that a fit that is killed can go on.
        checkpoint_every : int, default=1
            Epochs (iterations of lbfgs) between two writes; needs ``checkpoint``.
        resume : str or path-like, default=None
            File of ``checkpoint`` to go on from, with the same data and parameters (but
            for ``max_iter``, ``max_fun``, ``max_time``, ``verbose``, ``n_threads`` and
            ``warm_start``): the model has the same bits as that of a fit without
            interruption.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter or the data are not valid, if the weights do not stay finite,
            if the score that decides is NaN for any model, or if ``resume`` is the file
            of another fit. An earlier fit is then left as it was.

        Warns
        -----
        ConvergenceWarning
            If the solver has not converged after ``max_iter``, if the loss of the model
            on the training data is no better than that of the best constant prediction,
            or if ``max_time``, a divergence or a score without a finite value ended the
            fit.
        UserWarning
            If Ctrl-C ended the fit; the model is usable.
        """
        parameters.check_callback(callback)
        options = FitOptions(
            coefs_init=coefs_init,
            intercepts_init=intercepts_init,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            groups=groups,
            callback=callback,
            checkpoint=make_checkpoint(checkpoint, checkpoint_every, resume),
        )
        with announced_fit(self, X, y, sample_weight) as options.context:
            error = self._fit(X, y, sample_weight, options)
        if error is not None:
            raise error
        return self

    def _fit(self, X, y, sample_weight, options):
        """Train by any solver; on an error the attributes stay as they were.

        Returns what a function of the user raised, to be raised again: the model then
        has the weights of the last whole batch.
        """
        incremental = options.incremental
        with input_checks.restored_on_error(self):
            self._validate_params()
            hidden = parameters.hidden_sizes(self)
            cold = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
            activations = self._take_activations(len(hidden), cold)
            dtype = self._training_dtype(cold)
            validation.check_target_names(y, options.y_val)
            X, y = self._validate_input(X, y, incremental, cold, dtype)
            sample_weight = self._row_weights(y, sample_weight, X.dtype)
            goes_on = self.random_stream == "continue" and not cold
            if not (goes_on and hasattr(self, "_random_state")):
                self._random_state = check_random_state(self.random_state)
            self.n_outputs_ = self._count_outputs(y)
            units = (X.shape[1], *hidden, self.n_outputs_)
            objective = self._wanted_objective()
            network = self._network(units, activations, objective, trains=True)
            regularization = Regularization.of(self, network)
            if cold:
                self._start_cold(
                    network, parameters.initial_activations(self, activations)
                )
            else:
                self._start_warm(network, incremental)
            self._take_weights(units, options.coefs_init, options.intercepts_init)
            params = self._packed(network, X.dtype)
            task = Task(self, network, params, X, y, sample_weight, options)
            task.regularization = regularization
            if options.checkpoint is not None:
                options.checkpoint.begin(task)
            hold_out(task)
            standardize(task, is_cold=cold)
            regularization.smooth(task)
            record.begin(self, task)
            train = fit_stochastic if self.solver in OPTIMIZERS else fit_lbfgs
            machinery = train(task)
            task.check_finite()
            if task.scaling is not None:
                task.scaling.fold(params)
            self.coefs_, self.intercepts_ = network.split(params)
            if task.averaging is not None:
                task.averaging.store(self)
            self._stream = None
            # a first call draws weights before the order of the rows, later ones do not
            if incremental and self._may_stream(task) and not (cold and restarts(self)):
                self._stream = Stream(task, *machinery)
        return task.error

    def _validate_params(self):
        """Raise InvalidParameterError for a parameter that is not valid, as ``fit``."""
        parameters.check_parameters(self, self._parameter_rules)
        parameters.hidden_activations(self, len(parameters.hidden_sizes(self)))
        check_own_constraints(self)

    def set_params(self: Model, **params: Any) -> Model:
        """Set parameters, as scikit-learn's method.

        Parameters
        ----------
        **params : dict
            Names and values of constructor parameters.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a name is unknown; the error gives the nearest one.
        """
        known = self._get_param_names()
        for name in params:
            if name.partition("__")[0] not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}."
                    f"{did_you_mean(name, known)} Valid parameters are: {known}."
                )
        return super().set_params(**params)

    def _take_activations(self, n_hidden, cold):
        """Activations of the hidden layers; those of the user stay what they are now.

        A name may stand for another one later, but not for this model.
        """
        if cold:
            vars(self).pop("_named_activations", None)
        activations = parameters.hidden_activations(self, n_hidden)
        named = parameters.named_activations(self)
        vars(self).pop("_named_activations", None)
        if named:
            self._named_activations = named
        return activations

    def _may_stream(self, task):
        """Whether the next ``partial_fit`` may go on with the machinery of this one."""
        return not (
            task.error is not None
            or self._scaling
            or task.holdout is not None
            or task.averaging is not None
            or issparse(task.X)
            or self.label_smoothing
        )

    def _streamed(self, X, y, sample_weight, options):
        """Train by the machinery of the last ``partial_fit``; False if it has none."""
        stream = getattr(self, "_stream", None)
        if stream is None or options.X_val is not None or options.y_val is not None:
            return False
        if not stream.lock.acquire(blocking=False):
            return False  # another thread is in there
        try:
            if not stream.takes(self, options):
                return False
            rows = stream.rows(X, y, sample_weight, self._encode_plain)
            if rows is None:
                return False
            with input_checks.restored_on_error(self):
                error = stream.train(self, rows, options)
            if error is not None:
                raise error
            return True
        finally:
            stream.lock.release()

    def _incremental(self, n_epochs, X_val, y_val, sample_weight_val, callback):
        """The options of a call of ``partial_fit``, after a check."""
        is_count = isinstance(n_epochs, Integral) and not isinstance(n_epochs, bool)
        if not is_count or n_epochs < 1:
            raise ValueError(f"n_epochs must be an int >= 1, got {n_epochs!r}.")
        parameters.check_callback(callback)
        return FitOptions(
            incremental=True,
            n_epochs=int(n_epochs),
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            callback=callback,
        )

    def _training_dtype(self, cold):
        """The dtypes that X may have in training, the first one preferred."""
        dtype = float_dtype(self.dtype)
        if dtype is not None:
            return dtype
        if cold:
            return [np.float64, np.float32]
        return self._layers()[0][0].dtype

    def _layers(self):
        """What stands in ``coefs_`` and ``intercepts_``, checked, and the units."""
        return validation.check_layers(self.coefs_, self.intercepts_, None)

    def _row_weights(self, y, sample_weight, dtype):
        """The weights that count in training, in a precision, or None."""
        return self._plain_weights(y, sample_weight, dtype)

    def _plain_weights(self, y, sample_weight, dtype):
        """The weights of the rows in a precision, after a check, or None."""
        return validation.check_sample_weight(sample_weight, len(y), dtype)

    def _network(self, units, activations, loss, trains=False):
        """The network of the core for these sizes."""
        own_loss = self.loss.function if isinstance(self.loss, Loss) else None
        return Network(
            units,
            activations,
            loss,
            bool(self.fit_intercept),
            own_loss if trains else None,
        )

    def _start_cold(self, network, activations):
        """Draw initial weights and reset what earlier fits recorded."""
        self.n_layers_ = len(network.units)
        self._take_objective(network.objective)
        coefs, intercepts = initial_weights(
            self.weight_init, network.units, activations, self._random_state
        )
        if not self.fit_intercept:
            intercepts = [np.zeros_like(b) for b in intercepts]
        self.coefs_, self.intercepts_ = coefs, intercepts
        self.t_ = 0
        self._scaling = None
        record.forget(self)

    def _start_warm(self, network, incremental):
        """Go on from the weights there are; the history goes on growing."""
        known = self._layers()[-1]
        method = "partial_fit" if incremental else "warm_start=True"
        if known != network.units:
            raise ValueError(
                f"{method} cannot change the architecture: the fitted model has layers "
                f"of {list(known)} units, but hidden_layer_sizes and the data ask for "
                f"{list(network.units)}. Fit a new estimator, or set warm_start=False."
            )
        output = output_activation(network.objective)
        if getattr(self, "out_activation_", output) != output:
            raise ValueError(
                f"{method} cannot change the loss: the fitted model has the output "
                f"activation {self.out_activation_!r}, but loss={self.loss!r} needs "
                f"{output!r}. Set out_activation_ back if it was changed after the "
                "fit; else fit a new estimator, or set warm_start=False."
            )
        self._keep_step_scale(network, method)
        self._take_objective(network.objective)
        self.n_layers_ = len(known)
        self.t_ = getattr(self, "t_", 0)

    def _keep_step_scale(self, network, method):
        """Let monotone quantiles go on in the units that they were fitted with."""
        units = (getattr(self, "_objective", None) or {}).get("step_scale")
        if units is None or not network.objective.is_monotone:
            return
        if len(units) != network.n_targets:
            raise ValueError(
                f"{method} cannot change the number of targets or quantiles: the "
                f"fitted model has {len(units)} target(s), y has {network.n_targets}. "
                "Fit a new estimator, or set warm_start=False."
            )
        network.set_objective(network.objective._replace(step_scale=units))

    def _take_objective(self, objective):
        """Record the loss that the weights are trained for."""
        self.out_activation_ = output_activation(objective)
        vars(self).pop("_objective", None)
        if not losses.is_plain(objective):
            self._objective = objective._asdict()

    def _take_weights(self, units, coefs_init, intercepts_init):
        """Replace the initial weights by given ones, after a check."""
        if intercepts_init is not None and not self.fit_intercept:
            raise ValueError(
                "intercepts_init needs fit_intercept=True: without intercepts they "
                "are zero."
            )
        coefs = self.coefs_ if coefs_init is None else coefs_init
        intercepts = self.intercepts_ if intercepts_init is None else intercepts_init
        names = (
            "coefs_" if coefs_init is None else "coefs_init",
            "intercepts_" if intercepts_init is None else "intercepts_init",
        )
        coefs, intercepts, _ = validation.check_layers(coefs, intercepts, units, names)
        for name, arrays in zip(names, (coefs, intercepts)):
            if not all(np.isfinite(array).all() for array in arrays):
                raise ValueError(f"{name} must be finite, but holds NaN or infinity.")
        self.coefs_, self.intercepts_ = coefs, intercepts

    def _packed(self, network, dtype):
        """A new flat vector of the weights."""
        params = np.empty(network.n_params, dtype=dtype)
        coefs, intercepts = network.split(params)
        with np.errstate(over="ignore"):  # to infinity, which the fit then reports
            for view, array in zip(coefs + intercepts, self.coefs_ + self.intercepts_):
                view[:] = array
        return params

    def _outputs(self, X, what=OUTPUTS):
        """Outputs of the network for valid or raw X, shape (n_samples, n_outputs)."""
        outputs = fast_predict.outputs(self, X, what)
        if outputs is not None:
            return outputs
        step = fast_predict.rows_at_once(X, self.dtype)
        if step:  # what follows copies X
            first = self._outputs(X[:step], what)
            outputs = np.empty((len(X), first.shape[1]), dtype=first.dtype)
            outputs[:step] = first
            for start in range(step, len(X), step):
                rows = slice(start, start + step)
                outputs[rows] = self._outputs(X[rows], what)
            return outputs
        X, network, layers, _ = self._fitted_network(X)
        data = Data(X)
        n_threads = fast_predict.threads(self, network, data)
        return predict(network, data, layers, what=what, n_threads=n_threads)

    def _forward_pass_fast(self, X, check_input=True):
        """Outputs behind the output activation, as scikit-learn's method of this name.

        ``check_input=False`` skips the checks of names and of finiteness, but not that
        of the number of features.
        """
        if check_input:
            return self._outputs(X)
        X, network, layers, _ = self._fitted_network(X, check_input=False)
        data = Data(X)
        n_threads = fast_predict.threads(self, network, data)
        return predict(network, data, layers, n_threads=n_threads)

    def _fitted_network(self, X, check_input=True):
        """X in the form of the core, the network, its layers and its coefficients."""
        model = self._snapshot()
        if check_input:
            X = input_checks.check_predict_data(self, X, model.units[0])
        else:
            X = input_checks.plain_rows(self, X, model.units[0])
        dtype = model.dtype or np.result_type(X.dtype, model.coefs[0].dtype)
        network = self._network(model.units, model.activations, model.loss)
        coefs = [w.astype(dtype, copy=False) for w in model.coefs]
        intercepts = [b.astype(dtype, copy=False) for b in model.intercepts]
        layers = Layers(coefs, intercepts, dtype)
        X = validation.cast_rows(X, dtype) if check_input else X.astype(dtype)
        return X, network, layers, coefs

    def _snapshot(self):
        """The fitted model as plain data, checked; arrays are not copied."""
        check_is_fitted(self, "coefs_")
        parameters.check_parameters(self, {"dtype": parameters.RULES["dtype"]})
        coefs, intercepts, units = self._layers()
        activations = parameters.hidden_activations(self, len(units) - 2)
        objective = self._fitted_objective()
        names = getattr(self, "feature_names_in_", None)
        return Snapshot(
            coefs,
            intercepts,
            activations,
            self.out_activation_,
            float_dtype(self.dtype),
            getattr(self, "classes_", None),
            None if names is None else list(names),
            special(objective),
            self._is_multilabel(),
        )

    @suggests_keywords
    def compile(self, *, n_threads: int | None = None) -> Predictor:
        """Freeze the fitted model for fast prediction.

        Parameters
        ----------
        n_threads : int or None, default=None
            Threads that share the blocks of many rows; None takes the ``n_threads`` of
            the estimator.

        Returns
        -------
        predictor : fastmlp.runtime.Predictor
            Holds copies of the weights, so that later training does not change it. It
            needs no scikit-learn: unpickle it in a process that never imports that.
        """
        from fastmlp.runtime import make_predictor

        n_threads = self.n_threads if n_threads is None else n_threads
        asked = type(self)(n_threads=n_threads)
        parameters.check_parameters(asked, {"n_threads": parameters.RULES["n_threads"]})
        return make_predictor(self._snapshot(), allowed_threads(n_threads))

    @suggests_keywords
    def hidden_activations(self, X: MatrixLike, layer: int = -1) -> Array:
        """Activations of a hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        layer : int, default=-1
            The hidden layer: 0 is the first, -1 the last.

        Returns
        -------
        a : ndarray of shape (n_samples, n_units)

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> X, y = [[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]
        >>> regr = MLPRegressor(hidden_layer_sizes=(4, 3), solver="lbfgs").fit(X, y)
        >>> regr.hidden_activations(X, layer=0).shape
        (3, 4)
        """
        return representation.hidden_activations(self, X, layer)

    @suggests_keywords
    def input_gradient(
        self,
        X: MatrixLike,
        output: int | None = None,
        *,
        of: Literal["output", "raw"] = "output",
    ) -> Array:
        """Derivatives of the outputs with respect to the features.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        output : int, default=None
            The output to differentiate: a column of ``predict_proba`` or, for
            regression, of ``predict``. None takes all outputs of the network; a binary
            classifier has one, the probability of its second class.
        of : {"output", "raw"}, default="output"
            Whether to differentiate the output itself or its value before the output
            activation (logit, or logarithm for poisson).

        Returns
        -------
        gradient : ndarray of shape (n_samples, n_features) or \
                (n_samples, n_outputs, n_features)
            Two-dimensional for one output.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import MLPRegressor
        >>> X = np.random.RandomState(0).randn(50, 2)
        >>> params = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 0.0}
        >>> line = MLPRegressor(**params, tol=1e-9).fit(X, X @ [3, -1])
        >>> line.input_gradient(X[:1]).round(2)
        array([[ 3., -1.]])
        """
        return representation.input_gradient(self, X, output, of)

    @suggests_keywords
    def integrated_gradients(
        self,
        X: MatrixLike,
        baseline: ArrayLike | None = None,
        output: int | None = None,
        *,
        of: Literal["output", "raw"] = "output",
        n_steps: int = 50,
    ) -> Array:
        """Attribute an output to the features by integrated gradients [1]_.

        The gradient is averaged along the line from the baseline to each row, by
        Gauss-Legendre quadrature, and multiplied by their difference. The attributions
        of a row add up to its output minus that of the baseline, as far as the
        quadrature is exact; activations with a kink ask for more points.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        baseline : array-like of shape (n_features,) or (n_samples, n_features), \
                default=None
            Where attributions are zero; None is the origin.
        output : int, default=None
            The output, as in ``input_gradient``; needed where there are several.
        of : {"output", "raw"}, default="output"
            As in ``input_gradient``.
        n_steps : int, default=50
            Points of the quadrature, at most 1000.

        Returns
        -------
        attributions : ndarray of shape (n_samples, n_features)

        References
        ----------
        .. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep
           networks", 2017, arXiv:1703.01365.
        """
        return representation.integrated_gradients(
            self, X, baseline, output, of, n_steps
        )

    def summary(self) -> str:
        """Table of the layers: units, activations, parameters.

        Returns
        -------
        table : str
            An interactive session shows it as it is, a script prints it:
            ``print(model.summary())``.

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> regr = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs")
        >>> regr.fit([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]).summary()
        MLPRegressor
        ------------------------------------------------
        layer     units  activation  weights  parameters
        ------------------------------------------------
        input         2
        hidden 1      3  relu        2 x 3             9
        output        1  identity    3 x 1             4
        ------------------------------------------------
        13 parameters in float64, 104 bytes
        """
        return summary(self)

    @suggests_keywords
    def trace_step(
        self, x: ArrayLike, y: ArrayLike, *, learning_rate: float | None = None
    ) -> StepTrace:
        """Follow one sample forward and backward, and take a step, gate by gate.

        The model is left as it is. The step is that of sgd without momentum on a batch
        of this sample alone; everything is computed in float64.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (1, n_features)
            The sample.
        y : scalar or array-like of shape (n_outputs,)
            Its target, as in ``fit``.
        learning_rate : float, default=None
            Rate of the step; None is ``learning_rate_init``.

        Returns
        -------
        trace : StepTrace
            ``print(trace)`` shows it as tables, ``trace.plot()`` draws it,
            ``trace.layers`` and ``trace.gates()`` hold the numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import MLPClassifier
        >>> neuron = MLPClassifier((), alpha=0.0)
        >>> neuron = neuron.partial_fit([[-1.0, -2.0]], [1], classes=[0, 1])
        >>> neuron.coefs_[0][:], neuron.intercepts_[0][:] = [[2.0], [-3.0]], [-3.0]
        >>> trace = neuron.trace_step([-1.0, -2.0], 1)
        >>> trace.layers[0].net_inputs, trace.outputs.round(2)
        (array([1.]), array([0.73]))
        >>> trace.layers[0].coef_gradients.round(2)
        array([[0.27],
               [0.54]])
        """
        return trace_step(self, x, y, learning_rate)

    def _one_sample(self, x, y):
        """One sample in the form of the core, its target encoded."""
        check_is_fitted(self, "coefs_")
        self._trained_objective()  # the check
        y = np.asarray(y)
        y = y.reshape(1, -1) if y.ndim and y.size > 1 else y.reshape(1)
        return self._validate_input(x, y, True, False, np.dtype(float), exact=False)

    def _activations(self, network):
        """Name and parameter of the activation of each hidden layer."""
        return parameters.hidden_activations(self, len(network.units) - 2)

    @suggests_keywords
    def loss_gradient(
        self, X: MatrixLike, y: ArrayLike, sample_weight: Weights = None
    ) -> tuple[float, list[Array], list[Array]]:
        """Loss on data and its gradient at the current weights.

        The loss is the one that ``fit`` minimises: the weighted mean over the rows
        plus the L2 penalty. The gradient is its derivative; for squared errors over
        several outputs both are means over the outputs (sgd and adam take the sum over
        the outputs, as in scikit-learn).

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        loss : float
        coef_grads : list of ndarray of shape (fan_in, fan_out)
        intercept_grads : list of ndarray of shape (fan_out,)
        """
        check_is_fitted(self, "coefs_")
        parameters.check_parameters(self, self._parameter_rules)
        dtype = self._training_dtype(False)
        X, y = self._validate_input(X, y, True, False, dtype, exact=False)
        sample_weight = self._row_weights(y, sample_weight, X.dtype)
        return self._loss_gradient(X, y, sample_weight)

    def _loss_gradient(self, X, y, sample_weight, packed=None):
        """Loss and gradient for native X and encoded y, at ``packed`` if given."""
        coefs, intercepts, units = self._layers()
        if X.shape[1] != units[0] or self._count_outputs(y) != units[-1]:
            raise ValueError(
                f"the model has {units[0]} features and {units[-1]} outputs; X has "
                f"{X.shape[1]} features and y {self._count_outputs(y)} outputs."
            )
        activations = parameters.hidden_activations(self, len(units) - 2)
        objective = self._trained_objective()
        network = self._network(units, activations, objective, trains=True)
        if packed is None:
            packed = np.hstack([array.ravel() for array in coefs + intercepts])
            packed = packed.astype(X.dtype, copy=False)
        smoothing = float(self.label_smoothing)
        y = smoothed(y, network.loss, smoothing)
        data = Data(X, y, sample_weight)
        batch = BatchSum(network, data, packed, len(y), smoothing=smoothing)
        loss = batch.loss_gradient(float(self.alpha))
        return loss, *network.split(batch.grad)

    def _loss_grad_lbfgs(
        self,
        packed_coef_inter,
        X,
        y,
        sample_weight,
        activations,
        deltas,
        coef_grads,
        intercept_grads,
    ):
        """Loss and packed gradient at a packed vector, as scikit-learn's method."""
        check_names(column_names(X), getattr(self, "feature_names_in_", None))
        X = X if issparse(X) else np.asarray(X)
        validation.check_raw(X, "X")
        X = validation.native_rows(X)
        X = X if X.dtype == np.float32 else X.astype(np.float64, copy=False)
        y = np.asarray(y).reshape(X.shape[0], -1)
        one_hot = self._trained_objective().loss in ("log_loss", "focal")
        n_outputs = y.shape[1] if one_hot else self._count_outputs(y)
        if n_outputs != self._layers()[-1][-1]:
            raise ValueError(f"y has {y.shape[1]} columns, one per output is needed")
        if one_hot:
            y = y.argmax(axis=1)[:, None]
        packed = np.ascontiguousarray(packed_coef_inter, dtype=X.dtype)
        if sample_weight is not None:
            sample_weight = np.ascontiguousarray(sample_weight, dtype=X.dtype)
        loss, coefs, intercepts = self._loss_gradient(
            X, np.ascontiguousarray(y, dtype=X.dtype), sample_weight, packed
        )
        return loss, np.hstack([grad.ravel() for grad in coefs + intercepts])

    def _stored_objective(self):
        """The objective that the fit stored, None for those of scikit-learn."""
        stored = getattr(self, "_objective", None)
        return None if stored is None else Objective(**stored)

    def _fitted_objective(self):
        """The objective by which the fitted model predicts."""
        return predicting_objective(
            self.out_activation_,
            self._stored_objective(),
            isinstance(self, ClassifierMixin),
        )

    def _trained_objective(self):
        """The objective that the fitted model was trained for.

        Raises ValueError where ``out_activation_`` was set to another one since.
        """
        objective = self._fitted_objective()
        own = self._own_out_activation()
        if self.out_activation_ != own:
            raise ValueError(
                f"out_activation_ was set to {self.out_activation_!r} after the fit. "
                "Prediction follows it, but the loss of the model, and so its "
                f"gradient, needs its own, {own!r}: set it back."
            )
        return objective

    def _own_out_activation(self):
        """The name of the output activation that the fit gave the model."""
        stored = self._stored_objective()
        if stored is not None:
            return output_activation(stored)
        return self._plain_out_activation()

    def _plain_out_activation(self):
        """The same of a model without a stored objective."""
        name = self.out_activation_
        return name if name in ("identity", "exp") else "identity"

    def _is_multilabel(self):
        """Whether the fitted model predicts several labels at once."""
        return False

    def _count_outputs(self, y):
        """Units of the output layer for encoded targets."""
        return y.shape[1]

    @property
    def history_(self) -> dict[str, Array]:
        """Record of the epochs: a dict of arrays, see the attributes of the class."""
        try:
            return record.as_arrays(self._history)
        except AttributeError:
            raise AttributeError(
                "history_ belongs to a fit in this process: the model was not fitted, "
                "or was loaded from a file of save_model, which holds loss_curve_ and "
                "the validation curves."
            ) from None

    @property
    def _optimizer(self):
        """State of the stochastic solver: learning_rate, moments, number of steps t."""
        try:
            state = self._optimizer_state
        except AttributeError:
            raise AttributeError(
                "the model was not fitted by a stochastic solver"
            ) from None
        return OPTIMIZERS[state["solver"]](**state)

    @property
    def _best_coefs(self):
        """With early stopping the weights of the best epoch, which are kept."""
        return self._best(self.coefs_)

    @property
    def _best_intercepts(self):
        """With early stopping the intercepts of the best epoch, which are kept."""
        return self._best(self.intercepts_)

    def _best(self, arrays):
        """Copies of the kept weights; they are the best ones with early stopping."""
        if getattr(self, "best_loss_", 0) is not None:
            raise AttributeError("there are best weights with early_stopping=True only")
        return [array.copy() for array in arrays]

    def __getstate__(self):
        state = super().__getstate__()
        if "_stream" in state:
            state = {**state, "_stream": None}
        return stamped(state)

    def __setstate__(self, state):
        super().__setstate__(unstamped(state, type(self).__name__))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
