"""The base class of classifier and regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fastmlp._core.batch import BatchSum
from fastmlp._core.network import Data, Layers, Network, Objective
from fastmlp._core.prediction import predict
from fastmlp._data import validation
from fastmlp._data.rows import check_names, column_names
from fastmlp._functions.losses import Loss
from fastmlp._inspection import representation
from fastmlp._inspection.summary import summary
from fastmlp._inspection.trace import trace_step
from fastmlp._mlp import fast_predict, fitting, input_checks, parameters
from fastmlp._mlp.activations import layer_activations, named_activations
from fastmlp._mlp.callbacks import announced_fit, with_callbacks
from fastmlp._mlp.constraints import check_own_constraints, constraints
from fastmlp._mlp.estimator import Estimator
from fastmlp._mlp.fast_predict import OUTPUTS
from fastmlp._model import losses
from fastmlp._model.snapshot import (
    Snapshot,
    output_activation,
    predicting_objective,
    special,
)
from fastmlp._training.optimizers import OPTIMIZERS
from fastmlp._training.regularization import smoothed
from fastmlp._utils.numbers import float_dtype
from fastmlp._utils.spelling import Method, suggests_keywords
from fastmlp._utils.threads import allowed_threads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

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


class BaseMLP(Estimator):
    """The base class of classifier and regressor."""

    _parameter_rules = parameters.RULES
    _parameter_constraints = constraints(parameters.RESOLVED_RULES | _parameter_rules)
    # Splitters take groups too: with metadata routing on, those of a search are not
    # meant for fit unless set_fit_request(groups=True) says so.
    __metadata_request__fit = {"groups": False}
    _weight_attributes = ("coefs_", "intercepts_")

    def _fitted_attributes(self, task, read_only=False):
        """Copies of the current weights of a task, by the name of the attribute."""
        coefs, intercepts = task.fitted_layers()
        for array in coefs + intercepts if read_only else []:
            array.setflags(write=False)
        return dict(zip(self._weight_attributes, (coefs, intercepts)))

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
        options = fitting.fit_options(
            callback,
            checkpoint,
            checkpoint_every,
            resume,
            coefs_init=coefs_init,
            intercepts_init=intercepts_init,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            groups=groups,
        )
        announcement = announced_fit(self, X, y, sample_weight, self.max_iter)
        with announcement as options.context:
            error = self._train(X, y, sample_weight, options)
        if error is not None:
            raise error
        return self

    def _train(self, X, y, sample_weight, options):
        """Train; returns what a user-defined function raised, to be raised again."""
        return fitting.fit(self, X, y, sample_weight, options)

    def _validate_params(self):
        """Raise InvalidParameterError for a parameter that is not valid, as ``fit``."""
        parameters.check_parameters(self, self._parameter_rules)
        layer_activations(self, len(parameters.hidden_sizes(self)))
        check_own_constraints(self)

    def _take_activations(self, n_hidden, cold):
        """Resolve the activations of the hidden layers, and keep those given by name.

        A name may be registered anew later; this model keeps the present function.
        """
        if cold:
            vars(self).pop("_named_activations", None)
        activations = layer_activations(self, n_hidden)
        named = named_activations(self)
        vars(self).pop("_named_activations", None)
        if named:
            self._named_activations = named
        return activations

    def _training_dtype(self, cold):
        """The dtypes that X may have in training, the first one preferred."""
        dtype = float_dtype(self.dtype)
        if dtype is not None:
            return dtype
        if cold:
            return [np.float64, np.float32]
        return self._layers()[0][0].dtype

    def _layers(self):
        """The arrays in ``coefs_`` and ``intercepts_``, checked, and the units."""
        return validation.check_layers(self.coefs_, self.intercepts_, None)

    def _validate_input(self, X, y, incremental, reset, dtype, exact=True):
        """X and y for training, checked, y encoded; learns the classes of a new model.

        With ``exact`` a warm start needs all classes of the fit before.
        """
        X, y = input_checks.check_fit_data(
            self, X, y, reset, dtype, y_numeric=not isinstance(self, ClassifierMixin)
        )
        self._learn_classes(y, incremental, exact)
        return X, self._targets().encode(y, X.dtype)

    def _learn_classes(self, y, incremental, exact):
        """Take over the classes, where there are any."""

    def _row_weights(self, y, sample_weight, dtype, total=None):
        """The weights that count in training, in a precision, or None."""
        return self._plain_weights(y, sample_weight, dtype)

    def _plain_weights(self, y, sample_weight, dtype):
        """The weights of the rows in a precision, after a check, or None."""
        weight = validation.check_sample_weight(sample_weight, len(y), dtype)
        validation.check_some_weight(weight, "the data")
        return weight

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

    def _take_objective(self, objective):
        """Record the loss that the weights are trained for."""
        self.out_activation_ = output_activation(objective)
        vars(self).pop("_objective", None)
        if not losses.is_plain(objective):
            self._objective = objective._asdict()

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
        activations = layer_activations(self, len(units) - 2)
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
        return layer_activations(self, len(network.units) - 2)

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
        n_outputs = self._targets().n_outputs(y)
        if X.shape[1] != units[0] or n_outputs != units[-1]:
            raise ValueError(
                f"the model has {units[0]} features and {units[-1]} outputs; X has "
                f"{X.shape[1]} features and y {n_outputs} outputs."
            )
        activations = layer_activations(self, len(units) - 2)
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
        n_outputs = y.shape[1] if one_hot else self._targets().n_outputs(y)
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
        check_is_fitted(self, "coefs_")
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
        """Return whether the fitted model predicts several labels at once."""
        return False

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
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
