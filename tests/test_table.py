"""TableCodec: scaling there and back, and tables of the kind that came in."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder

from sklearn_dae._columns import find_categorical
from sklearn_dae._table import MISSING, UNSEEN, Levels, TableCodec

SCALINGS = ["standard", "minmax", "quantile", None]


def fitted(X, scaling="standard", categorical=(), **params):
    params = {"min_frequency": None, "max_categories": None, **params}
    codec = TableCodec(scaling, **params)
    mask = np.zeros(X.shape[1], dtype=bool)
    mask[list(categorical)] = True
    codec.fit(X, mask, X, np.random.RandomState(0))
    return codec


def scaled(codec, X, order=None):
    return codec.encode(codec.read(X), order).numeric.numpy()


def decoded(codec, numeric):
    return codec.decode(numeric, np.empty((len(numeric), 0))).numeric


@pytest.mark.parametrize("scaling", SCALINGS)
def test_decoding_undoes_encoding(holes, scaling):
    codec = fitted(holes, scaling)
    numeric = scaled(codec, holes)
    np.testing.assert_array_equal(np.isnan(numeric), np.isnan(holes))
    np.testing.assert_allclose(decoded(codec, numeric), holes, rtol=1e-4, atol=1e-5)


def test_scales_are_those_asked_for(holes):
    standard = scaled(fitted(holes, "standard"), holes)
    np.testing.assert_allclose(np.nanmean(standard, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanstd(standard, axis=0), 1, rtol=1e-5)
    minmax = scaled(fitted(holes, "minmax"), holes)
    np.testing.assert_allclose(np.nanmin(minmax, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanmax(minmax, axis=0), 1, rtol=1e-6)
    quantile = scaled(fitted(holes, "quantile"), holes)
    np.testing.assert_allclose(np.nanmedian(quantile, axis=0), 0, atol=0.05)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_summary_describes_the_encoded_columns(holes, scaling):
    codec = fitted(holes, scaling)
    numeric = scaled(codec, holes)
    summary = codec.summary()
    np.testing.assert_allclose(summary.low, np.nanmin(numeric, axis=0), atol=1e-5)
    np.testing.assert_allclose(summary.high, np.nanmax(numeric, axis=0), atol=1e-5)
    if scaling != "quantile":
        np.testing.assert_allclose(summary.center, np.nanmean(numeric, 0), atol=1e-5)
    assert summary.bounded == (scaling == "minmax")


def test_large_offsets_survive():
    X = 1.7e9 + np.random.default_rng(0).normal(size=(200, 1))
    codec = fitted(X)
    numeric = scaled(codec, X)
    assert len(np.unique(numeric)) == 200
    np.testing.assert_allclose(decoded(codec, numeric), X, rtol=0, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1e9, 1e300])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
def test_cells_do_not_depend_on_the_unit(table, scaling, unit):
    expected = scaled(fitted(table, scaling), table)
    codec = fitted(table * unit, scaling)
    numeric = scaled(codec, table * unit)
    np.testing.assert_allclose(numeric, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(decoded(codec, numeric), table * unit, rtol=1e-3)
    if scaling != "quantile":
        X = sparse.csr_array(table * unit)
        of_sparse = fitted(X, scaling)
        for ours, dense in zip(of_sparse.statistics_, codec.statistics_, strict=True):
            np.testing.assert_allclose(ours, dense, rtol=1e-6)
        cells = of_sparse.encode(of_sparse.read(X)).rows(slice(None))
        np.testing.assert_allclose(cells.numeric, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
def test_ranges_larger_than_any_number(scaling):
    largest = np.finfo(np.float64).max
    X = np.array([[largest, 5e-324], [-largest, 0.0], [0.0, 0.0], [np.nan, 0.0]])
    codec = fitted(X, scaling)
    numeric = scaled(codec, X)[:3]
    assert np.isfinite(numeric).all()
    high, low, middle = numeric[:, 0]
    assert high - middle == pytest.approx(middle - low)
    assert decoded(codec, 9 * numeric)[0, 0] == largest
    errors = codec.errors(codec.read(X[:3]), -numeric, np.empty((3, 0)))
    assert np.isfinite(errors).all()
    assert np.isfinite(scaled(codec, np.full((1, 2), largest))).all()


def test_many_rows_are_encoded_in_pieces_like_few():
    X = np.random.default_rng(0).normal(3, 2, size=(40_000, 2))
    codec = fitted(X)
    expected = (X - X.mean(0)) / X.std(0)
    np.testing.assert_allclose(scaled(codec, X), expected, atol=1e-5)
    order = np.random.default_rng(1).permutation(len(X))[:30_000]
    np.testing.assert_allclose(scaled(codec, X, order), expected[order], atol=1e-5)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_constant_and_empty_columns_are_neutral(scaling):
    X = np.c_[np.arange(10.0), np.full(10, 0.1), np.full(10, np.nan)]
    codec = fitted(X, scaling)
    np.testing.assert_array_equal(codec.constant_, [False, True, True])
    other = np.array([[3.0, 1e6, 5.0]])
    assert scaled(codec, other)[0, 1] == 0
    values = decoded(codec, np.full((1, 3), 0.5, dtype=np.float32))
    np.testing.assert_array_equal(values[0, 1:], [0.1, 0.0])


def test_arrays_come_back_in_the_precision_they_had(table):
    for dtype in (np.float32, np.float64):
        codec = fitted(table.astype(dtype))
        back = codec.write(codec.read(table.astype(dtype)))
        assert back.dtype == dtype
        np.testing.assert_array_equal(back, table.astype(dtype))


def test_integer_codes_in_an_array_can_be_categories():
    X = np.array([[0.5, 7], [1.5, 3], [2.5, 7], [np.nan, np.nan]])
    codec = fitted(X, categorical=[1])
    table = codec.read(X)
    np.testing.assert_array_equal(table.numeric[:, 0], X[:, 0])
    assert table.codes.ravel().tolist() == [0, 1, 0, MISSING]
    assert codec.read(np.array([[0.0, 99.0]])).codes == UNSEEN
    np.testing.assert_array_equal(codec.write(table.rows([0, 1, 2])), X[:3])


def test_object_arrays_with_text():
    X = np.array([["a", 1.0], ["b", 2], [None, None]], dtype=object)
    codec = fitted(X, categorical=[0])
    table = codec.read(X)
    assert table.codes.ravel().tolist() == [0, 1, MISSING]
    np.testing.assert_array_equal(table.numeric.ravel(), [1.0, 2.0, np.nan])
    assert codec.write(table.rows([0, 1])).tolist() == [["a", 1.0], ["b", 2.0]]


def test_lists_with_categories_are_filled(small):
    X = [["a", 1.0, "u"], ["b", None, "v"], [np.nan, 3.0, "u"], ["a", 2.0, None]]
    filled = small(categorical_features=[0, 2]).fit(X).impute(X)
    assert not pd.isna(filled).any()
    observed = pd.notna(np.array(X, dtype=object))
    assert (filled[observed] == np.array(X, dtype=object)[observed]).all()


def test_unseen_text_stays_where_codes_were_numbers(small):
    X = np.array([[0.5, 1.0], [1.5, 2.0], [2.5, 1.0]])
    given = np.array([[None, "foo"], [1.0, None]], dtype=object)
    filled = small(categorical_features=[1]).fit(X).impute(given)
    assert filled[0, 1] == "foo"
    assert filled[1, 1] in (1.0, 2.0)


def test_booleans_are_numbers_where_nothing_is_categorical(small):
    frames = (
        pd.DataFrame({"x": [0.5, 1.5, None] * 4, "b": [True, False, True] * 4}),
        pl.DataFrame({"x": [0.5, 1.5, None] * 4, "b": [True, False, None] * 4}),
    )
    for frame in frames:
        dae = small(categorical_features=None).fit(frame)
        assert dae._codec.numeric_.tolist() == [0, 1]
        assert list(dae.impute(frame).dtypes) == list(frame.dtypes)


VALUES = ["a"] * 5 + ["b"] * 3 + ["c"] * 2 + ["d"] + [None] * 2


@pytest.mark.parametrize(
    ("min_frequency", "max_categories", "names", "code_of_c", "code_of_d"),
    [
        (None, None, ["a", "b", "c", "d"], 2, 3),
        (2, None, ["a", "b", "c", "d"], 2, 3),
        (3, None, ["a", "b", "c"], 2, 2),
        (0.2, None, ["a", "b", "c"], 2, 2),
        (None, 3, ["a", "b", "c"], 2, 2),
        (None, 4, ["a", "b", "c", "d"], 2, 3),
        (6, 2, ["a"], 0, 0),
    ],
)
def test_rare_levels_are_grouped_under_the_most_frequent_of_them(
    min_frequency, max_categories, names, code_of_c, code_of_d
):
    levels = Levels(VALUES, min_frequency, max_categories, fallback="")
    assert levels.names.tolist() == names
    codes = levels.encode(["c", "d", "z", None, np.nan, pd.NA])
    assert codes.tolist() == [code_of_c, code_of_d, UNSEEN, *[MISSING] * 3]


def test_level_groups_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    values = rng.choice(list("abcdefgh"), p=np.arange(1, 9) / 36, size=300)
    for params in (
        {"min_frequency": 30},
        {"min_frequency": 0.1},
        {"max_categories": 4},
    ):
        encoder = OneHotEncoder(**params).fit(values[:, None])
        full = {"min_frequency": None, "max_categories": None, **params}
        levels = Levels(values.tolist(), **full, fallback="")
        rare = encoder.infrequent_categories_[0]
        last = len(levels) - 1
        codes = dict(zip("abcdefgh", levels.encode("abcdefgh"), strict=True))
        assert {level for level, code in codes.items() if code == last} == set(rare)


def test_errors_are_relative_to_variance_and_to_gini_impurity():
    X = np.c_[np.arange(8.0), [0, 0, 0, 0, 1, 1, 2, 2]]
    codec = fitted(X, categorical=[1])
    table = codec.read(X)
    np.testing.assert_allclose(codec.baseline_errors(table).mean(axis=0), 1, rtol=1e-6)
    perfect = np.eye(3)[table.codes[:, 0]]
    numeric = codec.encode(table).numeric.numpy()
    np.testing.assert_allclose(codec.errors(table, numeric, perfect), 0, atol=1e-6)
    wrong = np.roll(perfect, 1, axis=1)
    errors = codec.errors(table, numeric + 1, wrong)
    np.testing.assert_allclose(errors[:, 0], 1, rtol=1e-5)
    np.testing.assert_allclose(errors[:, 1], 2 / (1 - 0.25 - 2 / 16), rtol=1e-5)


def test_errors_of_missing_and_unseen_cells_are_unknown():
    X = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 1.0]])
    codec = fitted(X, categorical=[1])
    table = codec.read(np.array([[np.nan, 5.0], [1.0, np.nan]]))
    errors = codec.baseline_errors(table)
    np.testing.assert_array_equal(np.isnan(errors), [[True, True], [False, True]])
    np.testing.assert_array_equal(codec.missing(table), [[True, False], [False, True]])


def test_columns_of_as_many_levels_lie_side_by_side():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(n, size=200) for n in (5, 2, 3, 2, 5)])
    codec = fitted(X.astype(float), categorical=range(5))
    assert codec.categorical_.tolist() == [1, 3, 2, 0, 4]
    table = codec.read(X.astype(float))
    np.testing.assert_array_equal(codec.write(table), X)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, [False] * 3),
        ("from_dtype", [False] * 3),
        ([True, False, True], [True, False, True]),
        ([0, 2], [True, False, True]),
        ([], [False] * 3),
    ],
)
def test_categorical_columns_of_arrays(given, expected):
    assert find_categorical(np.ones((4, 3)), given).tolist() == expected
