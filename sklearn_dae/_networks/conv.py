"""ConvNetwork: convolutional layers for rows that are images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from .._parameters import plain_parameter, positive_integers

# Every layer halves the height and the width of its input.
STRIDE = 2

Size = tuple[int, int]


class ConvNetwork(BaseEstimator):
    """Network of convolutional layers, for images.

    Pass it as the `network` of a :class:`DenoisingAutoencoderTransformer`. Each row of
    the table is an image, flattened channel by channel and line by line. Images can
    have any size. Each layer of the encoder halves the height and the width, rounded
    up. A dense layer computes the latent layer from the last maps. The decoder mirrors
    the encoder with transposed convolutions.

    With ``representation="stack"`` the stack contains the maps of each layer, averaged
    over a grid of `pool_size` by `pool_size` fields.

    Parameters
    ----------
    image_shape : tuple of (int, int, int)
        Channels, height and width of an image. Their product is the number of columns.

    channels : array-like of shape (n_layers,), default=(32, 64)
        Number of maps of each convolutional layer of the encoder.

    kernel_size : int, default=3
        Height and width of the kernels, in [1, inf). Kernels of an odd size are
        centred.

    pool_size : int, default=2
        Height and width of the grid over which maps are averaged for the stack, in
        [1, inf). Smaller maps are not averaged. Only used when
        ``representation="stack"``.

    See Also
    --------
    DenoisingAutoencoderTransformer : The transformer that uses it as its `network`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_dae import ConvNetwork, DenoisingAutoencoderTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> dae = DenoisingAutoencoderTransformer(
    ...     n_components=32,
    ...     network=ConvNetwork((1, 8, 8), channels=(8, 16)),
    ...     scaling="minmax",
    ...     max_iter=1,
    ...     random_state=0,
    ... )
    >>> dae.fit_transform(X).shape  # Inputs, 8 and 16 maps of 2 x 2, latent.
    (1797, 192)
    """

    _parameter_constraints: dict = {
        "image_shape": ["array-like"],
        "channels": ["array-like"],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "pool_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        image_shape: Sequence[int],
        *,
        channels: Sequence[int] = (32, 64),
        kernel_size: int = 3,
        pool_size: int = 2,
    ):
        self.image_shape = image_shape
        self.channels = channels
        self.kernel_size = kernel_size
        self.pool_size = pool_size

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters as plain values."""
        return {name: plain_parameter(name, x) for name, x in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the parameters. Refuse anything else, as a manipulated file may hold."""
        names = set(self._get_param_names())
        if not isinstance(state, dict) or set(state) != names:
            raise ValueError(
                f"The state of a ConvNetwork must be a dict of {sorted(names)}. Got "
                f"{sorted(state) if isinstance(state, dict) else state!r}. Load the "
                f"file from a source that you trust."
            )
        self.__dict__.update(state)

    def __call__(self, n_inputs: int, n_components: int) -> tuple[nn.Module, nn.Module]:
        """Build the encoder and the decoder.

        Parameters
        ----------
        n_inputs : int
            Number of columns of the table: channels times height times width.
        n_components : int
            Number of latent units.

        Returns
        -------
        encoder, decoder : torch.nn.Module
            The encoder turns tensors of shape (n_rows, n_inputs) into
            (n_rows, n_components). The decoder does the reverse.

        Raises
        ------
        ValueError
            If a parameter is invalid, or an image does not have `n_inputs` numbers.
        """
        maps, sizes = self._maps_and_sizes(n_inputs)
        encoder = ConvEncoder(
            maps, sizes, n_components, self.kernel_size, self.pool_size
        )
        return encoder, _decoder(maps, sizes, n_components, self.kernel_size)

    def _encoder_shapes(
        self, n_inputs: int, n_components: int
    ) -> dict[str, tuple[int, ...]]:
        """Compute the shapes of the weights of the encoder, without building it."""
        maps, sizes = self._maps_and_sizes(n_inputs)
        shapes: dict[str, tuple[int, ...]] = {
            f"layers.{k}.weight": (n_out, n_in, self.kernel_size, self.kernel_size)
            for k, (n_in, n_out) in enumerate(pairwise(maps))
        }
        n_last = maps[-1] * math.prod(sizes[-1])
        return shapes | {"latent.weight": (n_components, n_last)}

    def _maps_and_sizes(self, n_inputs: int) -> tuple[list[int], list[Size]]:
        """Check the parameters. Compute the maps of each layer, and their sizes."""
        self._validate_params()
        image_shape = positive_integers(
            "'image_shape' of ConvNetwork", self.image_shape
        )
        channels = positive_integers("'channels' of ConvNetwork", self.channels)
        n_numbers = math.prod(image_shape)
        if len(image_shape) != 3 or n_numbers != n_inputs:
            raise ValueError(
                f"'image_shape' must be three integers (channels, height, width), "
                f"whose product is the number of columns, {n_inputs}. Got "
                f"{self.image_shape!r} with the product {n_numbers}."
            )
        n_channels, height, width = image_shape
        sizes = _sizes((height, width), len(channels), self.kernel_size)
        return [n_channels, *channels], sizes


def _sizes(size: Size, n_layers: int, kernel_size: int) -> list[Size]:
    """Compute height and width of the image, then of the maps of each layer."""
    sizes = [size]
    for _ in range(n_layers):
        height, width = (
            (n + 2 * (kernel_size // 2) - kernel_size) // STRIDE + 1 for n in sizes[-1]
        )
        sizes.append((height, width))
    return sizes


class ConvEncoder(nn.Module):
    """Convolutions, each followed by a ReLU, and a dense layer over the last maps.

    Parameters
    ----------
    maps : sequence of int
        Number of channels of the image, then number of maps of each layer.
    sizes : sequence of (int, int)
        Height and width of the image, then of the maps of each layer.
    n_components, kernel_size, pool_size : int
        As of `ConvNetwork`.
    """

    def __init__(
        self,
        maps: Sequence[int],
        sizes: Sequence[Size],
        n_components: int,
        kernel_size: int,
        pool_size: int,
    ):
        super().__init__()
        self.image = nn.Unflatten(1, (maps[0], *sizes[0]))
        self.layers = nn.ModuleList(
            # With this padding the output is half the input, for odd kernels.
            nn.Conv2d(n_in, n_out, kernel_size, STRIDE, padding=kernel_size // 2)
            for n_in, n_out in pairwise(maps)
        )
        self.latent = nn.Linear(maps[-1] * math.prod(sizes[-1]), n_components)
        self.grids = [
            (min(height, pool_size), min(width, pool_size))
            for height, width in sizes[1:]
        ]
        self.sizes = list(sizes)

    def _maps(self, inputs: Tensor) -> list[Tensor]:
        """Compute the maps of each convolution."""
        # A row of the table is a flattened image.
        maps = [self.image(inputs)]
        for layer in self.layers:
            maps.append(layer(maps[-1]).relu())
        return maps[1:]

    def forward(self, inputs: Tensor) -> Tensor:
        return self.latent(self._maps(inputs)[-1].flatten(1))

    def stack(self, inputs: Tensor) -> list[Tensor]:
        """Compute the averaged maps of each layer, and the latent layer."""
        # Whole maps would be thousands of features. Averages over the fields of a grid
        # are few, and still say roughly in which part of the image a pattern is.
        maps = self._maps(inputs)
        pooled = [
            adaptive_avg_pool2d(layer_maps, grid).flatten(1)
            for layer_maps, grid in zip(maps, self.grids, strict=True)
        ]
        return [*pooled, self.latent(maps[-1].flatten(1))]


def _decoder(
    maps: Sequence[int], sizes: Sequence[Size], n_components: int, kernel_size: int
) -> nn.Sequential:
    """Build the mirrored encoder: a dense layer, then transposed convolutions."""
    padding = kernel_size // 2
    layers: list[nn.Module] = [
        nn.Linear(n_components, maps[-1] * math.prod(sizes[-1])),
        nn.Unflatten(1, (maps[-1], *sizes[-1])),
    ]
    for k in reversed(range(1, len(maps))):
        # The encoder rounds half heights and widths up. So the output of a transposed
        # convolution can lack a line or a column, which `output_padding` adds.
        missing = [
            large - ((small - 1) * STRIDE - 2 * padding + kernel_size)
            for large, small in zip(sizes[k - 1], sizes[k], strict=True)
        ]
        layers += [
            nn.ReLU(),
            nn.ConvTranspose2d(
                *(maps[k], maps[k - 1], kernel_size, STRIDE, padding),
                output_padding=(missing[0], missing[1]),
            ),
        ]
    return nn.Sequential(*layers, nn.Flatten())
