"""The ratios of all cells as a picture."""

from __future__ import annotations

from report import WHERE

SLOWER = "tab:red"
MARKS = "osD^v"


def plot(rows, rivals, path):
    """Write a PNG: how many times as long as fastmlp each opponent takes.

    A panel for each precision, number of threads and kind of slices; red marks where
    fastmlp loses.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = sorted({(row.kind, row.threads, row.dtype) for row in rows})
    names = list(dict.fromkeys(row.name for row in rows))
    height = 1.5 + 0.3 * len(names)
    figure = Figure(figsize=(1 + 5 * len(panels), height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, panel in zip(axes, panels):
        kind, threads, dtype = panel
        part = [r for r in rows if (r.kind, r.threads, r.dtype) == panel]
        ax.axvline(1, color="black", linewidth=1)
        for i, rival in enumerate(rivals):
            points = [
                (r.ratios[rival], names.index(r.name))
                for r in part
                if rival in r.ratios
            ]
            if points:
                x, y = zip(*points)
                edges = [SLOWER if ratio < 1 else "none" for ratio in x]
                marker = MARKS[i % len(MARKS)]
                ax.scatter(x, y, marker=marker, edgecolors=edges, label=rival)
        for row in part:
            if row.void:
                ax.text(1, names.index(row.name), " void", color=SLOWER, va="center")
        ax.set_xscale("log")
        title = f"{dtype}, {threads} thread" + "s" * (threads > 1)
        ax.set_title(title + WHERE[kind])
        ax.set_xlabel("time of the opponent / time of fastmlp")
        ax.grid(axis="x", which="both", alpha=0.3)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    axes[-1].legend(loc="best", fontsize="small")
    figure.savefig(path, dpi=120)
