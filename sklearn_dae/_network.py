"""The network: cells in, an encoder, a mirrored decoder, one output a number or level.

Modules are built without initial values (PyTorch would draw them from its global
generator); `initialize_parameters` draws them from a generator of ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import embedding_bag, linear

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}

# How far from its mean, in standard deviations, a number can seem to be.
FARTHEST = 10.0
# Bins of every numeric column, and the most inputs that all of them may make.
N_BINS = 6
MAX_BIN_INPUTS = 384
# Where quantiles coincide, as in a column of many zeros, a bin is a step; not so steep
# that the rounding of float32 shows.
NARROWEST_BIN = 1e-4
# Most inputs that are features too: texts, say, have far more than there are units.
MAX_STACKED_INPUTS = 1024


def _linear(n_inputs: int, n_outputs: int) -> nn.Linear:
    return nn.utils.skip_init(nn.Linear, n_inputs, n_outputs, dtype=torch.float32)


def _parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, dtype=torch.float32))


def n_bins(n_numeric: int) -> int:
    """Number of bins of every numeric column; 0 for tables of very many."""
    bins = min(N_BINS, MAX_BIN_INPUTS // max(1, n_numeric))
    return bins if bins > 1 else 0


class CellsLinear(nn.Module):
    """A linear layer over cells.

    A number counts by its distance from its column's mean, smoothly clipped [1]_ so
    that a cell far out does not drown all others, and by a piecewise linear encoding
    [2]_: how far it has come through each of its column's quantile bins, also measured
    from the mean. A category is looked up, which is the product of its one-hot code
    with the weights, without the code. So a missing cell, where nothing is known, adds
    nothing.

    Shape
    -----
    Input: numeric (n, n_numeric) and codes (n, n_categorical). Output: (n, n_outputs).

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
    encoded_center: Tensor
    offsets: Tensor

    def __init__(self, n_numeric: int, n_levels: Sequence[int], n_outputs: int):
        super().__init__()
        bins = n_bins(n_numeric)
        # A bin's input varies about half as much as the number itself.
        self.fan_in = n_numeric * (1 + bins / 2) + len(n_levels)
        self.n_inputs = n_numeric * (1 + bins) + sum(n_levels)
        self.n_codes = sum(n_levels)
        self.register_buffer("center", torch.zeros(n_numeric, dtype=torch.float32))
        self.register_buffer("limit", torch.ones_like(self.center))
        edges = torch.zeros(bins + 1, n_numeric, dtype=torch.float32)
        self.register_buffer("edges", edges)
        self.register_buffer("encoded_center", torch.zeros_like(edges[1:]))
        offsets = torch.tensor([0, *n_levels]).cumsum(0)[:-1]
        self.register_buffer("offsets", offsets)
        self.weight = _parameter(n_outputs, n_numeric * (1 + bins))
        self.bias = _parameter(n_outputs)
        # One more row, which nothing is ever added from, for missing categories.
        self.levels = _parameter(self.n_codes + 1, n_outputs)

    def fit_columns(self, center: Tensor, spread: Tensor, numeric: Tensor) -> None:
        """Learn how columns are encoded.

        `center` and `spread` are their means and standard deviations; the edges of bins
        are put at the quantiles of the columns of `numeric`, which are some rows.
        """
        self.center.copy_(center)
        self.limit.copy_(torch.where(spread > 0, FARTHEST * spread, 1.0))
        if self.encoded_center.numel():
            shares = torch.linspace(0, 1, len(self.edges), dtype=torch.float32)
            quantiles = numeric.nanquantile(shares.to(numeric.device), dim=0)
            self.edges.copy_(quantiles.nan_to_num())
            self.encoded_center.copy_(self._through_bins(numeric).nanmean(0))
            self.encoded_center.nan_to_num_()

    def _through_bins(self, numeric: Tensor) -> Tensor:
        """Shares of each bin, from 0 to 1, that lie below the numbers."""
        widths = self.edges.diff(dim=0).clamp_min(NARROWEST_BIN)
        return ((numeric.unsqueeze(1) - self.edges[:-1]) / widths).clamp(0, 1)

    def numbers(self, numeric: Tensor) -> Tensor:
        """The numbers and their encoding side by side, 0 where a cell is missing."""
        known = numeric - self.center
        known = known / torch.hypot(known / self.limit, torch.ones_like(known))
        if self.encoded_center.numel():
            encoded = self._through_bins(numeric) - self.encoded_center
            known = torch.cat([known, encoded.flatten(1)], 1)
        return known.nan_to_num()

    def inputs(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """All that the layer multiplies, categories as their one-hot codes."""
        one_hot = numeric.new_zeros(len(codes), self.n_codes + 1)
        one_hot.scatter_(1, self._rows_of(codes), 1.0)
        return torch.cat([self.numbers(numeric), one_hot[:, :-1]], 1)

    def _rows_of(self, codes: Tensor) -> Tensor:
        return torch.where(codes < 0, self.n_codes, codes + self.offsets)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        out = linear(self.numbers(numeric), self.weight, self.bias)
        if codes.shape[1]:
            rows = self._rows_of(codes)
            out = out + embedding_bag(
                rows, self.levels, mode="sum", padding_idx=self.n_codes
            )
        return out


class DenoisingAutoencoder(nn.Module):
    """An encoder over cells, and a decoder.

    A bottleneck needs a decoder as deep as the encoder, which it mirrors. Where all
    layers are features the decoder is one linear layer: the features are as good, and
    training costs less.

    Shape
    -----
    Input: numeric (n, n_numeric) and codes (n, n_categorical).
    Output: (n, n_numeric + n_codes), the numbers, then the logits of all levels.

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

    spreads: Tensor

    def __init__(
        self,
        n_numeric: int,
        n_levels: Sequence[int],
        layer_sizes: Sequence[int],
        activation: str,
        linear_latent: bool,
    ):
        super().__init__()
        act = ACTIVATIONS[activation]
        self.first = CellsLinear(n_numeric, n_levels, layer_sizes[0])
        self.hidden = nn.ModuleList(
            _linear(n_in, n_out) for n_in, n_out in pairwise(layer_sizes)
        )
        self.activations = nn.ModuleList(act() for _ in layer_sizes)
        if linear_latent:
            self.activations[-1] = nn.Identity()
        decoder: list[nn.Module] = []
        n_inner = layer_sizes[-1]
        if linear_latent:
            for n_in, n_out in pairwise(reversed(layer_sizes)):
                decoder += [_linear(n_in, n_out), act()]
            n_inner = layer_sizes[0]
        decoder.append(_linear(n_inner, n_numeric + sum(n_levels)))
        self.decoder = nn.Sequential(*decoder)
        self.block_sizes = list(layer_sizes)
        if self.first.n_inputs <= MAX_STACKED_INPUTS:
            self.block_sizes.insert(0, self.first.n_inputs)
        # What each block of the stack is divided by; 1 for a bottleneck, used alone.
        spreads = torch.ones(len(self.block_sizes), dtype=torch.float32)
        self.register_buffer("spreads", spreads)

    def encode(self, numeric: Tensor, codes: Tensor) -> list[Tensor]:
        """What every layer of the encoder gives, the latent one last."""
        first_activation, *activations = self.activations
        layers = [first_activation(self.first(numeric, codes))]
        for layer, activation in zip(self.hidden, activations, strict=True):
            layers.append(activation(layer(layers[-1])))
        return layers

    def stack(self, numeric: Tensor, codes: Tensor) -> list[Tensor]:
        """The inputs, unless too many, and all layers, each divided by its spread."""
        blocks = self.encode(numeric, codes)
        if len(self.spreads) > len(blocks):
            blocks.insert(0, self.first.inputs(numeric, codes))
        return [block / s for block, s in zip(blocks, self.spreads, strict=True)]

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        return self.decoder(self.encode(numeric, codes)[-1])


@torch.no_grad()
def initialize_parameters(
    network: DenoisingAutoencoder, output_bias: Tensor, generator: Generator
) -> None:
    """Draw all weights from `generator`, as PyTorch would from its global one.

    Weights and biases are uniform within 1 / sqrt(inputs of the unit), the default of
    :class:`torch.nn.Linear`; but `output_bias` is where the output starts from.
    """
    for module in network.modules():
        if isinstance(module, CellsLinear):
            bound = 1 / math.sqrt(module.fan_in)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
        else:
            continue
        for parameter in module.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    output = network.decoder[-1]
    assert isinstance(output, nn.Linear)
    output.bias.copy_(output_bias)
