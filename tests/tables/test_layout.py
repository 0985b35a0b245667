"""Tables are read, and tables of the same kind are written."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from sklearn_dae._tables.columns import MISSING, UNSEEN
from sklearn_dae._tables.layout import (
    Layout,
    Table,
    check_decoded,
    names_of,
    numbers_held,
)


def fitted(X, categorical=()):
    layout = Layout(min_frequency=None, max_categories=None)
    is_categorical = np.zeros(X.shape[1], dtype=bool)
    is_categorical[list(categorical)] = True
    layout.fit(X, is_categorical, X)
    return layout


def test_arrays_are_written_in_the_dtype_of_fit(table):
    for dtype in (np.float32, np.float64):
        layout = fitted(table.astype(dtype))
        back = layout.write(layout.read(table.astype(dtype)))
        assert back.dtype == dtype
        np.testing.assert_array_equal(back, table.astype(dtype))


def test_integer_codes_in_an_array_can_be_categories():
    X = np.array([[0.5, 7], [1.5, 3], [2.5, 7], [np.nan, np.nan]])
    layout = fitted(X, categorical=[1])
    table = layout.read(X)
    np.testing.assert_array_equal(table.numeric[:, 0], X[:, 0])
    assert table.codes.ravel().tolist() == [0, 1, 0, MISSING]
    assert layout.read(np.array([[0.0, 99.0]])).codes == UNSEEN
    np.testing.assert_array_equal(layout.write(table.rows([0, 1, 2])), X[:3])


def test_object_arrays_with_text():
    X = np.array([["a", 1.0], ["b", 2], [None, None]], dtype=object)
    layout = fitted(X, categorical=[0])
    table = layout.read(X)
    assert table.codes.ravel().tolist() == [0, 1, MISSING]
    np.testing.assert_array_equal(table.numeric.ravel(), [1.0, 2.0, np.nan])
    assert layout.write(table.rows([0, 1])).tolist() == [["a", 1.0], ["b", 2.0]]


def test_lists_with_categories_are_filled(small):
    X = [["a", 1.0, "u"], ["b", None, "v"], [np.nan, 3.0, "u"], ["a", 2.0, None]]
    filled = small(categorical_features=[0, 2]).fit(X).impute(X)
    assert not pd.isna(filled).any()
    observed = pd.notna(np.array(X, dtype=object))
    assert (filled[observed] == np.array(X, dtype=object)[observed]).all()


def test_impute_keeps_unseen_text_where_levels_were_numbers(small):
    X = np.array([[0.5, 1.0], [1.5, 2.0], [2.5, 1.0]])
    given = np.array([[None, "foo"], [1.0, None]], dtype=object)
    filled = small(categorical_features=[1]).fit(X).impute(given)
    assert filled[0, 1] == "foo"
    assert filled[1, 1] in (1.0, 2.0)


def test_booleans_are_numbers_without_categorical_features(small):
    frames = (
        pd.DataFrame({"x": [0.5, 1.5, None] * 4, "b": [True, False, True] * 4}),
        pl.DataFrame({"x": [0.5, 1.5, None] * 4, "b": [True, False, None] * 4}),
    )
    for frame in frames:
        dae = small(categorical_features=None).fit(frame)
        assert dae._model.layout.numeric_.tolist() == [0, 1]
        assert list(dae.impute(frame).dtypes) == list(frame.dtypes)


def test_columns_with_the_same_number_of_levels_lie_side_by_side():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(n, size=200) for n in (5, 2, 3, 2, 5)])
    layout = fitted(X.astype(float), categorical=range(5))
    assert layout.categorical_.tolist() == [1, 3, 2, 0, 4]
    table = layout.read(X.astype(float))
    np.testing.assert_array_equal(layout.write(table), X)


def test_columns_of_whole_numbers_with_holes_get_whole_numbers(small):
    rng = np.random.default_rng(0)
    X = rng.normal(3, 2, (60, 1)) + rng.normal(size=(60, 3))
    X[:, :2] = X[:, :2].round()
    X[rng.random(X.shape) < 0.2] = np.nan
    missing = np.isnan(X)
    for make in (
        lambda X: pd.DataFrame(X, columns=list("abc")),
        lambda X: pl.DataFrame(X, schema=list("abc"), nan_to_null=True),
        sparse.csr_array,
        np.asarray,
    ):
        dae = small().fit(make(X))
        filled = dae.impute(make(X))
        filled = filled.toarray() if sparse.issparse(filled) else np.asarray(filled)
        assert (filled[:, :2] == filled[:, :2].round()).all()
        assert (filled[missing[:, 2], 2] % 1 != 0).all()
    # Pixels of an array stay real numbers in repairs. Columns of a DataFrame do not.
    assert (dae.reconstruct(X)[:, :2] % 1 != 0).any()
    repaired = small().fit(pd.DataFrame(X)).reconstruct(pd.DataFrame(X)).to_numpy()
    assert (repaired[:, :2] % 1 == 0).all()
    assert (repaired[:, 2] % 1 != 0).all()


def test_hidden_cells_are_missing_cells():
    X = np.array([[7, 0.5, 4, 2.5], [8, 1.5, 4, 3.5], [8, 2.5, 4, np.nan]])
    layout = fitted(X, categorical=[0, 2])
    table = layout.read(X)
    hidden = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]], dtype=bool)
    expected = layout.read(np.where(hidden, np.nan, X))
    visible = layout.hide(table, hidden)
    np.testing.assert_array_equal(visible.numeric, expected.numeric)
    np.testing.assert_array_equal(visible.codes, expected.codes)
    np.testing.assert_array_equal(table.codes, layout.read(X).codes)


def test_groups_of_rare_levels_are_described_by_their_number():
    X = np.array([[0.5, level] for level in "aaabbcdd"], dtype=object)
    layout = Layout(min_frequency=None, max_categories=2)
    table = layout.fit(X, np.array([False, True]), X)
    assert table.codes.ravel().tolist() == [0, 0, 0, 1, 1, 3, 2, 2]
    table = Table(table.numeric, np.minimum(table.codes, 1))
    described = layout.describe(table)
    assert described[:, 1].tolist() == ["a"] * 3 + ["one of 3 rare levels"] * 5
    assert layout.write(table)[3:, 1].tolist() == ["b"] * 5
    assert layout.levels_[0].names.tolist() == ["a", "b"]


def test_features_in_another_order_are_refused(small, table):
    table = pd.DataFrame(table, columns=list("abcde"))
    dae = small().fit(table)
    names = dae.get_feature_names_out()
    for library in (pd, pl):
        Z = library.DataFrame(dict(zip(names, dae.transform(table).T, strict=True)))
        expected = dae.inverse_transform(Z).to_numpy()
        latent = Z[list(names[-8:])]
        assert (dae.inverse_transform(latent).to_numpy() == expected).all()
        for wrong in (
            names[::-1],
            [*names[:-2], names[-1], names[-2]],
            names[-8:][::-1],
        ):
            with pytest.raises(ValueError, match=r"'.*' is at position \d+ instead of"):
                dae.inverse_transform(Z[list(wrong)])
        # The user may rename features.
        renamed = Z[list(names)]
        renamed.columns = [f"dae__{name}" for name in names]
        assert (dae.inverse_transform(renamed).to_numpy() == expected).all()
    loaded = pickle.loads(pickle.dumps(dae))
    with pytest.raises(ValueError, match="in the order of get_feature_names_out"):
        loaded.inverse_transform(pd.DataFrame(Z.to_numpy(), columns=names)[names[::-1]])


def test_what_columns_can_hold():
    X = pd.DataFrame({"a": [0.5, 1], "b": ["x", "y"], "c": np.uint8([1, 2])})
    layout = Layout(None, None)
    layout.fit(X, np.array([False, True, False]), X)
    largest = np.finfo(np.float64).max
    expected = [[-largest, np.nan, 0], [largest, np.nan, 255]]
    np.testing.assert_array_equal(numbers_held(layout), expected)
    assert names_of(layout) == ["a", "b", "c"]


def test_a_sample_has_evenly_spaced_rows():
    table = Table(np.arange(100.0)[:, None], np.arange(100)[:, None])
    for columns in table.sample(4, np.arange(100)):
        assert columns.ravel().tolist() == [0, 33, 66, 99]
    assert len(table.sample(1000, np.arange(50))) == 50


def test_codes_have_the_smallest_dtype_that_holds_all_levels():
    for n_levels, dtype in ((128, np.int8), (129, np.int16)):
        X = np.arange(float(n_levels))[:, None].repeat(3, axis=0)
        layout = fitted(X, categorical=[0])
        table = layout.read(X)
        assert table.codes.dtype == dtype
        np.testing.assert_array_equal(layout.write(table), X)


def test_a_prediction_that_is_nan_or_huge_is_named_by_its_row():
    numeric, probabilities = np.zeros((3, 2)), np.ones((3, 1))
    check_decoded(70, numeric, probabilities)
    for wrong in (np.nan, 1e19, -1e19):
        numeric[1, 1] = wrong
        with pytest.raises(ValueError, match="Row 71 of X holds numbers so large"):
            check_decoded(70, numeric, probabilities)
