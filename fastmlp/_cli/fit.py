"""``python -m fastmlp``: fit the digits or a table, beside scikit-learn.

The subcommands ``predict`` and ``export`` are in ``commands.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn import neural_network
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

import fastmlp
from fastmlp._cli.commands import is_command, run_command
from fastmlp._cli.problem import Problem, load_problem
from fastmlp._cli.report import (
    name_of_score,
    print_comparison,
    print_results,
    score_rows,
    scores_of,
)
from fastmlp._cli.table import FILE_HELP, UsageError, add_format_options, one_line
from fastmlp._cli.targets import REGRESSION
from fastmlp._training.task import INTERRUPTED

DESCRIPTION = """\
Fit a multi-layer perceptron and print its test score and time beside scikit-learn's,
each with one thread or its default number, whichever is faster for it.
Without --data it learns the digits that come with scikit-learn.

The task follows from the target: text, categories and bools are classes; whole numbers
are classes up to 20 different ones; other numbers are quantities (regression). Several
targets are labels where all are 0 or 1, quantities otherwise. --task overrides this.

"fastmlp predict MODEL DATA --out FILE" and "fastmlp export MODEL --onnx|--c FILE" use a
saved model; they have a --help of their own.
"""


class _Parser(argparse.ArgumentParser):
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


def _parser():
    """The options."""
    parser = _Parser(
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
        "--hidden",
        type=_checked(_sizes, lambda s: min(s) > 0, 'numbers like "100,50"'),
        default=(100,),
        metavar="SIZES",
        help='units of the hidden layers, like "100,50" (default 100)',
    )
    add(
        "--max-iter",
        type=_checked(int, lambda n: n > 0, "a whole number above 0"),
        default=200,
        metavar="N",
        help="largest number of epochs (default 200)",
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
    add("--early-stopping", action="store_true", help="stop by a validation score")
    add("--no-compare", action="store_true", help="leave scikit-learn out")
    add("--save", metavar="PATH", help="write the fitted pipeline by joblib")
    add_format_options(parser)
    add("--version", action="version", version=f"fastmlp {fastmlp.__version__}")
    return parser


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; by default those of the process.

    Returns
    -------
    code : int
        0; 2 after an error of usage, which is one line on stderr; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else argv
    try:
        if is_command(arguments):
            run_command(_Parser(prog="fastmlp"), arguments)
            return 0
        options = _parser().parse_args(arguments)
        if bool(options.data) != bool(options.target):
            raise UsageError("--data FILE and --target COLUMN go together")
        if options.drop and not options.data:
            raise UsageError("--drop COLUMNS needs --data FILE")
        if options.save and not Path(options.save).parent.is_dir():
            raise UsageError(f"--save: no such folder: {Path(options.save).parent}")
        if options.save and Path(options.save).is_dir():
            raise UsageError(f"--save: {options.save} is a folder")
        with _warnings_as_notes():
            _run(load_problem(options) if options.data else _digits(), options)
    except UsageError as error:
        print(f"fastmlp: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"fastmlp: error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, UserWarning):  # the latter out of a fit: INTERRUPTED
        print("fastmlp: interrupted", file=sys.stderr)
        return 130
    return 0


def _digits():
    """The digits of scikit-learn."""
    X, y = load_digits(return_X_y=True)
    facts = [f"digits of scikit-learn: {len(X):,} images of 8 x 8 pixels, 10 classes"]
    return Problem(facts, X, y, "multi-class classification", StandardScaler(), [""])


def _run(problem, options):
    """Fit, score and print."""
    for fact in problem.facts:
        print(fact)
    X_train, X_test, y_train, y_test = _split(problem, options)
    prepare = problem.prepare
    with _errors_for_users():
        X_train, X_test = prepare.fit_transform(X_train), prepare.transform(X_test)
    print(
        f"{X_train.shape[0]:,} rows to train on, {X_test.shape[0]:,} to test on, "
        f"{X_train.shape[1]} features once prepared"
    )
    print(
        f"hidden layers: {', '.join(map(str, options.hidden))}; at most "
        f"{options.max_iter} epochs"
    )
    libraries = {"fastmlp": fastmlp, "scikit-learn": neural_network}
    if options.no_compare:
        del libraries["scikit-learn"]
    models = {n: _model(m, problem.task, options) for n, m in libraries.items()}
    threads = {n: _warm_up(model, X_train, y_train) for n, model in models.items()}
    seconds, scores = {}, {}
    for name, model in models.items():
        print(f"\n{name}")
        with threadpool_limits(threads[name], "blas"):
            seconds[name] = _timed_fit(model, X_train, y_train, options.early_stopping)
        with _errors_for_users():
            scores[name] = {
                "test": scores_of(model, X_test, y_test, problem.task, problem.names),
                "training": scores_of(
                    model, X_train, y_train, problem.task, problem.names
                ),
            }
    mlps = {name: _perceptrons(model)[-1] for name, model in models.items()}
    rows = score_rows(scores)
    rows["epochs"] = {name: mlp.n_iter_ for name, mlp in mlps.items()}
    rows["threads, at most"] = threads
    rows["fit, seconds"] = {name: f"{value:.3f}" for name, value in seconds.items()}
    print_results(rows, _baseline(problem.task, X_train, X_test, y_train, y_test))
    if len(mlps) == 2:
        print_comparison(mlps, seconds, _remark(problem.task, options))
    if options.save:
        pipeline = Pipeline([("prepare", prepare), ("mlp", models["fastmlp"])])
        pipeline.target_names_ = problem.names  # for the columns of predictions
        try:
            joblib.dump(pipeline, options.save)
        except OSError as error:
            raise UsageError(f"--save: {one_line(error)}") from None
        print(f"the fitted pipeline is saved: joblib.load({options.save!r})")


@contextlib.contextmanager
def _warnings_as_notes(indent="", early_stopping=False):
    """Warnings as lines of the output, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("error", INTERRUPTED)
        yield
    for message in dict.fromkeys(one_line(w.message) for w in caught):
        if "Maximum iterations" in message:
            message = "not converged yet: --max-iter N trains for longer"
            if not early_stopping:
                message += (
                    "; where the test scores are behind the training scores, "
                    "--early-stopping serves better: it ends the fit by held-out rows"
                )
        print(f"{indent}note: {message}")


