"""Levels of categorical columns and their groups."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder

from sklearn_dae._tables.columns import MISSING, UNSEEN, Levels

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
def test_rare_levels_share_the_code_of_the_most_frequent_of_them(
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
