"""bench/narrow.py: products beside narrow output layers."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"
if not BENCH.is_dir():
    pytest.skip("the folder bench is not here", allow_module_level=True)

sys.path.insert(0, str(BENCH))  # as for its scripts
import narrow
from kinds import ALONE, SHARED

from fastmlp._core import kernels, testing

sys.path.remove(str(BENCH))

CONSTANTS = {
    "cache_bytes": {1: 32 << 10, 2: 1 << 20, 3: 32 << 20},
    "reading": {1: 200.0, 2: 100.0, 3: 50.0, 4: 20.0},
    "writing": {1: 100.0, 2: 25.0, 3: 20.0, 4: 10.0},
    "peak": {"float32": 100.0},
}


def test_a_limit(monkeypatch):
    monkeypatch.setattr(kernels, "isa", "v3")  # 8 lanes
    # 5 columns are filled along the 64 rows; reading the bytes would take 0.09 us
    assert narrow.limit_us((64, 5, 64), "float32", CONSTANTS) == pytest.approx(
        2 * 64 * 64 * 5 / 100e3
    )
    # 64 x 256 values do not stay in the first cache
    assert narrow.limit_us((64, 1, 256), "float32", CONSTANTS) == pytest.approx(
        4 * (64 * 256 + 256) / 100e3 + 4 * 64 / 25e3
    )
    # writing 16 KB takes longer than reading 0.5 KB, and than the multiply-adds
    assert narrow.limit_us((64, 64, 1), "float32", CONSTANTS) == pytest.approx(
        4 * 64 * 64 / 100e3
    )


def test_bytes_are_read_and_written():
    x = np.zeros(1000, np.float32)
    testing.write(x[:999], 2)
    assert x[:999].tolist() == [1] * 999 and x[999] == 0
    assert testing.read(x, 2) == 8000


@pytest.mark.parametrize("dtype", narrow.DTYPES)
def test_products_are_those_of_a_layer(dtype):
    cases = narrow.products(20, 12, 3, dtype)
    for name, (trans_a, a, b, s, c, work) in cases.items():
        testing.product(trans_a, a, b, s, c, work, times=2)
        a = a[:, :12] if name != "back" else a  # the rest of a row is padding
        expected = (a.T if trans_a else a) @ b + (0 if s is None else s)
        np.testing.assert_allclose(c, expected, rtol=1e-4, atol=1e-5)
    shapes = {name: case[4].shape for name, case in cases.items()}
    assert shapes == {"forward": (20, 3), "gradient": (12, 3), "back": (20, 12)}


def test_slices_beside_a_busy_hyperthread_have_no_limit():
    found = [(2.0, ALONE), (9.0, SHARED), (4.0, ALONE)]
    assert narrow.figure(found, 1.5) == ("     3.000 us (2.0)", 2.0)
    assert narrow.figure(found, None)[1] is None
    text, ratio = narrow.figure(found[1:2], 1.5)
    assert "9.000 us s" in text and ratio is None


def test_a_short_run(monkeypatch, capsys):
    for name, value in (("ROWS", (16,)), ("INPUTS", (32,)), ("UNITS", (1, 8))):
        monkeypatch.setattr(narrow, name, value)
    monkeypatch.setattr(narrow, "TRIES", 1)
    monkeypatch.setattr(narrow, "bandwidths", lambda sizes, *_: CONSTANTS["reading"])
    narrow.main(["--rounds", "1", "--dtypes", "float32"])
    text = capsys.readouterr().out
    assert text.count("16 rows,  32 inputs") == 3 and text.count(" us ") >= 6
