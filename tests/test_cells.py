"""Donors of sparse cells, and chunks of rows."""

import numpy as np
import torch
from scipy import sparse

from sklearn_dae._cells import CELLS_AT_ONCE, SparseCells, row_chunks


def test_donors_are_drawn_from_the_whole_sparse_column():
    X = sparse.csr_array(np.c_[np.repeat([0.0, 1.0, 5.0], [60, 30, 10]), np.zeros(100)])
    zeros = np.array([0.5, -1.0], dtype=np.float32)
    cells = SparseCells(X.astype(np.float32), zeros)
    columns = torch.tensor([0, 1]).repeat(20_000)
    drawn = cells.draw_numeric(columns, torch.Generator().manual_seed(0)).numpy()
    values, counts = np.unique(drawn[columns == 0], return_counts=True)
    np.testing.assert_array_equal(values, [0.5, 1.5, 5.5])
    np.testing.assert_allclose(counts / 20_000, [0.6, 0.3, 0.1], atol=0.01)
    assert (drawn[columns == 1] == -1).all()


def test_all_stored_values_of_a_sparse_column_are_donors_and_no_others():
    X = np.array([[1.0, 0.0, 2.0], [3.0, 4.0, 0.0], [0.0, 5.0, 6.0]])
    zeros = np.zeros(3, dtype=np.float32)
    cells = SparseCells(sparse.csr_array(X.astype(np.float32)), zeros)
    columns = torch.arange(3).repeat(3000)
    drawn = cells.draw_numeric(columns, torch.Generator().manual_seed(0)).numpy()
    for j, column in enumerate(X.T):
        values, counts = np.unique(drawn[columns == j], return_counts=True)
        np.testing.assert_array_equal(values, np.sort(column))
        np.testing.assert_allclose(counts / 3000, 1 / 3, atol=0.05)


def test_chunks_cover_all_rows_once_and_are_small():
    n_rows, n_columns = 10_000, 1_000
    chunks = row_chunks(n_rows, n_columns)
    rows = np.concatenate([np.arange(n_rows)[chunk] for chunk in chunks])
    np.testing.assert_array_equal(rows, np.arange(n_rows))
    assert max(c.stop - c.start for c in chunks) * n_columns <= CELLS_AT_ONCE
    assert row_chunks(3, 0) == [slice(0, 3)]
