"""``python bench``: training beside the opponents and the limit of this machine."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import estimate
import report
from bars import bars
from cells import CELLS
from contest import Contest, import_seconds
from machine import load, machine, stolen_seconds, usable_cores
from opponents import REFERENCE, SUBJECT, present
from options import options
from summary import judge, rows_of

HERE = Path(__file__).parent
BUSY = 0.5  # load average over a minute before the run
IRIS_EPOCHS, IRIS_ROUNDS, IMPORT_ROUNDS = 100, 15, 15


def possible_threads(chosen):
    """The numbers of threads for which there are cores; says which are left out."""
    n_cores = len(usable_cores())
    for n in chosen.threads:
        if n > n_cores:
            print(
                f"LEFT OUT: {n} threads, since this process may use {n_cores} core(s)"
            )
    return [n for n in chosen.threads if n <= n_cores]


def say_how_long(chosen, names, threads):
    """Print about how long the run takes."""
    seconds = estimate.seconds(
        chosen.selected, chosen.dtypes, threads, names, chosen.rounds, chosen.target
    )
    seconds += sum(estimate.PARTS[part] for part in chosen.parts)
    n = len(chosen.selected) * len(chosen.dtypes)
    print(
        f"\n{n} cells, {chosen.rounds} rounds, {len(names)} contestants with "
        f"{' and '.join(map(str, threads))} thread(s)"
        + "".join(f", {part}" for part in chosen.parts)
        + f": about {seconds / 60:.0f} minutes",
        flush=True,
    )


def run_cells(chosen, contest, calibration, rivals):
    """Time the cells and print them as they come; results, rows and calibration.

    The machine is calibrated again before each cell until the core is alone meanwhile.
    """
    results, rows = [], []
    print(f"\n{report.header(rivals)}", flush=True)
    for cell in chosen.selected:
        for dtype in chosen.dtypes:
            if not contest.is_whole_core(calibration):
                calibration = contest.calibrate()
                if contest.is_whole_core(calibration):
                    print_calibration(calibration)
            result = judge(contest.run(cell, dtype, calibration))
            new = rows_of(result)
            lines = [report.line(row, rivals) for row in new] + report.remarks(result)
            print("\n".join(lines), flush=True)
            results.append(result)
            rows += new
    if not any(row.has_limit for row in rows):
        print("SHARED: no row has a share of the limit, which is that of a whole core")
    return results, rows, calibration


def run_iris(contest):
    """Ratio of whole fits of 150 rows, and their seconds by contestant."""
    seconds = contest.whole_fits(IRIS_EPOCHS, IRIS_ROUNDS)
    ms = {name: 1e3 * median(values) for name, values in seconds.items()}
    ratio = ms[REFERENCE] / ms[SUBJECT]
    times = ", ".join(f"{name} {value:.2f} ms" for name, value in ms.items())
    print(f"iris, whole fit of {IRIS_EPOCHS} epochs: {times}: ratio {ratio:.2f}")
    return ratio, seconds


def run_imports():
    """Median milliseconds of the import, and the seconds of all."""
    seconds = import_seconds(IMPORT_ROUNDS)
    ms = 1e3 * median(seconds)
    print(f"import fastmlp after scikit-learn's MLP: {ms:.1f} ms")
    return ms, seconds


def run_kernels(path):
    """The files for pytest-benchmark, whose timings go beside the results."""
    if importlib.util.find_spec("pytest_benchmark") is None:
        print("MISSING: pytest-benchmark is not installed; no kernels")
        return
    files = [str(file) for file in sorted(HERE.glob("bench_*.py"))]
    # -P: from a clone, Python would import its sources in place of what is installed
    command = [sys.executable, "-P", "-m", "pytest", "-q", "--benchmark-only", *files]
    command += [f"--benchmark-json={path}", "--benchmark-columns=min,median,rounds"]
    print("\nkernels and small fits, pytest-benchmark:", flush=True)
    code = subprocess.run(command, cwd=HERE.parent, check=False).returncode
    print(f"their timings: {path}" if code == 0 else f"FAILED: pytest returned {code}")


def results_path(out):
    """The .json file to write."""
    if out.suffix == ".json":
        out.parent.mkdir(parents=True, exist_ok=True)
        return out
    out.mkdir(parents=True, exist_ok=True)
    return out / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"


def main(argv=None):
    """Run what was chosen, print the report and write JSON and PNG; the exit code."""
    chosen = options(argv)
    if chosen.list:
        for cell in CELLS:
            print(f"{cell.name:14}{cell}")
        return 0
    facts = machine()
    names = [SUBJECT, *present(chosen.opponents)]
    threads = possible_threads(chosen)
    if not threads:
        return 1
    if facts.get("load before") and load()[0] > BUSY:
        print("BUSY: the load of the machine is high; the times are not to be trusted")
    say_how_long(chosen, names, threads)
    path, began, stolen = results_path(chosen.out), time.time(), stolen_seconds()
    results, rows, iris, imports = [], [], (None, None), (None, None)
    calibration = calibration_after = None
    if chosen.selected or "iris" in chosen.parts:
        needed = names if chosen.selected else [SUBJECT, REFERENCE]
        counts = threads if chosen.selected else threads[:1]
        with Contest(needed, counts, chosen.rounds, chosen.target) as contest:
            calibration = contest.calibrate()
            facts["contestants"] = contest.facts
            print_facts(facts, calibration)
            if chosen.selected:
                results, rows, calibration = run_cells(
                    chosen, contest, calibration, names[1:]
                )
            if "iris" in chosen.parts and REFERENCE in needed:
                iris = run_iris(contest)
            calibration_after = contest.calibrate()
        print("\n".join(report.drift(calibration, calibration_after)))
    if "import" in chosen.parts:
        imports = run_imports()
    if "kernels" in chosen.parts:
        run_kernels(path.with_name(path.stem + "-kernels.json"))
    checked = bars(rows, iris[0], imports[0])
    if results:
        print("\n" + "\n".join(report.warm_ups(results)))
        print("\n" + "\n".join(report.means(rows)))
        print("\n".join(report.disturbed(rows)))
    print("\n" + "\n".join(report.verdicts(checked)))
    facts["seconds"] = time.time() - began
    if stolen is not None:
        facts["stolen seconds"] = stolen_seconds() - stolen
        print(f"\nthe host took {facts['stolen seconds']:.1f} s from this machine")
    if load():
        facts["load after"] = f"{load()[0]:.2f}"
    content = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": {key: str(value) for key, value in vars(chosen).items()},
        "machine": facts,
        "calibration": {"before": calibration, "after": calibration_after},
        "results": results,
        "rows": [row._asdict() for row in rows],
        "iris_seconds": iris[1],
        "import_seconds": imports[1],
        "bars": [bar._asdict() for bar in checked],
    }
    path.write_text(json.dumps(content, indent=1))
    print(f"all timings: {path}")
    if results and not chosen.no_plot:
        draw(rows, names[1:], path.with_suffix(".png"))
    return 0


def print_facts(facts, calibration):
    """Print the machine, the versions and the calibration."""
    for name, value in facts.items():
        if name != "contestants":
            print(f"{name:>16}: {value}")
    for name, fact in facts["contestants"].items():
        versions = ", ".join(f"{k} {v}" for k, v in fact.get("versions", {}).items())
        print(f"{name:>16}: {versions or 'FAILED: ' + fact['error'][-300:]}")
    print_calibration(calibration)


def print_calibration(calibration):
    """Print the constants of the machine."""
    print("calibration:")
    for text in report.constants(calibration):
        print(f"  {text}")


def draw(rows, rivals, path):
    """The plot, where matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        print("MISSING: matplotlib is not installed; no plot")
        return
    from plot import plot

    plot(rows, rivals, path)
    print(f"plot: {path}")


if __name__ == "__main__":
    sys.exit(main())
