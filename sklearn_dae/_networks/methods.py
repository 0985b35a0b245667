"""Torch modules that compute what methods of the transformer compute.

They take numbers in the units of the table, and codes of levels. A module has a network
and, as buffers, what else a fit has learned of the columns.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .autoencoder import Autoencoder
from .output import expected_cells, level_blocks
from .surprise import CellSurprise, row_score


class Scaler(nn.Module):
    """Scale numbers in double precision, and convert predictions back.

    Parameters
    ----------
    largest : float
        Scaled numbers are clipped to this magnitude.
    **of_columns : ndarray of shape (n_numeric,)
        The attributes.

    Attributes
    ----------
    half_center, half_scale : Tensor, double
        Half of what is subtracted from the numbers, and of what divides them.
    constant : Tensor, bool
        Mask of the columns that were constant in training.
    value : Tensor, double
        What the cells of a constant column are decoded to.
    low, high : Tensor, double
        The smallest and the largest decoded number.
    """

    half_center: Tensor
    half_scale: Tensor
    constant: Tensor
    value: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, largest: float, **of_columns: np.ndarray):
        super().__init__()
        self.largest = largest
        for name, values in of_columns.items():
            self.register_buffer(name, torch.tensor(values))

    def forward(self, numbers: Tensor) -> Tensor:
        values = (numbers / 2 - self.half_center) / self.half_scale
        # NaN stays in the missing cells of a constant column.
        values = values * ~self.constant
        return values.clamp(-self.largest, self.largest).float()

    def inverse(self, numeric: Tensor) -> Tensor:
        """Convert scaled numbers to the units of the table."""
        values = 2 * (numeric.double() * self.half_scale + self.half_center)
        values = torch.where(self.constant, self.value, values)
        return values.clamp(self.low, self.high)


class Method(nn.Module):
    """Base class of the modules.

    Parameters
    ----------
    network : Autoencoder
        The trained network. It is copied.
    loss : str
        The loss that it was trained with.
    scaler : Scaler
    last_codes : ndarray of int64 of shape (n_categorical,)
        The largest code of each column for the network. Rare levels share it.
    **learned : ndarray
        The attributes of the subclass.

    Attributes
    ----------
    numeric_columns, categorical_columns : list
        Names or positions of the columns, in the order of the inputs.
    level_codes : list of n_categorical dicts
        The code of each level.

    Shape
    -----
    Input: numbers (n_rows, n_numeric), double, NaN where a cell is missing. Codes
    (n_rows, n_categorical), int64, -1 where a cell is missing, -2 where its level is
    unseen.
    """

    numeric_columns: list[Any]
    categorical_columns: list[Any]
    level_codes: list[dict[Any, int]]
    last_codes: Tensor

    def __init__(
        self,
        network: Autoencoder,
        loss: str,
        scaler: Scaler,
        last_codes: np.ndarray,
        **learned: np.ndarray,
    ):
        super().__init__()
        self.register_buffer("last_codes", torch.tensor(last_codes))
        self.network, self.loss, self.scaler = deepcopy(network), loss, scaler
        for name, values in learned.items():
            self.register_buffer(name, torch.tensor(values))

    def _cells(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Scale numbers, and let rare levels share a code."""
        return self.scaler(numbers), torch.minimum(codes, self.last_codes)

    def _predict(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Predict numbers in the units of the table, and probabilities of levels."""
        output = self.network(*self._cells(numbers, codes))
        n_levels = self.network.cells.n_levels
        numeric, probabilities = expected_cells(output, self.loss, n_levels)
        return self.scaler.inverse(numeric), probabilities


class Transform(Method):
    """Compute the features. Output: (n_rows, n_features_out), float.

    Attributes
    ----------
    spreads : Tensor of shape (n_features_out,), float
        Divisors of the stack.
    """

    spreads: Tensor

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        cells = self._cells(numbers, codes)
        if self.network.representation == "latent":
            return self.network.latent(*cells)
        return torch.cat(self.network.stack(*cells), 1) / self.spreads


class Reconstruct(Method):
    """Repair rows.

    Output: numbers (n_rows, n_numeric), double, and codes (n_rows, n_categorical),
    int64.

    Attributes
    ----------
    least, most : Tensor of shape (n_numeric,), double
        The smallest and the largest number that a column can hold.
    is_rounded : Tensor of shape (n_numeric,), bool
        Mask of the columns whose numbers are rounded.
    unit : Tensor of shape (n_numeric,), double
        Rounded numbers are whole if they are multiplied by this.
    """

    least: Tensor
    most: Tensor
    is_rounded: Tensor
    unit: Tensor

    def forward(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        predicted, probabilities = self._predict(numbers, codes)
        predicted = predicted.clamp(self.least, self.most)
        rounded = (predicted * self.unit).round() / self.unit
        blocks = level_blocks(probabilities, self.network.cells.n_levels)
        levels = [block.argmax(-1) for _, block in blocks]
        return (
            torch.where(self.is_rounded, rounded, predicted),
            torch.cat(levels, 1) if levels else codes,
        )


class Impute(Reconstruct):
    """Fill the missing numbers and the codes of -1. Output: as of `Reconstruct`."""

    def forward(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        expected, levels = super().forward(numbers, codes)
        return (
            torch.where(numbers.isnan(), expected, numbers),
            torch.where(codes < 0, levels, codes),
        )


class ScoreSamples(Method):
    """Score rows. Output: (n_rows,), float.

    Attributes
    ----------
    groups : Tensor of shape (n_groups,), int64
        0, 1, ... The columns of a group are hidden together.
    number_groups, code_groups, level_groups : Tensor, int64
        The group of each numeric column, categorical column and level.
    mean, std : Tensor of shape (n_numeric,), double
        Means and standard deviations of the columns.
    surprise : CellSurprise
        Computes how surprising cells are.
    """

    groups: Tensor
    number_groups: Tensor
    code_groups: Tensor
    level_groups: Tensor
    mean: Tensor
    std: Tensor
    surprise: CellSurprise

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        hidden, probabilities = self._predict_hidden(numbers, codes)
        whole, _ = self._predict(numbers, codes)
        predicted = torch.stack([self._standardize(hidden), self._standardize(whole)])
        surprise = self.surprise(
            self._standardize(numbers), predicted, codes, probabilities
        )
        return row_score(surprise[1])

    def _standardize(self, numbers: Tensor) -> Tensor:
        """Convert numbers to standard deviations from the mean."""
        distances = (numbers / 2 - self.mean / 2) / (self.std / 2)
        return distances.clamp(-self.scaler.largest, self.scaler.largest)

    def _predict_hidden(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Predict each cell while the columns of its group are hidden."""
        group = self.groups[:, None, None]
        # All rows once for each group.
        predicted, probabilities = self._predict(
            torch.where(self.number_groups == group, torch.nan, numbers).flatten(0, 1),
            torch.where(self.code_groups == group, -1, codes).flatten(0, 1),
        )
        # The shape, because the exporter takes len() for a constant.
        n_rows = numbers.shape[0]
        return (
            self._of_own_group(predicted, self.number_groups, n_rows),
            self._of_own_group(probabilities, self.level_groups, n_rows),
        )

    def _of_own_group(self, block: Tensor, groups: Tensor, n_rows: int) -> Tensor:
        """Select each column from the rows that were predicted for its group."""
        by_group = block.reshape(len(self.groups), n_rows, len(groups))
        return by_group.gather(0, groups.expand(1, n_rows, -1))[0].double()
