"""Features and predicted cells that a trained network computes for rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .._cells import Cells, row_chunks
from .autoencoder import Autoencoder
from .output import expected_cells
from .threads import threads_for


@torch.inference_mode()
def features(network: Autoencoder, cells: Cells) -> np.ndarray:
    """Compute the features of rows: the stack or the latent layer."""
    blocks = map(_whole_vectors, cells.to(network.spreads.device))
    with threads_for(cells.n_rows * network.n_weights):
        if network.representation == "stack":
            output = torch.cat(network.stack(*blocks), 1)
        else:
            output = network.latent(*blocks)
    # Remove the rows that `_whole_vectors` appended.
    return output[: cells.n_rows].numpy(force=True)


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
    blocks = map(_whole_vectors, cells.to(network.spreads.device))
    with threads_for(cells.n_rows * network.n_weights):
        output = network(*blocks)
    return _expected(network, loss, output, cells.n_rows)


@torch.inference_mode()
def decode(
    network: Autoencoder, loss: str, latent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predict the numbers, and the probabilities of all levels, of latent features."""
    spreads = network.spreads
    # Features are divided by their spread. The decoder takes them undivided.
    inputs = torch.tensor(latent, device=spreads.device) * spreads[-1]
    with threads_for(len(latent) * network.n_weights):
        output = network.decode(_whole_vectors(inputs))
    return _expected(network, loss, output, len(latent))


def prediction_chunks(network: Autoencoder, n_rows: int) -> list[slice]:
    """Divide rows into slices that fit the memory for one pass of the network."""
    # The output and the stack are the largest arrays.
    return row_chunks(n_rows, network.cells.n_outputs + sum(network.block_sizes))


def _expected(
    network: Autoencoder, loss: str, output: Tensor, n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    expected = expected_cells(output, loss, network.cells.n_levels)
    numeric, probabilities = (block[:n_rows].numpy(force=True) for block in expected)
    return numeric, probabilities


def _whole_vectors(block: Tensor) -> Tensor:
    """Append rows of zeros to `block`, up to a multiple of 16 rows.

    PyTorch computes sigmoid, tanh and similar functions for 16 numbers at a time, and
    for the remainder in another way. Without a remainder the result of a row does not
    depend on its place.
    """
    n_missing = -len(block) % 16
    if not n_missing:
        return block
    return torch.cat([block, block.new_zeros(n_missing, block.shape[1])])
