"""Scaling of cells and its inverse, and errors of cells."""

import numpy as np
import pytest
from scipy import sparse

from sklearn_dae._tables.codec import Codec, level_tables
from sklearn_dae._tables.layout import Layout, Table

SCALINGS = ["standard", "minmax", "quantile", None]


def fitted(X, scaling="standard", categorical=()):
    layout = Layout(min_frequency=None, max_categories=None)
    is_categorical = np.zeros(X.shape[1], dtype=bool)
    is_categorical[list(categorical)] = True
    table = layout.fit(X, is_categorical, X)
    return Codec(layout, scaling).fit(table, np.random.RandomState(0))


def scaled(codec, X, order=None):
    return codec.encode(codec.layout.read(X), order).numeric.numpy()


def decoded(codec, numeric):
    return codec.decode(numeric, np.empty((len(numeric), 0))).numeric


@pytest.mark.parametrize("scaling", SCALINGS)
def test_decoding_undoes_encoding(holes, scaling):
    codec = fitted(holes, scaling)
    numeric = scaled(codec, holes)
    np.testing.assert_array_equal(np.isnan(numeric), np.isnan(holes))
    np.testing.assert_allclose(decoded(codec, numeric), holes, rtol=1e-4, atol=1e-5)


def test_scaled_columns_have_the_requested_mean_and_range(holes):
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
    assert summary.bounded == (scaling in ("minmax", None))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_zero_of_the_summary_is_an_encoded_zero(scaling):
    X = np.random.default_rng(0).normal([0.0, 7.0, -7.0, 3.0], [1, 1, 1, 0], (90, 4))
    codec = fitted(X, scaling)
    zero = codec.summary().zero
    encoded = scaled(codec, np.zeros((1, 4)))[0]
    if scaling == "minmax":
        # 0 is below the range [0, 1] of the second column, and above that of the third.
        assert encoded[1] < 0
        assert encoded[2] > 1
        encoded = encoded.clip(0, 1)
    np.testing.assert_allclose(zero, encoded, atol=1e-6)
    # Noise does not change the input of a constant column.
    assert zero[3] == 0


