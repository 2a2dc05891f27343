"""The bars: what is asked of the whole, checked one by one."""

from __future__ import annotations

from operator import attrgetter
from statistics import median
from typing import NamedTuple

from kinds import ALONE
from opponents import REFERENCE
from summary import mean_and_worst

MEANS = {"float32": (2.2, 8.0), "float64": (1.8, 6.0)}  # best opponent, scikit-learn
WORST = 1.1  # against the best opponent
IRIS_RATIO, IMPORT_MS = 10, 50


class Bar(NamedTuple):
    """A demand and what became of it; ``met`` is None where nothing was measured."""

    what: str
    bar: str
    figure: str
    met: bool | None


def against(rows, rival, what, least, worst=None):
    """A bar on the geometric mean of ratios, and on the worst of them."""
    bar = f">= {least:g}" + (f", worst >= {worst:g}" if worst else "")
    found = mean_and_worst(rows, rival)
    if found is None:
        return Bar(what, bar, "not measured", None)
    mean, (low, row), n = found
    figure = f"{mean:.2f}, worst {low:.2f} ({row.name}), {n} cells"
    n_void = sum(1 for row in rows if row.void)
    figure += f", {n_void} void" if n_void else ""
    n_without = len(rows) - n - n_void
    figure += f", {n_without} without a ratio" if n_without else ""
    return Bar(what, bar, figure, mean >= least and (worst is None or low >= worst))


def each(rows, value, what, sense, bound, show, middle=None):
    """A bar that every row must meet, and another one their median, if it is given.

    The figure is the worst, the median, and how many meet the first.
    """
    bar = f"{sense} {show(bound)}"
    bar += f", median {sense} {show(middle)}" if middle else ""
    pairs = [(value(row), row) for row in rows if not row.void]
    if not pairs:
        return Bar(what, bar, "not measured", None)
    pick = min if sense == ">=" else max
    worst, row = pick(pairs, key=lambda pair: pair[0])
    n_met = sum(x >= bound if sense == ">=" else x <= bound for x, _ in pairs)
    typical = median(x for x, _ in pairs)
    figure = f"worst {show(worst)} ({row.name} {row.dtype}), median {show(typical)}, "
    figure += f"{n_met} of {len(pairs)} cells"
    met = n_met == len(pairs) and (
        not middle or (typical >= middle if sense == ">=" else typical <= middle)
    )
    return Bar(what, bar, figure, met)


def single(value, what, sense, bound, show):
    """A bar on one figure."""
    bar = f"{sense} {show(bound)}"
    if value is None:
        return Bar(what, bar, "not measured", None)
    return Bar(
        what, bar, show(value), value >= bound if sense == ">=" else value <= bound
    )


def percent(x):
    """A share."""
    return f"{100 * x:.0f} %"


def microseconds(x):
    """A time."""
    return f"{x:.2f} us"


def ratio(x):
    """A ratio."""
    return f"{x:.2f}"


def bars(rows, iris=None, imports=None):
    """All bars, over the rows of all cells.

    For each number of threads over those alone, where there are such.

    Parameters
    ----------
    rows : list of Row
    iris : float, optional
        Ratio of whole fits of 150 rows.
    imports : float, optional
        Milliseconds of the import beyond scikit-learn's.
    """
    one, two = ([row for row in rows if row.threads == n] for n in (1, 2))
    one, two = ([row for row in n if row.kind == ALONE] or n for n in (one, two))
    both = [row for row in two if row.speed_up is not None]
    speed_up = attrgetter("speed_up")
    checked = []
    for column, (rival, name, worst) in enumerate(
        [(None, "the best opponent", WORST), (REFERENCE, REFERENCE, None)]
    ):
        for dtype, least in MEANS.items():
            part = [row for row in one if row.dtype == dtype]
            what = f"{dtype} against {name}, geometric mean"
            checked.append(against(part, rival, what, least[column], worst))
    large, middle, small = (
        # an iteration of lbfgs takes as many gradients as its line search asks for
        [
            row
            for row in one
            if low <= row.limit_us < high and row.is_step and row.has_limit
        ]
        for low, high in ((100, float("inf")), (10, 100), (0, 10))
    )
    long = [row for row in both if row.has_limit and row.threads * row.limit_us >= 300]
    return [
        *checked,
        each(
            large,
            lambda row: row.efficiency,
            "share of the limit, limit >= 100 us",
            ">=",
            0.78,
            percent,
            0.88,
        ),
        each(
            middle,
            lambda row: row.efficiency,
            "share of the limit, 10 to 100 us",
            ">=",
            0.6,
            percent,
            0.72,
        ),
        each(
            small,
            lambda row: row.overhead_us,
            "overhead of a step, limit < 10 us",
            "<=",
            2,
            microseconds,
        ),
        each(
            long,
            speed_up,
            "2 threads against 1, limit >= 300 us",
            ">=",
            1.0,
            ratio,
            1.7,
        ),
        each(both, speed_up, "2 threads against 1, every cell", ">=", 0.97, ratio),
        each(
            [row for row in two if row.best],
            lambda row: row.ratios[row.best],
            "2 threads against the best opponent",
            ">=",
            1.0,
            ratio,
        ),
        single(iris, "whole fit of 150 rows, 100 epochs", ">=", IRIS_RATIO, ratio),
        single(
            imports,
            "import beyond scikit-learn's MLP",
            "<=",
            IMPORT_MS,
            lambda x: f"{x:.0f} ms",
        ),
    ]
