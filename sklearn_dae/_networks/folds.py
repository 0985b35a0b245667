"""The fold of a row, by its cells. So it is known again, although no row is stored."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# The folds change this number of times when the weighted sum of the cells grows by 1.
FOLDS_IN_UNIT = 1024


def fold_weights(n_cells: int) -> Tensor:
    """Draw the weight of each cell in the sum. They are always the same numbers."""
    return torch.from_numpy(np.random.RandomState(0).uniform(0.5, 1.5, n_cells))


def fold_of_cells(numeric: Tensor, codes: Tensor, n_folds: int) -> Tensor:
    """Compute the number of the fold of each row, from 0 to ``n_folds - 1``.

    Rows with equal cells are in the same fold. Otherwise the fold is like random. It
    needs simple arithmetic only, which an exported model can do, too.

    Parameters
    ----------
    numeric : Tensor of shape (n_rows, n_numeric)
        Scaled numbers, NaN where a cell is missing.
    codes : Tensor of shape (n_rows, n_categorical)
        Codes of categories, negative where a cell is missing.
    n_folds : int

    Returns
    -------
    folds : Tensor of shape (n_rows,), int64
    """
    # The sum is bounded, so that rounding cannot change the fold.
    numbers = numeric.double().nan_to_num(0.0)
    numbers = numbers / (1 + numbers.abs())
    cells = torch.cat([numbers, codes.double()], 1)
    total = (cells * fold_weights(cells.shape[1])).sum(1)
    return torch.floor(total * FOLDS_IN_UNIT).long() % n_folds