def test_columns_with_a_large_offset_keep_their_precision():
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
        cells = of_sparse.encode(of_sparse.layout.read(X)).rows(slice(None))
        np.testing.assert_allclose(cells.numeric, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
def test_ranges_that_overflow_float64(scaling):
    largest = np.finfo(np.float64).max
    X = np.array([[largest, 5e-324], [-largest, 0.0], [0.0, 0.0], [np.nan, 0.0]])
    codec = fitted(X, scaling)
    numeric = scaled(codec, X)[:3]
    assert np.isfinite(numeric).all()
    high, low, middle = numeric[:, 0]
    assert high - middle == pytest.approx(middle - low)
    assert decoded(codec, 9 * numeric)[0, 0] == largest
    errors = codec.errors(codec.layout.read(X[:3]), -numeric, np.empty((3, 0)))
    assert np.isfinite(errors).all()
    assert np.isfinite(scaled(codec, np.full((1, 2), largest))).all()


def test_encoding_in_chunks_equals_encoding_at_once():
    X = np.random.default_rng(0).normal(3, 2, size=(40_000, 2))
    codec = fitted(X)
    expected = (X - X.mean(0)) / X.std(0)
    np.testing.assert_allclose(scaled(codec, X), expected, atol=1e-5)
    order = np.random.default_rng(1).permutation(len(X))[:30_000]
    np.testing.assert_allclose(scaled(codec, X, order), expected[order], atol=1e-5)


def test_quantiles_come_from_random_rows(monkeypatch):
    monkeypatch.setattr("sklearn_dae._tables.codec.QUANTILE_ROWS", 500)
    X = np.arange(4000.0)[:, None]
    numeric = scaled(fitted(X, "quantile"), X)
    quarters = np.quantile(numeric, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quarters, [-0.674, 0, 0.674], atol=0.15)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_constant_and_all_missing_columns_are_encoded_as_zero(scaling):
    X = np.c_[np.arange(10.0), np.full(10, 0.1), np.full(10, np.nan)]
    codec = fitted(X, scaling)
    np.testing.assert_array_equal(codec.constant_, [False, True, True])
    other = np.array([[3.0, 1e6, 5.0]])
    assert scaled(codec, other)[0, 1] == 0
    values = decoded(codec, np.full((1, 3), 0.5, dtype=np.float32))
    np.testing.assert_array_equal(values[0, 1:], [0.1, 0.0])


@pytest.mark.parametrize("scaling", SCALINGS)
def test_decoded_numbers_stay_within_the_bounds(holes, scaling):
    codec = fitted(holes, scaling)
    far = np.tile([[-99.0], [99.0]], 5).astype(np.float32)
    low, high = np.nanmin(holes, axis=0), np.nanmax(holes, axis=0)
    np.testing.assert_allclose(decoded(codec, far), [low, high])
    given = np.array([np.nan, low[1] + 0.1, high[2] + 1, np.nan, -np.inf])
    codec.set_bounds(given, np.array([low[0] - 1, np.nan, np.nan, high[3] - 0.1, 9e9]))
    if scaling == "quantile":
        return  # Quantiles end at the training range.
    found = decoded(codec, far)
    # A bound beyond the training range is also the other bound.
    np.testing.assert_allclose(found[:, 0], low[0] - 1)
    np.testing.assert_allclose(found[:, 1], [low[1] + 0.1, high[1]])
    np.testing.assert_allclose(found[:, 2], high[2] + 1)
    np.testing.assert_allclose(found[:, 3], [low[3], high[3] - 0.1])
    assert found[0, 4] < low[4]
    assert found[1, 4] > high[4]


def test_bounds_of_whole_numbers_are_whole_if_such_a_number_is_between_them():
    codec = fitted(np.tile([[0.0], [1.0], [2.0]], (1, 3)))
    codec.set_bounds(np.array([0.4, 1.2, 1.0]), np.array([1.7, 1.7, 1.0]))
    far = np.tile([[-99.0], [99.0]], 3).astype(np.float32)
    np.testing.assert_array_equal(decoded(codec, far), [[1, 1.2, 1], [1, 1.7, 1]])


def test_errors_are_relative_to_variance_and_to_gini_impurity():
    X = np.c_[np.arange(8.0), [0, 0, 0, 0, 1, 1, 2, 2]]
    two_levels = X[:, 1:].clip(0, 1)
    for of_column in (X, two_levels):
        codec = fitted(of_column, categorical=[of_column.shape[1] - 1])
        of_mean = codec.baseline_errors(codec.layout.read(of_column))
        np.testing.assert_allclose(of_mean.mean(axis=0), 1, rtol=1e-6)
    codec = fitted(X, categorical=[1])
    table = codec.layout.read(X)
    perfect = np.eye(3)[table.codes[:, 0]]
    numeric = codec.encode(table).numeric.numpy()
    np.testing.assert_allclose(codec.errors(table, numeric, perfect), 0, atol=1e-6)
    wrong = np.roll(perfect, 1, axis=1)
    codec.set_bounds(np.full(2, -np.inf), np.full(2, np.inf))
    errors = codec.errors(table, numeric + 1, wrong)
    np.testing.assert_allclose(errors[:, 0], 1, rtol=1e-5)
    np.testing.assert_allclose(errors[:, 1], 2 / (1 - 0.25 - 2 / 16), rtol=1e-5)


def test_errors_of_missing_and_unseen_cells_are_nan():
    X = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 1.0]])
    codec = fitted(X, categorical=[1])
    table = codec.layout.read(np.array([[np.nan, 5.0], [1.0, np.nan]]))
    errors = codec.baseline_errors(table)
    np.testing.assert_array_equal(np.isnan(errors), [[True, True], [False, True]])


