"""The base class of all estimators: parameters by name, the record, and pickles."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sklearn.base import BaseEstimator

from fastmlp._mlp.callbacks import CallbackSupportMixin
from fastmlp._model.versions import stamped, unstamped
from fastmlp._training.record import as_arrays
from fastmlp._utils.site import HasPage
from fastmlp._utils.spelling import did_you_mean

if TYPE_CHECKING:
    from typing import Any

    from fastmlp._utils.annotations import Array

# Not typing.Self, by which jedi takes the base class for the result.
Model = TypeVar("Model", bound="Estimator")


class Estimator(HasPage, CallbackSupportMixin, BaseEstimator):
    """An estimator that trains by epochs.

    A class of it names the attributes that hold its weights in ``_weight_attributes``;
    ``_fitted_attributes(task, read_only=False)`` is a dict of them with copies of the
    current weights of a task.
    """

    def _store(self, arguments):
        """Store the arguments of ``__init__``, given as its ``locals()``."""
        vars(self).update({k: v for k, v in arguments.items() if k != "self"})

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

    @property
    def history_(self) -> dict[str, Array]:
        """Record of the epochs: a dict of arrays, see the attributes of the class."""
        try:
            return as_arrays(self._history)
        except AttributeError:
            raise AttributeError(
                "history_ belongs to a fit in this process: the model was not fitted, "
                "or was loaded from a file of save_model, which holds loss_curve_ and "
                "the validation curves."
            ) from None

    def __getstate__(self):
        return stamped(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(unstamped(state, type(self).__name__))
