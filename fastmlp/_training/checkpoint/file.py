"""Checkpoints: a fit that goes on where it was killed.

A checkpoint holds all that the next epoch (iteration of lbfgs) depends on: weights, the
state of the solver, the generator, the record of losses and scores, and with early
stopping the best weights.  Parameters and a fingerprint of the data are in it too, so
that a checkpoint of other ones is refused.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.sparse import issparse

from fastmlp._data.validation import pieces_of
from fastmlp._files import safetensors
from fastmlp._files.values import encode, to_json
from fastmlp._training.checkpoint.checks import check_state, decoded_state

FORMAT = "fastmlp checkpoint"
FORMAT_VERSION = 2  # 1 held attributes of the model in place of a record


class Checkpoint:
    """The files that the state of a fit is written to and read from.

    Parameters
    ----------
    path : str or path-like or None
        File to write to; None writes none.
    every : int
        Epochs between two writes.
    resume : str or path-like or None
        File to go on from; None starts anew.
    """

    def __init__(self, path, every, resume):
        self.path, self.every, self.resume = path, every, resume
        self.identity = self.start_state = self.state_before = self.saved = None

    def begin(self, identity, random_state):
        """Compare the fit with the checkpoint to go on from.

        Comes before the split into training and validation part: the generator is put
        where it was there, so that the split is the same.

        Parameters
        ----------
        identity : dict
            The marks of this fit: "class", "params", "data", "dtype" and
            "units".
        random_state : RandomState
        """
        self.rewind(random_state)
        self.compare(identity, random_state)

    def rewind(self, random_state):
        """The first half of ``begin``, for data that are known after the split."""
        if self.path is not None:
            safetensors.remove_left_over(self.path)
        if self.resume is not None:
            self.saved = _read(self.resume)
            self.state_before = random_state.get_state()
            random_state.set_state(self.saved["start_random_state"].get_state())
        self.start_state = np.random.RandomState()
        self.start_state.set_state(random_state.get_state())

    def compare(self, identity, random_state):
        """The second half of ``begin``."""
        self.identity = identity
        if self.saved is None:
            return
        try:
            _compare(self.resume, self.saved["identity"], identity)
        except ValueError:  # the generator may be one of the user's
            random_state.set_state(self.state_before)
            raise

    def restore(self, monitor, solver_state):
        """Put everything where it was before the next epoch.

        Parameters
        ----------
        monitor : Monitor
        solver_state : StochasticState or LbfgsState
        """
        if self.saved is None:
            return
        saved, task = self.saved, monitor.task
        try:
            if saved["identity"].get("validation") != self.identity["validation"]:
                raise _refusal(self.resume, ["the validation rows are not the same"])
            with _named(self.resume):
                check_state(saved, monitor, solver_state)
        except ValueError:  # the generator may belong to the caller
            task.random_state.set_state(self.state_before)
            raise
        task.record.restore(saved["record"])
        solver_state.restore(saved)
        task.params[:] = saved["params"]
        monitor.judge.best_params = saved["best_params"]
        task.random_state.set_state(saved["random_state"].get_state())

    def epoch_ends(self, monitor, solver_state):
        """Write the state after an epoch that is followed by another one."""
        task = monitor.task
        if self.path is None or task.record.n_iter % self.every:
            return
        state = {
            "identity": self.identity,
            "start_random_state": self.start_state,
            "random_state": task.random_state,
            "params": task.params,
            "best_params": monitor.judge.best_params,
            "record": task.record.content(),
            **solver_state.content(),
        }
        tensors = {}
        encoded = {name: encode(value, name, tensors) for name, value in state.items()}
        metadata = {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "fastmlp_version": version("fastmlp"),
            "state": to_json(encoded),
        }
        safetensors.write(self.path, tensors, metadata)


def make_checkpoint(checkpoint, checkpoint_every, resume):
    """The checkpoint that the arguments of ``fit`` ask for, or None.

    Raises
    ------
    ValueError
        If an argument is not valid.
    """
    is_count = isinstance(checkpoint_every, int | np.integer)
    if isinstance(checkpoint_every, bool) or not is_count or checkpoint_every < 1:
        raise ValueError(
            f"checkpoint_every must be an int >= 1, got {checkpoint_every!r}."
        )
    if checkpoint is None and checkpoint_every != 1:
        raise ValueError(
            f"checkpoint_every={checkpoint_every!r} needs a file to write: pass "
            "checkpoint=path."
        )
    if checkpoint is None and resume is None:
        return None
    for name, value in (("checkpoint", checkpoint), ("resume", resume)):
        if value is not None and not isinstance(value, str | os.PathLike):
            raise ValueError(f"{name} must be a path or None, got {value!r}.")
    if checkpoint is not None and not Path(checkpoint).absolute().parent.is_dir():
        raise ValueError(
            f"checkpoint: there is no folder {Path(checkpoint).absolute().parent}."
        )
    return Checkpoint(checkpoint, int(checkpoint_every), resume)


def fingerprint(X, y, sample_weight):
    """A hash of the data, row by row in the precision of the model.

    Parameters
    ----------
    X : ndarray or CSR matrix
    y : ndarray
    sample_weight : ndarray or None

    Returns
    -------
    digest : str
    """
    digest = hashlib.blake2b(digest_size=16)
    arrays = [y, sample_weight]
    arrays += [X.data, X.indices, X.indptr] if issparse(X) else [X]
    digest.update(repr(X.shape).encode())
    for array in arrays:
        if array is None:
            digest.update(b"none")
            continue
        if array.dtype.kind == "i":  # the width of CSR indices does not matter
            array = array.astype(np.int64, copy=False)
        digest.update(repr((array.dtype.str, array.shape)).encode())
        for piece in pieces_of(array):
            digest.update(np.ascontiguousarray(piece).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _read(path):
    """The state in a file, decoded."""
    tensors, metadata = safetensors.read(path, copy=True)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} is not a checkpoint of fastmlp.")
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"{path} is a checkpoint of format {metadata.get('format_version')!r}; "
            f"this fastmlp reads {FORMAT_VERSION}."
        )
    with _named(path):
        return decoded_state(metadata.get("state", ""), tensors)


@contextmanager
def _named(path):
    """Name the file, and say what to do, in an error about what it holds."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        what = "too nested" if isinstance(error, RecursionError) else error
        raise ValueError(
            f"resume: {path} is not a sound checkpoint: {what}. Resume from another "
            "file, or fit without resume."
        ) from None


def _compare(path, saved, now):
    """Raise ValueError, with the reason, if a checkpoint is of another fit."""
    reasons = []
    for name in sorted({*saved["params"], *now["params"]}):
        old, new = saved["params"].get(name), now["params"].get(name)
        if old != new:
            reasons.append(f"{name} was {_shown(old)}, now it is {_shown(new)}")
    for name, what in (
        ("class", "it is of a"),
        ("dtype", "X was cast to"),
        ("units", "the layers had the sizes"),
    ):
        if saved[name] != now[name]:
            reasons.append(f"{what} {saved[name]}, now {now[name]}")
    if not reasons and saved["data"] != now["data"]:
        reasons.append("X, y or sample_weight are not the same data")
    if reasons:
        raise _refusal(path, reasons)


def _refusal(path, reasons):
    """The error about a checkpoint of another fit."""
    return ValueError(
        f"resume: {path} was written by another fit: {'; '.join(reasons)}. Resume with "
        "the same data and parameters, or fit without resume."
    )


def _shown(value):
    """A value as the user wrote it, about."""
    if isinstance(value, dict) and value:
        value = next(iter(value.values()))
    return repr(value)
