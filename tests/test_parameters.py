"""Parameters of columns and noises are resolved."""

import numpy as np
import pytest

from sklearn_dae._parameters import (
    NOISE_NAMES,
    PROBABILITIES,
    find_categorical,
    resolve_bounds,
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
