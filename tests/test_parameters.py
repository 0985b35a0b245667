"""Parameters of columns and noises are resolved."""

import pytest

from sklearn_dae._parameters import NOISE_NAMES, PROBABILITIES, find_categorical
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
