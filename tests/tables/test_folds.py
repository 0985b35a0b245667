"""Rows that the network of each fold learns."""

import numpy as np

from sklearn_dae._tables.codec import Codec
from sklearn_dae._tables.folds import hash_rows, training_rows
from sklearn_dae._tables.layout import Layout


def test_equal_rows_have_equal_hashes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    X[250:] = X[:250]
    X[[0, 250], 0] = 0.0, -0.0
    X[[1, 251], 1] = np.nan
    layout = Layout(None, None)
    table = layout.fit(X, np.zeros(3, dtype=bool), X)
    hashes = hash_rows(Codec(layout, "standard").fit(table, None), table)
    assert (hashes[250:] == hashes[:250]).all()
    assert len(set(hashes.tolist())) == 250


def test_rows_of_other_folds_are_learned_and_a_share_of_equal_rows():
    hashes = np.array([7, 7, 7, 8, 9, 9], dtype=np.uint64)
    folds = np.array([0, 0, 0, 0, 1, 1])
    first, second = training_rows(hashes, folds, 2)
    # One of three and one of two equal rows, but not the single row.
    assert first.tolist() == [0, 4, 5]
    assert second.tolist() == [0, 1, 2, 3, 4]


def test_a_network_without_rows_learns_all_rows():
    hashes, folds = np.array([1, 2], dtype=np.uint64), np.array([0, 0])
    first, second = training_rows(hashes, folds, 2)
    assert first.tolist() == second.tolist() == [0, 1]
