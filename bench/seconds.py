"""Seconds that a person feels: imports, whole fits and predictions beside others.

``python bench/seconds.py [--rounds N]`` prints a row for each task. Every measurement
is a process of its own, on one core and with one thread, and all libraries take their
turn within a round. Seconds are those of the processor, so that waiting for it does not
count; the figure is the median of the quicker half of the rounds, since a busy machine
only lengthens them. A library that is not installed has no figure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from machine import machine, usable_cores

HERE = Path(__file__).parent
NAMES = {"fastmlp": "fastmlp", "scikit-learn": "sklearn", "CatBoost": "catboost"}

# The program of a process; {setup} is outside the clock.
PROCESS = """
import time
import warnings
warnings.simplefilter("ignore")
{setup}
start = time.process_time()
for _ in range({n_calls}):
    {statement}
print((time.process_time() - start) / {n_calls})
"""
DIGITS = "from sklearn.datasets import load_digits; X, y = load_digits(return_X_y=True)"
TABLE = "from bench_latency import raw_table; X, y = raw_table(1000)"
MLP = {"fastmlp": "fastmlp", "scikit-learn": "sklearn.neural_network"}
FITTED = {
    name: f"{DIGITS}\nfrom {module} import MLPClassifier\n"
    "model = MLPClassifier(max_iter=2, random_state=0).fit(X, y)"
    for name, module in MLP.items()
}

SAVED = {
    "fastmlp": "import fastmlp; fastmlp.save_model(model, 'model.safetensors')",
    "scikit-learn": "import joblib; joblib.dump(model, 'model.joblib')",
}


@dataclass(frozen=True)
class Task:
    """A line of the table: (what comes before, what is timed) for each library."""

    title: str
    code: dict[str, tuple[str, str]]
    n_calls: int = 1


TASKS = [
    Task(
        "import of the classifier",
        {n: ("", f"from {module} import MLPClassifier") for n, module in MLP.items()},
    ),
    Task(
        "first fit of the digits (1,797 rows), defaults",
        {
            name: (
                f"{DIGITS}\nfrom {module} import MLPClassifier",
                "MLPClassifier(random_state=0).fit(X, y)",
            )
            for name, module in MLP.items()
        },
    ),
    Task(
        "fit of a table of 1,000 rows and 15 columns, defaults",
        {
            "fastmlp": (
                f"{TABLE}\nfrom fastmlp import TabularMLPClassifier",
                "TabularMLPClassifier(random_state=0).fit(X, y)",
            ),
            "scikit-learn": (
                f"{TABLE}\nX = X.astype({{c: 'category' for c in X if c[0] == 'c'}})\n"
                "from sklearn.ensemble import HistGradientBoostingClassifier as Model",
                "Model(random_state=0).fit(X, y)",
            ),
            "CatBoost": (
                f"{TABLE}\nfrom catboost import CatBoostClassifier\n"
                "texts = [c for c in X if c[0] == 'c']",
                "CatBoostClassifier(random_state=0, verbose=0, thread_count=1, "
                "allow_writing_files=False, cat_features=texts).fit(X, y)",
            ),
        },
    ),
    Task(
        "prediction of one row of digits",
        {
            "fastmlp": (
                FITTED["fastmlp"] + "\nmodel = model.compile()",
                "model.predict(X[:1])",
            ),
            "scikit-learn": (FITTED["scikit-learn"], "model.predict(X[:1])"),
        },
        n_calls=2000,
    ),
    Task(
        "prediction of 100,000 rows of digits",
        {
            name: (
                f"{fitted}\nimport numpy as np\nX = np.resize(X, (100_000, 64))",
                "model.predict(X)",
            )
            for name, fitted in FITTED.items()
        },
        n_calls=3,
    ),
    Task(
        "a service: imports, a saved model, the first answer",
        {
            "fastmlp": (
                "",
                "from fastmlp.runtime import load_predictor; "
                "load_predictor('model.safetensors').predict([[0.0] * 64])",
            ),
            "scikit-learn": (
                "",
                "import joblib; joblib.load('model.joblib').predict([[0.0] * 64])",
            ),
        },
    ),
]


def run(code, folder):
    """Run code in a process of one core and one thread; what it prints."""
    threads = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **dict.fromkeys(threads, "1"), "PYTHONPATH": path}
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return result.stdout


def quick_half(seconds):
    """The median of the quicker half of some measurements."""
    return float(np.median(sorted(seconds)[: (len(seconds) + 1) // 2]))


def in_words(seconds):
    """Seconds in the unit that a person would choose."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size or unit == "us":
            return f"{seconds / size:.3g} {unit}"


def measured(task, n_rounds, folder):
    """Name -> figure of a task, the libraries in turn."""
    present = [name for name in task.code if find_spec(NAMES[name])]
    seconds = {name: [] for name in present}
    for _ in range(n_rounds):
        for name in present:
            setup, statement = task.code[name]
            code = PROCESS.format(
                setup=setup, statement=statement, n_calls=task.n_calls
            )
            seconds[name].append(float(run(code, folder)))
    return {name: quick_half(values) for name, values in seconds.items()}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, help="default 6")
    n_rounds = parser.parse_args().rounds
    for name, fact in machine().items():
        print(f"{name:>16}: {fact}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, usable_cores()[-1:])  # the processes inherit it
    with tempfile.TemporaryDirectory() as folder:
        for name, statement in SAVED.items():
            run(f"{FITTED[name]}\n{statement}", folder)
        print(f"\n| task | {' | '.join(NAMES)} |\n|---|{'---|' * len(NAMES)}")
        for task in TASKS:
            figures = measured(task, n_rounds, folder)
            cells = [
                in_words(figures[name]) if name in figures else "" for name in NAMES
            ]
            print(f"| {task.title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
