"""The report as text: rows of cells, means, bars."""

from __future__ import annotations

from itertools import product

from bars import MEANS
from kinds import ALONE, FAR, KINDS, SHARED
from opponents import RIVALS
from summary import mean_and_worst

COLUMNS = [
    ("cell", 13), ("dtype", 8), ("thr", 4), ("ms/epoch", 10), ("us/step", 10),
    ("GF/s", 7), ("limit us", 10), ("% lim", 6), ("over us", 9),
]  # fmt: skip
MARKS = {ALONE: "", SHARED: "s", FAR: "f"}  # beside the threads
WHERE = {ALONE: "", SHARED: ", core shared", FAR: ", cores far apart"}


def header(rivals):
    """The head of the table."""
    head = "".join(
        f"{title:{'<' if i < 2 else '>'}{width}}"
        for i, (title, width) in enumerate(COLUMNS)
    )
    head += "".join(f"{name:>{len(name) + 2}}" for name in rivals)
    return head + "  best"


def line(row, rivals):
    """A row of the table; the ratios are the rival's time over that of fastmlp."""
    fields = [
        row.name,
        row.dtype,
        f"x{row.threads}{MARKS[row.kind]}",
        f"{row.ms:.4g}",
        f"{row.us_per_step:.2f}",
        f"{row.gflops:.1f}",
        f"{row.limit_us:.2f}",
        f"{100 * row.efficiency:.0f}" if row.has_limit else "-",
        f"{row.overhead_us:.2f}" if row.has_limit else "-",
    ]
    text = "".join(
        f"{field:{'<' if i < 2 else '>'}{width}}"
        for i, (field, (_, width)) in enumerate(zip(fields, COLUMNS))
    )
    for name in rivals:
        ratio = f"{row.ratios[name]:.2f}" if name in row.ratios else "-"
        text += f"{ratio:>{len(name) + 2}}"
    if row.void:
        return f"{text}  VOID: {row.void}"
    if row.best is None:
        return f"{text}  no opponent"
    slower = "  SLOWER" if row.ratios[row.best] < 1 else ""
    return f"{text}  {row.best}{slower}"


def remarks(result):
    """Remarks on a cell: void or failed contestants."""
    return [
        f"    {entry['contestant']} x{entry['threads']} VOID: {entry['void']}"
        for entry in result["entries"]
        if entry["void"]
    ]


def warm_ups(results):
    """Seconds of loading and compiling, which the times leave out, by contestant."""
    total, variants = {}, {}
    for result in results:
        for entry in result["entries"]:
            name = entry["contestant"]
            if "warm_up_seconds" in entry:
                total[name] = total.get(name, 0.0) + entry["warm_up_seconds"]
                counts = variants.setdefault(name, {})
                counts[entry["variant"]] = counts.get(entry["variant"], 0) + 1
    lines = ["first calls and compilation, not in the times (all cells):"]
    for name, seconds in total.items():
        chosen = ", ".join(f"{k} {n} times" for k, n in variants[name].items())
        lines.append(f"  {name:14}{seconds:8.1f} s   {chosen}")
    return lines


def means(rows):
    """Geometric means and worst cells, per precision, threads and opponent."""
    lines = ["geometric mean of the ratios, and the worst cell:"]
    counts = sorted({row.threads for row in rows})
    for kind, threads, dtype in product(KINDS, counts, MEANS):
        part = [
            row
            for row in rows
            if (row.kind, row.threads, row.dtype) == (kind, threads, dtype)
        ]
        for rival in (*RIVALS, None):
            found = mean_and_worst(part, rival)
            if found is None:
                continue
            mean, (low, row), n = found
            lines.append(
                f"  {dtype} x{threads} against {rival or 'the best of each':16}"
                f"{mean:8.2f}   worst {low:.2f} ({row.name}), {n} cells{WHERE[kind]}"
            )
    slower = [row for row in rows if row.best and row.ratios[row.best] < 1]
    valid = [row for row in rows if row.best]
    lines.append(f"slower than the best opponent: {len(slower)} of {len(valid)} rows")
    lines += [
        f"  {row.name} {row.dtype} x{row.threads}: {row.ratios[row.best]:.2f} "
        f"against {row.best}"
        for row in sorted(slower, key=lambda row: row.ratios[row.best])
    ]
    n_void = sum(1 for row in rows if row.void)
    lines.append(f"void: {n_void} of {len(rows)} rows")
    return lines


def verdicts(checked):
    """The bars, one a line."""
    words = {True: "MET", False: "MISSED", None: "-"}
    lines = ["bars (over the cells of this run):"]
    for bar in checked:
        lines.append(f"  {words[bar.met]:7}{bar.what:51}{bar.bar:25}{bar.figure}")
    return lines


def constants(calibration):
    """The calibration, a few lines."""
    speeds = ", ".join(f"{x:.0f}" for x in calibration["bandwidth"].values())
    sizes = ", ".join(f"{x >> 10} KB" for x in calibration["cache_bytes"].values())
    lines = [
        f"read bandwidth, GB/s: {speeds} (caches of {sizes}; memory)",
        f"permutation: {calibration['shuffle']:.1f} ns per row, not in the limit",
    ]
    if None not in calibration["front_end"]:
        rates = " and ".join(f"{rate:.1f}" for rate in calibration["front_end"])
        lines.append(f"front end: {rates} instructions a cycle, before and after")
    for dtype, ours in calibration["by_dtype"].items():
        parts = [f"{dtype}: {ours['peak']:.1f} GF/s in {ours['lanes']} lanes; ns of"]
        for kind, unit in (
            ("math", ""), ("activation", " there and back"), ("update", " a parameter")
        ):  # fmt: skip
            values = ", ".join(f"{name} {x:.2f}" for name, x in ours[kind].items())
            parts.append(f"{values}{unit};")
        lines.append(" ".join(parts)[:-1])
    return lines


def drift(before, after):
    """How the machine changed during the run."""
    lines = []
    for dtype, ours in before["by_dtype"].items():
        change = after["by_dtype"][dtype]["peak"] / ours["peak"] - 1
        lines.append(f"peak at the end, {dtype}: {100 * change:+.1f} %")
    return lines


def disturbed(rows):
    """Lines that count the rows of shared cores, and of cores far apart."""
    lines = []
    for kind, where in (
        (SHARED, "beside a busy hyperthread on the core"),
        (FAR, "on cores that share no cache"),
    ):
        n = sum(1 for row in rows if row.kind == kind)
        lines.append(
            f"{n} of {len(rows)} rows (marked {MARKS[kind]}) are of slices {where}; "
            "they have no share of the limit"
            if n
            else f"no slice was found to be {where}"
        )
    return lines
