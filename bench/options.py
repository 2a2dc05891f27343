"""The options of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from cells import CELLS, DTYPES
from opponents import RIVALS

HERE = Path(__file__).parent
DESCRIPTION = "Training beside the opponents and the limit of this machine."
PARTS = ("iris", "import", "kernels")  # beside the cells


def listed(allowed):
    """An argparse type: names separated by commas."""

    def parse(text):
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in allowed]
        if unknown or not names:
            raise argparse.ArgumentTypeError(
                f"must name some of {', '.join(allowed)}; got {text!r}"
            )
        return names

    return parse


def at_least_one(text):
    """A whole number above 0, as an argparse type."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return int(text)


def numbers(text):
    """Whole numbers above 0, ascending, as an argparse type."""
    return sorted({at_least_one(part.strip()) for part in text.split(",")})


def parser_of(script, text):
    """A parser for a script of this folder; its docstring is the description."""
    description = text.partition("\n\n")[2]
    return argparse.ArgumentParser(f"python bench/{script}", description=description)


def add_paths(parser, name, metavar, text):
    """Let an option name a path each time that it is there."""
    parser.add_argument(
        name, action="append", type=Path, default=[], metavar=metavar, help=text
    )


def options(argv=None):
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python bench", description=DESCRIPTION)
    add = parser.add_argument
    add("--quick", action="store_true", help="2 rounds of short runs; no kernels")
    add("--rounds", type=at_least_one, help="timings of each cell (default 5)")
    add(
        "--cells",
        default="",
        metavar="SUBSTRING[,...]",
        help="only what has one of these in its name; also: " + ", ".join(PARTS),
    )
    add("--dtypes", type=listed(DTYPES), default=list(DTYPES), metavar="NAME[,...]")
    add("--threads", type=numbers, default=[1, 2], metavar="N[,...]")
    add(
        "--opponents",
        type=listed(RIVALS),
        default=RIVALS,
        metavar="NAME[,...]",
        help="of " + ", ".join(RIVALS),
    )
    add("--no-plot", action="store_true", help="write no PNG")
    add("--list", action="store_true", help="list the cells and end")
    add(
        "--out",
        type=Path,
        default=HERE / "results",
        help="folder of the results, or the .json file (default bench/results)",
    )
    chosen = parser.parse_args(argv)
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 5)
    chosen.target = 0.05 if chosen.quick else 0.25
    wanted = [part.strip() for part in chosen.cells.split(",")]
    chosen.parts = [p for p in PARTS if any(part in p for part in wanted)]
    if chosen.quick and not chosen.cells:
        chosen.parts.remove("kernels")
    chosen.selected = [c for c in CELLS if any(part in c.name for part in wanted)]
    if not chosen.selected and not chosen.parts:
        parser.error(f"no cell has {chosen.cells!r} in its name; see --list")
    return chosen
