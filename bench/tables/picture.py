"""The comparison as a picture."""

from __future__ import annotations


def picture(lines, path):
    """Write a PNG: mean rank against seconds to fit 1,000 rows, a point a method."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    titles = {"error_rank": "error or RMSE", "loss_rank": "log loss or RMSE"}
    for ax, (name, title) in zip(figure.subplots(1, 2, sharey=True), titles.items()):
        for line in lines:
            if line.fit_per_1000:
                x, y = line.fit_per_1000, getattr(line, name)
                ax.scatter(x, y)
                place = {"xytext": (4, 4), "textcoords": "offset points"}
                ax.annotate(line.method, (x, y), fontsize="small", **place)
        ax.set_xscale("log")
        ax.set_xlabel("CPU seconds to fit 1,000 rows, one thread")
        ax.set_title(f"mean rank by {title}")
        ax.grid(which="both", alpha=0.3)
        ax.margins(x=0.2)
    figure.axes[0].set_ylabel("mean rank (1 is best)")
    figure.axes[0].invert_yaxis()
    figure.savefig(path, dpi=120)
