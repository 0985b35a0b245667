"""Levels of categorical columns and their groups."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder

from sklearn_dae import _cells
from sklearn_dae._tables.columns import MISSING, UNSEEN, Levels, find_whole

VALUES = ["a"] * 5 + ["b"] * 3 + ["c"] * 2 + ["d"] + [None] * 2


@pytest.mark.parametrize(
    ("min_frequency", "max_categories", "names", "code_of_c", "code_of_d"),
    [
        (None, None, ["a", "b", "c", "d"], 2, 3),
        (2, None, ["a", "b", "c", "d"], 2, 3),
        (3, None, ["a", "b", "c"], 2, 2),
        (0.2, None, ["a", "b", "c"], 2, 2),
        # 0.17 of all 13 rows are more than 2 rows. Those of the 11 observed are less.
        (0.17, None, ["a", "b", "c"], 2, 2),
        (None, 3, ["a", "b", "c"], 2, 2),
        (None, 4, ["a", "b", "c", "d"], 2, 3),
        (6, 2, ["a"], 0, 0),
    ],
)
def test_rare_levels_share_the_code_of_the_most_frequent_of_them(
    min_frequency, max_categories, names, code_of_c, code_of_d
):
    levels = Levels.learn(VALUES, min_frequency, max_categories, fallback="")
    assert levels.names.tolist() == names
    ranks = levels.encode(["c", "d", "z", None, np.nan, pd.NA])
    assert ranks[2:].tolist() == [UNSEEN, *[MISSING] * 3]
    codes = np.minimum(ranks[:2], len(levels) - 1)
    assert codes.tolist() == [code_of_c, code_of_d]
    assert levels.counts.sum() == sum(value is not None for value in VALUES)


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
        levels = Levels.learn(values.tolist(), **full, fallback="")
        rare = encoder.infrequent_categories_[0]
        last = len(levels) - 1
        ranks = dict(zip("abcdefgh", levels.encode("abcdefgh"), strict=True))
        assert {level for level, rank in ranks.items() if rank >= last} == set(rare)


@pytest.mark.parametrize("chunk", [7, 2**20])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_columns_of_whole_numbers_are_found(make, chunk, monkeypatch):
    monkeypatch.setattr(_cells, "CELLS_AT_ONCE", chunk)
    X = np.tile([[1.0, 2.5, 0.0, np.nan], [-3.0, 1.0, 0.0, np.nan]], (9, 1))
    X[-1, :2] = np.nan, 4.0
    X[17, 2] = 0.5
    # A column without any value holds no whole numbers.
    assert find_whole(make(X)).tolist() == [True, False, False, False]
