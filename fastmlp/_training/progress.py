"""Reports of a fit: scikit-learn's lines, a progress line, or long lines."""

from __future__ import annotations

import math
import sys
from time import perf_counter

import numpy as np


def reporter(verbose, n_epochs):
    """The reporter for a value of ``verbose``.

    True prints scikit-learn's lines; the ints 1 and 2 a progress line and one long line
    an epoch, although 1 == True.
    """
    if not verbose:
        return Silence()
    if isinstance(verbose, bool | np.bool_):
        return Lines()
    return ProgressLine(n_epochs) if verbose == 1 else LongLines()


def _is_notebook(stream):
    """Return whether a stream goes to the cell of a notebook."""
    return type(stream).__module__.startswith("ipykernel.")


class Silence:
    """Prints nothing."""

    is_silent = True

    def epoch_ends(self, figures):
        """Take the figures of an epoch."""

    def say(self, message):
        """Take a message."""

    def close(self, reason):
        """Finish the output of a training that ended for a reason."""


class Lines(Silence):
    """scikit-learn's lines: loss, and validation score."""

    is_silent = False

    def epoch_ends(self, figures):
        """Print the line of an epoch."""
        print(f"Iteration {figures.epoch}, loss = {figures.loss:.8f}")
        if not math.isnan(figures.validation_loss):
            print(f"Validation score: {figures.validation_score:f}")

    def say(self, message):
        """Print a message."""
        print(message)


class LongLines(Lines):
    """One line an epoch with everything that is known."""

    def epoch_ends(self, figures):
        """Print the line of an epoch."""
        line = f"Iteration {figures.epoch}, loss = {figures.loss:.8f}"
        if not math.isnan(figures.validation_loss):
            line += f", validation loss = {figures.validation_loss:.8f}"
            line += f", validation score = {figures.validation_score:f}"
        if not math.isnan(figures.learning_rate):
            line += f", learning rate = {figures.learning_rate:g}"
        print(f"{line}, {figures.seconds:.3f} s")


class ProgressLine(Lines):
    """A line that is written over: a bar, the epoch, loss, score and time left.

    Carriage returns work in terminals and notebooks; where the output is neither, such
    as a pipe or a file, a line is added every ten seconds.
    """

    width = 24

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs
        self.overwrites = sys.stdout.isatty() or _is_notebook(sys.stdout)
        self.pause = 0.1 if self.overwrites else 10.0
        self.started = self.last = perf_counter()
        self.length, self.last_figures, self.messages = 0, None, []

    def epoch_ends(self, figures):
        """Write the line anew, unless it is young."""
        now = perf_counter()
        if self.messages:
            self._end(self._line(self.last_figures))
        self.last_figures = figures
        if figures.epoch == 1 or now - self.last >= self.pause:
            self.last = now
            self._write(self._line(figures))

    def say(self, message):
        """Print a message below the line, once it is known whether that is the last."""
        self.messages.append(message)

    def close(self, reason):
        """Write the last line as that of a training that has ended."""
        if self.last_figures is not None:
            self._end(self._line(self.last_figures, reason))
        self.last_figures = None

    def _line(self, figures, reason=None):
        """The line of an epoch, or where there is a reason, of the end of training."""
        elapsed = perf_counter() - self.started
        done = 1.0 if reason else min(1.0, figures.epoch / self.n_epochs)
        filled = int(done * self.width)
        bar = "#" * filled + "." * (self.width - filled)
        text = f"[{bar}] epoch {figures.epoch}/{self.n_epochs}  loss {figures.loss:.5g}"
        if not math.isnan(figures.validation_loss):
            text += f"  validation score {figures.validation_score:.4g}"
        left = elapsed / figures.epoch * (self.n_epochs - figures.epoch)
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
