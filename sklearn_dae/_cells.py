"""Cells, one number or one category code each: what the sub-packages pass on."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Generator, Tensor

# Cells of a chunk. Chunks keep a second copy of a whole table out of memory.
CELLS_AT_ONCE = 2**20


def row_chunks(n_rows: int, n_columns: int) -> list[slice]:
    """Cut rows into slices, each of about `CELLS_AT_ONCE` cells."""
    # A row of more cells than that is a chunk of its own.
    size = max(1, CELLS_AT_ONCE // max(1, n_columns))
    return [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]


class Cells(NamedTuple):
    """The cells of some rows: one block of numbers, one block of category codes.

    The same pair of blocks also holds values for each cell (masks, weights) or for each
    column (`noise_factor`).

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

    def missing(self) -> Cells:
        """Compute the mask of the missing cells."""
        return Cells(self.numeric.isnan(), self.codes < 0)

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
    """The cells of a sparse table. Only the rows that are selected become dense.

    Parameters
    ----------
    numbers : csr_array of shape (n_rows, n_numeric), float32
        Scaled values minus `zeros`, so that a zero of the table stays a zero.
    zeros : ndarray of shape (n_numeric,), float32
        The scaled value of a zero of the table, for each column.
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
        """The stored values column by column, and where each column begins."""
        by_column = self.numbers.tocsc()
        # One zero more, at position -1: the value of all cells that are not stored.
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
        # The order of the rows does not matter here, so a column is read as its stored
        # values followed by its zeros: a donor beyond the stored values is a zero.
        is_zero = donors >= starts.diff()[columns]
        places = (starts[columns] + donors).masked_fill(is_zero, -1)
        zeros = torch.from_numpy(self.zeros)
        return (values[places] + zeros[columns]).to(self.device)

    def draw_codes(self, columns: Tensor, generator: Generator) -> Tensor:
        """Draw no code: a sparse table has no categorical columns.

        Noises look this method up on all donors, but call it for no cell here.
        """
        return torch.empty(0, dtype=torch.int8, device=self.device)

    def to(self, device: str | torch.device) -> SparseCells:
        """Set the device of the selected rows."""
        return SparseCells(self.numbers, self.zeros, device)

    @property
    def n_rows(self) -> int:
        return self.numbers.shape[0]


class ColumnSummary(NamedTuple):
    """What training needs to know of the columns, besides their cells.

    Attributes
    ----------
    center, low, high : Tensor of shape (n_numeric,), float32
        Mean, minimum and maximum of each numeric column, scaled.
    frequencies : tuple of n_categorical Tensors of shape (n_levels,), float32
        Relative frequencies of the levels of each categorical column.
    bounded : bool
        Whether noise must keep numbers between `low` and `high`.
    """

    center: Tensor
    low: Tensor
    high: Tensor
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
            tuple(of_levels.to(device) for of_levels in self.frequencies),
            self.bounded,
        )
