"""Those who follow a fit: the plain hook, and scikit-learn's callbacks (from 1.9 on).

The interface of scikit-learn is experimental, so all that touches it is here.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING

from fastmlp._mlp.records import CURVES, publish
from fastmlp._utils.spelling import Method

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:
        """The same name as scikit-learn's mixin, which adds nothing here."""

    def _with_callbacks(method):
        return method


def with_callbacks(method: Method) -> Method:
    """scikit-learn's decorator of ``fit``, with the type of the method kept."""
    return _with_callbacks(method)


@contextmanager
def announced_fit(estimator, X, y, sample_weight, n_epochs):
    """Tell the callbacks of an estimator that a fit begins and ends.

    Gives the ``CallbackScope`` of the fit, or None without callbacks; ``n_epochs`` is
    the largest number of epochs.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        yield None
        return
    n_epochs = n_epochs if isinstance(n_epochs, Integral) else None
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    facts = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
    context = estimator._init_callback_context(max_subtasks=n_epochs)
    context.call_on_fit_task_begin(**facts)
    yield CallbackScope(context, facts)
    weights = {name: getattr(estimator, name) for name in estimator._weight_attributes}
    context.call_on_fit_task_end(**facts, reconstruction_attributes=weights)


class CallbackScope:
    """The context of one fit; each epoch is a task below it."""

    def __init__(self, context, facts):
        self.context, self.facts = context, facts
        self.epoch = None

    def epoch_begins(self):
        """Announce an epoch."""
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.facts)

    def epoch_ends(self, attributes):
        """Close the epoch; says whether a callback wants to stop.

        ``attributes`` is called only if a callback asks for a fitted estimator.
        """
        return self.epoch.call_on_fit_task_end(
            **self.facts, reconstruction_attributes=attributes
        )


@dataclass(frozen=True, eq=False)
class EpochRecord:
    """The argument of a callback of ``fit`` at the end of an epoch.

    Attributes
    ----------
    epoch : int
        Its number in this fit, from 1 on.
    loss : float
        Mean training loss over the epoch, penalty included.
    validation_loss, validation_score : float
        On the validation data; NaN without.
    learning_rate : float
        Rate of the epoch (of adam without the bias corrections); NaN for lbfgs.
    seconds : float
        Duration of the epoch, validation included.
    fitted_estimator : callable
        Without arguments; gives a copy of the estimator with the current weights.

    Methods
    -------
    stop(why="")
        End the fit after this epoch.
    """

    __module__ = "fastmlp"

    epoch: int
    loss: float
    validation_loss: float
    validation_score: float
    learning_rate: float
    seconds: float
    fitted_estimator: Callable[[], Any]

    def stop(self, why: str = "") -> NoReturn:
        """End the fit after this epoch, by raising StopIteration.

        Parameters
        ----------
        why : str, default=""
            The reason, which ``verbose`` prints.
        """
        raise StopIteration(why)


class FitListener:
    """Tells the hook of ``fit`` and the callbacks of scikit-learn of each epoch.

    The estimator then has the record so far and copies of the current weights. They are
    read-only, as training would not follow a change.

    Parameters
    ----------
    estimator : Estimator
    hook : callable or None
        The argument ``callback`` of ``fit``.
    scope : CallbackScope or None
    is_live : bool
        Whether training works on the very arrays of the estimator.
    """

    def __init__(self, estimator, hook, scope, is_live=False):
        self.estimator, self.hook, self.scope = estimator, hook, scope
        self.is_live = is_live

    def epoch_begins(self):
        """Announce an epoch."""
        if self.scope is not None:
            self.scope.epoch_begins()

    def epoch_ends(self, task, figures):
        """Tell of an epoch; gives the messages of those who want to stop."""
        publish(task.record, self.estimator)
        if not self.is_live:
            current = self.estimator._fitted_attributes(task, read_only=True)
            vars(self.estimator).update(current)
        messages = []
        if self.hook is not None:
            copy = partial(fitted_copy, self.estimator, task)
            messages += self._messages_of_hook(EpochRecord(*figures, copy))
        current = partial(self.estimator._fitted_attributes, task)
        if self.scope is not None and self.scope.epoch_ends(current):
            messages.append(f"A callback stopped training in epoch {figures.epoch}.")
        return messages

    def _messages_of_hook(self, record):
        """Call the hook; the message if it raised StopIteration.

        Its return value does not count: that of ``lambda record: bar.update()`` is not
        meant for us.
        """
        try:
            self.hook(record)
        except StopIteration as stop:
            why = f": {stop}" if str(stop) else "."
            return [f"The callback stopped training in epoch {record.epoch}{why}"]
        return []


def listener_of(estimator, options, is_live=False):
    """The listener that calls the callbacks of a fit, or None."""
    if options.callback is None and options.context is None:
        return None
    return FitListener(estimator, options.callback, options.context, is_live)


def fitted_copy(estimator, task):
    """A copy of the estimator that predicts with copies of the current weights."""
    fitted = object.__new__(type(estimator))  # the stamp of a pickle is slow
    vars(fitted).update(vars(estimator))
    vars(fitted).pop("_stream", None)
    publish(task.record, fitted)
    for name in CURVES:  # those of the record go on growing
        if vars(fitted).get(name) is not None:
            vars(fitted)[name] = list(vars(fitted)[name])
    vars(fitted).update(estimator._fitted_attributes(task))
    return fitted
