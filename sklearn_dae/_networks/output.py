"""What the output of a network means.

An output row holds one number for each numeric column, then the logits of the levels of
each categorical column. With ``loss="log_loss"`` the numbers are logits, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor


def level_blocks(
    logits: Tensor, n_levels: Sequence[int]
) -> Iterator[tuple[slice, Tensor]]:
    """Divide logits into blocks of neighbouring columns with equal numbers of levels.

    A few large blocks are faster than one block for each column.

    Yields
    ------
    columns : slice
        Categorical columns with the same number of levels.
    block : Tensor of shape (n_rows, n_columns, n_levels)
        Their logits.
    """
    column = start = 0
    for size, run in groupby(n_levels):
        count = len(list(run))
        stop = start + count * size
        block = logits[:, start:stop].unflatten(1, (count, size))
        yield slice(column, column + count), block
        column, start = column + count, stop


def baseline_output(loss: str, center: Tensor, frequencies: Sequence[Tensor]) -> Tensor:
    """Compute the output row that predicts the columns' means and frequencies."""
    # The bounds avoid infinite logits of a mean of 0 or 1, or of a frequency of 0.
    numbers = center.clamp(1e-6, 1 - 1e-6).logit() if loss == "log_loss" else center
    logits = (column.clamp_min(1e-6).log() for column in frequencies)
    return torch.cat([numbers, *logits])


def expected_cells(
    output: Tensor, loss: str, n_levels: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Turn an output into numbers and the probabilities of all levels."""
    # The network has no softmax and sigmoid, because the loss contains them.
    n_numeric = output.shape[1] - sum(n_levels)
    numeric = output[:, :n_numeric]
    blocks = [
        logits.softmax(-1).flatten(1)
        for _, logits in level_blocks(output[:, n_numeric:], n_levels)
    ]
    probabilities = torch.cat(blocks, 1) if blocks else output[:, n_numeric:]
    return numeric.sigmoid() if loss == "log_loss" else numeric, probabilities
