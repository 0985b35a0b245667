"""Parameters of columns and noises are resolved."""

import numpy as np
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


def test_bounds_of_each_column_may_be_equal_but_not_crossed():
    names = ["a", "b", "c"]
    low, high = resolve_bounds({"a": 1, "c": 2.5}, [1, -np.inf, 3], 3, names)
    np.testing.assert_array_equal(low, [1, np.nan, 2.5])
    np.testing.assert_array_equal(high, [1, -np.inf, 3])
    with pytest.raises(ValueError, match=r"Got 2.5 and 2.0 for column 'c'. Swap them"):
        resolve_bounds({"a": 1, "c": 2.5}, [1, -np.inf, 2], 3, names)


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
    numeric, categorical = np.array([0, 1, 3]), np.array([2])
    noises = resolve_noises(noise, 0.25, 0.8, list("abcd"), numeric, categorical)
    found = [(kind, factor.numeric.tolist()) for kind, factor in noises]
    assert found == [
        ("swap", [0, 0.25, 0]),
        ("masking", [0.25, 0, 0]),
        ("swap", [0.25, 0, 0]),
        ("gaussian", [0, 0.25, 0]),
    ]
    assert all(factor.codes.tolist() == [0] for _, factor in noises)
