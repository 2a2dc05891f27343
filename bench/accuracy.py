"""``python bench/accuracy.py``: accuracy on tables, and what it costs.

Estimators of this package beside a linear model, gradient boosting and RealMLP, all
with default parameters and one thread, on the tables that scikit-learn ships and on
folders of CSV files.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from options import add_paths, at_least_one, listed, parser_of
from tables import report
from tables.comparison import Comparison
from tables.methods import METHODS, own
from tables.picture import picture
from tables.results import Results
from tables.table import in_folder, shipped
from tables.trial import Process

HERE = Path(__file__).parent
BASE = "catboost"


def an_own(text, is_piped=False):
    """The type of ``--own`` and ``--piped``."""
    try:
        return own(text, is_piped)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def options(argv=None):
    """The options of the command line."""
    parser = parser_of("accuracy.py", __doc__)
    add = parser.add_argument
    add_paths(
        parser,
        "--folder",
        "FOLDER",
        "a folder of CSV files instead of scikit-learn's tables; the target is the "
        "last column, or what targets.json there says; several times for several",
    )
    add("--shipped", action="store_true", help="scikit-learn's tables beside a folder")
    add("--tables", default="", metavar="SUBSTRING[,...]", help="only these")
    add("--max-rows", type=at_least_one, metavar="N", help="no tables of more rows")
    add("--splits", type=at_least_one, default=3, metavar="N", help="default 3")
    add(
        "--methods",
        type=listed(["none", *METHODS]),
        default=[*METHODS],
        metavar="NAME[,...]",
        help=f"to measure, of {', '.join(METHODS)}, or none (default all installed)",
    )
    add(
        "--own",
        action="append",
        type=an_own,
        default=[],
        metavar="'NAME: CLASSIFIER/REGRESSOR parameter=value ...'",
        help="estimators of fastmlp to measure as well, with other parameters",
    )
    add(
        "--piped",
        action="append",
        type=partial(an_own, is_piped=True),
        default=[],
        metavar="'NAME: ...'",
        help="the same for estimators of arrays, which get the pipeline of mlp",
    )
    add("--max-seconds", type=float, metavar="N", help="a longer trial has failed")
    add("--retry", action="store_true", help="measure what failed again")
    add(
        "--results",
        type=Path,
        default=HERE / "results" / "accuracy.jsonl",
        metavar="FILE",
        help="file of the results; what it has is not measured again",
    )
    add_paths(
        parser,
        "--also",
        "FILE",
        "a file of results of another run to compare with; several times",
    )
    add(
        "--show",
        metavar="NAME[,...]",
        help="methods to compare (default all that have results)",
    )
    add("--base", default=BASE, help=f"method that ratios refer to (default {BASE})")
    add("--plot", type=Path, metavar="FILE", help="a picture of rank against time")
    return parser.parse_args(argv)


def chosen_tables(chosen):
    """The tables that the options name."""
    tables = [] if chosen.folder and not chosen.shipped else shipped()
    for folder in chosen.folder:
        tables += in_folder(folder)
    parts = [part.strip() for part in chosen.tables.split(",")]
    return [table for table in tables if any(part in table.name for part in parts)]


def chosen_methods(chosen):
    """Name -> method; says which are not installed."""
    methods = {}
    for name in chosen.methods:
        if name != "none" and METHODS[name].is_installed:
            methods[name] = METHODS[name]
        elif name != "none":
            print(f"MISSING: {name} is not installed")
    return {**methods, **dict(chosen.own + chosen.piped)}


def line(entry):
    """A result in a line."""
    head = f"{entry['table']:32} split {entry['split']}  {entry['method']:24}"
    if "failure" in entry:
        return f"{head} FAILED: {entry['failure']}"
    values = {name: entry.get(name) for name in ("error", "log_loss", "auc", "rmse")}
    figures = [
        f"{name} {value:.4g}" for name, value in values.items() if value is not None
    ]
    return f"{head} {entry['fit_seconds']:8.2f} s  {', '.join(figures)}"


def is_pending(known, chosen):
    """Return whether a trial is to be run, given its known result."""
    return known is None or (chosen.retry and "failure" in known)


def measure(tables, methods, results, chosen):
    """Run the trials that have no result yet, the methods in turn."""
    processes = {name: Process(method) for name, method in methods.items()}
    try:
        for table in tables:
            pending = [
                (split, name)
                for split in range(chosen.splits)
                for name in methods
                if is_pending(results.get(table.name, split, name), chosen)
            ]
            if not pending:
                continue
            n_rows = len(table.rows.X)
            if chosen.max_rows and n_rows > chosen.max_rows:
                print(f"LEFT OUT: {table.name} has {n_rows} rows")
                continue
            for split, name in pending:
                figures = processes[name].run(table, split, chosen.max_seconds)
                entry = {
                    "table": table.name,
                    "split": split,
                    "method": name,
                    "text": methods[name].text,
                    "version": methods[name].version,
                    "time": datetime.now(UTC).isoformat(timespec="seconds"),
                    **figures,
                }
                results.add(entry)
                print(line(entry), flush=True)
            del table.rows
    finally:
        for process in processes.values():
            process.close()


def shown(results, tables, chosen):
    """The results to compare, and the names of their methods as the file has them."""
    names = {table.name for table in tables}
    entries = [e for e in results.entries.values() if e["table"] in names]
    methods = list(dict.fromkeys(entry["method"] for entry in entries))
    if chosen.show:
        wanted = [name.strip() for name in chosen.show.split(",")]
        for name in wanted:
            if name not in methods:
                print(f"NO RESULTS: {name}")
        methods = [name for name in wanted if name in methods]
    return entries, methods


def main(argv=None):
    """Measure what is missing and print the comparison; the exit code."""
    chosen = options(argv)
    results = Results(chosen.results, chosen.also)
    tables, methods = chosen_tables(chosen), chosen_methods(chosen)
    for name, method in methods.items():
        if not results.agrees(name, method.text):
            print(
                f"WRONG: the results have another {name} than {method.text!r}: "
                "give it another name, or another file to --results"
            )
            return 2
    measure(tables, methods, results, chosen)
    entries, methods = shown(results, tables, chosen)
    comparison = Comparison(entries, methods)
    base = chosen.base if chosen.base in methods or not methods else methods[0]
    print("\n" + report.text(comparison, base))
    if chosen.plot and comparison.figures:
        if importlib.util.find_spec("matplotlib") is None:
            print("MISSING: matplotlib is not installed; no plot")
        else:
            picture(comparison.lines(base), chosen.plot)
            print(f"plot: {chosen.plot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
