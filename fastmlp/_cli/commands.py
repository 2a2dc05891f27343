"""The subcommands of the command line that use a fitted model: predict and export."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import joblib
import numpy as np

from fastmlp._cli.fitting import warnings_as_notes
from fastmlp._cli.model_input import read_input
from fastmlp._cli.options import check_output
from fastmlp._cli.table import (
    FILE_HELP,
    SUFFIXES,
    UsageError,
    add_format_options,
    one_line,
)
from fastmlp._mlp.model_files import load_model
from fastmlp._mlp.pipeline import fold_targets, is_model
from fastmlp.export._table_source import table_model

MODEL_HELP = (
    "a file of fastmlp.save_model, or one that --save or joblib.dump wrote (loading "
    "that runs code: only from people you trust)"
)


def add_subcommands(parser):
    """Add ``predict`` and ``export`` to a parser whose default is to fit."""
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser("predict", help="predict the rows of a table")
    predict.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    predict.add_argument("data", metavar="DATA", help=FILE_HELP)
    predict.add_argument(
        "--out", required=True, metavar="FILE", help="CSV to write, one row per row"
    )
    predict.add_argument(
        "--proba", action="store_true", help="also the probability of each class"
    )
    add_format_options(predict)
    predict.set_defaults(run=_predict)
    export = commands.add_parser("export", help="write a model for another runtime")
    export.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    form = export.add_mutually_exclusive_group(required=True)
    form.add_argument("--onnx", metavar="FILE", help="an ONNX graph")
    form.add_argument(
        "--c",
        metavar="FILE",
        help="a C99 header; of a model, or of scalers and a model, not of a pipeline "
        "such as --save writes",
    )
    export.add_argument(
        "--dtype",
        choices=["float32", "float64", "int8"],
        help="int8 for --c only",
    )
    export.add_argument(
        "--data",
        metavar="DATA",
        help="typical rows: a pipeline needs them, to tell the types of its columns; "
        "for a C header they tell the error of int8",
    )
    add_format_options(export)
    export.set_defaults(run=_export)


def load_any(path):
    """Load a model file, or what joblib wrote.

    Raises
    ------
    UsageError
        If there is no such file, or if it holds no model.
    """
    if not Path(path).is_file():
        raise UsageError(f"{path}: no such file")
    if path.lower().endswith(SUFFIXES):
        raise UsageError(f"{path} is a table, no model; the model comes first")
    with open(path, "rb") as file:
        start = file.read(9)
    try:
        if start[5:] == b"\0\0\0{":  # 8 bytes of a length, then JSON
            return load_model(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions; a failure will be told
            model = joblib.load(path)
    except Exception as error:  # unpickling raises errors of any kind
        raise UsageError(
            f"{path} cannot be loaded as a file of fastmlp.save_model or joblib: "
            f"{one_line(error)}"
        ) from None
    if not hasattr(model, "predict"):
        raise UsageError(f"{path} holds a {type(model).__name__}, which is no model")
    return model


def _predict(options):
    """Predict the rows of a table and write them."""
    import pandas as pd

    check_output("--out", options.out, [options.model, options.data])
    model = load_any(options.model)
    X, notes = read_input(model, options.data, options)
    if options.proba and not hasattr(model, "predict_proba"):
        raise UsageError("--proba needs a classifier; the model is a regressor")
    try:
        with warnings_as_notes():
            y = model.predict(X)
            proba = model.predict_proba(X) if options.proba else None
    except (ValueError, TypeError) as error:
        raise UsageError(f"{options.data}: {_of_data(error, X)}") from None
    for note in notes:
        print(f"note: {note}")
    y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    columns, classes = {"prediction": y}, getattr(model, "classes_", None)
    if y.ndim == 2:
        names = getattr(model, "target_names_", range(y.shape[1]))
        columns = {f"prediction_{name}": y[:, i] for i, name in enumerate(names)}
        classes = names
    if proba is not None:
        for name, column in zip(classes, proba.T, strict=True):
            columns[f"probability_{name}"] = column
    pd.DataFrame(columns).to_csv(options.out, index=False)
    print(f"{len(y):,} predictions are written to {options.out}")


def _of_data(error, X):
    """The message of an error about X, with the name of a column with gaps."""
    import pandas as pd

    gaps = pd.DataFrame(X).isna().any()
    if not gaps.any():
        return one_line(error)
    return (
        f"column {gaps.idxmax()!r} has missing cells, which the model may not take: "
        f"{one_line(error)}"
    )


def _export(options):
    """Write a model for another runtime."""
    import fastmlp

    option, target = ("--onnx", options.onnx) if options.onnx else ("--c", options.c)
    check_output(option, target, [options.model, options.data])
    model = load_any(options.model)
    X = None
    if options.data:
        X, _ = read_input(model, options.data, options)
    try:
        if options.c:
            fastmlp.to_c(model, target, dtype=options.dtype, X=X)
        elif options.dtype == "int8":
            raise UsageError("--dtype int8 is for --c only")
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # skl2onnx: of its own use of onnx
                needs_rows = table_model(model) is None
                if X is None and needs_rows and not is_model(fold_targets(model)):
                    raise UsageError(
                        "a pipeline needs --data TABLE, a few rows of its input: they "
                        "tell the types of its columns"
                    )
                fastmlp.to_onnx(model, target, dtype=options.dtype, X=X)
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        raise UsageError(one_line(error)) from None
    print(f"the model is written to {target} ({Path(target).stat().st_size:,} bytes)")


def is_command(arguments):
    """Return whether arguments begin with a subcommand."""
    return bool(arguments) and arguments[0] in ("predict", "export")


def run_command(parser, arguments):
    """Parse the arguments of a subcommand and do it.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        An empty one.
    arguments : list of str
    """
    add_subcommands(parser)
    options = parser.parse_args(arguments)
    options.run(options)
    sys.stdout.flush()
