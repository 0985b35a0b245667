"""The network: an encoder and a decoder, with one output for each number or level.

`initialize` draws the initial values from the generator of the training.
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

# Largest distance of an input from its column's mean, in standard deviations. Features
# with outliers harm the model behind the transformer, so the stack clips early. A
# bottleneck is mostly used to repair rows, and outliers contain information for that.
CLIP_OF_STACK, CLIP_OF_LATENT = 10.0, 1000.0
# Bins of a numeric column, and the largest number of bins of all columns together.
N_BINS = 6
MAX_BIN_INPUTS = 384
# If quantiles are equal, as in a column of many zeros, a bin has no width. With this
# width it does not amplify rounding errors of float32.
NARROWEST_BIN = 1e-4
# Largest distance from a mean, in units of the clip: its square is a float32.
LARGEST_RATIO = 1e18
# If there are more inputs than this, the stack does not contain them.
MAX_STACKED_INPUTS = 1024
# If all sizes of a matrix product are multiples of this, its bits seldom depend on the
# number of threads. So tensors are padded with zeros.
MULTIPLE = 16


def n_missing(size: int, multiple: int = MULTIPLE) -> int:
    """Compute how many rows or columns to add to `size` for the next multiple."""
    return -size % multiple


class Dense(nn.Linear):
    """A linear layer whose weights are padded with zeros.

    It takes inputs with or without padding. Its output is padded. All initial values
    are zeros, because PyTorch would draw them from its global generator.
    """

    def __init__(self, in_features: int, out_features: int):
        super().__init__(
            in_features + n_missing(in_features),
            out_features + n_missing(out_features),
            dtype=torch.float32,
        )
        self.in_features, self.out_features = in_features, out_features

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        padding = n_missing(input.shape[1])
        if padding:
            input = functional.pad(input, (0, padding))
        return functional.linear(input, self.weight, self.bias)


def n_bins(n_numeric: int) -> int:
    """Compute the number of bins of each numeric column; 0 for very many columns."""
    bins = min(N_BINS, MAX_BIN_INPUTS // max(1, n_numeric))
    # One bin would repeat the number itself.
    return bins if bins > 1 else 0


class CellsEncoder(nn.Module):
    """Turn cells into inputs of the first layer. It has no trained parameters.

    A number becomes its distance from its column's mean, smoothly clipped [1]_ so that
    an outlier does not dominate its row. If there are bins, it also becomes a piecewise
    linear encoding [2]_: for each quantile bin of its column the fraction of the bin
    below the number, again minus the mean. A category becomes its one-hot code. A
    missing cell becomes zeros.

    Parameters
    ----------
    n_numeric : int
        Number of numeric columns.
    n_levels : sequence of int
        Number of levels of each categorical column.
    bins : int
        Number of bins of each numeric column.
    clip : float
        Largest distance of an input from its column's mean, in standard deviations.
    multiple : int
        Zeros are appended to the inputs, up to a multiple of this.

    Shape
    -----
    Input: numeric (n, n_numeric) and codes (n, n_categorical). Output: (n, n_inputs),
    and the zeros.

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data", NeurIPS 2024.
    .. [2] Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features
       in tabular deep learning", NeurIPS 2022, section 3.2.
    """

    center: Tensor
    limit: Tensor
    slopes: Tensor
    shifts: Tensor
    lowest: Tensor
    highest: Tensor
    offsets: Tensor

    def __init__(
        self,
        n_numeric: int,
        n_levels: Sequence[int],
        bins: int,
        clip: float,
        multiple: int = 1,
    ):
        super().__init__()
        self.n_levels = tuple(n_levels)
        self.bins = bins
        self.clip = clip
        self.multiple = multiple
        self.n_inputs = n_numeric * (1 + self.bins) + sum(n_levels)
        self.n_outputs = n_numeric + sum(n_levels)
        # The initial weights depend on the variance of all inputs together, in units
        # of one number: a bin has about half of it, all levels of a column have one.
        self.fan_in = n_numeric * (1 + self.bins / 2) + len(n_levels)
        self.register_buffer("center", torch.zeros(n_numeric, dtype=torch.float32))
        self.register_buffer("limit", torch.ones_like(self.center))
        of_bins = torch.zeros(self.bins, n_numeric, dtype=torch.float32)
        for name in ("slopes", "shifts", "lowest"):
            self.register_buffer(name, of_bins.clone())
        self.register_buffer("highest", of_bins + 1.0)
        offsets = torch.tensor([0, *n_levels]).cumsum(0)[:-1]
        self.register_buffer("offsets", offsets)

    def fit_columns(self, center: Tensor, spread: Tensor, numeric: Tensor) -> None:
        """Learn how to encode the numeric columns.

        `center` and `spread` are their means and standard deviations. The edges of bins
        are quantiles of the columns of `numeric`, a sample of the rows.
        """
        self.center.copy_(center)
        self.limit.copy_(torch.where(spread > 0, self.clip * spread, 1.0))
        if self.shifts.numel():
            levels = torch.linspace(0, 1, self.bins + 1, dtype=torch.float32)
            quantiles = numeric.nanquantile(levels.to(numeric.device), dim=0)
            edges = quantiles.nan_to_num()
            self.slopes.copy_(edges.diff(dim=0).clamp_min(NARROWEST_BIN).reciprocal_())
            self.shifts.copy_((self.center - edges[:-1]) * self.slopes)
            means = self._fill_bins(numeric - self.center).nanmean(0).nan_to_num()
            self.shifts.sub_(means)
            self.lowest.sub_(means)
            self.highest.sub_(means)

    def _fill_bins(self, distances: Tensor) -> Tensor:
        """Compute the encoding of the bins from the distances from the mean."""
        # The fraction of a bin is x slope + shift, clipped to [0, 1]. Its mean m is
        # part of the shift, so that the bounds are -m and 1 - m.
        filled = (distances.unsqueeze(1) * self.slopes).add_(self.shifts)
        return filled.clamp_(self.lowest, self.highest)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        distances = numeric - self.center
        blocks = [_clear_missing(self._clip_smoothly(distances))]
        if self.bins:
            blocks.append(_clear_missing(self._fill_bins(distances)).flatten(1))
        if codes.shape[1]:
            blocks.append(self._one_hot(codes))
        padding = n_missing(self.n_inputs, self.multiple)
        if padding:
            blocks.append(numeric.new_zeros(numeric.shape[0], padding))
        return torch.cat(blocks, 1)

    def _clip_smoothly(self, distances: Tensor) -> Tensor:
        """Clip distances from the mean to the limit of their column."""
        # x / sqrt(1 + (x / limit)^2) is nearly x near 0 and tends to the limit. The
        # ratio x / limit is clipped, because its square must not overflow.
        ratios = (distances / self.limit).clamp_(-LARGEST_RATIO, LARGEST_RATIO)
        divisors = (ratios * ratios).add_(1.0).sqrt_()
        return ratios.mul_(self.limit).div_(divisors)

    def _one_hot(self, codes: Tensor) -> Tensor:
        """Compute the one-hot codes of all categorical columns side by side."""
        places = codes.clamp_min(0) + self.offsets
        one_hot = self.center.new_zeros(codes.shape[0], sum(self.n_levels))
        # A missing cell writes a zero.
        return one_hot.scatter_(1, places, (codes >= 0).to(one_hot.dtype))

    def name_inputs(
        self, numeric_names: Sequence[str], level_names: Sequence[str]
    ) -> list[str]:
        """Name the inputs in their order: numbers, bins, one-hot codes."""
        names = [f"input_{name}" for name in numeric_names]
        for number in range(1, self.bins + 1):
            names += [f"bin{number}_{name}" for name in numeric_names]
        return names + [f"input_{name}" for name in level_names]


def _clear_missing(inputs: Tensor) -> Tensor:
    """Replace NaN by 0. The inputs hold no infinity."""
    # nan_to_num_ is faster, but a model of ONNX checks for infinity in five steps.
    if torch.compiler.is_compiling():
        return torch.where(inputs.isnan(), 0.0, inputs)
    return inputs.nan_to_num_()


class Autoencoder(nn.Module):
    """Base class of all networks: an encoder over cells and a decoder.

    Subclasses implement `initialize`, `encode` and `decode`.

    Parameters
    ----------
    cells : CellsEncoder
        Turns cells into inputs.
    n_components : int
        Number of latent units.
    representation : {"stack", "latent"}
        Which layers the features consist of.

    Shape
    -----
    Input: numeric (n, n_numeric) and codes (n, n_categorical).
    Output: (n, n_numeric + n_codes), the numbers, then the logits of all levels.

    Attributes
    ----------
    n_weights : int
        Number of multiplications for one row.
    block_sizes : list of int
        Widths of the stack's blocks.
    """

    spreads: Tensor
    n_weights: int
    # Whether several threads can compute. If not, the sizes of batches and layers are
    # not padded, so that bits may depend on the number of threads.
    uses_threads = False

    def __init__(self, cells: CellsEncoder, n_components: int, representation: str):
        super().__init__()
        self.cells = cells
        self.n_components = n_components
        self.representation = representation

    def extra_repr(self) -> str:
        return f"representation={self.representation!r}"

    def _set_blocks(self, encoder_sizes: Sequence[int]) -> None:
        """Set the blocks of the stack, given the widths of the encoder's blocks."""
        self.block_sizes = list(encoder_sizes)
        self.n_encoder_blocks = len(self.block_sizes)
        if self.cells.n_inputs <= MAX_STACKED_INPUTS:
            self.block_sizes.insert(0, self.cells.n_inputs)
        # Divisors of the stack's blocks. They stay 1 if only the latent layer is used.
        spreads = torch.ones(len(self.block_sizes), dtype=torch.float32)
        self.register_buffer("spreads", spreads)

    def initialize(self, output_bias: Tensor, generator: Generator) -> None:
        """Draw initial weights from `generator`, and set the output's bias."""
        raise NotImplementedError

    def encode(self, inputs: Tensor) -> list[Tensor]:
        """Compute all blocks of the encoder, the latent layer last.

        Blocks may be padded, as the inputs are.
        """
        raise NotImplementedError

    def decode(self, latent: Tensor) -> Tensor:
        """Compute the output from the latent layer."""
        raise NotImplementedError

    def compress(self, inputs: Tensor) -> Tensor:
        """Compute the latent layer from inputs."""
        return self.encode(inputs)[-1][:, : self.n_components]

    def repair(self, inputs: Tensor) -> Tensor:
        """Compute the output from inputs."""
        return self.decode(self.compress(inputs))

    def stack(self, numeric: Tensor, codes: Tensor) -> list[Tensor]:
        """Compute the blocks of the stack."""
        inputs = self.cells(numeric, codes)
        blocks = self.encode(inputs)
        if len(self.block_sizes) > len(blocks):
            blocks.insert(0, inputs)
        sizes = self.block_sizes
        return [block[:, :size] for block, size in zip(blocks, sizes, strict=True)]

    def name_features(
        self, numeric_names: Sequence[str], level_names: Sequence[str]
    ) -> list[str]:
        """Name the features, in the order of the stack or of the latent layer."""
        latent = [f"latent{unit}" for unit in range(self.n_components)]
        if self.representation == "latent":
            return latent
        layers = self.block_sizes[:-1]
        names = []
        if len(self.block_sizes) > self.n_encoder_blocks:
            names = self.cells.name_inputs(numeric_names, level_names)
            layers = layers[1:]
        for number, size in enumerate(layers, 1):
            names += [f"layer{number}_{unit}" for unit in range(size)]
        return names + latent

    def latent(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Compute the latent layer from cells."""
        return self.compress(self.cells(numeric, codes))

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        return self.repair(self.cells(numeric, codes))


class DenoisingAutoencoder(Autoencoder):
    """An autoencoder of dense layers.

    With ``representation="latent"`` the latent layer is a bottleneck: it is linear, and
    the decoder mirrors the encoder. With "stack" the decoder is one linear layer. The
    features are as good as with a deeper decoder, and training takes less time.

    Parameters
    ----------
    n_numeric : int
        Number of numeric columns.
    n_levels : sequence of int
        Number of levels of each categorical column.
    n_components : int
        Units of the latent layer.
    hidden_layer_sizes : sequence of int
        Units of the encoder's layers before the latent one.
    activation : str
        A key of `ACTIVATIONS`.
    representation : {"stack", "latent"}
        Which layers the features consist of.
    """

    uses_threads = True

    def __init__(
        self,
        n_numeric: int,
        n_levels: Sequence[int],
        n_components: int,
        hidden_layer_sizes: Sequence[int],
        activation: str,
        representation: str,
    ):
        is_bottleneck = representation == "latent"
        # The bottleneck is too narrow to pass on the information of bins.
        bins = 0 if is_bottleneck else n_bins(n_numeric)
        clip = CLIP_OF_LATENT if is_bottleneck else CLIP_OF_STACK
        cells = CellsEncoder(n_numeric, n_levels, bins, clip, MULTIPLE)
        super().__init__(cells, n_components, representation)
        self.activation = activation
        encoder_sizes, decoder_sizes = layer_sizes(
            n_numeric, n_levels, n_components, hidden_layer_sizes, representation
        )
        self.encoder, self.decoder = _dense(encoder_sizes), _dense(decoder_sizes)
        self.encoder_activations = [activation] * len(self.encoder)
        if is_bottleneck:
            self.encoder_activations[-1] = "identity"
        self.decoder_activations = [activation] * (len(self.decoder) - 1) + ["identity"]
        self.n_weights = sum(layer.weight.numel() for layer, _ in self.dense_layers())
        self._set_blocks(encoder_sizes[1:])

    def extra_repr(self) -> str:
        return f"activation={self.activation!r}, {super().extra_repr()}"

    def dense_layers(self) -> list[tuple[Dense, str]]:
        """List all layers in order, each with the name of its activation."""
        layers = [*self.encoder, *self.decoder]
        activations = self.encoder_activations + self.decoder_activations
        return list(zip(layers, activations, strict=True))  # type: ignore[arg-type]

    @torch.no_grad()
    def initialize(self, output_bias: Tensor, generator: Generator) -> None:
        """Draw all weights from `generator`, with PyTorch's default distribution.

        Weights and biases are uniform within 1 / sqrt(inputs of the unit), the default
        of :class:`torch.nn.Linear`. The last bias is set to `output_bias`.
        """
        layers = [layer for layer, _ in self.dense_layers()]
        for layer in layers:
            n_in, n_out = layer.in_features, layer.out_features
            bound = 1 / math.sqrt(self.cells.fan_in if layer is layers[0] else n_in)
            for values in (layer.weight[:n_out, :n_in], layer.bias[:n_out]):
                values.uniform_(-bound, bound, generator=generator)
        layers[-1].bias[: len(output_bias)] = output_bias

    def encode(self, inputs: Tensor) -> list[Tensor]:
        return _run(self.encoder, self.encoder_activations, inputs)

    def decode(self, latent: Tensor) -> Tensor:
        output = _run(self.decoder, self.decoder_activations, latent)[-1]
        return output[:, : self.cells.n_outputs]


def layer_sizes(
    n_numeric: int,
    n_levels: Sequence[int],
    n_components: int,
    hidden_layer_sizes: Sequence[int],
    representation: str,
) -> tuple[list[int], list[int]]:
    """Compute the numbers of units of the encoder and the decoder, inputs first.

    The parameters are those of :class:`DenoisingAutoencoder`.
    """
    is_bottleneck = representation == "latent"
    n_encodings = 1 if is_bottleneck else 1 + n_bins(n_numeric)
    encoder = [*hidden_layer_sizes, n_components]
    decoder = encoder[::-1] if is_bottleneck else [n_components]
    n_inputs = n_numeric * n_encodings + sum(n_levels)
    return [n_inputs, *encoder], [*decoder, n_numeric + sum(n_levels)]


def _dense(sizes: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(Dense(n_in, n_out) for n_in, n_out in pairwise(sizes))


def _run(layers: nn.ModuleList, activations: list[str], x: Tensor) -> list[Tensor]:
    """Compute the outputs of all layers, in order."""
    outputs = []
    for layer, activation in zip(layers, activations, strict=True):
        x = ACTIVATIONS[activation](layer(x))
        outputs.append(x)
    return outputs
