"""Noises: functions from clean cells to corrupted cells.

Each takes ``(cells, noise_factor, donors, columns, generator)``. It returns the
corrupted cells, and for each cell 1.0 if it was picked and else 0.0. It changes no
argument.

- `noise_factor` holds one number for each column, as Cells.
- `donors` are the training rows that swap noise draws from.
- `columns` gives the range of each numeric column, and the scaled value of 0.

A missing cell stays missing, because there is no value to corrupt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Generator, Tensor

from .._cells import Cells, ColumnSummary, SparseCells

# Above this probability, a number is drawn for each cell, because that is faster.
LARGEST_OF_POISSON = 0.6

Donors = Cells | SparseCells
Noise = Callable[[Cells, Cells, Donors, ColumnSummary, Generator], tuple[Cells, Cells]]


def _uniform(like: Tensor, generator: Generator) -> Tensor:
    """Draw numbers from [0, 1) in the shape of a block."""
    draws = torch.empty(like.shape, dtype=torch.float32, device=like.device)
    return draws.uniform_(generator=generator)


def _pick(cells: Cells, noise_factor: Cells, generator: Generator) -> Cells:
    """Draw observed cells to corrupt, with each column's own probability.

    The result holds places in the flattened blocks. A place may occur several times.
    """
    numeric, codes = (
        _places(block, probability, generator)
        for block, probability in zip(cells, noise_factor, strict=True)
    )
    # A comparison with NaN is False.
    is_number = cells.numeric.reshape(-1).index_select(0, numeric) > -torch.inf
    is_code = cells.codes.reshape(-1).index_select(0, codes) >= 0
    return Cells(numeric[is_number], codes[is_code])


def _places(block: Tensor, probability: Tensor, generator: Generator) -> Tensor:
    if not block.numel():
        return torch.empty(0, dtype=torch.int64, device=block.device)
    smallest, largest = torch.stack(probability.aminmax()).tolist()
    if largest > LARGEST_OF_POISSON or block.device.type != "cpu":
        # A probability of 1 or more picks every cell: draws are below 1.
        picked = _uniform(block, generator) < probability
        return picked.view(-1).nonzero().squeeze(1)
    # If the number of places is drawn from a Poisson distribution with a mean of r for
    # each cell, each cell is drawn at least once with probability p = 1 - exp(-r), and
    # independently of the others. This takes less time than a number for each cell.
    mean = torch.tensor(-block.numel() * math.log1p(-largest), dtype=torch.float32)
    n_places = int(torch.poisson(mean, generator=generator))
    places = torch.randint(block.numel(), (n_places,), generator=generator)
    if smallest < largest:
        # Keep a place with the probability r / (largest r).
        kept = torch.log1p(-probability) / math.log1p(-largest)
        draws = _uniform(places, generator)
        places = places[draws < kept[places % block.shape[1]]]
    return places


def _marks(cells: Cells, places: Cells) -> Cells:
    """Return 1.0 for the cells at `places`, and 0.0 for the others."""
    numeric, codes = (
        torch.zeros(block.shape, dtype=torch.float32, device=block.device)
        for block in cells
    )
    return Cells(_put(numeric, places.numeric, 1.0), _put(codes, places.codes, 1.0))


def _put(block: Tensor, places: Tensor, values: Tensor | float) -> Tensor:
    """Replace the cells of a block at `places`."""
    return block.reshape(-1).scatter(0, places, values).view_as(block)


def swap(
    cells: Cells,
    noise_factor: Cells,
    donors: Donors,
    columns: ColumnSummary,
    generator: Generator,
) -> tuple[Cells, Cells]:
    """Replace a cell by the same column's cell of a training row drawn at random."""
    places = _pick(cells, noise_factor, generator)
    # Each cell has its own donor row. If all picked cells of a row came from one donor,
    # they would still fit each other, and the network could keep them.
    numeric = _swap(cells.numeric, places.numeric, donors.draw_numeric, generator)
    codes = _swap(cells.codes, places.codes, donors.draw_codes, generator)
    return Cells(numeric, codes), _marks(cells, places)


def _swap(
    block: Tensor,
    places: Tensor,
    draw: Callable[[Tensor, Generator], Tensor],
    generator: Generator,
) -> Tensor:
    """Replace the cells of a block at `places` by values that `draw` returns."""
    if not block.numel():
        return block
    return _put(block, places, draw(places % block.shape[1], generator))


def masking(
    cells: Cells,
    noise_factor: Cells,
    donors: Donors,
    columns: ColumnSummary,
    generator: Generator,
) -> tuple[Cells, Cells]:
    """Hide a cell: the network gets the same inputs as for a missing cell."""
    places = _pick(cells, noise_factor, generator)
    numeric = _put(cells.numeric, places.numeric, torch.nan)
    codes = _put(cells.codes, places.codes, -1)
    return Cells(numeric, codes), _marks(cells, places)


