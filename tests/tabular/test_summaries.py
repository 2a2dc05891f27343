"""Summaries of the parts of a table, against an encoder that sees all of it."""

import numpy as np
import pandas as pd
import pytest
from helpers.tables import X, frame

from fastmlp._tables.encoder import TableEncoder, chosen_columns
from fastmlp._tables.scaling import robust_scale
from fastmlp._tables.summaries import MOST_POINTS, summaries_of
from fastmlp._tables.table import read_table


def summaries(table, rows=None, chosen="from_dtype", is_alone=False):
    if table is None:
        return None
    table = read_table(table)
    rows = np.arange(table.n_rows) if rows is None else rows
    chosen = chosen_columns(chosen, table.names, table.n_columns)
    return summaries_of(table, chosen, rows, is_alone)


def fitted(*tables, chosen="from_dtype", **options):
    parts = [summaries(of, chosen=chosen) for of in tables]
    return TableEncoder(chosen).fit_parts(list(tables[0]), parts, **options)


def assert_alike(found, expected, **tolerance):
    np.testing.assert_allclose(found.medians, expected.medians, **tolerance)
    np.testing.assert_allclose(found.scales, expected.scales, **tolerance)
    assert found.category_columns.tolist() == expected.category_columns.tolist()
    for of, other in zip(found.levels, expected.levels, strict=True):
        np.testing.assert_array_equal(of, other)
        assert of.dtype == other.dtype
    for of, other in zip(found.tables, expected.tables, strict=True):
        np.testing.assert_array_equal(of, other)


def test_one_part_is_the_table_to_the_bit():
    table, rows = frame(3000), np.arange(0, 3000, 2)
    part = summaries(table, rows, is_alone=True)
    found = TableEncoder().fit_parts(list(table), [None, part])
    expected = TableEncoder().fit(table, rows)
    assert_alike(found, expected, rtol=0)
    np.testing.assert_array_equal(found.transform(table), expected.transform(table))


def test_small_parts_are_exact():
    found = fitted(X[:80], X[80:150], X[150:])
    assert_alike(found, TableEncoder().fit(X), rtol=1e-14)


@pytest.mark.parametrize("order", ["random", "sorted"])
def test_ranks_of_quartiles_of_large_parts(order):
    values = np.random.RandomState(0).lognormal(size=40_000)
    if order == "sorted":
        values.sort()
    parts = np.split(values, [3000, 20_001, 20_002])
    found = fitted(*(pd.DataFrame({"x": of}) for of in parts))
    median, scale = found.medians[0], found.scales[0]
    rank = (values <= median).mean()
    assert abs(rank - 0.5) < 1 / (2 * MOST_POINTS) + 2 / len(values)
    assert scale == pytest.approx(robust_scale(values.copy())[1], rel=0.01)


def test_a_scale_by_the_ends_where_quartiles_are_equal():
    rare = np.zeros(5000)
    rare[[7, 4000]] = -3, 5  # no point of a block of neighbours
    found = fitted(pd.DataFrame({"x": rare}), pd.DataFrame({"x": np.zeros(10)}))
    assert (found.medians[0], found.scales[0]) == (0, 2 / 8)


def test_huge_numbers_do_not_overflow():
    parts = [pd.DataFrame({"x": [-1.7e308, 0, 1.7e308]})] * 2
    found = fitted(*parts)
    assert np.isfinite(found.medians).all() and found.scales[0] > 0


def test_kinds_of_levels_that_differ_between_parts():
    numbers = pd.DataFrame({"x": pd.Categorical([1, 2, 2])})
    texts = pd.DataFrame({"x": pd.Categorical(["b", "a", None])})
    found = fitted(numbers, texts)
    assert found.levels[0].tolist() == ["1", "2", "a", "b"]
    bools = fitted(*[pd.DataFrame({"x": [True]}), pd.DataFrame({"x": [False]})])
    assert bools.levels[0].tolist() == [False, True]


@pytest.mark.parametrize("first", [[None, None], [np.nan, np.nan]])
@pytest.mark.parametrize("rest", [["a", "b"], [1.5, 2.5]])
def test_a_part_without_any_value_is_of_the_kind_of_the_others(first, rest):
    parts = [pd.DataFrame({"x": of, "y": [1.0, 2.0]}) for of in (first, rest)]
    found, whole = fitted(*parts), TableEncoder().fit(parts[1])
    assert found.category_columns.tolist() == whole.category_columns.tolist()
    found.transform(parts[0])


def test_a_column_of_two_kinds_is_refused():
    parts = pd.DataFrame({"x": ["a", "b"]}), pd.DataFrame({"x": [1.0, 2.0]})
    with pytest.raises(ValueError, match="numbers in partition 1, but categor"):
        fitted(*parts)
    found = fitted(*parts, chosen=["x"])
    assert found.levels[0].tolist() == ["1", "2", "a", "b"]


def test_warnings():
    ids = pd.DataFrame({"x": [f"r{i}" for i in range(30)]})
    with pytest.warns(UserWarning, match="as many levels as rows, 30"):
        fitted(ids[:10], ids[10:])
    mixed = pd.DataFrame({"x": ["?", 1] * 20})
    with pytest.warns(UserWarning, match="texts such as '[?]'"):
        fitted(mixed, mixed)
    fitted(ids[:10], ids[10:], warns=False)