@contextlib.contextmanager
def _errors_for_users():
    """Errors about data and parameters as errors of usage."""
    try:
        yield
    except (ValueError, MemoryError) as error:
        raise UsageError(one_line(error)) from None


def _split(problem, options):
    """Training and test part, stratified where there are rows enough."""
    y, stratify = problem.y, None
    n_test = int(np.ceil(options.test_size * len(y)))
    if min(n_test, len(y) - n_test) < 2:
        raise UsageError(
            f"--test-size {options.test_size:g} splits {len(y)} rows into "
            f"{len(y) - n_test} and {n_test}; both parts need 2 or more"
        )
    if problem.task not in REGRESSION and y.ndim == 1:
        _, counts = np.unique(y, return_counts=True)
        if counts.min() > 1 and min(n_test, len(y) - n_test) >= len(counts):
            stratify = y
    return train_test_split(
        problem.X,
        y,
        test_size=options.test_size,
        random_state=options.seed,
        stratify=stratify,
    )


def _model(library, task, options):
    """The estimator of a library; quantities are standardised for it."""
    regression = task in REGRESSION
    kind = library.MLPRegressor if regression else library.MLPClassifier
    mlp = kind(
        hidden_layer_sizes=options.hidden,
        max_iter=options.max_iter,
        random_state=options.seed,
        early_stopping=options.early_stopping,
    )
    if not regression:
        return mlp
    if library is fastmlp:
        return mlp.set_params(standardize_y=True)
    return TransformedTargetRegressor(mlp, transformer=StandardScaler())


def _perceptrons(model):
    """The perceptrons inside a model, the fitted one last."""
    if isinstance(model, TransformedTargetRegressor):
        fitted = getattr(model, "regressor_", None)
        return [model.regressor] if fitted is None else [model.regressor, fitted]
    return [model]


def _be_verbose(model, verbose):
    """Switch the printing of a model on or off."""
    for mlp in _perceptrons(model):
        mlp.set_params(verbose=verbose)


class _EveryTenth(io.TextIOBase):
    """Passes on the first, each tenth and the closing lines of a verbose fit."""

    def __init__(self, stream):
        self.stream = stream
        self.pending = ""
        self.shows = True

    def write(self, text):
        *lines, self.pending = (self.pending + text).split("\n")
        for line in lines:
            if line.startswith("Iteration "):
                epoch = int(line.split()[1].rstrip(","))
                self.shows = epoch == 1 or epoch % 10 == 0
            elif not line.startswith("Validation score:"):
                self.shows = True
            if self.shows:
                self.stream.write(f"  {line}\n")
        return len(text)


def _warm_up(model, X, y):
    """First calls, which are not to be timed; the better largest number of threads."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    default = max((pool["num_threads"] for pool in pools), default=1)
    short = clone(model)
    _perceptrons(short)[-1].set_params(max_iter=2)
    seconds = {}
    for n in (default, default, 1):  # many threads wait in vain on a busy machine
        with (
            _errors_for_users(),
            warnings.catch_warnings(),
            threadpool_limits(n, "blas"),
        ):
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", INTERRUPTED)
            start = time.perf_counter()
            clone(short).fit(X, y)
            seconds[n] = min(seconds.get(n, np.inf), time.perf_counter() - start)
    return min(seconds, key=seconds.get)


def _timed_fit(model, X, y, early_stopping):
    """Seconds of a fit; its warnings are printed as notes."""
    _be_verbose(model, True)
    with (
        _warnings_as_notes("  ", early_stopping),
        _errors_for_users(),
        contextlib.redirect_stdout(_EveryTenth(sys.stdout)),
    ):
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
    _be_verbose(model, False)
    return seconds


def _baseline(task, X_train, X_test, y_train, y_test):
    """The test score of a model that looks at no feature, in words."""
    kind = DummyRegressor if task in REGRESSION else DummyClassifier
    trivial = "the mean of the training part"
    if task not in REGRESSION:
        several = task.startswith("multi-label")
        trivial = "the most frequent labels" if several else "the most frequent class"
    score = kind().fit(X_train, y_train).score(X_test, y_test)
    return f"test {name_of_score(task)} of {trivial}: {score:.4f}"


def _remark(task, options):
    """Why the losses of the two libraries differ, or nothing."""
    if task not in REGRESSION or not options.early_stopping:
        return ""
    return (
        "; scikit-learn's targets are scaled over the validation rows too, fastmlp's "
        "over the rows that train"
    )


if __name__ == "__main__":
    sys.exit(main())
