"""Literals of C: numbers, texts and lists of them."""

from __future__ import annotations

import json

import numpy as np


def class_names(classes):
    """The type and the values of the array of classes."""
    n = len(classes)
    if classes.dtype.kind in "iub":
        values = [int(value) for value in classes]
        if not all(-(2**31) < value < 2**31 for value in values):
            raise ValueError("the classes must be below 2**31 to be exported to C.")
        kind, items = "long", [f"{value}L" for value in values]
    elif classes.dtype.kind == "f":
        kind, items = "double", [number(value, np.dtype(float)) for value in classes]
    elif all(isinstance(value, str) for value in classes):
        kind, items = "char *const", [text(str(value)) for value in classes]
    else:
        raise ValueError(f"classes of dtype {classes.dtype} have no form in C.")
    return {"class_type": kind, "n_classes": n, "classes": ", ".join(items)}


def text(value, what="class"):
    """A literal of a text in UTF-8; what is not plain ASCII in octal."""
    if "\0" in value:
        raise ValueError(f"the {what} {value!r} holds a NUL, which ends a text in C.")
    if value.isascii() and value.isprintable() and not set("?$") & set(value):
        return json.dumps(value)
    return '"' + "".join(f"\\{byte:03o}" for byte in value.encode()) + '"'


def number(value, real):
    """A literal that reads back as the same number."""
    if not np.isfinite(value):
        raise ValueError(f"{value} has no form in C.")
    text = f"{float(value):.9g}" if real == np.float32 else repr(float(value))
    if not any(mark in text for mark in ".e"):
        text += ".0"
    return text + ("f" if real == np.float32 else "")


def numbers(values, real):
    """A list of literals, broken into lines."""
    return lines(number(value, real) for value in np.ravel(values))


def integers(values):
    """A list of whole numbers, broken into lines."""
    return lines(str(int(value)) for value in np.ravel(values))


def lines(items):
    """Items with commas between them, a few on a line."""
    items, size = list(items), 6
    lines = [", ".join(items[i : i + size]) for i in range(0, len(items), size)]
    return ",\n    ".join(lines)


def table(values, real):
    """Literals of a matrix."""
    return ",\n    ".join(f"{{{numbers(row, real)}}}" for row in values)


def array(kind, name, size, values):
    """A constant array; its name comes after that of the model."""
    return f"static const {kind} ${{name}}_{name}{size} = {{{values}}};"
