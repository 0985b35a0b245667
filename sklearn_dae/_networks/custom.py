"""Networks that the user builds: an encoder and a decoder, checked before training.

PyTorch draws initial weights from its global generator. The caller and fits in other
threads use it, too. So while the user's modules are built, PyTorch's functions draw
from a generator of the fit instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.overrides import TorchFunctionMode

from .._compat import check_takes_generator
from .._parameters import unfit_arguments
from .autoencoder import CLIP_OF_LATENT, Autoencoder, CellsEncoder
from .dropout import draw_from, replace_dropout

# Functions and methods of PyTorch that take a generator. Those of `nn.init` have an
# argument of that name.
DRAWING = {
    "_sample_dirichlet", "_standard_gamma", "bernoulli", "bernoulli_", "binomial",
    "cauchy_", "exponential_", "geometric_", "log_normal_", "multinomial", "normal",
    "normal_", "poisson", "rand", "rand_like", "randint", "randint_like", "randn",
    "randn_like", "random_", "randperm", "uniform_",
}  # fmt: skip
# Rows of the trial before training. Enough for random numbers to change some output.
N_TRIAL_ROWS = 64


class DrawFrom(TorchFunctionMode):
    """Let PyTorch draw from `generator` within this context, in the calling thread.

    A function that is called with a generator uses that one.
    """

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        # Within the context, PyTorch calls this method in place of its functions.
        kwargs = kwargs or {}
        draws = "generator" in kwargs or getattr(func, "__name__", "") in DRAWING
        if draws and kwargs.get("generator") is None:
            check_takes_generator(func)
            kwargs = {**kwargs, "generator": self.generator}
        return func(*args, **kwargs)


class CustomAutoencoder(Autoencoder):
    """An encoder and a decoder that the user builds.

    The columns' means are added to the decoder's output, so that training starts there.

    Parameters
    ----------
    n_numeric : int
        Number of numeric columns.
    n_levels : sequence of int
        Number of levels of each categorical column.
    network : callable
        ``network(n_inputs, n_components)`` returns the encoder and the decoder. If the
        encoder has a method `stack`, this method returns the encoder's blocks.
    n_components : int
        Number of latent units.
    representation : {"stack", "latent"}
        Which layers the features consist of.
    seed : int
        Seed of the initial weights.
    encoder_sizes : sequence of int or None
        Widths of the encoder's blocks, if the modules were checked before, for example
        because they come from a saved transformer. None if they must be checked.
    n_weights : int
        Number of multiplications for one row. Only used with `encoder_sizes`.
    """

    encoder: Any
    output_bias: Tensor

    def __init__(
        self,
        n_numeric: int,
        n_levels: Sequence[int],
        network: Callable[[int, int], tuple[nn.Module, nn.Module]],
        n_components: int,
        representation: str,
        seed: int,
        encoder_sizes: Sequence[int] | None = None,
        n_weights: int = 0,
    ):
        cells = CellsEncoder(n_numeric, n_levels, bins=0, clip=CLIP_OF_LATENT)
        super().__init__(cells, n_components, representation)
        n_inputs = cells.n_inputs
        _check_takes_sizes(network)
        # A buffer, so that it is not trained: the decoder may have a bias of its own.
        bias = torch.zeros(n_inputs, dtype=torch.float32)
        self.register_buffer("output_bias", bias)
        with DrawFrom(torch.Generator().manual_seed(seed)):
            self.encoder, self.decoder = _check_pair(network(n_inputs, n_components))
            # The user may build modules of another dtype.
            self.float()
            if encoder_sizes is None:
                self._try(torch.randn(N_TRIAL_ROWS, n_inputs, dtype=torch.float32))
            else:
                self._restore(encoder_sizes, n_weights)

    @torch.no_grad()
    def _restore(self, encoder_sizes: Sequence[int], n_weights: int) -> None:
        """Prepare modules that were checked before their training."""
        # Lazy modules get their shapes when they are run.
        rows = torch.zeros(2, self.cells.n_inputs)
        self.eval().repair(rows)
        widths = [block.shape[1] for block in self.encode(rows)]
        if widths != list(encoder_sizes) or widths[-1] != self.n_components:
            raise ValueError(f"blocks of {encoder_sizes} instead of {widths} features")
        replace_dropout(self)
        self._set_blocks(encoder_sizes)
        self.n_weights = n_weights

    @torch.no_grad()
    def initialize(self, output_bias: Tensor, generator: Generator) -> None:
        """Set `output_bias`. The weights were drawn when the modules were built."""
        self.output_bias.copy_(output_bias)

    def compress(self, inputs: Tensor) -> Tensor:
        return self.encoder(inputs)

    def encode(self, inputs: Tensor) -> list[Tensor]:
        # Look at the class: a submodule may have this name, too.
        if callable(getattr(type(self.encoder), "stack", None)):
            return list(self.encoder.stack(inputs))
        return [self.compress(inputs)]

    def decode(self, latent: Tensor) -> Tensor:
        return self.decoder(latent) + self.output_bias

    @torch.no_grad()
    def _try(self, rows: Tensor) -> None:
        """Run the modules on random rows, check the outputs, set sizes of blocks."""
        self.eval()
        n_inputs, n_components = rows.shape[1], self.n_components
        latent = _run_checked(
            self.encoder, "encoder", rows, n_components, "n_components"
        )
        _run_checked(self.decoder, "decoder", latent, n_inputs, "inputs")
        # Not before: PyTorch's own dropout checks the shapes of its inputs.
        replace_dropout(self)
        self._check_repeatable(rows)
        blocks = self.encode(rows)
        _check_stack(blocks, latent)
        self._set_blocks([block.shape[1] for block in blocks])
        self.n_weights = self._n_multiplications(rows)
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise ValueError(
                "'network' must build modules with parameters to train. Got no "
                "parameter with requires_grad=True. Do not freeze all of them."
            )

    def _n_multiplications(self, rows: Tensor) -> int:
        """Count the multiplications for one row.

        A weight of a convolution counts once for each position of its kernel.
        """
        counts = [sum(parameter.numel() for parameter in self.parameters())]

        def count(
            module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor
        ) -> None:
            weight = getattr(module, "weight", None)
            if (
                isinstance(weight, Tensor)
                and weight.ndim > 1
                and isinstance(output, Tensor)
            ):
                places = inputs[0] if getattr(module, "transposed", False) else output
                counts.append(weight[0].numel() * places[0].numel())

        hooks = [module.register_forward_hook(count) for module in self.modules()]
        self.repair(rows)
        for hook in hooks:
            hook.remove()
        # The hooks miss parameters of other names. Each is used at least once.
        return max(counts[0], sum(counts[1:]))

    def _check_repeatable(self, rows: Tensor) -> None:
        """Raise ValueError if the modules draw from another generator in training."""
        # Running modules in training may change their buffers and the global generator.
        state, drawn = deepcopy(self.state_dict()), torch.get_rng_state()
        # Batch normalisation changes its state, but gives the same output twice. So
        # compare two outputs from the same state.
        outputs = []
        self.train()
        for _ in range(2):
            draw_from(self, Generator().manual_seed(0))
            outputs.append(self.repair(rows))
            self.load_state_dict(state)
        draw_from(self.eval(), None)
        if not torch.allclose(outputs[0], outputs[1], rtol=0, atol=0, equal_nan=True):
            # The caller's generator must not show that the fit was tried.
            torch.set_rng_state(drawn)
            raise ValueError(
                "The modules that 'network' builds must not draw random numbers in "
                "training by any other module than nn.Dropout, Dropout1d, Dropout2d, "
                "Dropout3d, AlphaDropout and FeatureAlphaDropout. Others draw from "
                "PyTorch's global generator, which 'random_state' does not determine. "
                "Use these modules in place of functional dropout, and set dropout=0 "
                "in nn.LSTM, nn.GRU and nn.MultiheadAttention."
            )


def _check_takes_sizes(network: Callable[..., Any]) -> None:
    """Raise ValueError if `network` cannot be called with the two sizes."""
    arguments: Any = unfit_arguments(network, 2)
    # Python does not know the arguments of int, dict and the like.
    if isinstance(network, type) and network.__module__ == "builtins":
        arguments = "other arguments"
    if arguments is not None:
        raise ValueError(
            f"'network' must take two arguments (n_inputs, n_components). Got "
            f"{network!r}, which takes {arguments}. Pass a function, or an object such "
            f"as ConvNetwork(image_shape) instead of its class."
        )


def _check_pair(pair: Any) -> Sequence[nn.Module]:
    """Return `pair`. Raise TypeError unless it is a pair of modules."""
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(isinstance(module, nn.Module) for module in pair)
    ):
        raise TypeError(
            f"'network' must return a pair of torch.nn.Module, the encoder and the "
            f"decoder. Got {pair!r}. End the function with: return encoder, decoder"
        )
    return pair


def _run_checked(
    module: nn.Module, name: str, inputs: Tensor, width: int, meaning: str
) -> Tensor:
    """Run a module. Raise ValueError unless its output has `width` columns."""
    expected = (len(inputs), width)
    rule = (
        f"The {name} that 'network' builds must turn a tensor of shape "
        f"{tuple(inputs.shape)} into one of shape {expected} (rows, {meaning})."
    )
    try:
        output = module(inputs)
    except Exception as error:  # The user's code may raise any error.
        raise ValueError(f"{rule} Got {type(error).__name__}: {error}") from error
    if not isinstance(output, Tensor) or output.shape != expected:
        raise ValueError(f"{rule} Got {_shape(output)}.")
    return output


def _check_stack(blocks: Sequence[Any], latent: Tensor) -> None:
    """Raise ValueError unless all blocks have the rows of `latent`, the last block."""
    shapes = [block.shape for block in blocks if isinstance(block, Tensor)]
    if (
        len(shapes) < max(1, len(blocks))
        or any(len(shape) != 2 or shape[0] != len(latent) for shape in shapes)
        or shapes[-1] != latent.shape
        # `inverse_transform` reads the latent layer from the end of the stack.
        or not torch.allclose(blocks[-1], latent, equal_nan=True)
    ):
        raise ValueError(
            f"The method 'stack' of the encoder that 'network' builds must return a "
            f"list of tensors of two dimensions, with {len(latent)} rows for "
            f"{len(latent)} rows. The last one must be the output of the encoder, of "
            f"shape {tuple(latent.shape)}. Got "
            f"{', '.join(map(_shape, blocks)) or 'no tensor'}."
        )


def _shape(output: Any) -> str:
    """Describe a tensor by its shape, and another object by its type."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    return f"a {type(output).__name__}"
