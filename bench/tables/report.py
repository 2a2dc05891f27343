"""The comparison as text."""

from __future__ import annotations

TASKS = {
    None: "all tables",
    "classification": "classification",
    "regression": "regression",
}
HEAD = (
    f"{'method':24}{'rank err':>9}{'rank loss':>10}{'error x':>9}{'loss x':>8}"
    f"{'fit x':>8}{'predict x':>10}{'won':>5}{'lost':>5}{'AUC':>8}{'s/1000':>8}"
    f"{'failed':>7}"
)


def _number(value, width, digits):
    """A number, or a dash where there is none."""
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


def summary(comparison, base):
    """Mean ranks and ratios, of all tables and of each task."""
    lines = []
    is_mixed = len(set(comparison.tasks.values())) > 1
    for task, title in TASKS.items():
        rows = comparison.lines(base, task)
        if not rows or (task is None and not is_mixed):
            continue
        lines += [f"{title}: {len(comparison.of_task(task))}", HEAD]
        for row in rows:
            lines.append(
                f"{row.method:24}{row.error_rank:9.2f}{row.loss_rank:10.2f}"
                f"{_number(row.error_ratio, 9, 3)}{_number(row.loss_ratio, 8, 3)}"
                f"{_number(row.fit_ratio, 8, 3)}{_number(row.predict_ratio, 10, 3)}"
                f"{row.won:5}{row.lost:5}{_number(row.auc, 8, 4)}"
                f"{_number(row.fit_per_1000, 8, 2)}{row.failed:7}"
            )
        lines.append("")
    return lines


def details(comparison, measure, title, task=None):
    """A figure of all methods on each table; a star marks the lowest."""
    widths = [max(10, len(name) + 2) for name in comparison.methods]
    names = zip(comparison.methods, widths)
    lines = [f"{title:32}" + "".join(f"{name:>{width}}" for name, width in names)]
    for table in comparison.of_task(task):
        found = comparison.figures[table].values()
        values = [getattr(figures, measure) if figures else None for figures in found]
        least = min((value for value in values if value is not None), default=None)
        cells = [
            "failed" if value is None else f"{value:.4g}" + " *"[value == least]
            for value in values
        ]
        row = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))
        lines.append(f"{table:32}{row}")
    return lines


def remarks(comparison):
    """The fits that failed, and the tables that were left out."""
    lines = [
        f"FAILED: {entry['method']} on {entry['table']}, split {entry['split']}: "
        f"{entry['failure']}"
        for entry in comparison.failures
    ]
    for table, lacking in comparison.left_out.items():
        reason = f"no {', '.join(lacking)}" if lacking else "no split that all have"
        lines.append(f"LEFT OUT: {table}: {reason}")
    return lines


def text(comparison, base):
    """All of it."""
    if not comparison.figures:
        return "\n".join([*remarks(comparison), "there is nothing to compare"])
    lines = details(comparison, "error", "error or RMSE")
    if comparison.of_task("classification"):
        lines += ["", *details(comparison, "loss", "log loss", "classification")]
    lines += ["", *details(comparison, "fit", "CPU seconds to fit")]
    lines += ["", *remarks(comparison)]
    lines += ["", f"ratios (x) and tables won and lost are those to {base}", ""]
    return "\n".join(lines + summary(comparison, base))
