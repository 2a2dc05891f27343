"""What ``verbose`` prints: scikit-learn's lines, a progress line, or long lines."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


@dataclass(frozen=True, eq=False)
class EpochRecord:
    """What a callback of ``fit`` learns at the end of an epoch.

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
            What ``verbose`` prints as the reason.
        """
        raise StopIteration(why)


def reporter(verbose, n_epochs):
    """The printer for a value of ``verbose``, or None.

    True prints scikit-learn's lines; the ints 1 and 2 a progress line and one long line
    an epoch, although 1 == True.
    """
    if not verbose:
        return None
    if isinstance(verbose, bool | np.bool_):
        return Lines()
    return ProgressLine(n_epochs) if verbose == 1 else LongLines()


class Lines:
    """scikit-learn's lines: loss, and validation score."""

    def epoch_ends(self, record):
        """Print the line of an epoch."""
        print(f"Iteration {record.epoch}, loss = {record.loss:.8f}")
        if not math.isnan(record.validation_loss):
            print(f"Validation score: {record.validation_score:f}")

    def say(self, message):
        """Print a message."""
        print(message)

    def close(self, reason):
        """Finish the output of a training that ended for a reason."""


class LongLines(Lines):
    """One line an epoch with everything that is known."""

    def epoch_ends(self, record):
        """Print the line of an epoch."""
        line = f"Iteration {record.epoch}, loss = {record.loss:.8f}"
        if not math.isnan(record.validation_loss):
            line += f", validation loss = {record.validation_loss:.8f}"
            line += f", validation score = {record.validation_score:f}"
        if not math.isnan(record.learning_rate):
            line += f", learning rate = {record.learning_rate:g}"
        print(f"{line}, {record.seconds:.3f} s")


class ProgressLine(Lines):
    """A line that is written over: a bar, the epoch, loss, score and time left.

    Carriage returns work in terminals and notebooks; where the output is neither, a
    line is added every ten seconds.
    """

    width = 24

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs
        self.overwrites = sys.stdout.isatty() or "ipykernel" in sys.modules
        self.pause = 0.1 if self.overwrites else 10.0
        self.started = self.last = perf_counter()
        self.length, self.record, self.messages = 0, None, []

    def epoch_ends(self, record):
        """Write the line anew, unless it is young."""
        now = perf_counter()
        if self.messages:
            self._end(self._line(self.record))
        self.record = record
        if record.epoch == 1 or now - self.last >= self.pause:
            self.last = now
            self._write(self._line(record))

    def say(self, message):
        """Print a message below the line, once it is known whether that is the last."""
        self.messages.append(message)

    def close(self, reason):
        """Write the last line as that of a training that has ended."""
        if self.record is not None:
            self._end(self._line(self.record, reason))
        self.record = None

    def _line(self, record, reason=None):
        """The line of an epoch, or where there is a reason, of the end of training."""
        elapsed = perf_counter() - self.started
        done = 1.0 if reason else min(1.0, record.epoch / self.n_epochs)
        filled = int(done * self.width)
        bar = "#" * filled + "." * (self.width - filled)
        text = f"[{bar}] epoch {record.epoch}/{self.n_epochs}  loss {record.loss:.5g}"
        if not math.isnan(record.validation_loss):
            text += f"  validation score {record.validation_score:.4g}"
        left = elapsed / record.epoch * (self.n_epochs - record.epoch)
        rest = f"ended by {reason}" if reason else f"at most {left:.1f} s left"
        return f"{text}  {elapsed:.1f} s, {rest}"

    def _end(self, line):
        """Write a line that stays, and the messages below it."""
        self._write(line)
        if self.overwrites:
            print(flush=True)
        self.length = 0
        for message in self.messages:
            print(message)
        self.messages = []

    def _write(self, line):
        if not self.overwrites:
            print(line, flush=True)
            return
        padding = " " * max(0, self.length - len(line))
        print(f"\r{line}{padding}", end="", flush=True)
        self.length = len(line)
