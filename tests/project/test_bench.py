"""The benchmark: its limit model, its protocol, and that it hides nothing."""

import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import reference

BENCH = Path(__file__).parents[2] / "bench"
if not BENCH.is_dir():
    pytest.skip("the folder bench is not here", allow_module_level=True)

sys.path.insert(0, str(BENCH))  # as for its scripts, and for these imports only
import bench_custom
import calibration
import opponents
import report
from bars import bars
from calibration import PAGE, apart
from cells import (
    ALPHA,
    BETA_1,
    BETA_2,
    CELLS,
    EPSILON,
    MOMENTUM,
    RATE,
    Cell,
    Draws,
    dense_targets,
    make_data,
)
from contest import Contest, import_seconds
from front_end import of_slowest_core
from kinds import ALONE, FAR, SHARED, Judge, hand_over_ns
from limit import epoch_flops, epoch_limit, flops, step_limit
from machine import usable_cores
from opponents import RIVALS, SUBJECT, contestant
from options import options
from plot import plot
from summary import Row, judge, mean_and_worst, rows_of

from fastmlp._core import kernels

sys.path.remove(str(BENCH))

# A core with 512-bit vectors, as in the worked limits of the model.
CONSTANTS = {
    "cache_bytes": {1: 32 << 10, 2: 1 << 20, 3: 32 << 20},
    "bandwidth": {1: 212.0, 2: 118.0, 3: 100.0, 4: 20.0},
    "front_end": [None, None],
    "by_dtype": {
        dtype: {
            "lanes": lanes,
            "peak": peak,
            "activation": {"relu": 0.05, "tanh": 0.4},
            "update": {"adam": 0.3, "sgd": 0.15},
        }
        for dtype, lanes, peak in [("float32", 16, 117.5), ("float64", 8, 58.75)]
    },
}
LOSS_NS = 0.5
SMALL = [
    Cell("two", 150, 5, 2, (7,), 32),
    Cell("classes", 150, 5, 3, (7, 6), 32, activation="tanh"),
    Cell("logistic", 150, 5, 3, (7,), 50, activation="logistic"),
    Cell("labels", 150, 5, 4, (7,), 150, task="labels"),
    Cell("one", 150, 5, 1, (7,), 32, task="regression"),
    Cell("sgd", 150, 5, 3, (7,), 32, solver="sgd"),
]
small = pytest.mark.parametrize("cell", SMALL, ids=lambda cell: cell.name)


def one_step(batch, units, activation="relu"):
    """A cell of one step."""
    outputs = 2 if units[-1] == 1 else units[-1]
    return Cell(
        "x", batch, units[0], outputs, units[1:-1], batch, "classes", activation
    )


@pytest.mark.parametrize(
    "batch, units, activation, us",
    [
        (32, (10, 16, 1), "relu", 0.3),
        (200, (20, 100, 1), "relu", 17),
        (200, (20, 100, 100, 1), "relu", 129),
        (200, (20, 100, 100, 1), "tanh", 142),
        (64, (54, 128, 128, 7), "relu", 78),
        (256, (100, 256, 256, 10), "relu", 1140),
        (32, (784, 1024, 1024, 10), "relu", 3100),
    ],
)
def test_worked_limits(batch, units, activation, us):
    cell = one_step(batch, units, activation)
    limit = step_limit(cell, "float32", batch, CONSTANTS, LOSS_NS)
    assert limit["total"] == pytest.approx(us, rel=0.05)


