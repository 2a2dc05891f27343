"""Tables of the command line: reading files, and the names of their columns."""

from __future__ import annotations

import argparse
import csv
import difflib
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
FILE_HELP = "table: .csv, .tsv (both also .gz), .parquet, or any name with --sep"
MAX_SHOWN = 8
_SEP_HINT = 'are its cells separated by commas? --sep ";" takes another mark'
_POINTS_AND_COMMAS = str.maketrans(".,", ",.")


class UsageError(Exception):
    """A request cannot be met; the message is one line for the user."""


class Table(NamedTuple):
    """The cells of a file.

    Cells of a CSV file are texts without blanks around them, "" where empty; those of
    Parquet keep the types of the file, as pandas' ``ArrowDtype``.
    """

    frame: object
    notes: list[str]  # what reading left out
    has_doubtful_header: bool  # whether the names of the columns look like data


def one_line(error):
    """The message of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def some(names):
    """The first few of some names."""
    return ", ".join(names[:MAX_SHOWN]) + (", ..." if len(names) > MAX_SHOWN else "")


def parse_number(text, decimal="."):
    """The float that a text is, infinite ones among them; None for other texts."""
    if decimal != ".":
        text = text.translate(_POINTS_AND_COMMAS)
    try:
        number = float(text)
    except ValueError:
        return None
    is_other = number != number or "_" in text or not text.isascii()
    return None if is_other else number


def _separator(text):
    """An argparse type: the character between cells."""
    text = {"tab": "\t", r"\t": "\t"}.get(text, text)
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(
            f'must be one character, such as ";", or "tab", got {text!r}'
        )
    return text


def _encoding(text):
    """An argparse type: the name of an encoding."""
    try:
        "".encode(text)
    except LookupError:
        raise argparse.ArgumentTypeError(
            f"must name an encoding, such as latin-1 or utf-16, got {text!r}"
        ) from None
    return text


def add_format_options(parser):
    """Add the options that tell how a text file is written."""
    group = parser.add_argument_group("how a text file is written")
    add = group.add_argument
    add(
        "--sep",
        type=_separator,
        metavar="CHARACTER",
        help='between cells, such as ";" or "tab" (default: tab in .tsv, else ",")',
    )
    add(
        "--encoding",
        type=_encoding,
        default="utf-8-sig",
        metavar="NAME",
        help="such as latin-1 or utf-16 (default utf-8)",
    )
    add(
        "--decimal",
        choices=[".", ","],
        default=".",
        help='the mark in numbers like 2.5 (default ".")',
    )
    add(
        "--no-header",
        action="store_true",
        help="the first line holds cells; the columns are called 0, 1, 2 ...",
    )


def read_table(path, options):
    """Read the table of a file.

    Parameters
    ----------
    path : str
        With one of the ``SUFFIXES``, or any other where ``options.sep`` is given.
    options : argparse.Namespace
        With the options of `add_format_options`.

    Returns
    -------
    table : Table

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UsageError(
            'reading a table needs pandas: pip install "fastmlp[table]"'
        ) from None
    if not path.lower().endswith(SUFFIXES) and options.sep is None:
        raise UsageError(
            f"{path}: the suffix must be one of {', '.join(SUFFIXES)}; for other names "
            "give --sep"
        )
    if not Path(path).is_file():
        raise UsageError(f"{path}: no such file")
    try:
        if path.lower().endswith(".parquet"):
            frame = pd.read_parquet(path, dtype_backend="pyarrow").rename(columns=str)
            table = Table(frame.reset_index(drop=True), [], False)
        else:
            table = _read_text(path, options)
    except UsageError:
        raise
    except ImportError:
        raise UsageError(
            'reading Parquet needs pyarrow: pip install "fastmlp[table]"'
        ) from None
    except UnicodeError as error:
        raise UsageError(
            f"{path} is not written in {options.encoding} ({one_line(error)}); give "
            "its --encoding, such as latin-1 or utf-16"
        ) from None
    except Exception as error:  # the readers raise errors of many libraries
        raise UsageError(f"{path} cannot be read: {one_line(error)}") from None
    names = table.frame.columns
    if not names.is_unique:
        twice = names[names.duplicated()][0]
        raise UsageError(f"the column name {twice!r} occurs twice" + header_hint(table))
    if table.frame.empty:
        raise UsageError(f"{path}: the table is empty")
    return table


