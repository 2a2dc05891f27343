"""The estimators: MLPClassifier and MLPRegressor."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from scipy.sparse import csr_matrix, issparse
from scipy.special import log_expit, log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from fastmlp._core.batch import BatchSum
from fastmlp._core.network import Data, Layers, Network, Objective
from fastmlp._core.prediction import class_numbers, predict
from fastmlp._data import validation
from fastmlp._data.class_weight import expanded, positive_weights
from fastmlp._data.rows import check_names, column_names
from fastmlp._data.scaling import standardize
from fastmlp._functions.user_functions import Loss
from fastmlp._inspection import representation
from fastmlp._inspection.summary import summary
from fastmlp._inspection.trace import trace_step
from fastmlp._mlp import fast_predict, parameters
from fastmlp._mlp.callbacks import CallbackSupportMixin, announced_fit, with_callbacks
from fastmlp._mlp.constraints import check_own_constraints, constraints
from fastmlp._mlp.fast_partial_fit import Stream, restarts
from fastmlp._mlp.fast_predict import OUTPUTS, PROBA, RAW
from fastmlp._mlp.model_files import stamped, unstamped
from fastmlp._model import losses
from fastmlp._model.snapshot import (
    Snapshot,
    out_activation,
    predicting_objective,
    special,
)
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
from fastmlp._utils.spelling import did_you_mean, suggests_keywords
from fastmlp._utils.threads import allowed_threads


def _per_target(outputs):
    """The outputs (n, n_targets, m) as m arrays, of shape (n,) for one target."""
    arrays = np.moveaxis(outputs, 2, 0)
    return arrays[:, :, 0] if arrays.shape[2] == 1 else arrays


def _solver_is_stochastic(estimator):
    """Condition of ``partial_fit``."""
    if estimator.solver not in OPTIMIZERS:
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. "
            f"{estimator.solver} is not stochastic."
        )
    return True


class _BaseMLP(CallbackSupportMixin, BaseEstimator):
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
        max_norm,
        clip_norm,
        label_smoothing,
        layer_rates,
        weight_averaging,
        ema_decay,
        swa_start,
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
        self.max_norm = max_norm
        self.clip_norm = clip_norm
        self.label_smoothing = label_smoothing
        self.layer_rates = layer_rates
        self.weight_averaging = weight_averaging
        self.ema_decay = ema_decay
        self.swa_start = swa_start

    @suggests_keywords
    @with_callbacks
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        coefs_init=None,
        intercepts_init=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        groups=None,
        callback=None,
        checkpoint=None,
        checkpoint_every=1,
        resume=None,
    ):
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
        with validation.restored_on_error(self):
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

    def set_params(self, **params):
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
            with validation.restored_on_error(self):
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
        output = out_activation(network.objective)
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
        self.out_activation_ = out_activation(objective)
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
            X = validation.check_predict_data(self, X, model.units[0])
        else:
            X = validation.plain_rows(self, X, model.units[0])
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
    def compile(self, *, n_threads=None):
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
    def hidden_activations(self, X, layer=-1):
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
    def input_gradient(self, X, output=None, *, of="output"):
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
        self, X, baseline=None, output=None, *, of="output", n_steps=50
    ):
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

    def summary(self):
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
    def trace_step(self, x, y, *, learning_rate=None):
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
    def loss_gradient(self, X, y, sample_weight=None):
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
            return out_activation(stored)
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
    def history_(self):
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


class MLPClassifier(ClassifierMixin, _BaseMLP):
    """Multi-layer perceptron classifier.

    A drop-in for scikit-learn's class of this name on a native core: binary,
    multi-class and multi-label tasks by minimising the log loss. The parameters from
    ``dtype`` on are additions.

    Parameters
    ----------
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
        - "elu" [14]_: f(z) = z if z > 0 else alpha * (exp(z) - 1), alpha 1;
          ``("elu", alpha)`` sets another alpha > 0
        - "selu" [15]_: f(z) = 1.0507 * elu(z) with alpha 1.67326
        - "gelu" [16]_: f(z) = z Phi(z), Phi the standard normal distribution
        - "silu" [17]_ (swish): f(z) = z / (1 + exp(-z))
        - "mish" [18]_: f(z) = z tanh(log(1 + exp(z)))
        - "softsign": f(z) = z / (1 + abs(z))
        - "hard_sigmoid": f(z) = z / 6 + 1 / 2, cut to [0, 1]

    solver : {"lbfgs", "sgd", "adam", "nadam", "rmsprop", "adagrad", "lion"}, \
            default="adam"
        "lbfgs" [2]_ takes all rows at each step and often does better on tables of up
        to a few thousand rows. The others learn from mini-batches: "adam" [1]_ and
        "sgd"; "nadam" [10]_, Adam with Nesterov's momentum; "rmsprop" [11]_, which
        divides by the root of a mean square; "adagrad" [12]_, by that of a sum of
        squares, with a larger ``learning_rate_init`` such as 0.01; "lion" [13]_, which
        takes the sign of a momentum, with a rate some 3 to 10 times smaller than that
        of adam and ``beta_2=0.99``.

    alpha : float, default=0.0001
        Strength of the L2 penalty ``alpha / (2 S) sum(W^2)``, S the number of rows (or
        the sum of their weights) of a batch; intercepts are not penalised.

    batch_size : int or "auto", default="auto"
        Rows per step of sgd and adam; "auto" is ``min(200, n_samples)``.

    learning_rate : str, (str, float) or callable, default="constant"
        Schedules of all stochastic solvers but adam: "constant" keeps
        ``learning_rate_init``; "invscaling" divides it by ``(t_ + 1) ** power_t`` after
        each epoch, t_ in samples; "adaptive" divides the rate by 5 whenever
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

    max_iter : int, default=200
        Largest number of epochs (sgd, adam) or iterations (lbfgs).

    shuffle : bool, default=True
        Whether sgd and adam go through the rows in a new random order each epoch.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the validation split and the order of rows. The
        same int gives the same model as scikit-learn's estimator.

    tol : float, default=1e-4
        Smallest improvement of the loss (of the score with early stopping) that
        counts; for lbfgs the largest absolute entry of the gradient at which training
        ends.

    verbose : bool or int, default=False
        True prints scikit-learn's line about each epoch; the int 1 one progress line
        that is written over; 2 or more a line about each epoch with all figures.

    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last fit.

    momentum : float, default=0.9
        Momentum of sgd, in [0, 1].

    nesterovs_momentum : bool, default=True
        Whether sgd takes Nesterov's form of momentum.

    early_stopping : bool, default=False
        Whether sgd and adam hold out a validation part, stop when its score (accuracy)
        no longer rises by ``tol`` for ``n_iter_no_change`` epochs, and
        keep the best weights. The split
        is stratified for two classes.

    validation_fraction : float, default=0.1
        Fraction of the rows held out with early stopping, in [0, 1).

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the moments of adam, nadam, lion and (the second) rmsprop, in
        [0, 1).

    epsilon : float, default=1e-8
        Guard against division by zero in adam, nadam, rmsprop and adagrad.

    n_iter_no_change : int or np.inf, default=10
        Epochs without improvement after which sgd and adam stop.

    max_fun : int, default=15000
        Largest number of evaluations of the loss by lbfgs.

    dtype : {"auto", "float32", "float64"} or dtype, default="auto"
        Precision of weights and arithmetic. "auto" is float32 for X in float32 and
        float64 for any other.

    fit_intercept : bool, default=True
        Whether the layers learn intercepts; without, they start from zeros and stay
        as they are.

    weight_init : str, default="glorot_uniform"
        Distribution of the initial weights: "glorot_uniform" (scikit-learn's,
        intercepts included; narrower into logistic layers, and out of the last hidden
        layer if that is logistic), "glorot_normal", "he_uniform", "he_normal",
        "lecun_normal", "orthogonal" or "standard_normal" (intercepts zero).

    n_threads : int or None, default=None
        Threads that share the batches of a fit. None takes those that the processor
        affinity, the container, ``OMP_NUM_THREADS`` and threadpoolctl allow, where the
        batches are large enough to pay. On processors with AVX2 or AVX-512 the weights
        are the same bits for any number.

    class_weight : "balanced", dict, list of dict, array-like or None, default=None
        Weights of the classes: each row counts ``sample_weight`` times the weight of
        its class, which is the same as passing the products as ``sample_weight``.
        A dict ``{class: weight}`` gives 1 to classes that it does not name;
        "balanced" is ``n_samples / (n_classes * count)`` of the labels of the call
        (in ``partial_fit`` too, where a dict is steadier). A multi-label task takes
        "balanced" or a list with one dict ``{0: weight, 1: weight}`` per label,
        whose weights are multiplied; or one number > 0 per label, which multiplies
        the positive term of that label in the loss and nothing else.

    validation_split : array-like of int or bool, splitter or None, default=None
        Rows to hold out as validation data: their numbers, a mask, or a splitter of
        scikit-learn such as ``GroupShuffleSplit`` (pass ``groups`` to ``fit``) or
        ``TimeSeriesSplit``, of which the last split counts. They are judged after
        each epoch; with ``early_stopping`` they decide, in place of the random
        fraction. Works for all solvers.

    scoring : str, callable or None, default=None
        Score of the validation data: None is accuracy (classifier) or R2
        (regressor), "loss" minus the validation loss, else a name or a callable
        ``(estimator, X, y)`` of :mod:`sklearn.metrics`. An epoch whose score is NaN is
        never the best one.

    target_score : float or None, default=None
        Validation score at which training stops; 1.0 is a perfect accuracy or R2.

    max_time : float or None, default=None
        Seconds after which ``fit`` stops, within an epoch too (to about 50 ms), with
        the weights of the last step.

    on_divergence : {"raise", "warn", "reduce_lr"}, default="raise"
        What to do when the weights are no longer finite: "raise" an error (with
        ``early_stopping`` only if no epoch had a score: else warn, stop and keep the
        best weights); "warn" and keep the weights of the best epoch; or "reduce_lr":
        go on from them at a tenth of the learning rate, at most ten times.

    standardize_X : bool, default=False
        Whether training sees each feature with mean 0 and variance 1 (sparse X:
        variance only; so too without intercepts), by the weighted statistics of the
        training rows of the first fit. The weights that result are folded into the
        first layer, so that ``coefs_`` and ``predict`` take raw features. Takes a copy
        of X; sparse rows become dense in it where the first fit was on dense X.

    random_stream : {"restart", "continue"}, default="restart"
        What an int in ``random_state`` means for ``partial_fit`` and warm starts:
        "restart" draws the same numbers in each call, as scikit-learn does, so that
        batches of one size are all shuffled alike; "continue" goes on where the last
        call ended.

    loss : {"log_loss", "focal"} or Loss, default="log_loss"
        "log_loss" is the cross entropy; "focal" [3]_ multiplies its terms by
        ``(1 - p) ** focal_gamma``, p the probability of the true class, so that easy
        rows count less. Its probabilities are less extreme than those of "log_loss".
        One of your own is a :class:`Loss`, with ``output_activation="softmax"`` for
        more than two classes, else "logistic".

    focal_gamma : float, default=2.0
        Exponent of "focal", >= 0; 0 is the log loss.

    dropout : float or array-like of shape (n_layers_ - 1,), default=0.0
        Share of the units that each training step leaves out at random (inverted
        dropout [4]_: the others are divided by 1 - rate, so nothing changes in
        prediction and validation). A float holds for all hidden layers; a list has
        one rate for the input and each hidden layer, as in ``[0.1, 0.5]``. Rates lie
        in [0, 1). The masks depend on ``random_state``, not on ``n_threads``.

    input_noise : float, default=0.0
        Standard deviation of the normal noise that training adds to each feature, in
        units of X (of standardised X with ``standardize_X``); dense X only.

    weight_decay : float, default=0.0
        Decoupled weight decay [5]_: each step takes ``rate * weight_decay`` of every
        weight away, rate being the current learning rate; intercepts stay. With
        solver "adam" this is AdamW. Other than ``alpha`` it does not go through the
        moments and is not part of the loss.

    l1 : float, default=0.0
        Strength of the penalty ``l1 * sum(abs(W))`` on the mean loss, by a proximal
        step [6]_: after each update the weights move towards 0 and stop there, so that
        some are exactly 0. They move by ``l1`` times the rate that the solver has for
        the gradient of the weight. Intercepts stay; the loss that is reported does not
        hold the penalty. Not with "lion" and "lbfgs".

    max_norm : float or None, default=None
        Largest Euclidean norm of the weights into a unit; longer ones are scaled to
        it after each step [4]_.

    clip_norm : float or None, default=None
        Largest Euclidean norm of the gradient of a batch, over all weights and
        intercepts and with the L2 penalty; a longer one is scaled to it [7]_.

    label_smoothing : float, default=0.0
        Share of each target, in [0, 1), that is divided equally among all classes
        [8]_; for two classes and for each label it is 0 and 1 that share it.
        Validation losses and scores take the targets as they are.

    layer_rates : array-like of shape (n_layers_ - 1,) or None, default=None
        Factors >= 0 of the learning rate of each layer of weights with its
        intercepts, the first hidden layer first. 0 freezes a layer: it stays as it
        is, to the last bit (but for the rounding of ``standardize_X`` and
        ``standardize_y``, whose scales are folded into the outer layers).

    weight_averaging : {None, "ema", "swa"}, default=None
        Average of the weights over the course of training, which is what is
        validated, and what stands in ``coefs_`` in the end: "ema" a moving average of
        the weights after each step; "swa" [9]_ the mean of those after each epoch
        from ``swa_start`` on. Training itself goes on with the weights as they are,
        over calls of ``partial_fit`` too.

    ema_decay : float, default=0.999
        What a step leaves of the older weights in the moving average, in [0, 1). The
        weights after step i of n count in proportion to ``ema_decay ** (n - i)``.

    swa_start : float, default=0.75
        Share of ``max_iter`` epochs, in [0, 1), after which "swa" begins. A fit that
        stops earlier keeps its weights without an average.

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
        What ended the last fit: "tol" (the loss fell no more), "early_stopping",
        "learning_rate" (too small), "target_score", "max_time", "max_iter", "n_epochs"
        (of ``partial_fit``), "max_fun", "line_search" (of lbfgs, which found no lower
        loss), "callback", "interrupted" (by Ctrl-C), "divergence", or "error" (of a
        user-defined function, after some steps).

    t_ : int
        Training samples seen; 0 for lbfgs.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features, where X had names that are all strings.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2014,
       arXiv:1412.6980.
    .. [2] C. Zhu, R. H. Byrd, P. Lu and J. Nocedal, "Algorithm 778: L-BFGS-B", ACM
       Transactions on Mathematical Software 23(4), 1997.
    .. [3] T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.
    .. [4] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov,
       "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
       2014.
    .. [5] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019,
       arXiv:1711.05101.
    .. [6] N. Parikh and S. Boyd, "Proximal algorithms", Foundations and Trends in
       Optimization 1(3), 2014.
    .. [7] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training
       recurrent neural networks", 2013, arXiv:1211.5063.
    .. [8] C. Szegedy et al., "Rethinking the inception architecture for computer
       vision", 2016, arXiv:1512.00567.
    .. [9] P. Izmailov et al., "Averaging weights leads to wider optima and better
       generalization", 2018, arXiv:1803.05407.
    .. [10] T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop, 2016.
    .. [11] T. Tieleman and G. Hinton, "Lecture 6.5 - RMSProp", Coursera, 2012.
    .. [12] J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online
       learning and stochastic optimization", JMLR 12, 2011.
    .. [13] X. Chen et al., "Symbolic discovery of optimization algorithms", 2023,
       arXiv:2302.06675.
    .. [14] D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate deep
       network learning by exponential linear units", 2015, arXiv:1511.07289.
    .. [15] G. Klambauer et al., "Self-normalizing neural networks", 2017,
       arXiv:1706.02515.
    .. [16] D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016,
       arXiv:1606.08415.
    .. [17] S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural
       network function approximation in reinforcement learning", 2017,
       arXiv:1702.03118.
    .. [18] D. Misra, "Mish: a self regularized non-monotonic
       activation function", 2019,
       arXiv:1908.08681.

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

    _parameter_rules = parameters.CLASSIFIER_RULES | parameters.RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)

    @suggests_keywords
    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        dtype="auto",
        fit_intercept=True,
        weight_init="glorot_uniform",
        n_threads=None,
        class_weight=None,
        validation_split=None,
        scoring=None,
        target_score=None,
        max_time=None,
        on_divergence="raise",
        standardize_X=False,
        random_stream="restart",
        loss="log_loss",
        focal_gamma=2.0,
        dropout=0.0,
        input_noise=0.0,
        weight_decay=0.0,
        l1=0.0,
        max_norm=None,
        clip_norm=None,
        label_smoothing=0.0,
        layer_rates=None,
        weight_averaging=None,
        ema_decay=0.999,
        swa_start=0.75,
    ):
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            dtype=dtype,
            fit_intercept=fit_intercept,
            weight_init=weight_init,
            n_threads=n_threads,
            validation_split=validation_split,
            scoring=scoring,
            target_score=target_score,
            max_time=max_time,
            on_divergence=on_divergence,
            standardize_X=standardize_X,
            random_stream=random_stream,
            dropout=dropout,
            input_noise=input_noise,
            weight_decay=weight_decay,
            l1=l1,
            max_norm=max_norm,
            clip_norm=clip_norm,
            label_smoothing=label_smoothing,
            layer_rates=layer_rates,
            weight_averaging=weight_averaging,
            ema_decay=ema_decay,
            swa_start=swa_start,
        )
        self.class_weight = class_weight
        self.focal_gamma = focal_gamma

    def _wanted_objective(self):
        """The loss of the core: over classes, or that of each label."""
        multiclass = self._label_binarizer.y_type_ == "multiclass"
        if isinstance(self.loss, Loss):
            return self._own_objective(multiclass)
        return Objective(
            self.loss if multiclass else f"binary_{self.loss}",
            parameter=float(self.focal_gamma) if self.loss == "focal" else 0.0,
            positive=positive_weights(self),
        )

    def _own_objective(self, multiclass):
        """What stands beside a loss of the user: the output activation."""
        needed = "softmax" if multiclass else "logistic"
        if self.loss.output_activation != needed:
            what = "several classes" if multiclass else "two classes, or labels,"
            raise ValueError(
                f"{self.loss!r} has output_activation={self.loss.output_activation!r}, "
                f"but {what} need output_activation={needed!r}."
            )
        if positive_weights(self) is not None:
            raise ValueError(
                f"class_weight with one weight per label needs loss='log_loss' or "
                f"'focal', got {self.loss!r}. Pass a list of dicts."
            )
        return Objective("log_loss" if multiclass else "binary_log_loss")

    def _count_outputs(self, y):
        """One output per class or label, a single one for two classes."""
        multiclass = self._label_binarizer.y_type_ == "multiclass"
        return len(self.classes_) if multiclass else y.shape[1]

    def _validate_input(self, X, y, incremental, reset, dtype, exact=True):
        X, y = validation.check_fit_data(self, X, y, reset, dtype)
        if hasattr(self, "classes_") and (self.warm_start or incremental):
            validation.check_classes(y, self.classes_, exact and self.warm_start)
            if not hasattr(self, "_label_binarizer"):
                self._label_binarizer = LabelBinarizer().fit(self.classes_)
        else:
            self._label_binarizer = validation.fit_binarizer(y)
            self.classes_ = self._label_binarizer.classes_
        return X, self._encode(y, X.dtype)

    def _encode(self, y, dtype):
        """Targets of the core: class numbers (n, 1), or 0 and 1 per label (n, L)."""
        is_multilabel = self._label_binarizer.y_type_.startswith("multilabel")
        if is_multilabel != (y.ndim == 2):
            raise ValueError(
                "y must be a label indicator matrix of shape (n_samples, n_labels) for "
                "a multi-label model and a vector of labels for any other; got y of "
                f"shape {y.shape}."
            )
        if is_multilabel:
            encoded = self._label_binarizer.transform(y).astype(bool)
        else:
            order = np.argsort(self.classes_)  # which a user may have replaced
            if y.dtype.kind in "iu" and self.classes_.dtype.kind in "iu":
                y = y.astype(self.classes_.dtype)  # not by way of float64
            places = np.searchsorted(self.classes_, y, sorter=order)
            encoded = order[places][:, None]
        return np.ascontiguousarray(encoded, dtype=dtype)

    def _row_weights(self, y, sample_weight, dtype):
        """The weights of the rows times those of their classes, or None."""
        if self.class_weight is not None and positive_weights(self) is None:
            sample_weight = expanded(self, y, sample_weight)
        return super()._row_weights(y, sample_weight, dtype)

    def _known_classes(self, classes):
        """Whether ``classes`` are certainly those of the model."""
        if classes is None:
            return True
        known = getattr(self, "classes_", None)
        return known is not None and np.array_equal(np.asarray(classes), known)

    def _encode_plain(self, y, dtype):
        """Encoded targets of plain labels; None where they need a closer look."""
        known = self.classes_
        if y.ndim != 1 or y.dtype != known.dtype or y.dtype.kind not in "iu":
            return None
        if self.class_weight is not None:
            return None
        places = known.searchsorted(y)
        if not (known.take(places, mode="clip") == y).all():
            return None
        return places.astype(dtype)[:, None]

    def _decoded(self, y):
        """Labels of encoded targets."""
        codes = y.astype(int)
        if self._label_binarizer.y_type_.startswith("multilabel"):
            return codes
        return self.classes_[codes[:, 0]]

    def _stratifies(self):
        """Whether the early-stopping split is stratified: for two classes."""
        return self.n_outputs_ == 1

    def _plain_out_activation(self):
        is_multiclass = len(self.intercepts_[-1]) > 1 and not self._is_multilabel()
        return "softmax" if is_multiclass else "logistic"

    def _is_multilabel(self):
        binarizer = getattr(self, "_label_binarizer", None)
        if binarizer is not None:
            return binarizer.y_type_.startswith("multilabel")
        # a model built by hand
        return self.out_activation_ == "logistic" and len(self.intercepts_[-1]) > 1

    def _predicted_codes(self, outputs):
        """Class numbers (n,) or label indicators (n, L) of the outputs."""
        if outputs.shape[1] > 1 and not self._is_multilabel():
            return class_numbers(outputs)
        codes = (outputs > 0.5).astype(int)
        if outputs.shape[1] > 1:
            return codes
        return np.minimum(codes[:, 0], len(self.classes_) - 1)

    def _validation_score(self, y, outputs, sample_weight):
        """Accuracy on encoded targets."""
        codes = self._predicted_codes(outputs)
        return accuracy_score(y.astype(int), codes, sample_weight=sample_weight)

    @available_if(_solver_is_stochastic)
    @suggests_keywords
    def partial_fit(
        self,
        X,
        y,
        sample_weight=None,
        classes=None,
        *,
        n_epochs=1,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        callback=None,
    ):
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
        options = self._incremental(n_epochs, X_val, y_val, sample_weight_val, callback)
        if self._known_classes(classes) and self._streamed(
            X, y, sample_weight, options
        ):
            return self
        with validation.restored_on_error(self):
            if validation.first_partial_fit(self, classes):
                y_type = type_of_target(y)
                self._label_binarizer = LabelBinarizer().fit(
                    y if y_type.startswith("multilabel") else classes
                )
            error = self._fit(X, y, sample_weight, options)
        if error is not None:
            raise error
        return self

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, or an indicator matrix of ints for a multi-label model.
        """
        outputs = self._outputs(X)
        codes = self._predicted_codes(outputs)
        if codes.ndim == 1:
            return self.classes_[codes]
        binarizer = getattr(self, "_label_binarizer", None)
        return csr_matrix(codes) if getattr(binarizer, "sparse_input_", 0) else codes

    def predict_proba(self, X):
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

    def predict_log_proba(self, X):
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, _BaseMLP):
    """Multi-layer perceptron regressor.

    A drop-in for scikit-learn's class of this name on a native core, for one or many
    outputs. The parameters from ``dtype`` on are additions.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        What is minimised, with r = y - prediction; the mean over the rows, and but for
        squared_error (a mean) the sum over the targets:

        - "squared_error": r**2 / 2, for the mean
        - "absolute_error": |r|, for the median
        - "huber": r**2 / 2 up to |r| = ``huber_delta``, then linear [3]_
        - "log_cosh": log(cosh(r)), a smooth form between the two
        - "quantile": the pinball loss of the level(s) ``quantile`` [4]_
        - "poisson", "gamma", "tweedie": half the deviance [5]_, for y >= 0, y > 0 and
          y >= 0, with exp as the output activation
        - "gaussian_nll": minus the log likelihood of a normal distribution [6]_, whose
          mean ``predict`` gives, and whose standard deviation with
          ``return_std=True``

        One of your own is a :class:`Loss`, which brings its output activation; it is
        the sum over the targets.

    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units of each hidden layer; ``()`` gives linear regression.

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
        - "elu" [19]_: f(z) = z if z > 0 else alpha * (exp(z) - 1), alpha 1;
          ``("elu", alpha)`` sets another alpha > 0
        - "selu" [20]_: f(z) = 1.0507 * elu(z) with alpha 1.67326
        - "gelu" [21]_: f(z) = z Phi(z), Phi the standard normal distribution
        - "silu" [22]_ (swish): f(z) = z / (1 + exp(-z))
        - "mish" [23]_: f(z) = z tanh(log(1 + exp(z)))
        - "softsign": f(z) = z / (1 + abs(z))
        - "hard_sigmoid": f(z) = z / 6 + 1 / 2, cut to [0, 1]

    solver : {"lbfgs", "sgd", "adam", "nadam", "rmsprop", "adagrad", "lion"}, \
            default="adam"
        "lbfgs" [2]_ takes all rows at each step and often does better on tables of up
        to a few thousand rows. The others learn from mini-batches: "adam" [1]_ and
        "sgd"; "nadam" [15]_, Adam with Nesterov's momentum; "rmsprop" [16]_, which
        divides by the root of a mean square; "adagrad" [17]_, by that of a sum of
        squares, with a larger ``learning_rate_init`` such as 0.01; "lion" [18]_, which
        takes the sign of a momentum, with a rate some 3 to 10 times smaller than that
        of adam and ``beta_2=0.99``.

    alpha : float, default=0.0001
        Strength of the L2 penalty ``alpha / (2 S) sum(W^2)``, S the number of rows (or
        the sum of their weights) of a batch; intercepts are not penalised.

    batch_size : int or "auto", default="auto"
        Rows per step of sgd and adam; "auto" is ``min(200, n_samples)``.

    learning_rate : str, (str, float) or callable, default="constant"
        Schedules of all stochastic solvers but adam: "constant" keeps
        ``learning_rate_init``; "invscaling" divides it by ``(t_ + 1) ** power_t`` after
        each epoch, t_ in samples; "adaptive" divides the rate by 5 whenever
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

    max_iter : int, default=200
        Largest number of epochs (sgd, adam) or iterations (lbfgs).

    shuffle : bool, default=True
        Whether sgd and adam go through the rows in a new random order each epoch.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the validation split and the order of rows. The
        same int gives the same model as scikit-learn's estimator.

    tol : float, default=1e-4
        Smallest improvement of the loss (of the score with early stopping) that
        counts; for lbfgs the largest absolute entry of the gradient at which training
        ends.

    verbose : bool or int, default=False
        True prints scikit-learn's line about each epoch; the int 1 one progress line
        that is written over; 2 or more a line about each epoch with all figures.

    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last fit.

    momentum : float, default=0.9
        Momentum of sgd, in [0, 1].

    nesterovs_momentum : bool, default=True
        Whether sgd takes Nesterov's form of momentum.

    early_stopping : bool, default=False
        Whether sgd and adam hold out a validation part, stop when its score (R2)
        no longer rises by ``tol`` for ``n_iter_no_change`` epochs, and
        keep the best weights.

    validation_fraction : float, default=0.1
        Fraction of the rows held out with early stopping, in [0, 1).

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the moments of adam, nadam, lion and (the second) rmsprop, in
        [0, 1).

    epsilon : float, default=1e-8
        Guard against division by zero in adam, nadam, rmsprop and adagrad.

    n_iter_no_change : int or np.inf, default=10
        Epochs without improvement after which sgd and adam stop.

    max_fun : int, default=15000
        Largest number of evaluations of the loss by lbfgs.

    dtype : {"auto", "float32", "float64"} or dtype, default="auto"
        Precision of weights and arithmetic. "auto" is float32 for X in float32 and
        float64 for any other.

    fit_intercept : bool, default=True
        Whether the layers learn intercepts; without, they start from zeros and stay
        as they are.

    weight_init : str, default="glorot_uniform"
        Distribution of the initial weights: "glorot_uniform" (scikit-learn's,
        intercepts included; narrower into logistic layers, and out of the last hidden
        layer if that is logistic), "glorot_normal", "he_uniform", "he_normal",
        "lecun_normal", "orthogonal" or "standard_normal" (intercepts zero).

    n_threads : int or None, default=None
        Threads that share the batches of a fit. None takes those that the processor
        affinity, the container, ``OMP_NUM_THREADS`` and threadpoolctl allow, where the
        batches are large enough to pay. On processors with AVX2 or AVX-512 the weights
        are the same bits for any number.

    validation_split : array-like of int or bool, splitter or None, default=None
        Rows to hold out as validation data: their numbers, a mask, or a splitter of
        scikit-learn such as ``GroupShuffleSplit`` (pass ``groups`` to ``fit``) or
        ``TimeSeriesSplit``, of which the last split counts. They are judged after
        each epoch; with ``early_stopping`` they decide, in place of the random
        fraction. Works for all solvers.

    scoring : str, callable or None, default=None
        Score of the validation data: None is accuracy (classifier) or R2
        (regressor), "loss" minus the validation loss, else a name or a callable
        ``(estimator, X, y)`` of :mod:`sklearn.metrics`. An epoch whose score is NaN is
        never the best one.

    target_score : float or None, default=None
        Validation score at which training stops; 1.0 is a perfect accuracy or R2.

    max_time : float or None, default=None
        Seconds after which ``fit`` stops, within an epoch too (to about 50 ms), with
        the weights of the last step.

    on_divergence : {"raise", "warn", "reduce_lr"}, default="raise"
        What to do when the weights are no longer finite: "raise" an error (with
        ``early_stopping`` only if no epoch had a score: else warn, stop and keep the
        best weights); "warn" and keep the weights of the best epoch; or "reduce_lr":
        go on from them at a tenth of the learning rate, at most ten times.

    standardize_X : bool, default=False
        Whether training sees each feature with mean 0 and variance 1 (sparse X:
        variance only; so too without intercepts), by the weighted statistics of the
        training rows of the first fit. The weights that result are folded into the
        first layer, so that ``coefs_`` and ``predict`` take raw features. Takes a copy
        of X; sparse rows become dense in it where the first fit was on dense X.

    standardize_y : bool, default=False
        The same for the targets, folded into the last layer; for the losses whose
        targets may be shifted and scaled: squared_error, absolute_error, huber,
        log_cosh, quantile and gaussian_nll. ``loss_curve_``, ``tol`` and
        ``huber_delta`` are then in units of the standard deviation of each target.

    random_stream : {"restart", "continue"}, default="restart"
        What an int in ``random_state`` means for ``partial_fit`` and warm starts:
        "restart" draws the same numbers in each call, as scikit-learn does, so that
        batches of one size are all shuffled alike; "continue" goes on where the last
        call ended.

    huber_delta : float, default=1.0
        Residual from which the huber loss is linear, > 0, in units of y.

    quantile : float or array-like of shape (n_quantiles,), default=0.5
        Level of the quantile loss, in (0, 1), or several, strictly increasing, which
        are learnt at once: one output for each target and level.

    monotone_quantiles : bool, default=False
        Whether several quantiles must not cross. The lowest is then an output of the
        network and each further one the one below plus softplus of an output [8]_
        (with ``standardize_y`` in units of the standard deviation of the target).

    tweedie_power : float, default=1.5
        Power p of the variance function of tweedie, ``variance ~ mean ** p``, in
        (1, 2).

    out_activation : str, ("logistic", float, float) or None, default=None
        Output activation: None is that of the loss, "exp" for poisson, gamma and
        tweedie and "identity" for the others. "exp" and "softplus" predict above 0,
        ``("logistic", low, high)`` between two bounds ("logistic" between 0 and 1);
        y must be within. Not for gaussian_nll.

    dropout : float or array-like of shape (n_layers_ - 1,), default=0.0
        Share of the units that each training step leaves out at random (inverted
        dropout [9]_: the others are divided by 1 - rate, so nothing changes in
        prediction and validation). A float holds for all hidden layers; a list has
        one rate for the input and each hidden layer, as in ``[0.1, 0.5]``. Rates lie
        in [0, 1). The masks depend on ``random_state``, not on ``n_threads``.

    input_noise : float, default=0.0
        Standard deviation of the normal noise that training adds to each feature, in
        units of X (of standardised X with ``standardize_X``); dense X only.

    weight_decay : float, default=0.0
        Decoupled weight decay [10]_: each step takes ``rate * weight_decay`` of every
        weight away, rate being the current learning rate; intercepts stay. With
        solver "adam" this is AdamW. Other than ``alpha`` it does not go through the
        moments and is not part of the loss.

    l1 : float, default=0.0
        Strength of the penalty ``l1 * sum(abs(W))`` on the mean loss, by a proximal
        step [11]_: after each update the weights move towards 0 and stop there, so that
        some are exactly 0. They move by ``l1`` times the rate that the solver has for
        the gradient of the weight. Intercepts stay; the loss that is reported does not
        hold the penalty. Not with "lion" and "lbfgs".

    max_norm : float or None, default=None
        Largest Euclidean norm of the weights into a unit; longer ones are scaled to
        it after each step [9]_.

    clip_norm : float or None, default=None
        Largest Euclidean norm of the gradient of a batch, over all weights and
        intercepts and with the L2 penalty; a longer one is scaled to it [12]_.

    label_smoothing : float, default=0.0
        Share of each target, in [0, 1), that is divided equally among all classes
        [13]_; for two classes and for each label it is 0 and 1 that share it.
        Validation losses and scores take the targets as they are.

    layer_rates : array-like of shape (n_layers_ - 1,) or None, default=None
        Factors >= 0 of the learning rate of each layer of weights with its
        intercepts, the first hidden layer first. 0 freezes a layer: it stays as it
        is, to the last bit (but for the rounding of ``standardize_X`` and
        ``standardize_y``, whose scales are folded into the outer layers).

    weight_averaging : {None, "ema", "swa"}, default=None
        Average of the weights over the course of training, which is what is
        validated, and what stands in ``coefs_`` in the end: "ema" a moving average of
        the weights after each step; "swa" [14]_ the mean of those after each epoch
        from ``swa_start`` on. Training itself goes on with the weights as they are,
        over calls of ``partial_fit`` too.

    ema_decay : float, default=0.999
        What a step leaves of the older weights in the moving average, in [0, 1). The
        weights after step i of n count in proportion to ``ema_decay ** (n - i)``.

    swa_start : float, default=0.75
        Share of ``max_iter`` epochs, in [0, 1), after which "swa" begins. A fit that
        stops earlier keeps its weights without an average.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer. What you assign to an entry is used from then on by
        ``predict``, ``partial_fit`` and a warm start.

    intercepts_ : list of ndarray of shape (fan_out,)
        Intercepts of each layer.

    n_layers_ : int
        Number of layers, input and output included.

    n_outputs_ : int
        Number of units of the output layer: one per target, for several quantiles
        those of a target side by side, for gaussian_nll all means and then all log
        variances.

    quantiles_ : ndarray of shape (n_quantiles,)
        Levels of the fitted model; only for the quantile loss.

    out_activation_ : str or tuple
        "identity", "exp", "softplus" or ("logistic", low, high); for monotone
        quantiles "monotone", or ("monotone", name) with an activation behind them; for
        gaussian_nll "gaussian", the mean and the log variance of each target. It may be
        set after the fit as that of the classifier, but for gaussian_nll.

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
        What ended the last fit: "tol" (the loss fell no more), "early_stopping",
        "learning_rate" (too small), "target_score", "max_time", "max_iter", "n_epochs"
        (of ``partial_fit``), "max_fun", "line_search" (of lbfgs, which found no lower
        loss), "callback", "interrupted" (by Ctrl-C), "divergence", or "error" (of a
        user-defined function, after some steps).

    t_ : int
        Training samples seen; 0 for lbfgs.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features, where X had names that are all strings.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2014,
       arXiv:1412.6980.
    .. [2] C. Zhu, R. H. Byrd, P. Lu and J. Nocedal, "Algorithm 778: L-BFGS-B", ACM
       Transactions on Mathematical Software 23(4), 1997.
    .. [3] P. J. Huber, "Robust estimation of a location parameter", The Annals of
       Mathematical Statistics 35(1), 1964.
    .. [4] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46(1), 1978.
    .. [5] B. Jorgensen, "Exponential dispersion models", Journal of the Royal
       Statistical Society B 49(2), 1987.
    .. [6] D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target
       probability distribution", ICNN 1994.
    .. [7] V. Chernozhukov, I. Fernandez-Val and A. Galichon, "Quantile and probability
       curves without crossing", Econometrica 78(3), 2010.
    .. [8] Y. Gasthaus et al., "Probabilistic forecasting with spline quantile function
       RNNs", AISTATS 2019.
    .. [9] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov,
       "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
       2014.
    .. [10] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019,
       arXiv:1711.05101.
    .. [11] N. Parikh and S. Boyd, "Proximal algorithms", Foundations and Trends in
       Optimization 1(3), 2014.
    .. [12] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training
       recurrent neural networks", 2013, arXiv:1211.5063.
    .. [13] C. Szegedy et al., "Rethinking the inception architecture for computer
       vision", 2016, arXiv:1512.00567.
    .. [14] P. Izmailov et al., "Averaging weights leads to wider optima and better
       generalization", 2018, arXiv:1803.05407.
    .. [15] T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop, 2016.
    .. [16] T. Tieleman and G. Hinton, "Lecture 6.5 - RMSProp", Coursera, 2012.
    .. [17] J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online
       learning and stochastic optimization", JMLR 12, 2011.
    .. [18] X. Chen et al., "Symbolic discovery of optimization algorithms", 2023,
       arXiv:2302.06675.
    .. [19] D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate deep
       network learning by exponential linear units", 2015, arXiv:1511.07289.
    .. [20] G. Klambauer et al., "Self-normalizing neural networks", 2017,
       arXiv:1706.02515.
    .. [21] D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016,
       arXiv:1606.08415.
    .. [22] S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural
       network function approximation in reinforcement learning", 2017,
       arXiv:1702.03118.
    .. [23] D. Misra, "Mish: a self regularized non-monotonic activation function",
       2019, arXiv:1908.08681.

    Examples
    --------
    >>> from fastmlp import MLPRegressor
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=1)
    >>> regr = MLPRegressor(random_state=1, max_iter=2000, tol=0.1)
    >>> regr.fit(X_train, y_train).predict(X_test[:2]).round()
    array([  29., -291.])
    >>> round(regr.score(X_test, y_test), 2)
    0.98
    """

    _parameter_rules = parameters.REGRESSOR_RULES | parameters.RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)

    @suggests_keywords
    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        dtype="auto",
        fit_intercept=True,
        weight_init="glorot_uniform",
        n_threads=None,
        validation_split=None,
        scoring=None,
        target_score=None,
        max_time=None,
        on_divergence="raise",
        standardize_X=False,
        standardize_y=False,
        random_stream="restart",
        huber_delta=1.0,
        quantile=0.5,
        monotone_quantiles=False,
        tweedie_power=1.5,
        out_activation=None,
        dropout=0.0,
        input_noise=0.0,
        weight_decay=0.0,
        l1=0.0,
        max_norm=None,
        clip_norm=None,
        label_smoothing=0.0,
        layer_rates=None,
        weight_averaging=None,
        ema_decay=0.999,
        swa_start=0.75,
    ):
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            dtype=dtype,
            fit_intercept=fit_intercept,
            weight_init=weight_init,
            n_threads=n_threads,
            validation_split=validation_split,
            scoring=scoring,
            target_score=target_score,
            max_time=max_time,
            on_divergence=on_divergence,
            standardize_X=standardize_X,
            random_stream=random_stream,
            dropout=dropout,
            input_noise=input_noise,
            weight_decay=weight_decay,
            l1=l1,
            max_norm=max_norm,
            clip_norm=clip_norm,
            label_smoothing=label_smoothing,
            layer_rates=layer_rates,
            weight_averaging=weight_averaging,
            ema_decay=ema_decay,
            swa_start=swa_start,
        )
        self.standardize_y = standardize_y
        self.huber_delta = huber_delta
        self.quantile = quantile
        self.monotone_quantiles = monotone_quantiles
        self.tweedie_power = tweedie_power
        self.out_activation = out_activation

    def _wanted_objective(self):
        """The loss of the core."""
        return losses.regression_objective(self)

    def _take_objective(self, objective):
        super()._take_objective(objective)
        vars(self).pop("quantiles_", None)
        if objective.loss == "quantile":
            self.quantiles_ = np.array(objective.levels)

    def _count_outputs(self, y):
        """Units of the output layer: some for each target."""
        return y.shape[1] * losses.outputs_per_target(self._wanted_objective())

    def _validate_input(self, X, y, incremental, reset, dtype, exact=True):
        X, y = validation.check_fit_data(self, X, y, reset, dtype, y_numeric=True)
        objective = self._wanted_objective()
        if isinstance(self.loss, Loss):  # whose targets may be anything
            objective = Objective("squared_error")
        return X, validation.check_targets(y, X.dtype, objective)

    def _encode_plain(self, y, dtype):
        """Targets of the core from plain ones; None where they need a closer look."""
        if y.dtype != dtype or y.ndim > 2 or self.out_activation is not None:
            return None
        if self.loss not in losses.LOCATION_LOSSES:
            return None
        if not np.isfinite(y.sum()):
            return None
        y = np.ascontiguousarray(y).reshape(len(y), -1)
        return y if self._count_outputs(y) == self.n_outputs_ else None

    def _decoded(self, y):
        """Targets as predict gives them."""
        return y[:, 0] if y.shape[1] == 1 else y

    def _stratifies(self):
        """Whether the early-stopping split is stratified: never."""
        return False

    def _validation_score(self, y, outputs, sample_weight):
        """The score of the model for finite outputs."""
        return losses.score(y, outputs, self._wanted_objective(), sample_weight)

    @available_if(_solver_is_stochastic)
    @suggests_keywords
    def partial_fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        n_epochs=1,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        callback=None,
    ):
        """Update the model with some epochs over the given data.

        A loop over small float arrays of one shape costs about 60 us a call, training a
        small network included; ``coefs_`` are then changed in place.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows.
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
        options = self._incremental(n_epochs, X_val, y_val, sample_weight_val, callback)
        if not self._streamed(X, y, sample_weight, options):
            error = self._fit(X, y, sample_weight, options)
            if error is not None:
                raise error
        return self

    def predict(self, X, return_std=False):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        return_std : bool, default=False
            Whether to return the standard deviation too; for a model fitted with
            ``loss="gaussian_nll"``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            For several quantiles of shape (n_samples, n_quantiles) or
            (n_samples, n_targets, n_quantiles).
        std : ndarray of the shape of y
            Only with ``return_std=True``.

        Raises
        ------
        ValueError
            If the standard deviation is asked of a model of another loss.
        """
        if "_objective" not in vars(self) and not return_std:  # the short way
            outputs = self._outputs(X)
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        check_is_fitted(self, "coefs_")
        objective = self._fitted_objective()
        if return_std and objective.loss != "gaussian_nll":
            raise ValueError(
                "return_std=True needs a model fitted with loss='gaussian_nll', which "
                f"predicts a standard deviation; this one has loss={objective.loss!r}."
            )
        outputs = self._outputs(X)
        if objective.loss not in ("quantile", "gaussian_nll"):
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        outputs = losses.split_outputs(outputs, objective)
        if objective.loss == "gaussian_nll":
            mean, log_variance = _per_target(outputs)
            return (mean, np.exp(0.5 * log_variance)) if return_std else mean
        quantiles = outputs[:, 0] if outputs.shape[1] == 1 else outputs
        return quantiles[..., 0] if outputs.shape[2] == 1 else quantiles

    @suggests_keywords
    def predict_interval(self, X, coverage=0.9):
        """Predict central intervals that hold the target with a given probability.

        For ``loss="gaussian_nll"`` they are those of the normal distribution; for
        several quantiles they lie between two of them, which are interpolated
        linearly in the level where the model was not fitted for those asked, and
        sorted where they cross (Chernozhukov et al., reference 7 of the class).

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        coverage : float, default=0.9
            Probability within the interval, in (0, 1): it reaches from the quantile
            (1 - coverage) / 2 to (1 + coverage) / 2.

        Returns
        -------
        ends : ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2)
            Lower and upper end.

        Raises
        ------
        ValueError
            If the model has neither of these losses, or if its quantiles do not
            reach as far as the coverage asks.
        """
        check_is_fitted(self, "coefs_")
        objective = self._fitted_objective()
        if objective.loss not in ("quantile", "gaussian_nll"):
            raise ValueError(
                "predict_interval needs a model fitted with loss='gaussian_nll' or "
                f"loss='quantile' and several levels; this one has loss="
                f"{self.loss if isinstance(self.loss, Loss) else objective.loss!r}."
            )
        ends = losses.interval(self._outputs(X), objective, coverage)
        return ends[:, 0] if ends.shape[1] == 1 else ends

    def score(self, X, y, sample_weight=None):
        """Score of the predictions: R2, for quantiles D2 of their pinball losses.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            :func:`sklearn.metrics.r2_score` of what ``predict`` gives (of the mean,
            for gaussian_nll); for quantiles the mean over the levels of
            :func:`sklearn.metrics.d2_pinball_score`, the part of the pinball loss
            that the model spares the constant quantile. At most 1.
        """
        check_is_fitted(self, "coefs_")
        objective = self._fitted_objective()
        if objective.loss != "quantile":
            return super().score(X, y, sample_weight)
        return losses.score(y, self._outputs(X), objective, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
