"""Columns of a table: numbers, or distinct values and which of them each cell is.

a) Three classes read a column on demand, as numbers (float64, NaN where missing) or as
   factors (distinct values and a code for each cell, below 0 where there is none). What
   a column is taken for is not theirs to decide; ``is_category`` is what its type says.
b) Work in Python is done for distinct values only. Cells that are objects go through a
   dict at the speed of C, which takes 1 and 1.0 and True for the same value.
c) Every refusal names the column, a value and what to do about it.
"""

from __future__ import annotations

from decimal import Decimal
from numbers import Number, Real

import numpy as np

from fastmlp._data.columns import is_date
from fastmlp._utils.numbers import shortest

MISSING, NUMBER, BOOL, TEXT = "missing", "number", "bool", "text"


class NumberColumn:
    """A column of numbers or bools that NumPy holds.

    Parameters
    ----------
    label : object
        Name of the column, or its position.
    values : ndarray of shape (n_rows,)
    missing : ndarray of bool of shape (n_rows,) or None
        Cells that are missing beside those that are NaN.
    """

    mixture = None

    def __init__(self, label, values, missing=None):
        self.label, self.values, self.missing = label, values, missing
        self.is_category = values.dtype.kind == "b"

    def numbers(self):
        """The cells as a new array."""
        values = self.values.astype(np.float64)
        if self.missing is not None:
            values[self.missing] = np.nan
        return values

    def factors(self):
        """Codes of the cells, and the distinct values."""
        values, codes = np.unique(self.values, return_inverse=True)
        if self.missing is not None:
            codes[self.missing] = -1
        is_narrow = values.dtype in (np.float32, np.float16)
        return codes, (shortest(values) if is_narrow else values).tolist()


class LevelColumn:
    """A column that is stored as distinct values and codes.

    Parameters
    ----------
    label : object
    codes : ndarray of int of shape (n_rows,)
        Below 0 for missing cells.
    values : list
        Not all of them need to occur.
    """

    is_category, mixture = True, None

    def __init__(self, label, codes, values):
        self.label, self.codes = label, codes
        self.values = [plain(value, label) for value in values]

    def numbers(self):
        """The cells as a new array; ValueError for texts."""
        texts = [code for code, v in enumerate(self.values) if isinstance(v, str)]
        wrong = np.isin(self.codes, texts)
        if wrong.any():
            raise text_error(self.values[self.codes[wrong.argmax()]], self.label)
        numbers = [
            np.nan if isinstance(value, str) else number(value, self.label)
            for value in self.values
        ]
        return np.array([*numbers, np.nan])[self.codes]

    def factors(self):
        """Codes of the cells, and the distinct values."""
        return self.codes, self.values


class ObjectColumn:
    """A column whose cells are objects of Python.

    Parameters
    ----------
    label : object
    cells : list
    """

    def __init__(self, label, cells):
        self.label, self.cells = label, cells
        self._kinds = {of: kind_of(of) for of in set(map(type, cells))}
        kinds = set(self._kinds.values())
        if None in kinds:
            raise type_error(self._first(None), label)
        self.is_category = kinds - {MISSING} != {NUMBER}

    @property
    def mixture(self):
        """A text beside which there are numbers other than NaN, or None."""
        if not {NUMBER, TEXT} <= set(self._kinds.values()):
            return None
        has_numbers = any(
            self._kinds[type(cell)] == NUMBER and cell == cell
            for cell in set(self.cells)
        )
        return self._first(TEXT) if has_numbers else None

    def _first(self, kind):
        """The first cell of a kind."""
        return next(cell for cell in self.cells if self._kinds[type(cell)] == kind)

    def numbers(self):
        """The cells as a new array; ValueError for texts."""
        if TEXT in self._kinds.values():
            raise text_error(self._first(TEXT), self.label)
        gaps = {of for of, kind in self._kinds.items() if kind == MISSING}
        cells = self.cells
        if gaps - {type(None)}:  # which NumPy takes for NaN already
            cells = [None if type(cell) in gaps else cell for cell in cells]
        try:
            return np.array(cells, dtype=np.float64)
        except OverflowError:
            return np.array([number(cell, self.label) for cell in cells])

    def factors(self):
        """Codes of the cells, and the distinct values."""
        places = {cell: code for code, cell in enumerate(dict.fromkeys(self.cells))}
        codes = map(places.__getitem__, self.cells)
        codes = np.fromiter(codes, dtype=np.intp, count=len(self.cells))
        return codes, [plain(value, self.label) for value in places]