def test_parts_of_a_limit():
    limit = step_limit(one_step(32, (10, 16, 1)), "float32", 32, CONSTANTS, LOSS_NS)
    # Filled vectors of 16: 2K M pad(N) forward, of the weights, and back; the outputs
    # lie along the rows.
    forward = 2 * 10 * 32 * 16 + 2 * 16 * 32 * 1
    weights = 2 * 32 * 10 * 16 + 2 * 32 * 16 * 1
    back = 2 * 1 * 32 * 16
    assert limit["gemm"] == pytest.approx((forward + weights + back) / 117.5e3)
    moved = 4 * (2 * 176 + 4 * 32 * 16 + 2 * 32 * 10)
    assert limit["mem"] == pytest.approx(moved / 212e3)
    assert limit["act"] == pytest.approx(32 * 16 * 0.05e-3)
    assert limit["out"] == pytest.approx(32 * LOSS_NS * 1e-3)
    assert limit["opt"] == pytest.approx(193 * 0.3e-3)
    assert limit["level"] == 1
    parts = (limit[name] for name in ("gemm", "act", "out", "opt"))
    assert limit["total"] == pytest.approx(sum(parts))


def test_an_epoch_has_its_short_batch():
    cell = Cell("x", 70, 10, 2, (16,), 32)
    assert cell.batches == [32, 32, 6]
    W, first = 10 * 16 + 16, 10 * 16
    assert flops(cell, 32) == 6 * 32 * W - 2 * 32 * first
    assert epoch_flops(cell) == 6 * 70 * W - 2 * 70 * first
    steps = [step_limit(cell, "float32", n, CONSTANTS, LOSS_NS) for n in cell.batches]
    expected = sum(step["total"] for step in steps)
    assert epoch_limit(cell, "float32", CONSTANTS, LOSS_NS) == pytest.approx(expected)


def test_cells():
    names = [cell.name for cell in CELLS]
    assert len(set(names)) == len(names)
    assert {cell.solver for cell in CELLS} == {"adam", "sgd", "lbfgs"}
    assert {cell.activation for cell in CELLS} == {"relu", "tanh", "logistic"}


def loss_by_hand(cell):
    """The loss of the first epoch from the drawn weights and order, in plain NumPy."""
    X, y = make_data(cell, "float64")
    draws = Draws(cell)
    state = {"m": 0.0, "v": 0.0, "t": 0}

    def step(params, grad):
        state["t"] += 1
        if cell.solver == "sgd":
            params, state["v"] = reference.sgd(
                params, state["v"], grad, RATE, MOMENTUM, True
            )
            return params
        params, state["m"], state["v"] = reference.adam(
            params, state["m"], state["v"], grad, state["t"], RATE, BETA_1, BETA_2,
            EPSILON,
        )  # fmt: skip
        return params

    y = y[:, None] if cell.loss == "log_loss" else dense_targets(cell, y, "float64")
    activation = [(cell.activation, 0)] * len(cell.hidden)
    params = reference.pack(draws.coefs, draws.intercepts)
    order = draws.next_order()
    return reference.epoch(
        params, cell.units, step, X, y, None, order, cell.batch, ALPHA, activation,
        cell.loss,
    )[1]  # fmt: skip


@small
def test_weights_order_and_loss_are_scikit_learns(cell):
    expected = loss_by_hand(cell)
    for name in ("scikit-learn", "fastmlp"):
        entry = contestant(name)(cell, "float64", 1)
        assert entry.check() == pytest.approx(expected, rel=1e-12)


@pytest.mark.long
@pytest.mark.filterwarnings("default")  # they are not ours
@small
@pytest.mark.parametrize("name", ["torch", "torch-compile", "jax"])
def test_opponents_learn_the_same(cell, name):
    if not opponents.is_installed(name):
        pytest.skip(f"{name} is not installed")
    with ThreadPoolExecutor(1) as pool:  # PyTorch's flushes the denormals of its thread
        entry = pool.submit(contestant(name), cell, "float64", 1).result()
        loss = pool.submit(entry.check).result()
    assert loss == pytest.approx(loss_by_hand(cell), rel=1e-10)
    assert np.float32(1e-40) * np.float32(1) > 0


@pytest.fixture(scope="module")
def contest_result():
    """A cell timed in processes of their own."""
    names = [SUBJECT, "scikit-learn"]
    with Contest(names, [1], rounds=2, target=0.05) as contest:
        return contest.run(SMALL[0], "float64", CONSTANTS)


