"""Warnings that point at the line that called fastmlp."""

from __future__ import annotations

import sys
import warnings

_OURS = ("fastmlp.", "sklearn.callback", "contextlib")


def warn(message, category=UserWarning):
    """Warn from the first frame that is not of this package."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
