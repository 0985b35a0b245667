"""Mini-batches from memory: corrupted cells, and clean cells with their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from .._cells import Cells, SparseCells
from .corruption import Corruption

# Inputs of the first layer, and the target of the loss: clean cells and weights.
TrainingBatch = tuple[Tensor, tuple[Cells, Cells]]
# Keyword arguments of the network, and the target.
ValidationBatch = tuple[dict[str, Tensor], tuple[Cells, Cells]]

# Inputs of training batches to prepare at once: half a megabyte, which fits a cache.
NUMBERS_AT_ONCE = 2**17
# Smallest `batch_size` whose batches are padded.
SMALLEST_PADDED_BATCH = 128


class CorruptibleRows(Dataset[Any]):
    """Clean rows, with the settings to corrupt them and to weight their cells.

    Parameters
    ----------
    cells : Cells or SparseCells
        The clean rows.
    corruption : Corruption
        Corrupts each batch anew.
    emphasis : float
        Weight of a corrupted cell. An intact cell has the weight ``1 - emphasis``.
    learnable : Cells
        One bool for each column. Cells of columns with False get the weight 0.
    generator : torch.Generator
        Source of the order of the rows and of the corruption.
    """

    def __init__(
        self,
        cells: Cells | SparseCells,
        corruption: Corruption,
        emphasis: float,
        learnable: Cells,
        generator: Generator,
    ):
        self.cells = cells
        self.corruption = corruption
        # Weights of intact cells, and what is added for corrupted ones, by column.
        learned = [columns.to(torch.float32) for columns in learnable]
        self.intact = Cells(*((1 - emphasis) * columns for columns in learned))
        self.difference = Cells(*((2 * emphasis - 1) * columns for columns in learned))
        self.generator = generator

    def __len__(self) -> int:
        return self.cells.n_rows

    def corrupted(
        self, rows: Tensor | slice, generator: Generator
    ) -> tuple[Cells, Cells, Cells]:
        """Corrupt the given rows. Return noisy cells, clean cells and weights."""
        clean = self.cells.rows(rows)
        noisy, corrupted = self.corruption(clean, generator)
        return noisy, clean, self._weights(clean, corrupted)

    def _weights(self, clean: Cells, corrupted: Cells) -> Cells:
        # `emphasis` where corrupted, 1 - `emphasis` where intact, 0 where missing.
        numeric, codes = (
            torch.addcmul(of_intact, is_corrupted, difference).mul_(observed)
            for is_corrupted, of_intact, difference, observed in zip(
                corrupted, self.intact, self.difference, clean.observed(), strict=True
            )
        )
        return Cells(numeric, codes)


class ShuffledBatches:
    """Training batches: a new order in every epoch, new noise in every batch.

    All batches have nearly the same size. Several small batches are corrupted and
    encoded in one call, because one call for each would take longer. Their number is
    limited, so that they fit the cache of a processor.

    Parameters
    ----------
    dataset : CorruptibleRows
        The rows.
    batch_size : int
        Largest number of rows of a batch.
    encode : callable
        Turns cells into inputs of the first layer.
    n_inputs : int
        Number of inputs for a row.
    multiple : int
        Rows of weight 0 are appended to a batch, up to a multiple of this number. They
        are not if `batch_size` is small, because batches would grow by a large part.
    """

    def __init__(
        self,
        dataset: CorruptibleRows,
        batch_size: int,
        encode: Callable[[Tensor, Tensor], Tensor],
        n_inputs: int,
        multiple: int = 1,
    ):
        self.dataset = dataset
        self.n_batches = n_batches(len(dataset), batch_size)
        # 1 for large batches.
        self.n_at_once = max(1, NUMBERS_AT_ONCE // (batch_size * max(1, n_inputs)))
        self.encode = encode
        self.multiple = multiple if batch_size >= SMALLEST_PADDED_BATCH else 1

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[TrainingBatch]:
        rows = self.dataset
        order = torch.randperm(
            len(rows), generator=rows.generator, device=rows.cells.device
        )
        batches = order.tensor_split(self.n_batches)
        for first in range(0, self.n_batches, self.n_at_once):
            yield from self._prepare(batches[first : first + self.n_at_once])

    def _prepare(self, group: Sequence[Tensor]) -> Iterator[TrainingBatch]:
        """Corrupt and encode several batches, and yield them one by one."""
        rows = self.dataset
        filled = [self._fill(batch) for batch in group]
        # One call for all rows of the group. Then split them into batches.
        noisy, clean, weights = rows.corrupted(torch.cat(filled), rows.generator)
        sizes = [len(batch) for batch in filled]
        blocks = [
            block.split(sizes) for block in (self.encode(*noisy), *clean, *weights)
        ]
        for batch, inputs, *cells in zip(group, *blocks, strict=True):
            x, codes, *cell_weights = cells
            if len(batch) < len(inputs):
                for block in cell_weights:
                    block[len(batch) :] = 0.0
            yield inputs, (Cells(x, codes), Cells(*cell_weights))

    def _fill(self, batch: Tensor) -> Tensor:
        """Append the first row to a batch, up to a multiple of `multiple` rows."""
        n_missing = -len(batch) % self.multiple
        return torch.cat([batch, batch[:1].expand(n_missing)]) if n_missing else batch


class FixedBatches:
    """Validation batches: equal corruption in all epochs, to compare their losses."""

    def __init__(self, dataset: CorruptibleRows, batch_size: int):
        self.dataset = dataset
        self.batch_size = batch_size
        # A seed drawn from the generator would change the training.
        self.seed = dataset.generator.initial_seed() + 1

    def __len__(self) -> int:
        return n_batches(len(self.dataset), self.batch_size)

    def __iter__(self) -> Iterator[ValidationBatch]:
        rows, size = self.dataset, self.batch_size
        generator = torch.Generator(rows.generator.device).manual_seed(self.seed)
        for start in range(0, len(rows), size):
            batch = slice(start, start + size)
            noisy, clean, weights = rows.corrupted(batch, generator)
            yield noisy._asdict(), (clean, weights)


def n_batches(n_rows: int, batch_size: int) -> int:
    """Compute the number of batches of at most `batch_size` rows in an epoch."""
    return -(-n_rows // batch_size)