def test_a_contest(contest_result):
    for entry in contest_result["entries"]:
        assert entry["error"] == ""
        assert len(entry["rounds"]) == len(entry["ms"]) == len(entry["kinds"]) == 2
        assert entry["warm_up_seconds"] > 0
        assert entry["loss"] == pytest.approx(loss_by_hand(SMALL[0]), rel=1e-12)
    assert contest_result["steps"] == 5


@pytest.fixture
def timed(contest_result):
    """The same with times that are known: 2 and 6 ms an epoch."""
    entries = [{**entry} for entry in contest_result["entries"]]
    entries[0]["ms"], entries[1]["ms"] = [2.0, 1.0, 9.0], [6.0, 7.0, 5.0]
    for entry in entries:
        entry["kinds"] = [ALONE] * 3
    known = {"flops_per_epoch": 4e6, "is_limit_of_whole_core": True}
    return {**contest_result, "entries": entries, **known}


def test_figures_of_a_row(timed):
    (row,) = rows_of(judge(timed))
    assert (row.void, row.best, row.ms) == ("", "scikit-learn", 2.0)
    assert row.ratios == {"scikit-learn": 3.0}
    assert row.us_per_step == pytest.approx(400)
    assert row.gflops == pytest.approx(2)
    limit = timed["epoch_limit_us"] / 5
    assert row.limit_us == pytest.approx(limit)
    assert row.efficiency == pytest.approx(limit / 400)
    assert row.overhead_us == pytest.approx(400 - limit)


def test_ratios_are_those_within_a_round(timed):
    entries = [dict(entry) for entry in timed["entries"]]
    entries[0]["ms"], entries[1]["ms"] = [2.0, 1.0, 8.0], [3.0, 4.0, 16.0]
    both = {**entries[0], "threads": 2, "ms": [1.0, 1.0, 4.0]}
    one, two = rows_of(judge({**timed, "entries": [*entries, both]}))
    assert (one.ratios["scikit-learn"], one.speed_up) == (2.0, 1.0)
    assert (two.ratios["scikit-learn"], two.speed_up) == (4.0, 2.0)
    assert two.ms == 1.0
    both["ms"] = [1.0, -1.0, 4.0]  # a long run that took less than a short one
    _, two = rows_of(judge({**timed, "entries": [*entries, both]}))
    assert (two.ratios["scikit-learn"], two.speed_up) == (4.0, 2.0)


def test_rounds_alone_and_shared_have_rows_of_their_own(timed):
    ours, theirs = [dict(entry) for entry in timed["entries"]]
    ours |= {"ms": [2.0, 1.0, 9.0, 4.0], "kinds": [ALONE, ALONE, SHARED, SHARED]}
    theirs |= {"ms": [6.0, 8.0, 27.0, 5.0], "kinds": [ALONE, SHARED, SHARED, ALONE]}
    alone, shared = rows_of(judge({**timed, "entries": [ours, theirs]}))
    assert (alone.kind, alone.ms, alone.ratios) == (ALONE, 1.5, {"scikit-learn": 3.0})
    assert (shared.kind, shared.ms) == (SHARED, 6.5)
    assert shared.ratios == {"scikit-learn": 3.0}
    assert alone.efficiency > 0 and np.isnan(shared.efficiency)
    assert report.line(shared, RIVALS).split()[2] == "x1s"
    text = "\n".join(report.means([alone, shared]))
    assert text.count("scikit-learn") == 2 and text.count(", core shared") == 2
    assert "1 of 2 rows" in report.disturbed([alone, shared])[0]
    shares = [bar for bar in bars([shared]) if bar.what.startswith("share of")]
    assert len(shares) == 2 and all(bar.met is None for bar in shares)


