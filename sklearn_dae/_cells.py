"""Cells: what every room passes on, one number or one category code a cell."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Cells(NamedTuple):
    """The cells of some rows, numeric columns and categorical columns apart.

    The same pair of blocks also carries whatever goes with each cell (masks, weights)
    or with each column (corruption rates).

    Attributes
    ----------
    numeric : Tensor of shape (n_rows, n_numeric), float32
        Scaled values. NaN where the cell is missing.
    codes : Tensor of shape (n_rows, n_categorical), of integers
        Category codes, 0, 1, ... . Negative where the cell is missing.
    """

    numeric: Tensor
    codes: Tensor

    def rows(self, index: Tensor | slice) -> Cells:
        """The cells of the rows picked by `index`."""
        return Cells(self.numeric[index], self.codes[index])

    def missing(self) -> Cells:
        """A mask of the missing cells."""
        return Cells(self.numeric.isnan(), self.codes < 0)

    def to(self, device: str | torch.device) -> Cells:
        """The same cells on another device."""
        return Cells(self.numeric.to(device), self.codes.to(device))

    @property
    def n_rows(self) -> int:
        return self.numeric.shape[0]

    @property
    def device(self) -> torch.device:
        return self.numeric.device


class ColumnSummary(NamedTuple):
    """What training must know of the columns beside their cells.

    Attributes
    ----------
    center, low, high : Tensor of shape (n_numeric,), float32
        Mean, minimum and maximum of each numeric column, scaled.
    frequencies : tuple of n_categorical Tensors of shape (n_levels,), float32
        Shares of the levels of each categorical column.
    bounded : bool
        Whether `low` and `high` are the ends of a valid range, which noise must keep.
    """

    center: Tensor
    low: Tensor
    high: Tensor
    frequencies: tuple[Tensor, ...]
    bounded: bool

    @property
    def n_levels(self) -> tuple[int, ...]:
        return tuple(len(shares) for shares in self.frequencies)

    def to(self, device: str | torch.device) -> ColumnSummary:
        """The same summary on another device."""
        return ColumnSummary(
            self.center.to(device),
            self.low.to(device),
            self.high.to(device),
            tuple(shares.to(device) for shares in self.frequencies),
            self.bounded,
        )
