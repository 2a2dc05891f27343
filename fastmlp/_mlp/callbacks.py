"""scikit-learn's callbacks where it has them (from 1.9 on), and the plain hook.

The interface of scikit-learn is experimental, so all that touches it is here.
"""

from __future__ import annotations

from contextlib import contextmanager
from numbers import Integral

from fastmlp._utils.spelling import Method

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
def announced_fit(estimator, X, y, sample_weight):
    """Tell the callbacks of an estimator that a fit begins and ends.

    Gives the ``CallbackScope`` of the fit, or None without callbacks.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        yield None
        return
    n_epochs = estimator.max_iter if isinstance(estimator.max_iter, Integral) else None
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    facts = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
    context = estimator._init_callback_context(max_subtasks=n_epochs)
    context.call_on_fit_task_begin(**facts)
    yield CallbackScope(context, facts)
    layers = {"coefs_": estimator.coefs_, "intercepts_": estimator.intercepts_}
    context.call_on_fit_task_end(**facts, reconstruction_attributes=layers)


class CallbackScope:
    """The context of one fit; each epoch is a task below it."""

    def __init__(self, context, facts):
        self.context, self.facts = context, facts
        self.epoch = None

    def epoch_begins(self):
        """Announce an epoch."""
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.facts)

    def epoch_ends(self, fitted_layers):
        """Close the epoch; says whether a callback wants to stop.

        ``fitted_layers`` is called only if a callback asks for a fitted estimator.
        """

        def attributes():
            return dict(zip(("coefs_", "intercepts_"), fitted_layers()))

        return self.epoch.call_on_fit_task_end(
            **self.facts, reconstruction_attributes=attributes
        )
