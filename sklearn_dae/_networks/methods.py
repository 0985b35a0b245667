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
    (n_rows, n_categorical), int64, -1 where a cell has no level that `fit` saw.
    """

    numeric_columns: list[Any]
    categorical_columns: list[Any]
    level_codes: list[dict[Any, int]]

    def __init__(
        self, network: Autoencoder, loss: str, scaler: Scaler, **learned: np.ndarray
    ):
        super().__init__()
        self.network, self.loss, self.scaler = deepcopy(network), loss, scaler
        for name, values in learned.items():
            self.register_buffer(name, torch.tensor(values))

    def _predict(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Predict numbers in the units of the table, and probabilities of levels."""
        output = self.network(self.scaler(numbers), codes)
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
        cells = self.scaler(numbers), codes
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
    usual_errors : Tensor of shape (n_numeric,), double
        Mean errors of hidden numbers, relative to the variance.
    row_density, column_density : Tensor of shape (n_numeric,), double
        Log densities of numbers in their row and in their column, without any error.
    row_freedom, column_freedom : Tensor of shape (), double
        Degrees of freedom of these distributions.
    log_most : Tensor of shape (), double
        Largest magnitude of a difference of log densities.
    frequencies : Tensor of shape (n_levels,), double
        Frequencies of the levels of all categorical columns, side by side.
    level_doubt : Tensor of shape (), double
        Share of the frequency in the probability of a level.
    """

    groups: Tensor
    number_groups: Tensor
    code_groups: Tensor
    level_groups: Tensor
    mean: Tensor
    std: Tensor
    usual_errors: Tensor
    row_density: Tensor
    column_density: Tensor
    row_freedom: Tensor
    column_freedom: Tensor
    log_most: Tensor
    frequencies: Tensor
    level_doubt: Tensor

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        ratios = self._unlikeliness(numbers, codes)
        known = torch.cat([~numbers.isnan(), codes >= 0], 1)
        roots = torch.where(known, ratios.sqrt(), 0.0).sum(1)
        n_known = known.sum(1)
        # A row without any observed cell gets the score of a neutral cell.
        total = torch.where(n_known > 0, roots, 1.0)
        return (0 - 2 * (total / n_known.clamp_min(1)).log()).float()

    def _unlikeliness(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Compute how much less likely cells are in their row than in their column."""
        predicted, probabilities = self._predict_hidden(numbers, codes)
        errors, of_mean = (self._errors(numbers, x) for x in (predicted, self.mean))
        of_mean = torch.where(self.scaler.constant, errors, of_mean)
        in_row = (errors / self.usual_errors / self.row_freedom).log1p()
        in_row = self.row_density - (self.row_freedom + 1) / 2 * in_row
        in_column = (of_mean / self.column_freedom).log1p()
        in_column = self.column_density - (self.column_freedom + 1) / 2 * in_column
        of_numbers = (in_column - in_row).clamp(-self.log_most, self.log_most).exp()
        places = codes.clamp_min(0) + self.network.cells.offsets
        frequency = self.frequencies[places]
        probability = probabilities.gather(1, places).lerp(frequency, self.level_doubt)
        of_levels = frequency / probability.clamp_min(torch.finfo(torch.float32).tiny)
        return torch.cat([of_numbers, of_levels], 1)

    def _errors(self, numbers: Tensor, predicted: Tensor) -> Tensor:
        """Compute squared errors, relative to the variance."""
        scaled = (numbers / 2 - predicted / 2) / (self.std / 2)
        return scaled.clamp(-self.scaler.largest, self.scaler.largest).square()

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
