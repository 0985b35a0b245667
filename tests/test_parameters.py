"""Parameters of columns and noises are resolved."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_dae._parameters import (
    NOISE_NAMES,
    PROBABILITIES,
    find_categorical,
    resolve_batch_size,
    resolve_bounds,
    resolve_max_iter,
    resolve_noises,
)
from sklearn_dae._training.corruption import NOISES


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
    assert find_categorical(given, 3, None, []).tolist() == expected


def test_names_of_noises_match_their_functions():
    assert list(NOISE_NAMES) == list(NOISES)
    assert set(PROBABILITIES) < set(NOISE_NAMES)


NAMES = ["a", "b", "c"]
HELD = np.array([[-np.inf, 0, np.nan], [np.inf, 255, np.nan]])


def factors(noise_factor, names=NAMES):
    """Resolve a noise factor for three numeric columns."""
    ((_, factor),) = resolve_noises("swap", noise_factor, 0.5, 3, names)
    return factor.tolist()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pd.Series({"c": 0.5, "a": 0.25}), [0.25, 0.0, 0.5]),
        (pd.Series({"c": 0.5, "a": 0.25, "b": 1}), [0.25, 1.0, 0.5]),
        (pd.Series([0.5, 0.25, 1]), [0.5, 0.25, 1.0]),
        (pd.Series([0.5, 0.25, 1], index=NAMES), [0.5, 0.25, 1.0]),
        (pd.Series([0.5, 0.25, 1], dtype="Float64"), [0.5, 0.25, 1.0]),
        (pl.Series([0.5, 0.25, 1]), [0.5, 0.25, 1.0]),
        (np.array(0.5), [0.5] * 3),
    ],
)
def test_a_series_is_matched_by_its_labels(given, expected):
    assert factors(given) == expected
    if isinstance(given, pd.Series):
        low, high = resolve_bounds(given, None, 3, NAMES, np.full((2, 3), [[-9], [9]]))
        bounded = [np.nan if x == 0 else x for x in expected]
        np.testing.assert_array_equal(low, bounded)
        assert np.isnan(high).all()


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (["a", "q", "b"], NAMES, "with the label 'q'"),
        (["a", "a", "b"], NAMES, "with a label twice"),
        ([2, 0, 1], NAMES, "with the label 2"),
        ([20, 10, 30], [10, 20, 30], "labels in another order"),
        ([0, 1, 2], [2, 1, 0], "labels in another order"),
        ([2, 0, 1], None, "labels in another order"),
    ],
)
def test_labels_that_name_no_columns_are_refused(labels, names, message):
    values = pd.Series([0.1, 0.2, 0.3], index=labels)
    with pytest.raises(ValueError, match=f"'noise_factor' is a .* {message}"):
        factors(values, names)
    with pytest.raises(ValueError, match=f"'min_value' is a .* {message}"):
        resolve_bounds(values, None, 3, names, HELD)
    with pytest.raises(ValueError, match=f"'categorical_features' is a .* {message}"):
        find_categorical(values > 0.2, 3, names, [])


@pytest.mark.parametrize("names", [[10, 20, 30], [2, 1, 0]])
def test_labels_in_the_order_of_names_that_are_no_strings(names):
    values = pd.Series([0.25, 0.5, 0.75], index=names)
    assert factors(values, names) == [0.25, 0.5, 0.75]
    assert find_categorical(values > 0.5, 3, names, []).tolist() == [False, False, True]


def test_masks_are_matched_by_their_labels():
    mask = pd.Series({"c": True, "a": False, "b": False})
    for given in (mask, mask.to_dict(), mask.astype("boolean"), mask[NAMES]):
        assert find_categorical(given, 3, NAMES, []).tolist() == [False, False, True]
    with pytest.raises(ValueError, match=r"as a mask .* It lacks the column 'b'"):
        find_categorical(mask[["c", "a"]], 3, NAMES, [])
    # The labels of a Series of names say nothing.
    chosen = pd.Series(["c"], index=["a"])
    assert find_categorical(chosen, 3, NAMES, []).tolist() == [False, False, True]


@pytest.mark.parametrize(
    "given", [{"a": "0.5"}, ["0.5", "1", "1"], np.array(["1"] * 3), {"a": np.str_("1")}]
)
def test_text_is_no_number(given):
    with pytest.raises(ValueError, match="'noise_factor' must hold numbers"):
        factors(given)
    with pytest.raises(ValueError, match="'max_value' must hold numbers"):
        resolve_bounds(None, given, 3, NAMES, HELD)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"c": 1.0}, "1.0 for column 'c', which is categorical"),
        (pd.Series({"c": 1.0}), "1.0 for column 'c', which is categorical"),
        ([1.0, 1.0, 1.0], "1.0 for column 'c', which is categorical"),
        ({"b": 256}, "256.0 for column 'b', whose dtype holds numbers from 0.0 to 255"),
        ({"b": -1}, "-1.0 for column 'b', whose dtype"),
    ],
)
def test_bounds_without_effect_are_refused(given, message):
    with pytest.raises(ValueError, match=f"'max_value' contains {message}"):
        resolve_bounds(None, given, 3, NAMES, HELD)


@pytest.mark.parametrize(
    "given", [300.0, {"b": 255}, [1.0, None, np.nan], {"b": np.inf}]
)
def test_other_bounds_are_taken(given):
    resolve_bounds(None, given, 3, NAMES, HELD)


def test_bounds_of_each_column_may_be_equal_but_not_crossed():
    names = ["a", "b", "c"]
    held = np.array([[-np.inf] * 3, [np.inf] * 3])
    low, high = resolve_bounds({"a": 1, "c": 2.5}, [1, -np.inf, 3], 3, names, held)
    np.testing.assert_array_equal(low, [1, np.nan, 2.5])
    np.testing.assert_array_equal(high, [1, -np.inf, 3])
    with pytest.raises(ValueError, match=r"Got 2.5 and 2.0 for column 'c'. Swap them"):
        resolve_bounds({"a": 1, "c": 2.5}, [1, -np.inf, 2], 3, names, held)


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "max_iter"),
    [
        (20, 20, 1000),
        (100, 32, 250),
        (1280, 32, 25),
        (4000, 100, 25),
        (6000, 150, 38),
        (100_000, 256, 6),
        (10**6, 256, 1),
    ],
)
def test_automatic_batches_and_epochs(n_rows, batch_size, max_iter):
    assert resolve_batch_size("auto", n_rows) == batch_size
    assert resolve_max_iter("auto", n_rows, batch_size) == max_iter


def test_noises_of_a_dict_are_applied_in_the_turns_of_their_columns():
    noise = {"a": ["masking", "swap"], "b": ["swap", "gaussian"], "c": None}
    noises = resolve_noises(noise, 0.25, 0.8, 4, list("abcd"))
    assert [(kind, factor.tolist()) for kind, factor in noises] == [
        ("swap", [0, 0.25, 0, 0]),
        ("masking", [0.25, 0, 0, 0]),
        ("swap", [0.25, 0, 0, 0]),
        ("gaussian", [0, 0.25, 0, 0]),
    ]
