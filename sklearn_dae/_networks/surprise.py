"""How surprising cells are: in their column, and given the rest of their row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Degrees of freedom of the t-distribution of numbers. It has heavy tails, so that a
# number that is far away counts, but does not decide alone.
FREEDOM = 3


def number_surprise(distances: Tensor, scales: Tensor) -> Tensor:
    """Compute -log of a t-distribution at its distances from the center.

    The result is 0 at the center: the constant of the density is left out.
    """
    squares = torch.square(distances / scales)
    return (FREEDOM + 1) / 2 * torch.log1p(squares / FREEDOM)


class CellSurprise(nn.Module):
    """Compute the two surprises of cells, in nats, above what is usual in the column.

    Parameters
    ----------
    center, spread : Tensor of shape (n_numeric,), float64
        Center and scale of each numeric column, in standard deviations from the mean.
    residual : Tensor of shape (2, n_numeric), float64
        Scales of the errors of predictions from the rest of the row, and of those from
        the whole row.
    usual : Tensor of shape (2, n_numeric + n_categorical), float64
        Mean surprise of each column, in the column and in the row.
    level_surprise : Tensor of shape (n_levels,), float64
        Surprise of each level of all categorical columns in its column. Each column
        has one more level at its end, for all that `fit` has not seen.
    level_share, level_floor : Tensor of shape (n_levels,), float64
        The probability of a level in its row is the predicted probability of its code
        times its share, plus its floor.
    level_places : Tensor of shape (n_levels,), int64
        Position of the code of each level among the predicted probabilities.
    level_ends : Tensor of shape (n_categorical,), int64
        Position of the last level of each column.

    Shape
    -----
    Input: `numbers` (n, n_numeric), in standard deviations from the mean, NaN where a
    cell is missing; `predicted` (2, n, n_numeric), the same numbers predicted from the
    rest of the row and from the whole row; `ranks` (n, n_categorical), the positions of
    the levels in their columns, -1 where a cell is missing and -2 where its level is
    unseen; `probabilities` (n, n_codes).
    Output: (2, n, n_numeric + n_categorical), NaN where a cell is missing.
    """

    center: Tensor
    spread: Tensor
    residual: Tensor
    usual: Tensor
    level_surprise: Tensor
    level_share: Tensor
    level_floor: Tensor
    level_places: Tensor
    level_starts: Tensor
    level_ends: Tensor

    def __init__(self, **tensors: Tensor):
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def forward(
        self, numbers: Tensor, predicted: Tensor, ranks: Tensor, probabilities: Tensor
    ) -> Tensor:
        in_column = number_surprise(numbers - self.center, self.spread)
        # A row of large numbers that belong together is found by the second prediction.
        both = number_surprise(numbers - predicted, self.residual[:, None])
        in_row = both.mean(0)
        levels = torch.where(ranks >= 0, self.level_starts + ranks, self.level_ends)
        of_code = probabilities.double().gather(1, self.level_places[levels])
        likely = self.level_share[levels] * of_code + self.level_floor[levels]
        is_missing = ranks == -1
        level_in_column = self.level_surprise[levels].masked_fill(is_missing, torch.nan)
        level_in_row = (-likely.log()).masked_fill(is_missing, torch.nan)
        surprise = torch.stack(
            [
                torch.cat([in_column, level_in_column], 1),
                torch.cat([in_row, level_in_row], 1),
            ]
        )
        return surprise - self.usual[:, None]


def row_score(in_row: Tensor) -> Tensor:
    """Compute the score of rows: minus the root mean square of the surprise of cells.

    What is less surprising than usual counts as 0. Missing cells do not count.
    """
    squares = in_row.clamp_min(0.0).square()
    n_observed = (~in_row.isnan()).sum(1).clamp_min(1)
    # Subtracting from 0 avoids -0.0.
    return 0.0 - (squares.nan_to_num().sum(1) / n_observed).sqrt().float()
