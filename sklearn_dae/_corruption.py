"""Corruptions: pure functions from clean cells to corrupted ones.

Each takes ``(cells, pool, rates, generator)`` and returns ``(cells, corrupted)``: new
cells, and a mask of those that were picked for corruption. `rates` holds one number a
column. A missing cell stays missing: nothing is known of it that could be disturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from ._cells import Cells, SparseCells


class Pool(NamedTuple):
    """What corruptions draw from: the training rows and the range of their columns.

    Attributes
    ----------
    cells : Cells or SparseCells
        The training rows, donors of swap noise.
    low, high : Tensor of shape (n_numeric,)
        Smallest and largest training value of each numeric column.
    clip : bool
        Whether gaussian noise must stay between `low` and `high`.
    """

    cells: Cells | SparseCells
    low: Tensor
    high: Tensor
    clip: bool


Noise = Callable[[Cells, Pool, Cells, Generator], tuple[Cells, Cells]]


def _uniform(like: Tensor, generator: Generator) -> Tensor:
    shares = torch.empty(like.shape, dtype=torch.float32, device=like.device)
    return shares.uniform_(generator=generator)


def _pick(cells: Cells, rates: Cells, generator: Generator) -> Cells:
    """Mask of the cells to corrupt, each picked with its column's probability."""
    numeric, codes = (
        (_uniform(block, generator) < block_rates) & ~missing
        for block, block_rates, missing in zip(
            cells, rates, cells.missing(), strict=True
        )
    )
    return Cells(numeric, codes)


def swap(
    cells: Cells, pool: Pool, rates: Cells, generator: Generator
) -> tuple[Cells, Cells]:
    """Replace a cell by the same column's cell of a training row drawn at random."""
    picked = _pick(cells, rates, generator)
    # A donor row of its own for every cell: one donor for a whole row would keep the
    # joint structure of its cells and give the answer away.
    numeric = _swap(cells.numeric, picked.numeric, pool.cells.draw_numeric, generator)
    return Cells(numeric, _swap_codes(cells, pool, picked, generator)), picked


def _swap_codes(
    cells: Cells, pool: Pool, picked: Cells, generator: Generator
) -> Tensor:
    return _swap(cells.codes, picked.codes, pool.cells.draw_codes, generator)


def _swap(
    block: Tensor,
    picked: Tensor,
    draw: Callable[[Tensor, Generator], Tensor],
    generator: Generator,
) -> Tensor:
    """The block with its picked cells drawn anew. Only they are drawn: they are few."""
    if not block.numel():
        return block
    places = picked.view(-1).nonzero().squeeze(1)
    drawn = draw(places % block.shape[1], generator)
    return block.reshape(-1).scatter(0, places, drawn).view_as(block)


def masking(
    cells: Cells, pool: Pool, rates: Cells, generator: Generator
) -> tuple[Cells, Cells]:
    """Hide a cell: to the network it is what a missing cell is."""
    picked = _pick(cells, rates, generator)
    numeric = cells.numeric.masked_fill(picked.numeric, torch.nan)
    codes = cells.codes.masked_fill(picked.codes, -1)
    return Cells(numeric, codes), picked


def salt_and_pepper(
    cells: Cells, pool: Pool, rates: Cells, generator: Generator
) -> tuple[Cells, Cells]:
    """Set a number to its column's training minimum or maximum; swap a category."""
    picked = _pick(cells, rates, generator)
    pepper = _uniform(cells.numeric, generator) < 0.5
    extremes = torch.where(pepper, pool.low, pool.high)
    numeric = torch.where(picked.numeric, extremes, cells.numeric)
    codes = _swap_codes(cells, pool, picked, generator)
    return Cells(numeric, codes), picked


def gaussian(
    cells: Cells, pool: Pool, rates: Cells, generator: Generator
) -> tuple[Cells, Cells]:
    """Add noise of standard deviation `rates` to numbers; swap a category."""
    picked = _pick(cells, rates, generator)
    noise = torch.empty_like(cells.numeric).normal_(generator=generator)
    numeric = torch.addcmul(cells.numeric, noise, rates.numeric)
    if pool.clip:
        numeric = numeric.clamp(pool.low, pool.high)
    codes = _swap_codes(cells, pool, picked, generator)
    disturbed = (rates.numeric > 0) & ~cells.numeric.isnan()
    return Cells(numeric, codes), Cells(disturbed, picked.codes)


def custom(function: Callable[..., object]) -> Noise:
    """The user's ``function(X, noise_factor, rng)`` over numeric columns as a noise."""

    def corrupt(
        cells: Cells, pool: Pool, rates: Cells, generator: Generator
    ) -> tuple[Cells, Cells]:
        clean = cells.numeric
        seed = torch.randint(2**62, (1,), generator=generator, device=clean.device)
        noisy = np.asarray(
            function(
                clean.cpu().numpy().copy(),
                rates.numeric.cpu().numpy().copy(),
                np.random.default_rng(int(seed)),
            ),
            dtype=np.float32,
        )
        if noisy.shape != clean.shape or np.isinf(noisy).any():
            raise ValueError(
                f"The callable 'noise' {function!r} must return finite numbers (or NaN "
                f"for a hidden cell) in an array of its input's shape "
                f"{tuple(clean.shape)}. Got an array of shape {noisy.shape}"
                f"{' with infinite values' if np.isinf(noisy).any() else ''}."
            )
        numeric = torch.tensor(noisy, device=clean.device)
        numeric = torch.where(clean.isnan(), clean, numeric)
        disturbed = (numeric != clean) & ~clean.isnan()
        return cells._replace(numeric=numeric), Cells(
            disturbed, torch.zeros_like(cells.codes, dtype=torch.bool)
        )

    return corrupt


NOISES: dict[str, Noise] = {
    "swap": swap,
    "masking": masking,
    "salt_and_pepper": salt_and_pepper,
    "gaussian": gaussian,
}


class Corruption:
    """Several noises applied in turn to the cells of a batch.

    Parameters
    ----------
    steps : sequence of (noise, rates)
        Each noise with one rate a column. Without any, nothing is corrupted.
    pool : Pool
        What the noises draw from.
    """

    def __init__(self, steps: Sequence[tuple[Noise, Cells]], pool: Pool):
        self.steps = steps
        self.pool = pool

    def __call__(self, cells: Cells, generator: Generator) -> tuple[Cells, Cells]:
        if not self.steps:
            return cells, Cells(*(torch.zeros_like(b, dtype=torch.bool) for b in cells))
        masks = []
        for noise, rates in self.steps:
            cells, corrupted = noise(cells, self.pool, rates, generator)
            masks.append(corrupted)
        numeric, codes = (reduce(or_, blocks) for blocks in zip(*masks, strict=True))
        return cells, Cells(numeric, codes)