def test_a_calibration_beside_a_busy_hyperthread_gives_no_share(timed):
    (row,) = rows_of(judge({**timed, "is_limit_of_whole_core": False}))
    assert row.kind == ALONE and np.isnan(row.efficiency) and np.isnan(row.overhead_us)
    assert row.ratios == {"scikit-learn": 3.0}
    assert report.line(row, RIVALS).split()[7:9] == ["-", "-"]
    of_limits = [bar for bar in bars([row]) if "limit" in bar.what]
    assert of_limits and all(bar.met is None for bar in of_limits)


def test_the_machine_is_calibrated_until_the_core_is_alone(timed, monkeypatch):
    """The run begins beside a busy hyperthread, which ends after the first cell."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setattr(report, "constants", lambda calibration: [])
    run_cells = runpy.run_path(str(BENCH / "__main__.py"), run_name="bench")[
        "run_cells"
    ]
    shared, alone = ({**CONSTANTS, "front_end": [rate] * 2} for rate in (2.9, 5.7))
    contest = Contest.__new__(Contest)
    contest.judge, contest.used, answers = Judge(), [], iter([shared, alone])
    contest.calibrate = lambda: next(answers)

    def run(cell, dtype, constants):
        contest.used.append(constants["front_end"][0])
        return {**timed, "is_limit_of_whole_core": contest.is_whole_core(constants)}

    contest.run = run
    chosen = SimpleNamespace(selected=SMALL[:3], dtypes=["float64"])
    _, rows, last = run_cells(chosen, contest, shared, RIVALS)
    assert contest.used == [2.9, 5.7, 5.7] and last is alone
    assert [row.has_limit for row in rows] == [False, True, True]


def test_two_threads_on_cores_far_apart_have_a_row_of_their_own(timed):
    """Both rows are compared with the same rounds of one thread."""
    ours, theirs = [dict(entry) for entry in timed["entries"]]
    ours |= {"ms": [2.0, 2.0], "kinds": [ALONE, ALONE]}
    theirs |= {"ms": [6.0, 6.0], "kinds": [ALONE, ALONE]}
    both = {**ours, "threads": 2, "ms": [1.0, 1.6], "kinds": [ALONE, FAR]}
    one, near, far = rows_of(judge({**timed, "entries": [ours, theirs, both]}))
    assert (near.kind, near.ms, near.speed_up) == (ALONE, 1.0, 2.0)
    assert (far.kind, far.ms, far.speed_up) == (FAR, 1.6, 1.25)
    assert far.ratios == {"scikit-learn": 3.75} and np.isnan(far.efficiency)
    assert report.line(far, RIVALS).split()[2] == "x2f"
    assert ", cores far apart" in "\n".join(report.means([one, near, far]))
    assert "1 of 3 rows" in report.disturbed([one, near, far])[1]
    (bar,) = [bar for bar in bars([near, far]) if "1, every cell" in bar.what]
    assert bar.figure.endswith("1 of 1 cells")


def test_probes_tell_the_kind_of_a_slice():
    judge_of = Judge()
    assert judge_of.kind([]) == judge_of.kind([None, None], [None]) == ALONE
    assert judge_of.kind([5.7, 5.6], [30.0, 75.0]) == ALONE
    assert judge_of.kind([5.7, 5.6], [30.0, 160.0]) == FAR
    assert judge_of.kind([5.7, 2.9], [30.0, 160.0]) == SHARED
    assert judge_of.kind([4.2]) == SHARED  # below the share of the best so far
    assert Judge().kind([2.9]) == SHARED


def test_hand_overs_between_threads():
    assert hand_over_ns(1) is None
    if len(usable_cores()) == 1:
        pytest.skip("two threads on one core meet once in a time slice")
    # others may keep the second thread from a core for a while
    assert any(kernels.hand_over(100) == 100 for _ in range(100))
    found = hand_over_ns(2)
    assert found is None or 1 < found < 1e6


def test_instructions_a_cycle():
    found = of_slowest_core()
    if found is None:
        pytest.skip("this compiler has no empty instructions")
    assert 1 < found < 20


def with_loss(result, index, factor):
    """A copy of a result in which an entry has another loss."""
    entries = [dict(entry) for entry in result["entries"]]
    entries[index]["loss"] *= factor
    return {**result, "entries": entries}


def test_a_wrong_loss_is_void(timed):
    third = {**timed["entries"][1], "contestant": "jax"}
    more = {**timed, "entries": [*timed["entries"], third]}
    result = judge(with_loss(more, 2, 1 + 2e-10))
    (row,) = rows_of(result)
    assert row.void == "" and set(row.ratios) == {"scikit-learn"}
    (remark,) = report.remarks(result)
    assert "jax" in remark and "VOID: loss differs" in remark


def test_our_own_wrong_loss_voids_the_cell(timed):
    for factor in (1 + 2e-10, np.nan):
        (row,) = rows_of(judge(with_loss(timed, 0, factor)))
        assert row.ratios == {} and row.best is None
        assert "VOID: loss differs" in report.line(row, RIVALS)
        assert mean_and_worst([row]) is None
        assert "void: 1 of 1 rows" in report.means([row])
        assert all(not bar.met for bar in bars([row]))


def test_a_failure_is_void(timed):
    failed = {**timed["entries"][1], "error": "Traceback\nValueError: no"}
    result = judge({**timed, "entries": [timed["entries"][0], failed]})
    assert "failed: ValueError: no" in report.remarks(result)[0]
    assert rows_of(result)[0].ratios == {}


def row_of(**changes):
    """A row that meets every bar."""
    usual = {
        "name": "x", "dtype": "float32", "threads": 1, "void": "", "ms": 1.0,
        "us_per_step": 100.0, "gflops": 1.0, "limit_us": 100.0, "efficiency": 0.9,
        "overhead_us": 1.0, "ratios": {"scikit-learn": 9.0, "jax": 2.5},
    }  # fmt: skip
    return Row(**{**usual, **changes})


def test_bars_are_met_or_missed():
    kinds = [(100.0, 0.9), (50.0, 0.75), (5.0, 0.2)]
    good = [
        row_of(name=f"{limit}", dtype=dtype, limit_us=limit, efficiency=share)
        for dtype in ("float32", "float64")
        for limit, share in kinds
    ]
    good += [row_of(name="long", limit_us=500.0)]
    good += [row_of(name="long", threads=2, ms=0.6, limit_us=250.0, speed_up=1.7)]
    assert [bar.met for bar in bars(good, 12.0, 30.0)] == [True] * 12
    bad = [
        row._replace(
            efficiency=row.efficiency / 2,
            overhead_us=3.0,
            speed_up=0.5 if row.threads == 2 else None,
            ratios={"scikit-learn": 5.0, "jax": 0.9},
        )
        for row in good
    ]
    assert [bar.met for bar in bars(bad, 9.0, 60.0)] == [False] * 12
    assert {bar.met for bar in bars([])} == {None}
    text = "\n".join(report.verdicts(bars(bad, 9.0, 60.0)))
    assert text.count("MISSED") == 12
    assert "slower than the best opponent: 8 of 8 rows" in report.means(bad)


def test_one_bad_cell_misses_the_bar():
    rows = [row_of(), row_of(name="bad", ratios={"jax": 0.99, "scikit-learn": 99.0})]
    first = bars([rows[0]] * 20 + rows[1:])[0]
    assert first.met is False and "worst 0.99 (bad)" in first.figure


def test_the_median_has_a_bar_of_its_own():
    shares = [0.8, 0.8, 0.95]
    rows = [row_of(efficiency=share) for share in shares]
    (bar,) = [bar for bar in bars(rows) if bar.what.endswith("limit >= 100 us")]
    assert not bar.met and bar.bar == ">= 78 %, median >= 88 %"
    rows = [row_of(efficiency=share) for share in (*shares, 0.9, 0.9)]
    (bar,) = [bar for bar in bars(rows) if bar.what.endswith("limit >= 100 us")]
    assert bar.met


def test_missing_opponents_are_named(monkeypatch, capsys):
    import opponents as contestants

    find = contestants.find_spec
    monkeypatch.setattr(
        contestants, "find_spec", lambda name: None if name == "jax" else find(name)
    )
    assert not contestants.is_installed("jax")
    assert contestants.is_installed("scikit-learn")
    present = contestants.present(["scikit-learn", "jax"])
    assert present == ["scikit-learn"]
    assert capsys.readouterr().out == "MISSING: jax is not installed, no opponent\n"


def test_benchmarks_under_pytest_run():
    files = [str(path) for path in BENCH.glob("bench_*.py")]
    options = ["-q", "--benchmark-disable", "-k", "not test_ratios"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=BENCH.parent,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    bench_custom.epoch_of("relu", np.dtype(np.float32))()  # what test_ratios times


def test_imports_find_their_bytecode(monkeypatch):
    """As an installed package does, whatever the caller's environment says."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(
        "contest.IMPORTS",
        "import pathlib, pprint, sys\n"
        "print(len([*pathlib.Path(sys.pycache_prefix).rglob('pprint.*.pyc')]))",
    )
    assert import_seconds(1) == [1.0]


