"""Dropout that draws from the generator of the training.

PyTorch's dropout draws from PyTorch's global generator. The caller and fits in other
threads use it, too.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn

# Modules that are replaced, by their method `forward`: subclasses with one of their own
# compute something else.
DROPOUTS: dict[Any, type[nn.Module]] = {
    kind.forward: kind
    for kind in (
        nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
        nn.FeatureAlphaDropout,
    )
}  # fmt: skip
ALPHAS = (nn.AlphaDropout, nn.FeatureAlphaDropout)
# Those that set single numbers. The others set all numbers of a channel.
SINGLE = (nn.Dropout, nn.AlphaDropout)
# PyTorch takes the first dimension for rows if there are as many dimensions as here,
# otherwise for channels. All other modules take it for rows.
N_DIMENSIONS_WITH_ROWS: dict[type[nn.Module], int] = {nn.Dropout1d: 3, nn.Dropout3d: 5}
# The limit of SELU for small arguments, to which alpha dropout sets numbers.
SELU_LIMIT = -1.7580993408473766


class GeneratorDropout(nn.Module):
    """A module of the `nn.Dropout` family that draws from `generator`.

    Pickles and copies have no generator. `draw_from` sets it for a training.

    Parameters
    ----------
    kind : type
        The class of PyTorch, a value of `DROPOUTS`.
    p : float
        Probability of a number, or channel, to be dropped.
    """

    def __init__(self, kind: type[nn.Module], p: float):
        super().__init__()
        self.kind = kind
        self.p = p
        self.generator: Generator | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "generator": None}

    def extra_repr(self) -> str:
        return f"{self.kind.__name__}, p={self.p}"

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return x * 0.0
        kept = x.new_empty(self._shape_of_draws(x), dtype=torch.float32)
        kept.bernoulli_(1 - self.p, generator=self.generator)
        if self.kind not in ALPHAS:
            return x * kept.div_(1 - self.p)
        # Scaled and shifted, so that mean 0 and variance 1 of the input are kept.
        scale = 1 / math.sqrt((1 - self.p) * (1 + self.p * SELU_LIMIT**2))
        return scale * (x * kept + SELU_LIMIT * (1 - kept - self.p))

    def _shape_of_draws(self, x: Tensor) -> tuple[int, ...]:
        """Compute the shape of one draw for each number or channel."""
        if self.kind in SINGLE:
            return tuple(x.shape)
        has_rows = x.ndim == N_DIMENSIONS_WITH_ROWS.get(self.kind, x.ndim)
        n_leading = 2 if has_rows else 1
        return (*x.shape[:n_leading], *[1] * (x.ndim - n_leading))


def replace_dropout(module: nn.Module) -> None:
    """Replace all modules of the `nn.Dropout` family inside `module`."""
    replaced: dict[nn.Module, GeneratorDropout] = {}
    for parent in list(module.modules()):
        for name, child in parent._modules.items():
            kind = DROPOUTS.get(type(child).forward) if child is not None else None
            if kind is not None and child is not None:
                # A module that is used twice stays one module.
                p: Any = child.p
                new = replaced.setdefault(child, GeneratorDropout(kind, p))
                parent._modules[name] = new.train(child.training)


def draw_from(module: nn.Module, generator: Generator | None) -> None:
    """Let all dropout inside `module` draw from `generator`."""
    for child in module.modules():
        if isinstance(child, GeneratorDropout):
            child.generator = generator
