"""Features and predicted cells that a trained network computes for rows.

Each function computes a chunk of rows, within `one_thread`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from .._cells import Cells, row_chunks
from .autoencoder import Autoencoder, n_missing
from .contexts import own_settings
from .output import expected_cells
from .threads import MULTIPLICATIONS_OF_PREDICTION, map_in_threads, one_thread

Result = TypeVar("Result")
# Predictions are computed for multiples of this number of rows.
ROWS_AT_ONCE = 16


def for_chunks(
    network: Autoencoder, n_rows: int, function: Callable[[slice], Result]
) -> list[Result]:
    """Call `function` for slices of rows that fit the memory for one pass.

    The caller's settings of PyTorch have no effect. If the work is large enough,
    threads share the slices. The slices do not depend on the number of threads.
    """
    chunks = prediction_chunks(network, n_rows)
    with own_settings(), one_thread() as n_threads:
        n_threads = min(n_threads, len(chunks))
        if (
            n_threads > 1
            and network.uses_threads
            and n_rows * network.n_weights >= MULTIPLICATIONS_OF_PREDICTION
        ):
            return map_in_threads(function, chunks, n_threads)
        return [function(rows) for rows in chunks]


def prediction_chunks(network: Autoencoder, n_rows: int) -> list[slice]:
    """Divide rows into slices that fit the memory for one pass of the network."""
    # The output and the stack are the largest arrays.
    return row_chunks(n_rows, network.cells.n_outputs + sum(network.block_sizes))


@torch.inference_mode()
def write_features(network: Autoencoder, cells: Cells, out: np.ndarray) -> None:
    """Write the features of rows to `out`: the stack or the latent layer."""
    blocks = _whole_blocks(network, cells)
    features = torch.from_numpy(out)
    if network.representation == "latent":
        features.copy_(network.latent(*blocks)[: len(out)])
        return
    # A stack divided by its spreads would need more memory, and be copied to `out`.
    spreads = network.spreads.tolist()
    for block, spread, of_block in zip(
        network.stack(*blocks),
        spreads,
        features.split_with_sizes(network.block_sizes, 1),
        strict=True,
    ):
        torch.div(block[: len(out)].cpu(), spread, out=of_block)


def n_features_out(network: Autoencoder) -> int:
    """Compute the number of features of each row."""
    if network.representation == "stack":
        return sum(network.block_sizes)
    return network.n_components


@torch.inference_mode()
def predict_cells(
    network: Autoencoder, loss: str, cells: Cells
) -> tuple[np.ndarray, np.ndarray]:
    """Predict the numbers, and the probabilities of all levels, of rows."""
    output = network(*_whole_blocks(network, cells))
    return _expected(network, loss, output, cells.n_rows)


def predict_hidden_cells(
    network: Autoencoder, loss: str, cells: Cells, groups: Cells
) -> tuple[np.ndarray, np.ndarray]:
    """Predict cells as `predict_cells` does, each while its column is hidden.

    `groups` holds the number of a group for each column, from 0 on. The columns of a
    group are hidden at the same time.
    """
    n_levels = torch.tensor(network.cells.n_levels, dtype=torch.int64)
    level_groups = groups.codes.repeat_interleave(n_levels).numpy()
    blocks = (groups.numeric.numpy(), level_groups)
    n_groups = 1 + max((int(block.max()) for block in blocks if len(block)), default=0)
    found = [np.empty((cells.n_rows, len(block)), np.float32) for block in blocks]
    device = network.spreads.device
    cells, groups = cells.to(device), groups.to(device)
    for group in range(n_groups):
        visible = Cells(
            cells.numeric.masked_fill(groups.numeric == group, torch.nan),
            cells.codes.masked_fill(groups.codes == group, -1),
        )
        predicted = predict_cells(network, loss, visible)
        for target, of_group, block in zip(found, predicted, blocks, strict=True):
            target[:, block == group] = of_group[:, block == group]
    numeric, probabilities = found
    return numeric, probabilities


@torch.inference_mode()
def decode(
    network: Autoencoder, loss: str, latent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predict the numbers, and the probabilities of all levels, of latent features."""
    spreads = network.spreads
    # Features are divided by their spread. The decoder takes them undivided.
    inputs = torch.tensor(latent, device=spreads.device) * spreads[-1]
    output = network.decode(_whole_vectors(network, inputs))
    return _expected(network, loss, output, len(latent))


def _expected(
    network: Autoencoder, loss: str, output: Tensor, n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    expected = expected_cells(output, loss, network.cells.n_levels)
    numeric, probabilities = (block[:n_rows].numpy(force=True) for block in expected)
    return numeric, probabilities


def _whole_blocks(network: Autoencoder, cells: Cells) -> Iterator[Tensor]:
    for block in cells.to(network.spreads.device):
        yield _whole_vectors(network, block)


def _whole_vectors(network: Autoencoder, block: Tensor) -> Tensor:
    """Append rows of zeros to `block`, up to a multiple of 16 rows.

    PyTorch computes sigmoid, tanh and similar functions for many numbers at a time, and
    for the remainder in another way. It also multiplies few rows by a matrix in another
    way than many rows: one row everywhere, 4 or 8 rows on Intel processors. Without a
    remainder the result of a row does not depend on its place.
    """
    padding = n_missing(len(block), ROWS_AT_ONCE)
    if not padding:
        return block
    return torch.cat([block, block.new_zeros(padding, block.shape[1])])
