"""Cells: scaled numbers and category codes, which the sub-packages exchange."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Generator, Tensor

# Number of cells of a chunk. Tables are converted in chunks, so that memory does not
# hold a second copy of them.
CELLS_AT_ONCE = 2**20


def row_chunks(n_rows: int, n_columns: int) -> list[slice]:
    """Split rows into slices, each of about `CELLS_AT_ONCE` cells."""
    # A row with more cells than that is one chunk.
    size = max(1, CELLS_AT_ONCE // max(1, n_columns))
    return [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]


class Cells(NamedTuple):
    """Cells of some rows: one block of numbers and one block of category codes.

    Such a pair of blocks also holds one value per cell, as masks and weights do, or one
    value per column, as `noise_factor` does.

    Attributes
    ----------
    numeric : Tensor of shape (n_rows, n_numeric), float32
        Scaled values. NaN where the cell is missing.
    codes : Tensor of shape (n_rows, n_categorical), of integers
        Category codes 0, 1, ..., or negative where the cell is missing.
    """

    numeric: Tensor
    codes: Tensor

    def rows(self, index: Tensor | slice) -> Cells:
        """Select the cells of the rows at `index`."""
        if isinstance(index, slice):
            return Cells(self.numeric[index], self.codes[index])
        # index_select is faster than indexing by a tensor.
        return Cells(*(block.index_select(0, index) for block in self))

    def draw_numeric(self, columns: Tensor, generator: Generator) -> Tensor:
        """Draw one number for each entry of `columns`, each from a random row."""
        return _draw(self.numeric, columns, generator)

    def draw_codes(self, columns: Tensor, generator: Generator) -> Tensor:
        """Draw one code for each entry of `columns`, each from a random row."""
        return _draw(self.codes, columns, generator)

    def observed(self) -> Cells:
        """Compute 1.0 for each cell, and 0.0 where it is missing."""
        # PyTorch writes numbers many times as fast as bools.
        numeric = torch.empty_like(self.numeric)
        torch.eq(self.numeric, self.numeric, out=numeric)
        return Cells(numeric, (self.codes >= 0).to(torch.float32))

    def to(self, device: str | torch.device) -> Cells:
        """Move the cells to another device."""
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
    # Index the flattened block: faster than indexing by rows and columns.
    return block.reshape(-1).index_select(0, donors * block.shape[1] + columns)


class SparseCells:
    """Cells of a sparse table. Only selected rows become dense.

    Parameters
    ----------
    numbers : csr_array of shape (n_rows, n_numeric), float32
        Scaled values minus `zeros`, so that the zeros of the table are not stored.
    zeros : ndarray of shape (n_numeric,), float32
        Scaled value of a zero of the table, for each column.
    device : torch.device or str
        Device of the selected rows.
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
        """Stored values column by column, and the position where each column begins."""
        by_column = self.numbers.tocsc()
        # An additional zero at position -1 is the value of all cells without an entry.
        values = torch.from_numpy(np.append(by_column.data, np.float32(0)))
        return values, torch.from_numpy(by_column.indptr.astype(np.int64))

    def rows(self, index: Tensor | slice) -> Cells:
        """Select the rows at `index` as dense cells."""
        positions = index if isinstance(index, slice) else index.numpy(force=True)
        # `numbers` are stored relative to `zeros`, so that most of them are 0.
        dense = torch.from_numpy(self.numbers[positions].toarray() + self.zeros)
        return Cells(dense, torch.empty(len(dense), 0, dtype=torch.int8)).to(
            self.device
        )

    def draw_numeric(self, columns: Tensor, generator: Generator) -> Tensor:
        """Draw one number for each entry of `columns`, each from a random row."""
        values, starts = self._by_column
        donors = torch.randint(
            self.n_rows, columns.shape, generator=generator, device=generator.device
        ).cpu()
        columns = columns.cpu()
        # The order of rows does not matter for random donors. So a column is read as
        # its stored values followed by its zeros. Donors beyond the values are zeros.
        is_zero = donors >= starts.diff()[columns]
        places = (starts[columns] + donors).masked_fill(is_zero, -1)
        zeros = torch.from_numpy(self.zeros)
        return (values[places] + zeros[columns]).to(self.device)

    def draw_codes(self, columns: Tensor, generator: Generator) -> Tensor:
        """Return no codes, because a sparse table has no categorical columns.

        Noises need this method of all kinds of cells.
        """
        return torch.empty(0, dtype=torch.int8, device=self.device)

    def to(self, device: str | torch.device) -> SparseCells:
        """Set the device of the selected rows."""
        return SparseCells(self.numbers, self.zeros, device)

    @property
    def n_rows(self) -> int:
        return self.numbers.shape[0]


class ColumnSummary(NamedTuple):
    """Summary of the scaled columns for the training.

    Attributes
    ----------
    center, low, high : Tensor of shape (n_numeric,), float32
        Mean, minimum and maximum of each numeric column, scaled.
    zero : Tensor of shape (n_numeric,), float32
        Scaled value of 0 in the units of the table. With ``scaling="minmax"``, the
        nearest value between `low` and `high`.
    frequencies : tuple of n_categorical Tensors of shape (n_levels,), float32
        Relative frequencies of the levels of each categorical column.
    bounded : bool
        Whether gaussian noise must keep numbers between `low` and `high`.
    """

    center: Tensor
    low: Tensor
    high: Tensor
    zero: Tensor
    frequencies: tuple[Tensor, ...]
    bounded: bool

    @property
    def n_levels(self) -> tuple[int, ...]:
        return tuple(map(len, self.frequencies))

    def to(self, device: str | torch.device) -> ColumnSummary:
        """Move the summary to another device."""
        return ColumnSummary(
            self.center.to(device),
            self.low.to(device),
            self.high.to(device),
            self.zero.to(device),
            tuple(of_levels.to(device) for of_levels in self.frequencies),
            self.bounded,
        )
