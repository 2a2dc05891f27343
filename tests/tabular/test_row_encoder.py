"""Single rows: the bits of the matrix of a table, or the error."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp._tables.encoder import TableEncoder
from fastmlp._tables.row_encoder import RowEncoder

NAN = np.nan


def training(n=200):
    rng = np.random.default_rng(0)
    data = {f"n{i}": rng.normal(size=n) * 10.0 ** (i - 2) for i in range(6)}
    data["constant"] = np.full(n, 5.0)
    for n_levels in (2, 5, 30):
        data[f"c{n_levels}"] = [f"l{i}" for i in rng.integers(n_levels, size=n)]
    data["flag"] = rng.random(n) < 0.5
    return pd.DataFrame(data)


X = training()
ENCODERS = {dtype: TableEncoder(dtype=dtype).fit(X) for dtype in ("float32", "float64")}


@pytest.mark.parametrize("dtype", ENCODERS)
def test_rows_have_the_bits_of_the_table(dtype):
    encoder = ENCODERS[dtype]
    encode, Z = RowEncoder(encoder), encoder.transform(X)
    for place, row in enumerate(X.to_dict("records")):
        for form in (row, list(row.values()), tuple(row.values())):
            assert encode(form).tobytes() == Z[place : place + 1].tobytes()
        assert encode(form).dtype == dtype and encode(form).shape == (1, 11)
    for form in (X.iloc[0], X.to_numpy(dtype=object)[0]):
        assert encode(form).tobytes() == Z[:1].tobytes()


numbers = st.one_of(
    st.none(),
    st.floats(allow_infinity=False),
    st.floats(width=32, allow_infinity=False).map(np.float32),
    st.integers(-(10**20), 10**20),
    st.booleans(),
    st.sampled_from([Decimal("1.5"), np.int8(3), np.float64(2), pd.NA]),
)
categories = st.sampled_from(["l0", "l1", "l20", "new", "", None, NAN, 1, True, pd.NA])


@pytest.mark.parametrize("dtype", ENCODERS)
@given(st.tuples(*[numbers] * 7, *[categories] * 4))
@settings(max_examples=300, deadline=None)
def test_any_row(dtype, row):
    encoder = ENCODERS[dtype]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All values of column")
        wanted = encoder.transform([row])
    encode = RowEncoder(encoder)
    np.testing.assert_array_equal(encode(row), wanted)
    np.testing.assert_array_equal(encode(dict(zip(X, row))), wanted)


def test_absent_keys_are_missing():
    encode = RowEncoder(ENCODERS["float32"])
    row = X.iloc[0].to_dict()
    wanted = encode(row | {"n3": None, "c5": None})
    del row["n3"], row["c5"]
    np.testing.assert_array_equal(encode(row), wanted)
    assert np.isnan(wanted[0, 3]) and wanted[0, 8] == 0


@pytest.mark.parametrize(
    "change, words",
    [
        ({"n0": "a"}, "Column 'n0' must hold numbers.* such as 'a'"),
        ({"n0": np.inf}, "Column 'n0' holds inf"),
        ({"n0": -np.inf, "n1": np.inf}, "Column 'n0' holds -inf"),
        ({"n0": 10**400}, "Column 'n0' .*too large"),
        ({"n0": 1j}, "Column 'n0' .*Complex"),
        ({"n0": [1]}, "Column 'n0' .*Spread"),
        ({"n0": pd.Timestamp("2024-05-17")}, "Column 'n0' .*2024-05-17.*year"),
        ({"c2": pd.Timestamp("2024-05-17")}, "Column 'c2' .*2024-05-17.*year"),
        ({"c2": ["l0"]}, "Column 'c2' .*Spread"),
        ({"c2": b"l0"}, "Column 'c2' .*Decode"),
        ({"c3": "l0"}, "key 'c3', .* Did you mean"),
    ],
)
def test_wrong_values(change, words):
    encode = RowEncoder(ENCODERS["float32"])
    row = X.iloc[0].to_dict() | change
    with pytest.raises(ValueError, match=words):
        encode(row)
    if "c3" not in change:
        with pytest.raises(ValueError, match=words):
            encode(list(row.values()))


def test_wrong_rows():
    encode = RowEncoder(ENCODERS["float32"])
    with pytest.raises(ValueError, match="X has 2 features, but .* expecting 11"):
        encode([1, 2])
    plain = RowEncoder(TableEncoder().fit(np.eye(2)))
    with pytest.raises(ValueError, match="key 'a', which is no column"):
        plain({"a": 1, "b": 2})


@pytest.mark.parametrize("n_numbers", [0, 1, 2])
@pytest.mark.parametrize("n_categories", [0, 1, 2])
def test_few_columns(n_numbers, n_categories):
    if n_numbers + n_categories == 0:
        return
    table = X[[*list(X)[:n_numbers], *["c2", "c5"][:n_categories]]]
    encoder = TableEncoder().fit(table)
    row = table.iloc[3].to_dict()
    wanted = encoder.transform(table[3:4]).tobytes()
    assert RowEncoder(encoder)(row).tobytes() == wanted
    assert RowEncoder(encoder)(list(row.values())).tobytes() == wanted


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_decimals_of_every_precision(dtype):
    frame = pd.DataFrame({"c": np.arange(1, 6) / 10}, dtype=dtype)
    encode = RowEncoder(TableEncoder(["c"]).fit(frame, warns=False))
    for kind in (float, np.float32, np.float64, lambda x: float(np.float32(x))):
        rows = [{"c": kind(x / 10)} for x in range(1, 6)]
        assert [encode(row).item() for row in rows] == [1, 2, 3, 4, 5]
