"""Cells: what every room passes on, one number or one category code a cell."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Generator, Tensor

# Cells gone through at once, so that no second copy of a table is ever held.
CELLS_AT_ONCE = 2**20


def pieces_of(n_rows: int, n_columns: int) -> list[slice]:
    """Slices of rows to go through a table in pieces of about `CELLS_AT_ONCE` cells."""
    size = max(1, CELLS_AT_ONCE // max(1, n_columns))
    return [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]


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
        if isinstance(index, slice):
            return Cells(self.numeric[index], self.codes[index])
        # The fastest of the ways to index.
        return Cells(*(block.index_select(0, index) for block in self))

    def draw_numeric(self, columns: Tensor, generator: Generator) -> Tensor:
        """A number of each of these columns, from a row of its own drawn at random."""
        return _draw(self.numeric, columns, generator)

    def draw_codes(self, columns: Tensor, generator: Generator) -> Tensor:
        """A code of each of these columns, from a row of its own drawn at random."""
        return _draw(self.codes, columns, generator)

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


def _draw(block: Tensor, columns: Tensor, generator: Generator) -> Tensor:
    donors = torch.randint(
        len(block), columns.shape, generator=generator, device=block.device
    )
    return block.reshape(-1).index_select(0, donors * block.shape[1] + columns)


class SparseCells:
    """The cells of a sparse table, dense only for the rows that are asked for.

    Parameters
    ----------
    numbers : csr_array of shape (n_rows, n_numeric), float32
        Scaled values less `zeros`.
    zeros : ndarray of shape (n_numeric,), float32
        What a zero of the table is after scaling.
    device : torch.device or str
        Where the rows are wanted.
    """

    def __init__(
        self,
        numbers: sparse.csr_array,
        zeros: np.ndarray,
        device: str | torch.device = "cpu",
    ):
        self.numbers = numbers
        self.zeros = zeros
        self.device = device

    @cached_property
    def _by_column(self) -> tuple[Tensor, Tensor]:
        """The values column by column, a zero at the end, and where columns begin."""
        by_column = self.numbers.tocsc()
        values = torch.from_numpy(np.append(by_column.data, np.float32(0)))
        return values, torch.from_numpy(by_column.indptr.astype(np.int64))

    def rows(self, index: Tensor | slice) -> Cells:
        """The dense cells of the rows picked by `index`."""
        picked = index if isinstance(index, slice) else index.numpy(force=True)
        dense = torch.from_numpy(self.numbers[picked].toarray() + self.zeros)
        return Cells(dense, torch.empty(len(dense), 0, dtype=torch.int8)).to(
            self.device
        )

    def draw_numeric(self, columns: Tensor, generator: Generator) -> Tensor:
        """A number of each of these columns, from a row of its own drawn at random."""
        values, ends = self._by_column
        donors = torch.randint(
            self.n_rows, columns.shape, generator=generator, device=generator.device
        ).cpu()
        columns = columns.cpu()
        # As if each column began with its values and the zeros came after.
        is_zero = donors >= ends.diff()[columns]
        places = (ends[columns] + donors).masked_fill(is_zero, -1)
        zeros = torch.from_numpy(self.zeros)
        return (values[places] + zeros[columns]).to(self.device)

    def draw_codes(self, columns: Tensor, generator: Generator) -> Tensor:
        """No codes: a sparse table has no categorical columns to draw for.

        Noises look this up on every pool of donors, but have no cell to call it for.
        """
        return torch.empty(0, dtype=torch.int8, device=self.device)

    def to(self, device: str | torch.device) -> SparseCells:
        """The same cells for another device."""
        return SparseCells(self.numbers, self.zeros, device)

    @property
    def n_rows(self) -> int:
        return self.numbers.shape[0]


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
