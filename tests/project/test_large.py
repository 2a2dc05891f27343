"""bench/large.py: what a row of a large table costs."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"
if not BENCH.is_dir():
    pytest.skip("the folder bench is not here", allow_module_level=True)

sys.path.insert(0, str(BENCH))  # as for its scripts
import large

sys.path.remove(str(BENCH))


@pytest.fixture
def cores():
    """The cores of this process, which the script pins."""
    if not hasattr(large.os, "sched_getaffinity"):
        yield
        return
    before = large.os.sched_getaffinity(0)
    yield
    large.os.sched_setaffinity(0, before)


def test_a_short_run(monkeypatch, capsys, cores):
    monkeypatch.setattr(large, "ROWS_TIMED", 2_000)
    large.main(["--rows", "300,600", "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[-2:]] == ["300", "600"]
    assert lines[-1].count("|") == 2 + len(large.SHUFFLES)


@pytest.mark.parametrize("shuffle", [False, "blocks"])
def test_epochs_of_one_fit(shuffle):
    X = np.ones((3_000, 20), np.float32)
    y = np.resize([True, False], len(X))
    by_clock, of_processor = large.row_time_of_epochs(X, y, shuffle, 3)
    assert by_clock > 0 and of_processor > 0


def test_one_hot_rows(monkeypatch, capsys, cores):
    X, y = large.one_hot(500)
    assert X.shape == (500, large.COLUMNS * large.CATEGORIES)
    np.testing.assert_array_equal(X.getnnz(axis=1), large.COLUMNS)
    assert 0 < y.mean() < 1
    monkeypatch.setattr(large, "CATEGORIES", 20)
    monkeypatch.setattr(large, "ONE_HOT_ROWS", 400)
    large.main(["--one-hot", "--rounds", "1"])
    assert "200 one-hot columns" in capsys.readouterr().out


def test_drawn_rows_depend_on_no_piece(monkeypatch):
    whole, part = np.empty((50, 3), np.float32), np.empty((20, 3), np.float32)
    large.draw(whole)
    monkeypatch.setattr(large, "PIECE", 7)
    large.draw(part)
    np.testing.assert_array_equal(part[:7], whole[:7])
    assert abs(whole.mean()) < 0.3 and np.isfinite(part).all()


@pytest.mark.parametrize("wrong", [["--rows", "0"], ["--rounds", "0"]])
def test_options(wrong):
    with pytest.raises(SystemExit):
        large.main(wrong)
