"""``python -m fastmlp``: fit the digits or a table, beside models of scikit-learn.

The subcommands ``predict`` and ``export`` are in ``commands.py``.
"""

from __future__ import annotations

import os
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from fastmlp._cli.commands import is_command, run_command
from fastmlp._cli.fitting import Parts, errors_for_users, warnings_as_notes
from fastmlp._cli.options import Parser, fit_options
from fastmlp._cli.perceptrons import Perceptrons
from fastmlp._cli.problem import Problem, load_problem
from fastmlp._cli.report import name_of_score, print_results, score_rows, scores_of
from fastmlp._cli.table import UsageError, one_line
from fastmlp._cli.tabular import Tabular
from fastmlp._cli.targets import REGRESSION

CONTESTS = {"tabular": Tabular, "mlp": Perceptrons}


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
            run_command(Parser(prog="fastmlp"), arguments)
            return 0
        options = fit_options(arguments)
        with warnings_as_notes():
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
    return Problem(
        facts=[
            f"digits of scikit-learn: {len(X):,} images of 8 x 8 pixels, 10 classes"
        ],
        X=X,
        y=y,
        task="multi-class classification",
        prepare=StandardScaler(),
        names=[""],
        columns=[f"pixel {i}" for i in range(X.shape[1])],
        categories=[],
    )


def _run(problem, options):
    """Fit, score and print."""
    _print_lines(problem.facts)
    contest = CONTESTS[options.model](problem, _split(problem, options), options)
    _print_lines(contest.facts())
    seconds, scores = {}, {}
    for name in list(contest.models):
        print(f"\n{name}")
        try:
            seconds[name] = contest.fit(name)
            scores[name] = _scores(contest, name, problem)
        except UsageError as error:
            if not scores:  # ours, which comes first
                raise
            print(f"  note: left out, since it cannot be fitted: {error}")
            del contest.models[name]
    print_results(
        score_rows(scores, contest.judged)
        | contest.rows()
        | {"fit, seconds": {name: f"{seconds[name]:.3f}" for name in scores}},
        _baseline(problem.task, contest.parts),
    )
    _print_lines(contest.conclusions(seconds))
    if options.save:
        try:
            _print_lines(contest.save(options.save))
        except OSError as error:
            raise UsageError(f"--save: {one_line(error)}") from None


def _print_lines(lines):
    """Print some lines."""
    for line in lines:
        print(line)


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
    return Parts(
        *train_test_split(
            problem.X,
            y,
            test_size=options.test_size,
            random_state=options.seed,
            stratify=stratify,
        )
    )


def _scores(contest, name, problem):
    """The scores of a fitted model, by part."""
    X_train, X_test, y_train, y_test = contest.parts
    parts = {"test": (X_test, y_test), "training": (X_train, y_train)}
    with errors_for_users():
        return {
            part: scores_of(
                contest.models[name], *parts[part], problem.task, problem.names
            )
            for part in contest.judged
        }


def _baseline(task, parts):
    """The test score of a model that looks at no feature, in words."""
    kind = DummyRegressor if task in REGRESSION else DummyClassifier
    trivial = "the mean of the training part"
    if task not in REGRESSION:
        several = task.startswith("multi-label")
        trivial = "the most frequent labels" if several else "the most frequent class"
    model = kind().fit(parts.X_train, parts.y_train)
    score = model.score(parts.X_test, parts.y_test)
    return f"test {name_of_score(task)} of {trivial}: {score:.4f}"


if __name__ == "__main__":
    sys.exit(main())