def test_levels_that_are_rare_or_unseen_have_the_probability_of_their_frequency():
    X = np.array([[0.0]] * 6 + [[1.0]] * 3 + [[2.0]], dtype=float)
    tables = level_tables(fitted(X, categorical=[0]).layout.levels_)
    # Three levels, then all that fit has not seen.
    share = np.array([6, 3, 1, 0]) / 10
    surprise = -np.log([0.6, 0.3, 0.1, 1 / 11])
    np.testing.assert_allclose(tables["level_surprise"], surprise)
    trust = 0.95 * np.array([5 / 6, 2 / 3, 0, 0])
    np.testing.assert_allclose(tables["level_share"], trust)
    floor = (1 - trust) * np.where(share > 0, share, 1 / 11)
    np.testing.assert_allclose(tables["level_floor"], floor)
    assert tables["level_places"].tolist() == [0, 1, 2, 2]
    assert (tables["level_starts"], tables["level_ends"]) == ([0], [3])


def test_rare_levels_share_the_probability_of_their_group():
    X = np.array([["a"]] * 5 + [["b"]] * 3 + [["c"]] * 2, dtype=object)
    layout = Layout(None, 2)
    layout.fit(X, np.array([True]), X)
    tables = level_tables(layout.levels_)
    trust = 0.95 * np.array([4 / 5, 2 / 3, 1 / 2])
    expected = trust * [1, 3 / 5, 2 / 5]
    np.testing.assert_allclose(tables["level_share"][:3], expected)
    assert tables["level_places"].tolist() == [0, 1, 1, 1]


def test_standardized_numbers_are_finite():
    codec = fitted(np.array([[1.0], [2.0], [3.0]]))
    numbers = codec.standardize(np.array([[-1e308], [2.0], [1e308], [np.nan]]))
    np.testing.assert_allclose(numbers.ravel(), [-1e15, 0, 1e15, np.nan])


@pytest.mark.parametrize("scaling", ["minmax", None])
@pytest.mark.parametrize("number", [-0.001, 1.001])
def test_numbers_outside_the_unit_range_are_refused(scaling, number):
    X = np.array([[0.0, 0.0], [1.0, 0.5], [0.5, 1.0]])
    codec = fitted(X, scaling)
    codec.check_unit_range(Table(X * (1 + 1e-9) - 1e-9, None))
    X[2, 1] = number
    with pytest.raises(ValueError, match=rf"column 1 holds values from .*{number}"):
        codec.check_unit_range(Table(X, None))


def test_neighbouring_columns_are_in_different_groups():
    X = np.random.default_rng(0).integers(3, size=(30, 12)).astype(float)
    codec = fitted(X, categorical=[2, 3, 4, 11])
    groups = np.empty(12)
    numeric, codes = codec.column_groups(5)
    groups[codec.layout.numeric_], groups[codec.layout.categorical_] = numeric, codes
    np.testing.assert_array_equal(groups, np.arange(12) % 5)


def test_quantiles_distinguish_small_numbers_beside_large_ones():
    X = np.r_[np.arange(50.0), 1e13][:, None]
    assert len(np.unique(scaled(fitted(X, "quantile"), X))) == 51


def test_columns_that_were_not_constant_are_learned():
    X = np.c_[np.ones(6), np.arange(6.0), np.zeros(6), [0, 1, 0, 1, 0, 1]]
    codec = fitted(X, categorical=[2, 3])
    np.testing.assert_array_equal(codec.learned, [False, True, False, True])


def test_columns_of_the_smallest_numbers_have_finite_cells():
    X = np.array([[1e-323], [0.0], [0.0], [1e-323]])
    codec = fitted(X)
    assert codec.statistics_.std >= 2 * np.finfo(np.float64).tiny
    assert np.isfinite(scaled(codec, X)).all()
