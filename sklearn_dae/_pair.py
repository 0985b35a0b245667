"""Networks of the user's own: a pair of modules, drawn from our generator and checked.

PyTorch draws initial weights from its global generator, which the caller and fits in
other threads use, too. While a pair is built, one of ours is handed to whatever draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from inspect import Signature, signature
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.overrides import TorchFunctionMode

from ._compat import check_takes_generator
from ._network import FARTHEST_FOR_BOTTLENECK, Autoencoder, CellsEncoder

# Functions and methods of PyTorch that take a generator, but for those of `nn.init`.
DRAWING = {
    "_sample_dirichlet", "_standard_gamma", "bernoulli", "bernoulli_", "binomial",
    "cauchy_", "exponential_", "geometric_", "log_normal_", "multinomial", "normal",
    "normal_", "poisson", "rand", "rand_like", "randint", "randint_like", "randn",
    "randn_like", "random_", "randperm", "uniform_",
}  # fmt: skip
# Rows that go through a pair before training; enough for dropout to show.
N_TRIAL_ROWS = 64


class DrawFrom(TorchFunctionMode):
    """Within it, this thread's PyTorch draws from a generator unless given another."""

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
        kwargs = kwargs or {}
        draws = "generator" in kwargs or getattr(func, "__name__", "") in DRAWING
        if draws and kwargs.get("generator") is None:
            check_takes_generator(func)
            kwargs = {**kwargs, "generator": self.generator}
        return func(*args, **kwargs)


class PairAutoencoder(Autoencoder):
    """An encoder and a decoder that somebody else builds.

    The output starts from the columns' means: they are added to what the decoder gives.

    Parameters
    ----------
    n_numeric : int
        Number of numeric columns.
    n_levels : sequence of int
        Number of levels of each categorical column.
    network : callable
        From the number of inputs and of latent units to the pair. An encoder with a
        method `stack` gives more blocks than the latent one by it.
    n_components : int
        Number of latent units.
    seed : int
        What initial weights are drawn by.
    """

    encoder: Any
    output_bias: Tensor

    def __init__(
        self,
        n_numeric: int,
        n_levels: Sequence[int],
        network: Callable[[int, int], tuple[nn.Module, nn.Module]],
        n_components: int,
        seed: int,
    ):
        super().__init__(CellsEncoder(n_numeric, n_levels, 0, FARTHEST_FOR_BOTTLENECK))
        n_inputs = self.cells.n_inputs
        _check_takes_sizes(network)
        self.n_components = n_components
        bias = torch.zeros(n_inputs, dtype=torch.float32)
        self.register_buffer("output_bias", bias)
        with DrawFrom(torch.Generator().manual_seed(seed)):
            self.encoder, self.decoder = _modules(network(n_inputs, n_components))
            self.float()
            self._try(torch.randn(N_TRIAL_ROWS, n_inputs, dtype=torch.float32))

    @torch.no_grad()
    def initialize(self, output_bias: Tensor, generator: Generator) -> None:
        """Start from `output_bias`; the rest has been drawn."""
        self.output_bias.copy_(output_bias)

    def compress(self, inputs: Tensor) -> Tensor:
        return self.encoder(inputs)

    def encode(self, inputs: Tensor) -> list[Tensor]:
        # A method: a module may be called so, too.
        if callable(getattr(type(self.encoder), "stack", None)):
            return list(self.encoder.stack(inputs))
        return [self.compress(inputs)]

    def decode(self, latent: Tensor) -> Tensor:
        return self.decoder(latent) + self.output_bias

    @torch.no_grad()
    def _try(self, rows: Tensor) -> None:
        """Let rows through, see that they come out as they must, and take measure."""
        self.eval()
        n_inputs, n_components = rows.shape[1], self.n_components
        latent = _checked(self.encoder, "encoder", rows, n_components, "n_components")
        _checked(self.decoder, "decoder", latent, n_inputs, "inputs")
        self._check_repeatable(rows)
        blocks = self.encode(rows)
        _check_stack(blocks, latent)
        self._set_blocks([block.shape[1] for block in blocks])
        self.n_weights = self._n_multiplications(rows)
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise ValueError(
                "'network' must build modules with parameters to train. Got none whose "
                "requires_grad is True."
            )

    def _n_multiplications(self, rows: Tensor) -> int:
        """How many a row takes: each weight counts at every place where it is used."""
        counts = [sum(parameter.numel() for parameter in self.parameters())]

        def count(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            weight = getattr(module, "weight", None)
            if (
                isinstance(weight, Tensor)
                and weight.ndim > 1
                and isinstance(output, Tensor)
            ):
                places = given[0] if getattr(module, "transposed", False) else output
                counts.append(weight[0].numel() * places[0].numel())

        hooks = [module.register_forward_hook(count) for module in self.modules()]
        self.repair(rows)
        for hook in hooks:
            hook.remove()
        return max(counts[0], sum(counts[1:]))

    def _check_repeatable(self, rows: Tensor) -> None:
        """Raise ValueError if training would draw at random."""
        state, drawn = deepcopy(self.state_dict()), torch.get_rng_state()
        first = self.train().repair(rows)
        self.load_state_dict(state)
        second = self.repair(rows)
        self.load_state_dict(state)
        self.eval()
        if not torch.allclose(first, second, rtol=0, atol=0, equal_nan=True):
            torch.set_rng_state(drawn)
            drawing = [m for m in self.modules() if "Dropout" in type(m).__name__]
            raise ValueError(
                f"The modules that 'network' builds must not draw at random when they "
                f"are trained, as dropout does: PyTorch's generator is the caller's. "
                f"Remove {', '.join(map(repr, drawing)) or 'what does'}; the noise on "
                f"the rows ('noise', 'noise_factor') is there to regularise."
            )


def unfit_arguments(function: Callable[..., Any], n: int) -> Signature | None:
    """The arguments of a function that cannot be called with `n`; None if it can."""
    try:
        arguments = signature(function)
    except ValueError:  # Some functions written in C do not tell.
        return None
    try:
        arguments.bind(*[None] * n)
    except TypeError:
        return arguments
    return None


def _check_takes_sizes(network: Callable[..., Any]) -> None:
    """Raise ValueError if a function cannot be called as a network is."""
    arguments = unfit_arguments(network, 2)
    if arguments is not None:
        raise ValueError(
            f"'network' must take (n_inputs, n_components), and may be an object such "
            f"as ConvNetwork(image_shape), not its class. Got {network!r}, which takes "
            f"{arguments}."
        )


def _modules(pair: Any) -> Sequence[nn.Module]:
    """The pair, if it is one."""
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(isinstance(module, nn.Module) for module in pair)
    ):
        raise TypeError(
            f"'network' must return a pair of torch.nn.Module, the encoder and the "
            f"decoder. Got {pair!r}."
        )
    return pair


