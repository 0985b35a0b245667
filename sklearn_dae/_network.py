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


def _linear(n_inputs: int, n_outputs: int) -> nn.Linear:
    return nn.utils.skip_init(nn.Linear, n_inputs, n_outputs, dtype=torch.float32)


def _parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, dtype=torch.float32))


class CellsLinear(nn.Module):
    """A linear layer over cells.

    A number is measured from its column's mean and a category is looked up, which is
    the product of its one-hot code with the weights, without the code. So a missing
    cell, where nothing is known, adds nothing.

    Shape
    -----
    Input: numeric (n, n_numeric) and codes (n, n_categorical). Output: (n, n_outputs).
    """

    center: Tensor
    offsets: Tensor

    def __init__(self, n_numeric: int, n_levels: Sequence[int], n_outputs: int):
        super().__init__()
        self.n_inputs = n_numeric + len(n_levels)
        self.n_codes = sum(n_levels)
        self.register_buffer("center", torch.zeros(n_numeric, dtype=torch.float32))
        offsets = torch.tensor([0, *n_levels]).cumsum(0)[:-1]
        self.register_buffer("offsets", offsets)
        self.weight = _parameter(n_outputs, n_numeric)
        self.bias = _parameter(n_outputs)
        # One more row, which nothing is ever added from, for missing categories.
        self.levels = _parameter(self.n_codes + 1, n_outputs)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        known = (numeric - self.center).nan_to_num()
        out = linear(known, self.weight, self.bias)
        if codes.shape[1]:
            rows = torch.where(codes < 0, self.n_codes, codes + self.offsets)
            out = out + embedding_bag(
                rows, self.levels, mode="sum", padding_idx=self.n_codes
            )
        return out


class DenoisingAutoencoder(nn.Module):
    """An encoder over cells and a decoder that mirrors it.

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
        Whether the latent layer goes without activation.
    """

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
        for n_in, n_out in pairwise(reversed(layer_sizes)):
            decoder += [_linear(n_in, n_out), act()]
        decoder.append(_linear(layer_sizes[0], n_numeric + sum(n_levels)))
        self.decoder = nn.Sequential(*decoder)

    def encode(self, numeric: Tensor, codes: Tensor) -> list[Tensor]:
        """What every layer of the encoder gives, the latent one last."""
        first_activation, *activations = self.activations
        layers = [first_activation(self.first(numeric, codes))]
        for layer, activation in zip(self.hidden, activations, strict=True):
            layers.append(activation(layer(layers[-1])))
        return layers

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        return self.decoder(self.encode(numeric, codes)[-1])


@torch.no_grad()
def initialize_parameters(
    network: DenoisingAutoencoder,
    center: Tensor,
    output_bias: Tensor,
    generator: Generator,
) -> None:
    """Draw all weights from `generator`, as PyTorch would from its global one.

    Weights and biases are uniform within 1 / sqrt(inputs of the unit), the default of
    :class:`torch.nn.Linear`; but `output_bias` is where the output starts from.
    `center` is what numbers are measured from.
    """
    network.first.center.copy_(center)
    for module in network.modules():
        if isinstance(module, CellsLinear):
            bound = 1 / math.sqrt(module.n_inputs)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
        else:
            continue
        for parameter in module.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    output = network.decoder[-1]
    assert isinstance(output, nn.Linear)
    output.bias.copy_(output_bias)