def test_imports_are_those_of_the_installed_package(monkeypatch, tmp_path):
    """A clone in the current folder has sources that were not built."""
    (tmp_path / "fastmlp.py").write_text("raise ImportError('not built')")
    monkeypatch.chdir(tmp_path)
    (seconds,) = import_seconds(1)
    assert 0 < seconds < 60


def test_options():
    chosen = options(["--cells", "digits,iris", "--threads", "2,1", "--quick"])
    assert [cell.name for cell in chosen.selected] == ["digits", "lbfgs-digits"]
    assert chosen.parts == ["iris"]
    assert chosen.threads == [1, 2]
    assert options([]).opponents == RIVALS
    for wrong in (["--cells", "nothing"], ["--opponents", "x"], ["--rounds", "0"]):
        with pytest.raises(SystemExit):
            options(wrong)


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")

    path = tmp_path / "x.png"
    plot([row_of(), row_of(name="y", ratios={}, void="loss differs")], RIVALS, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_nanoseconds_are_those_of_the_quickest_turns(monkeypatch):
    """Turns with a slower clock do not count, nor does a disturbed one."""
    turns = [(3e-6, 1e-6)] * 4 + [(9e-6, 1e-6), (3e-6, 2.9e-6)] + [(6e-6, 2e-6)] * 14
    seconds = iter([x for turn in turns for x in turn])
    monkeypatch.setattr(calibration, "best_seconds", lambda *_, **__: next(seconds))
    assert calibration.ns_each(print, (), (), 1000) == pytest.approx(2)


def test_bandwidths_are_those_of_what_a_core_may_hold():
    kb, mb = 1 << 10, 1 << 20
    sizes = calibration.bandwidth_sizes({1: 48 * kb, 2: 2 * mb, 3: 300 * mb})
    assert sizes == {1: 24 * kb, 2: 192 * kb, 3: 8 * mb, 4: 256 * mb}
    sizes = calibration.bandwidth_sizes({1: 32 * kb, 2: mb, 3: 4 * mb})
    assert sizes == {1: 16 * kb, 2: 128 * kb, 3: 2 * mb, 4: 16 * mb}


@pytest.mark.parametrize("n", [1, 512, 1024, 1300])
def test_arrays_of_a_calibration_lie_apart(n):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=n).astype("float32") for _ in range(4)]
    copies = apart(*arrays)
    for x, copy in zip(arrays, copies):
        np.testing.assert_array_equal(x, copy, strict=True)
    starts = [copy.ctypes.data for copy in copies]
    places = np.array(starts) % PAGE
    np.testing.assert_array_equal(places, np.arange(4) * PAGE // 4)
    assert (np.diff(starts) >= 4 * n).all()
