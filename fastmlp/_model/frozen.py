"""A fitted model that can predict but not change, and its pickle."""

from __future__ import annotations

from importlib.metadata import version

from fastmlp._model.versions import warn_of_version


class FrozenModel:
    """Base of what is made of a snapshot and a number of threads, once and for all."""

    __slots__ = ("__weakref__", "_snapshot", "n_threads")
    n_threads: int

    def _put(self, **values):
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name, value):
        raise AttributeError(
            f"a {type(self).__name__} cannot be changed ({name!r}); compile a new one."
        )

    def __delattr__(self, name):
        raise AttributeError(f"a {type(self).__name__} cannot be changed ({name!r}).")

    def __reduce__(self):
        written_by = version("fastmlp")
        return _unpickled, (type(self), self._snapshot, self.n_threads, written_by)


def _unpickled(kind, snapshot, n_threads, written_by):
    """A model out of a pickle; warns if that is of another version."""
    warn_of_version(written_by, kind.__name__)
    return kind(snapshot, n_threads)


def check_one_output_per_target(objective):
    """Raise ValueError if the model has several: quantiles, or gaussian_nll."""
    if objective.loss == "gaussian_nll" or len(objective.levels) > 1:
        raise ValueError(
            "a predictor knows one output per target; this model has loss="
            f"{objective.loss!r}. Use predict of the model itself."
        )
