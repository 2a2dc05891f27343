"""The comparison of methods: figures of each table, mean ranks and mean ratios."""

from __future__ import annotations

from statistics import geometric_mean, mean
from typing import NamedTuple

from scipy.stats import rankdata

LEAST_LOG_LOSS = 0.01  # what is below counts as this in ratios


class Figures(NamedTuple):
    """Means over the splits of a table.

    ``error`` is the share of wrong labels or the RMSE, ``loss`` the log loss or the
    RMSE.  The seconds are those of the processor.
    """

    error: float
    loss: float
    auc: float | None
    fit: float
    predict: float
    least_error: float  # half a wrong label in all splits together; 0 for numbers
    n_train: float

    def floored(self, measure):
        """A figure as ratios take it: a difference next to nothing is none."""
        value = getattr(self, measure)
        if self.auc is None:  # a regression
            return value
        least = {"error": self.least_error, "loss": LEAST_LOG_LOSS}
        return max(value, least.get(measure, 0))


class Line(NamedTuple):
    """The figures of a method in the comparison; ratios are those to the base."""

    method: str
    error_rank: float
    loss_rank: float
    error_ratio: float | None
    loss_ratio: float | None
    fit_ratio: float | None
    predict_ratio: float | None
    won: int  # tables on which its error is below that of the base
    lost: int
    auc: float | None
    fit_per_1000: float | None  # seconds for 1,000 rows, the geometric mean
    failed: int  # tables on which a split failed


def figures_of(entries):
    """The means over the splits of a method on a table; None if one failed."""
    if any("failure" in entry for entry in entries):
        return None

    def average(key):
        value = mean(entry[key] for entry in entries)
        return float(f"{value:.12g}")  # ties are not decided by rounding errors

    is_classification = entries[0]["task"] == "classification"
    return Figures(
        average("error" if is_classification else "rmse"),
        average("log_loss" if is_classification else "rmse"),
        average("auc") if is_classification else None,
        average("fit_seconds"),
        average("predict_seconds"),
        0.5 / sum(entry["n_test"] for entry in entries) if is_classification else 0,
        average("n_train"),
    )


class Comparison:
    """Methods on the tables and splits that all of them were run on.

    ``figures`` maps a table to the figures of each method, None for one that failed;
    ``tasks`` maps it to its task; ``left_out`` maps a table to the methods that were
    not run on it, and ``failures`` are the results without figures.
    """

    def __init__(self, entries, methods):
        self.methods = list(methods)
        self.figures, self.tasks, self.left_out, self.failures = {}, {}, {}, []
        by_table = {}
        for entry in entries:
            if entry["method"] in self.methods:
                runs = by_table.setdefault(entry["table"], {})
                runs.setdefault(entry["method"], {})[entry["split"]] = entry
        for table, runs in by_table.items():
            shared = set.intersection(*(set(runs.get(m, ())) for m in self.methods))
            if shared:
                self._take(table, runs, sorted(shared))
            else:
                self.left_out[table] = [m for m in self.methods if m not in runs]

    def _take(self, table, runs, splits):
        """The figures of a table."""
        chosen = {m: [runs[m][split] for split in splits] for m in self.methods}
        entries = [entry for method in self.methods for entry in chosen[method]]
        self.failures += [entry for entry in entries if "failure" in entry]
        tasks = [entry["task"] for entry in entries if "task" in entry]
        if tasks:
            self.tasks[table] = tasks[0]
            self.figures[table] = {m: figures_of(chosen[m]) for m in self.methods}

    def of_task(self, task):
        """The tables of a task, or of all."""
        return [name for name in self.figures if task in (None, self.tasks[name])]

    def mean_ranks(self, tables, measure):
        """Method -> mean rank; ties share the mean of theirs, failures are last."""
        ranks = []
        for table in tables:
            found = self.figures[table].values()
            values = [getattr(x, measure) if x else float("inf") for x in found]
            ranks.append(rankdata(values))
        return {m: float(mean(r)) for m, r in zip(self.methods, zip(*ranks))}

    def pairs(self, tables, method, base):
        """The figures of two methods on the tables on which neither failed."""
        pairs = [
            (self.figures[table][method], self.figures[table].get(base))
            for table in tables
        ]
        return [pair for pair in pairs if None not in pair]

    def ratio(self, tables, measure, method, base):
        """The geometric mean of the ratios of a figure to that of the base, or None."""
        ratios = [
            one.floored(measure) / other.floored(measure)
            for one, other in self.pairs(tables, method, base)
            if other.floored(measure) > 0 and one.floored(measure) > 0
        ]
        return geometric_mean(ratios) if ratios else None

    def lines(self, base, task=None):
        """A line for each method, the best mean rank first."""
        tables = self.of_task(task)
        if not tables:
            return []
        error_ranks = self.mean_ranks(tables, "error")
        loss_ranks = self.mean_ranks(tables, "loss")
        lines = []
        for method in self.methods:
            found = [self.figures[table][method] for table in tables]
            worked = [figures for figures in found if figures]
            aucs = [figures.auc for figures in worked if figures.auc is not None]
            speeds = [1000 * figures.fit / figures.n_train for figures in worked]
            ratios = [
                self.ratio(tables, measure, method, base)
                for measure in ("error", "loss", "fit", "predict")
            ]
            pairs = self.pairs(tables, method, base)
            lines.append(
                Line(
                    method,
                    error_ranks[method],
                    loss_ranks[method],
                    *ratios,
                    won=sum(one.error < other.error for one, other in pairs),
                    lost=sum(one.error > other.error for one, other in pairs),
                    auc=mean(aucs) if aucs else None,
                    fit_per_1000=geometric_mean(speeds) if speeds else None,
                    failed=found.count(None),
                )
            )
        return sorted(lines, key=lambda line: line.error_rank + line.loss_rank)
