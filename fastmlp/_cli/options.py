"""The options of a fit on the command line, and which of them go together."""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path

import fastmlp
from fastmlp._cli.table import FILE_HELP, UsageError, add_format_options

DESCRIPTION = """\
Fit a table of your own, or the digits that come with scikit-learn, and print test
scores and times beside other models, fitted in the same run.

--model tabular, the default with --data, fits TabularMLP to the columns as they are,
beside a linear model and HistGradientBoosting with their default parameters (but up to
1,000 iterations of the logistic regression).
--model mlp, the default without --data, prepares the features and fits the drop-in MLP
beside scikit-learn's, each with one thread or its default number, whichever is faster
for it. Each of them takes tables and digits.

The task follows from the target: text, categories and bools are classes; whole numbers
are classes up to 20 different ones; other numbers are quantities (regression). Several
targets are labels where all are 0 or 1, quantities otherwise. --task overrides this.

"fastmlp predict MODEL DATA --out FILE" and "fastmlp export MODEL --onnx|--c FILE" use a
saved model; they have a --help of their own.
"""
# The options that one model has and the other lacks, with their defaults
OF_ONE_MODEL = {
    "tabular": {"members": "auto", "max_time": None, "threads": None},
    "mlp": {"hidden": (100,), "max_iter": 200, "early_stopping": False},
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message):
        raise UsageError(message)


def _checked(convert, accepts, rule):
    """An argparse type: a converted value that must obey a rule."""

    def parse(text):
        with contextlib.suppress(ValueError):
            value = convert(text)
            if accepts(value):
                return value
        raise argparse.ArgumentTypeError(f"must be {rule}, got {text!r}")

    return parse


def _sizes(text):
    """The numbers of "100,50"."""
    return tuple(int(part) for part in text.split(","))


_count = _checked(int, lambda n: 0 < n < 2**31, "a whole number above 0")


def _parser():
    """The parser of a fit; an option of one model is absent unless it is given."""
    parser = Parser(
        prog="fastmlp",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", metavar="FILE", help=FILE_HELP)
    add("--target", action="append", metavar="COLUMN", help="repeat for several")
    add(
        "--drop",
        action="append",
        metavar="COLUMNS",
        help='columns to leave out, like "id,name"; may be repeated',
    )
    add("--task", choices=["auto", "classification", "regression"], default="auto")
    add(
        "--model",
        choices=list(OF_ONE_MODEL),
        help="tabular (default with --data) or mlp (default without)",
    )
    add(
        "--seed",
        type=_checked(int, lambda n: 0 <= n < 2**32, "from 0 to 2**32 - 1"),
        default=0,
        metavar="N",
        help="of the split, the weights and the order of rows (default 0)",
    )
    add(
        "--test-size",
        type=_checked(float, lambda f: 0 < f < 1, "between 0 and 1"),
        default=0.25,
        metavar="FRACTION",
        help="rows held out for the test (default 0.25)",
    )
    add("--no-compare", action="store_true", help="leave the other models out")
    add(
        "--save",
        metavar="PATH",
        help="write the fitted model: tabular by fastmlp.save_model, mlp as a pipeline "
        "by joblib",
    )
    _add_tabular(parser.add_argument_group("of --model tabular"))
    _add_mlp(parser.add_argument_group("of --model mlp"))
    add_format_options(parser)
    add("--version", action="version", version=f"fastmlp {fastmlp.__version__}")
    return parser


def _add_tabular(group):
    """Add the options of the model of raw tables."""
    group.add_argument(
        "--members",
        type=_count,
        default=argparse.SUPPRESS,
        metavar="N",
        help="networks that are averaged (default 5 for small tables, else 1)",
    )
    group.add_argument(
        "--max-time",
        type=_checked(float, lambda t: 0 < t < math.inf, "a number above 0"),
        default=argparse.SUPPRESS,
        metavar="SECONDS",
        help="end the fit then, with the best epoch so far; the others go on",
    )
    group.add_argument(
        "--threads",
        type=_count,
        default=argparse.SUPPRESS,
        metavar="N",
        help="largest number of threads of each model (default: all allowed)",
    )


def _add_mlp(group):
    """Add the options of the drop-in MLP."""
    group.add_argument(
        "--hidden",
        type=_checked(_sizes, lambda s: min(s) > 0, 'numbers like "100,50"'),
        default=argparse.SUPPRESS,
        metavar="SIZES",
        help='units of the hidden layers, like "100,50" (default 100)',
    )
    group.add_argument(
        "--max-iter",
        type=_count,
        default=argparse.SUPPRESS,
        metavar="N",
        help="largest number of epochs (default 200)",
    )
    group.add_argument(
        "--early-stopping",
        action="store_true",
        default=argparse.SUPPRESS,
        help="stop by a validation score",
    )


def fit_options(arguments):
    """The options of a fit.

    Parameters
    ----------
    arguments : list of str

    Returns
    -------
    options : argparse.Namespace
        With ``model`` chosen, and the default of each option of its own.

    Raises
    ------
    UsageError
        If an option is not valid, or does not go with the others.
    """
    options = _parser().parse_args(arguments)
    if bool(options.data) != bool(options.target):
        raise UsageError("--data FILE and --target COLUMN go together")
    if options.drop and not options.data:
        raise UsageError("--drop COLUMNS needs --data FILE")
    _choose_model(options)
    if options.save:
        check_output("--save", options.save, [options.data])
    return options


def _choose_model(options):
    """Set the model and the defaults of its options; refuse those of the other."""
    reason = ""
    if options.model is None:
        options.model = "tabular" if options.data else "mlp"
        reason = f", the default {'with' if options.data else 'without'} --data"
    for model, defaults in OF_ONE_MODEL.items():
        for name, default in defaults.items():
            if model == options.model:
                setattr(options, name, getattr(options, name, default))
            elif hasattr(options, name):
                raise UsageError(
                    f"--{name.replace('_', '-')} goes with --model {model}, not with "
                    f"--model {options.model}{reason}"
                )


def check_output(option, path, inputs):
    """Raise UsageError unless a file can be written there that is no input.

    Parameters
    ----------
    option : str
        The option that gives the path.
    path : str
    inputs : list of str or None
        Files that are read.
    """
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"{option}: no such folder: {Path(path).parent}")
    if Path(path).is_dir():
        raise UsageError(f"{option}: {path} is a folder")
    for name in inputs:
        exist = name and Path(name).exists() and Path(path).exists()
        if exist and Path(name).samefile(path):
            raise UsageError(f"{option}: {path} would overwrite an input")