def zero(
    cells: Cells,
    noise_factor: Cells,
    donors: Donors,
    columns: ColumnSummary,
    generator: Generator,
) -> tuple[Cells, Cells]:
    """Set a number to 0 in the units of the table; swap a category."""
    places = _pick(cells, noise_factor, generator)
    zeros = columns.zero.expand_as(cells.numeric).reshape(-1)
    numeric = _put(cells.numeric, places.numeric, zeros[places.numeric])
    codes = _swap(cells.codes, places.codes, donors.draw_codes, generator)
    return Cells(numeric, codes), _marks(cells, places)


def salt_and_pepper(
    cells: Cells,
    noise_factor: Cells,
    donors: Donors,
    columns: ColumnSummary,
    generator: Generator,
) -> tuple[Cells, Cells]:
    """Set a number to its column's training minimum or maximum; swap a category."""
    places = _pick(cells, noise_factor, generator)
    is_pepper = _uniform(cells.numeric, generator) < 0.5
    extremes = torch.where(is_pepper, columns.low, columns.high).view(-1)
    numeric = _put(cells.numeric, places.numeric, extremes[places.numeric])
    codes = _swap(cells.codes, places.codes, donors.draw_codes, generator)
    return Cells(numeric, codes), _marks(cells, places)


def gaussian(
    cells: Cells,
    noise_factor: Cells,
    donors: Donors,
    columns: ColumnSummary,
    generator: Generator,
) -> tuple[Cells, Cells]:
    """Add noise of standard deviation `noise_factor` to numbers; swap a category."""
    places = _pick(cells, noise_factor, generator)
    noise = torch.empty_like(cells.numeric).normal_(generator=generator)
    numeric = torch.addcmul(cells.numeric, noise, noise_factor.numeric)
    if columns.bounded:
        # Later rows of `partial_fit` may be outside the range of the first call.
        low = torch.minimum(cells.numeric, columns.low)
        high = torch.maximum(cells.numeric, columns.high)
        numeric = numeric.clamp(low, high)
    codes = _swap(cells.codes, places.codes, donors.draw_codes, generator)
    # Noise is added to all numbers, not only to the picked ones.
    disturbed = cells.observed().numeric * (noise_factor.numeric > 0)
    return Cells(numeric, codes), _marks(cells, places)._replace(numeric=disturbed)


def custom(function: Callable[..., object]) -> Noise:
    """Turn the user's ``function(X, noise_factor, rng)`` of numbers into a noise."""

    def corrupt(
        cells: Cells,
        noise_factor: Cells,
        donors: Donors,
        columns: ColumnSummary,
        generator: Generator,
    ) -> tuple[Cells, Cells]:
        clean = cells.numeric
        seed = torch.randint(2**62, (1,), generator=generator, device=clean.device)
        # Copies: the function may change its arguments.
        X = clean.cpu().numpy().copy()
        factors = noise_factor.numeric.cpu().numpy().copy()
        rng = np.random.default_rng(int(seed))
        noisy = np.asarray(function(X, factors, rng), dtype=np.float32)
        if noisy.shape != clean.shape or np.isinf(noisy).any():
            raise ValueError(
                f"The callable 'noise' {function!r} must return finite numbers (or NaN "
                f"for a hidden cell) in an array of its input's shape "
                f"{tuple(clean.shape)}. Got an array of shape {noisy.shape}"
                f"{' with infinite values' if np.isinf(noisy).any() else ''}."
            )
        # A missing cell stays missing, whatever the function returns for it.
        numeric = torch.tensor(noisy, device=clean.device)
        numeric = torch.where(clean.isnan(), clean, numeric)
        disturbed = (numeric != clean) & ~clean.isnan()
        return cells._replace(numeric=numeric), Cells(
            disturbed.float(), torch.zeros_like(cells.codes, dtype=torch.float32)
        )

    return corrupt


NOISES: dict[str, Noise] = {
    "swap": swap,
    "masking": masking,
    "zero": zero,
    "salt_and_pepper": salt_and_pepper,
    "gaussian": gaussian,
}


class Corruption:
    """Apply several noises in turn to the cells of a batch.

    Parameters
    ----------
    noises : sequence of (str or callable, Cells of one row)
        Each noise with the `noise_factor` of each column. An empty sequence corrupts
        nothing.
    donors : Cells or SparseCells
        The training rows.
    columns : ColumnSummary
        The columns, on the device of `donors`.
    """

    def __init__(
        self,
        noises: Sequence[tuple[str | Callable[..., object], Cells]],
        donors: Donors,
        columns: ColumnSummary,
    ):
        self.noises = [
            (
                custom(noise) if callable(noise) else NOISES[noise],
                noise_factor.to(donors.device),
            )
            for noise, noise_factor in noises
        ]
        self.donors = donors
        self.columns = columns

    def __call__(self, cells: Cells, generator: Generator) -> tuple[Cells, Cells]:
        if not self.noises:
            return cells, Cells(
                *(torch.zeros_like(b, dtype=torch.float32) for b in cells)
            )
        masks = []
        for noise, noise_factor in self.noises:
            cells, corrupted = noise(
                cells, noise_factor, self.donors, self.columns, generator
            )
            masks.append(corrupted)
        numeric, codes = (
            reduce(torch.maximum, blocks) for blocks in zip(*masks, strict=True)
        )
        return cells, Cells(numeric, codes)
