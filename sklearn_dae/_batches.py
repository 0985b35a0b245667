"""Mini-batches from memory: corrupted cells in, clean cells and their weights out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from ._cells import Cells, SparseCells
from ._corruption import Corruption

# What the first layer is given, and the criterion's target: clean cells and weights.
TrainingBatch = tuple[Tensor, tuple[Cells, Cells]]
# What skorch hands on: the network's keyword arguments, and the target.
ValidationBatch = tuple[dict[str, Tensor], tuple[Cells, Cells]]

# Inputs of training batches to prepare at once: a megabyte.
NUMBERS_AT_ONCE = 2**18


class CorruptibleRows(Dataset[Any]):
    """Clean rows, and everything that is needed to corrupt and to weigh them.

    Parameters
    ----------
    cells : Cells or SparseCells
        The clean rows.
    corruption : Corruption
        Applied to every batch anew.
    emphasis : float
        Weight of a corrupted cell; an intact one weighs ``1 - emphasis``.
    learnable : Cells
        One bool a column; one with nothing to learn weighs nothing.
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
        self.emphasis = emphasis
        self.learnable = learnable
        self.generator = generator

    def __len__(self) -> int:
        return self.cells.n_rows

    def corrupted(
        self, rows: Tensor | slice, generator: Generator
    ) -> tuple[Cells, Cells, Cells]:
        """The rows picked by `rows` corrupted and clean, and the weights of cells."""
        clean = self.cells.rows(rows)
        noisy, corrupted = self.corruption(clean, generator)
        return noisy, clean, self._weights(clean, corrupted)

    def _weights(self, clean: Cells, corrupted: Cells) -> Cells:
        numeric, codes = (
            is_corrupted.to(torch.float32)
            .mul_(2 * self.emphasis - 1)
            .add_(1 - self.emphasis)
            .mul_(columns)
            .masked_fill_(missing, 0.0)
            for is_corrupted, columns, missing in zip(
                corrupted, self.learnable, clean.missing(), strict=True
            )
        )
        return Cells(numeric, codes)


class ShuffledBatches:
    """Training batches: every epoch in a new order, every batch under new noise.

    The rows are dealt evenly, so that no batch is much smaller than the others. Several
    batches are corrupted and encoded at once, since for small ones the calls cost more
    than the work; not more of them than stay in a processor's cache.

    Parameters
    ----------
    dataset : CorruptibleRows
        The rows.
    batch_size : int
        Most rows of a batch.
    encode : callable
        What the first layer is given for some cells.
    n_inputs : int
        How many numbers that is for a row.
    """

    def __init__(
        self,
        dataset: CorruptibleRows,
        batch_size: int,
        encode: Callable[[Tensor, Tensor], Tensor],
        n_inputs: int,
    ):
        self.dataset = dataset
        self.n_batches = n_batches(len(dataset), batch_size)
        self.n_at_once = max(1, NUMBERS_AT_ONCE // (batch_size * max(1, n_inputs)))
        self.encode = encode

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[TrainingBatch]:
        rows = self.dataset
        order = torch.randperm(
            len(rows), generator=rows.generator, device=rows.cells.device
        )
        batches = order.tensor_split(self.n_batches)
        for first in range(0, self.n_batches, self.n_at_once):
            some = batches[first : first + self.n_at_once]
            noisy, clean, weights = rows.corrupted(torch.cat(some), rows.generator)
            sizes = [len(batch) for batch in some]
            blocks = [
                block.split(sizes) for block in (self.encode(*noisy), *clean, *weights)
            ]
            for inputs, x, codes, of_x, of_codes in zip(*blocks, strict=True):
                yield inputs, (Cells(x, codes), Cells(of_x, of_codes))


class FixedBatches:
    """Validation batches: corrupted alike in every epoch, so that epochs compare."""

    def __init__(self, dataset: CorruptibleRows, batch_size: int):
        self.dataset = dataset
        self.batch_size = batch_size
        # Drawing one would change the training that a callback only looks at.
        self.seed = dataset.generator.initial_seed() + 1

    def __len__(self) -> int:
        return n_batches(len(self.dataset), self.batch_size)

    def __iter__(self) -> Iterator[ValidationBatch]:
        rows, size = self.dataset, self.batch_size
        generator = torch.Generator(rows.generator.device).manual_seed(self.seed)
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            noisy, clean, weights = rows.corrupted(some, generator)
            yield noisy._asdict(), (clean, weights)


def n_batches(n_rows: int, batch_size: int) -> int:
    """Number of batches of at most `batch_size` rows in an epoch."""
    return -(-n_rows // batch_size)
