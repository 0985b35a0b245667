"""The network: cells in, an encoder, a decoder, one output a number or level.

Dense layers are built without initial values (PyTorch would draw them from its global
generator); `initialize` draws them from a generator of ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
}

# How far from its mean, in standard deviations, a number can seem to be. A cell far out
# harms whoever is given the features of its row; a bottleneck is more for repairs, and
# they need it as it is.
FARTHEST, FARTHEST_FOR_BOTTLENECK = 10.0, 1000.0
# Bins of every numeric column, and the most inputs that all of them may make.
N_BINS = 6
MAX_BIN_INPUTS = 384
# Where quantiles coincide, as in a column of many zeros, a bin is a step; not so steep
# that the rounding of float32 shows.
NARROWEST_BIN = 1e-4
# Most inputs that are features too: texts, say, have far more than there are units.
MAX_STACKED_INPUTS = 1024


class Dense(nn.Linear):
    """A linear layer whose parameters are not drawn yet."""

    def reset_parameters(self) -> None:
        pass


def n_bins(n_numeric: int) -> int:
    """Number of bins of every numeric column; 0 for tables of very many."""
    bins = min(N_BINS, MAX_BIN_INPUTS // max(1, n_numeric))
    return bins if bins > 1 else 0


class CellsEncoder(nn.Module):
    """What the first layer is given for the cells of a row; nothing here is trained.

    A number counts by its distance from its column's mean, smoothly clipped [1]_ so
    that a cell far out does not drown all others, and, if there are bins, by a
    piecewise linear encoding [2]_: how far it has come through each of its column's
    quantile bins, also measured from the mean. A category counts by its one-hot code.
    A missing cell, where nothing is known, is all zeros.

    Shape
    -----
    Input: numeric (n, n_numeric) and codes (n, n_categorical). Output: (n, n_inputs).

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data", NeurIPS 2024.
    .. [2] Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features
       in tabular deep learning", NeurIPS 2022, section 3.2.
    """

    center: Tensor
    limit: Tensor
    edges: Tensor
    widths: Tensor
    encoded_center: Tensor
    offsets: Tensor

    def __init__(
        self, n_numeric: int, n_levels: Sequence[int], bins: int, farthest: float
    ):
        super().__init__()
        self.bins = bins
        self.farthest = farthest
        self.n_inputs = n_numeric * (1 + self.bins) + sum(n_levels)
        # As if each varied by 1: a bin's varies half as much as the number itself.
        self.fan_in = n_numeric * (1 + self.bins / 2) + len(n_levels)
        self.register_buffer("center", torch.zeros(n_numeric, dtype=torch.float32))
        self.register_buffer("limit", torch.ones_like(self.center))
        edges = torch.zeros(self.bins + 1, n_numeric, dtype=torch.float32)
        self.register_buffer("edges", edges)
        self.register_buffer("widths", torch.ones_like(edges[1:]))
        self.register_buffer("encoded_center", torch.zeros_like(edges[1:]))
        offsets = torch.tensor([0, *n_levels]).cumsum(0)[:-1]
        self.register_buffer("offsets", offsets)

    def fit_columns(self, center: Tensor, spread: Tensor, numeric: Tensor) -> None:
        """Learn how columns are encoded.

        `center` and `spread` are their means and standard deviations; the edges of bins
        are put at the quantiles of the columns of `numeric`, which are some rows.
        """
        self.center.copy_(center)
        self.limit.copy_(torch.where(spread > 0, self.farthest * spread, 1.0))
        if self.encoded_center.numel():
            shares = torch.linspace(0, 1, len(self.edges), dtype=torch.float32)
            quantiles = numeric.nanquantile(shares.to(numeric.device), dim=0)
            self.edges.copy_(quantiles.nan_to_num())
            self.widths.copy_(self.edges.diff(dim=0).clamp_min(NARROWEST_BIN))
            self.encoded_center.copy_(self._through_bins(numeric).nanmean(0))
            self.encoded_center.nan_to_num_()

    def _through_bins(self, numeric: Tensor, out: Tensor | None = None) -> Tensor:
        """Shares of each bin, from 0 to 1, that lie below the numbers."""
        above = torch.sub(numeric.unsqueeze(1), self.edges[:-1], out=out)
        return above.div_(self.widths).clamp_(0, 1)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        n_rows, n_numbers = numeric.shape
        n_encoded = n_numbers * (1 + self.bins)
        inputs = numeric.new_empty(n_rows, self.n_inputs)
        known = torch.sub(numeric, self.center, out=inputs[:, :n_numbers])
        known.div_(torch.hypot(known / self.limit, known.new_ones(())))
        if self.bins:
            shares = inputs[:, n_numbers:n_encoded].unflatten(1, (self.bins, n_numbers))
            self._through_bins(numeric, out=shares).sub_(self.encoded_center)
        inputs[:, :n_encoded].nan_to_num_()
        if codes.shape[1]:
            one_hot = inputs[:, n_encoded:].zero_()
            places = codes.clamp_min(0) + self.offsets
            one_hot.scatter_(1, places, (codes >= 0).to(inputs.dtype))
        return inputs


class Autoencoder(nn.Module):
    """An encoder over cells, and a decoder: what all networks have in common.

    One of its own says what `encode` and `decode` do, and where it begins.

    Shape
    -----
    Input: numeric (n, n_numeric) and codes (n, n_categorical).
    Output: (n, n_numeric + n_codes), the numbers, then the logits of all levels.

    Attributes
    ----------
    n_weights : int
        Multiplications that one row takes.
    block_sizes : list of int
        Widths of the stack's blocks.
    """

    spreads: Tensor
    moments: Tensor
    n_measured: Tensor
    n_weights: int

    def __init__(self, cells: CellsEncoder):
        super().__init__()
        self.cells = cells

    def _set_blocks(self, encoder_sizes: Sequence[int]) -> None:
        """Lay out the stack, by how much each block of the encoder gives."""
        self.block_sizes = list(encoder_sizes)
        if self.cells.n_inputs <= MAX_STACKED_INPUTS:
            self.block_sizes.insert(0, self.cells.n_inputs)
        # What each block of the stack is divided by; 1 for a bottleneck, used alone.
        spreads = torch.ones(len(self.block_sizes), dtype=torch.float32)
        self.register_buffer("spreads", spreads)
        # Means of the features and of their squares, and of how many rows.
        moments = torch.zeros(2, sum(self.block_sizes), dtype=torch.float64)
        self.register_buffer("moments", moments)
        self.register_buffer("n_measured", torch.tensor(0))

    def initialize(self, output_bias: Tensor, generator: Generator) -> None:
        """Draw what is not drawn yet; `output_bias` is where the output starts from."""
        raise NotImplementedError

    def encode(self, inputs: Tensor) -> list[Tensor]:
        """What every block of the encoder gives, the latent one last."""
        raise NotImplementedError

    def decode(self, latent: Tensor) -> Tensor:
        """The output that a latent layer stands for."""
        raise NotImplementedError

    def compress(self, inputs: Tensor) -> Tensor:
        """What the latent layer gives for inputs."""
        return self.encode(inputs)[-1]

    def repair(self, inputs: Tensor) -> Tensor:
        """The output for inputs."""
        return self.decode(self.compress(inputs))

    def stack(self, numeric: Tensor, codes: Tensor) -> list[Tensor]:
        """The inputs, unless too many, and all blocks, each divided by its spread."""
        inputs = self.cells(numeric, codes)
        blocks = self.encode(inputs)
        if len(self.spreads) > len(blocks):
            blocks.insert(0, inputs)
        spreads = self.spreads.tolist()
        return [block / s for block, s in zip(blocks, spreads, strict=True)]

    def latent(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """What the latent layer gives for cells."""
        return self.compress(self.cells(numeric, codes))

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        return self.repair(self.cells(numeric, codes))


class DenoisingAutoencoder(Autoencoder):
    """Dense layers.

    A bottleneck needs a decoder as deep as the encoder, which it mirrors. Where all
    layers are features the decoder is one linear layer: the features are as good, and
    training costs less.

    Parameters
    ----------
    n_numeric : int
        Number of numeric columns.
    n_levels : sequence of int
        Number of levels of each categorical column.
    layer_sizes : sequence of int
        Units of the encoder's layers, the latent one last.
    activation : str
        A key of `ACTIVATIONS`.
    linear_latent : bool
        Whether the latent layer is a bottleneck, which goes without activation.
    """

    def __init__(
        self,
        n_numeric: int,
        n_levels: Sequence[int],
        layer_sizes: Sequence[int],
        activation: str,
        linear_latent: bool,
    ):
        # A bottleneck passes on too little for bins to tell.
        bins = 0 if linear_latent else n_bins(n_numeric)
        farthest = FARTHEST_FOR_BOTTLENECK if linear_latent else FARTHEST
        super().__init__(CellsEncoder(n_numeric, n_levels, bins, farthest))
        n_inputs, n_outputs = self.cells.n_inputs, n_numeric + sum(n_levels)
        self.encoder = _dense([n_inputs, *layer_sizes])
        sizes = list(reversed(layer_sizes)) if linear_latent else [layer_sizes[-1]]
        self.decoder = _dense([*sizes, n_outputs])
        self.encoder_activations = [activation] * len(self.encoder)
        if linear_latent:
            self.encoder_activations[-1] = "identity"
        self.decoder_activations = [activation] * (len(sizes) - 1) + ["identity"]
        self.n_weights = sum(layer.weight.numel() for layer, _ in self.dense_layers())
        self._set_blocks(layer_sizes)

    def dense_layers(self) -> list[tuple[nn.Linear, str]]:
        """All layers from inputs to output, each with the name of its activation."""
        layers = [*self.encoder, *self.decoder]
        activations = self.encoder_activations + self.decoder_activations
        return list(zip(layers, activations, strict=True))  # type: ignore[arg-type]

    @torch.no_grad()
    def initialize(self, output_bias: Tensor, generator: Generator) -> None:
        """Draw all weights from `generator`, as PyTorch would from its global one.

        Weights and biases are uniform within 1 / sqrt(inputs of the unit), the default
        of :class:`torch.nn.Linear`; but `output_bias` is where the output starts from.
        """
        layers = [layer for layer, _ in self.dense_layers()]
        for layer in layers:
            first = layer is layers[0]
            bound = 1 / math.sqrt(self.cells.fan_in if first else layer.in_features)
            for parameter in layer.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
        layers[-1].bias.copy_(output_bias)

    def encode(self, inputs: Tensor) -> list[Tensor]:
        return _run(self.encoder, self.encoder_activations, inputs)

    def decode(self, latent: Tensor) -> Tensor:
        return _run(self.decoder, self.decoder_activations, latent)[-1]


def _dense(sizes: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(
        Dense(n_in, n_out, dtype=torch.float32) for n_in, n_out in pairwise(sizes)
    )


def _run(layers: nn.ModuleList, activations: list[str], x: Tensor) -> list[Tensor]:
    outputs = []
    for layer, activation in zip(layers, activations, strict=True):
        x = ACTIVATIONS[activation](layer(x))
        outputs.append(x)
    return outputs