def _read_text(path, options):
    """Read a text file: its cells as they are written, without blanks around them."""
    import pandas as pd

    is_tab = path.lower().endswith((".tsv", ".tsv.gz"))
    sep = options.sep or ("\t" if is_tab else ",")
    first = _first_rows(path, sep, options.encoding)
    if not first:
        raise UsageError(f"{path}: the file is empty")
    # Where rows are longer than the header, pandas would take their start as an index.
    width = max(map(len, first))
    cells = pd.read_csv(
        path,
        sep=sep,
        encoding=options.encoding,
        header=None,
        names=range(width),
        dtype=str,
        na_filter=False,
        skipinitialspace=True,
        low_memory=False,
        compression="gzip" if _is_gzip(path) else None,
    )
    if options.no_header:
        names = [str(i) for i in range(len(first[0]))]
    else:
        cells = cells.iloc[1:].reset_index(drop=True)
        names = [name.strip() for name in first[0]]
    frame, notes = _named(path, cells, names)
    return Table(frame, notes, not options.no_header and _are_cells(first[0]))


def _first_rows(path, sep, encoding):
    """The first two rows of a text file that are not blank, split into cells."""
    opened = gzip.open if _is_gzip(path) else open
    rows = []
    with opened(path, "rt", encoding=encoding, newline="") as file:
        for row in csv.reader(file, delimiter=sep, skipinitialspace=True):
            if row:
                rows.append(row)
            if len(rows) == 2:
                break
    return rows


def _is_gzip(path):
    """Return whether the name of a file says that it is compressed by gzip."""
    return path.lower().endswith(".gz")


def _named(path, cells, names):
    """Cells under the names of the header, without columns that are none."""
    notes, kept = [], {}
    for i in cells.columns:
        column = cells[i].str.strip()
        if i < len(names) and names[i]:
            kept[i] = names[i]
        elif (column == "").all():  # rows, or the header too, end in a separator
            continue
        elif i >= len(names):
            row = int((column != "").to_numpy().argmax())
            is_single = len(names) == 1
            remedy = _SEP_HINT if is_single else "name every column in the first line"
            raise UsageError(
                f"{path}: the first line has {len(names)} cells, but row {row + 1} "
                f"has {i + 1}, the last of which is {column[row]!r}; {remedy}"
            )
        elif i == 0 and _counts_rows(column):
            notes.append("left out: the first column, without a name (row numbers)")
            continue
        else:
            kept[i] = f"Unnamed: {i}"
        cells[i] = column
    frame = cells[list(kept)]
    frame.columns = list(kept.values())
    return frame, notes


def _counts_rows(column):
    """Return whether the cells are 0, 1, 2 ... or 1, 2, 3 ..., as of an index."""
    rows = np.arange(len(column) + 1).astype(str)
    return (column == rows[:-1]).all() or (column == rows[1:]).all()


def _are_cells(names):
    """Return whether a header looks like cells: numbers, but no numbering."""
    names = [name.strip() for name in names]
    numbers = [name for name in names if parse_number(name) is not None]
    numberings = (range(len(names)), range(1, len(names) + 1))
    return bool(numbers) and all(numbers != [str(i) for i in n] for n in numberings)


def header_hint(table):
    """Words for a table whose first line may be no header, else none."""
    if not table.has_doubtful_header:
        return ""
    return (
        "; the first line looks like cells, not like names of columns: if the file has "
        "no header, give --no-header"
    )


def header_note(table):
    """Words for a header that is most likely a row of cells, as a list."""
    names = list(table.frame.columns)
    digits = [name.isdecimal() for name in names if parse_number(name) is not None]
    is_likely = len(digits) == len(names) or not all(digits)
    return [header_hint(table)[2:]] if table.has_doubtful_header and is_likely else []


def check_names(table, names, what="column"):
    """Raise UsageError unless all names are columns of the table.

    Parameters
    ----------
    table : Table
    names : list of str
    what : str, default="column"
        The kind of the names, in words.
    """
    columns = list(table.frame.columns)
    for name in names:
        if name in columns:
            continue
        near = difflib.get_close_matches(name, columns, cutoff=0.5)
        hint = f"near: {', '.join(near)}" if near else f"there are {some(columns)}"
        if len(columns) == 1:
            hint += f"; {_SEP_HINT}"
        raise UsageError(f"there is no {what} {name!r}; {hint}{header_hint(table)}")