def kind_of(of):
    """The kind of value that a type of Python holds; None for what is refused."""
    name = of.__name__
    if of is type(None) or name in ("NAType", "NaTType"):  # those of pandas
        return MISSING
    if is_date(name):  # before the others: timedelta64 says that it is an integer
        return None
    if issubclass(of, bool | np.bool_):
        return BOOL
    if issubclass(of, str) or name == "Interval":
        return TEXT
    return NUMBER if issubclass(of, Real | Decimal) else None


def plain(value, label):
    """A cell as None, bool, int, float or str; ValueError for all else.

    An int is one of 64 bits, so that an array can hold it.
    """
    of = type(value)
    if of in (str, bool) or value is None:
        return value
    kind = kind_of(of)
    if kind == MISSING or (kind == NUMBER and value != value):
        return None
    if kind == TEXT:
        return str(value)
    if kind == BOOL:
        return bool(value)
    if kind is None:
        raise type_error(value, label)
    if isinstance(value, int | np.integer) and -(2**63) <= value < 2**64:
        return int(value)
    return number(value, label)


def number(value, label):
    """A cell as a float, NaN where missing; ValueError for all else."""
    if type(value) is float:
        return value
    kind = MISSING if value is None else kind_of(type(value))
    if kind == MISSING:
        return np.nan
    if kind == TEXT:
        raise text_error(value, label)
    if kind is None:
        raise type_error(value, label)
    try:
        return float(value)
    except OverflowError:
        raise size_error(value, label) from None


def text_error(value, label):
    """The ValueError about a text where there should be a number."""
    return ValueError(
        f"Column {label!r} must hold numbers, but holds texts such as {_short(value)}. "
        "Convert it, for example by pandas.to_numeric with errors='coerce', which "
        "leaves gaps for what is no number, or fit with the column among "
        "categorical_features."
    )


def size_error(value, label):
    """The ValueError about a number that is infinite or beyond float64."""
    return ValueError(
        f"Column {label!r} holds {_short(value)}: infinity or a value too large for "
        "float64. Replace it by a finite number, or by NaN where it means a missing "
        "value."
    )


def type_error(value, label):
    """The ValueError about a value that is no number, text or bool."""
    return refusal(value, label, type(value).__name__)


def refusal(value, label, kind):
    """The ValueError about a column of a type, with the name of the type."""
    what = f"Column {label!r} holds {kind} values such as {_short(value)}. "
    if is_date(kind):
        column = f"X[{label!r}]"
        if "delta" in kind or "uration" in kind:
            return ValueError(
                f"{what}Convert spans of time to numbers, for example by {column} = "
                f"{column}.dt.total_seconds()."
            )
        return ValueError(
            f"{what}Convert dates and times to numbers, as many as matter, for "
            f"example by X['year'] = {column}.dt.year, X['day_of_year'] = "
            f"{column}.dt.dayofyear or X['days'] = ({column} - {column}.min()).dt.days,"
            f" and leave {label!r} out."
        )
    if isinstance(value, Number):
        remedy = "Complex data not supported: pass real and imaginary parts as columns."
    elif isinstance(value, bytes | bytearray | memoryview):
        remedy = "Decode bytes to text, for example by value.decode('utf-8')."
    elif hasattr(value, "__iter__"):
        remedy = "Spread nested values over columns of their own, one for each value."
    else:
        remedy = "Convert them to numbers, or by str to texts, which are categories."
    return ValueError(what + remedy)


def cast_error(label, kind, remedy):
    """The ValueError about a type that must be cast, with an expression for it."""
    return ValueError(
        f"Column {label!r} is of type {kind}, which is not read. Cast it, for example "
        f"by {remedy}."
    )


def _short(value):
    """A value for a message."""
    text = repr(value if isinstance(value, str) else str(value))
    text = text if isinstance(value, str) else text[1:-1]
    return text if len(text) <= 42 else f"{text[:40]}.."