def _checked(
    module: nn.Module, name: str, given: Tensor, width: int, meaning: str
) -> Tensor:
    """What a module of the pair gives, which must be `width` numbers a row."""
    expected = (len(given), width)
    rule = (
        f"The {name} that 'network' builds must turn a tensor of shape "
        f"{tuple(given.shape)} into one of shape {expected}, rows and {meaning}."
    )
    try:
        output = module(given)
    except Exception as error:
        raise ValueError(f"{rule} Got {type(error).__name__}: {error}") from error
    if not isinstance(output, Tensor) or output.shape != expected:
        raise ValueError(f"{rule} Got {_shape(output)}.")
    return output


def _check_stack(blocks: Sequence[Any], latent: Tensor) -> None:
    """Raise ValueError unless `latent` is the last of blocks with as many rows."""
    shapes = [block.shape for block in blocks if isinstance(block, Tensor)]
    if (
        len(shapes) < max(1, len(blocks))
        or any(len(shape) != 2 or shape[0] != len(latent) for shape in shapes)
        or shapes[-1] != latent.shape
        or not torch.allclose(blocks[-1], latent, equal_nan=True)
    ):
        raise ValueError(
            f"The method 'stack' of the encoder that 'network' builds must give a list "
            f"of tensors with {len(latent)} rows for as many, the last of them the "
            f"encoder's own output, of shape {tuple(latent.shape)}. Got "
            f"{', '.join(map(_shape, blocks)) or 'none'}."
        )


def _shape(output: Any) -> str:
    """The shape of a tensor, or what it is instead."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    return f"a {type(output).__name__}"
