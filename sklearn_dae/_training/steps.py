"""Training steps: forward pass, backward pass and AdamW.

In a small network, autograd and one update for each parameter take longer than the
matrix products. So this file computes the passes of dense layers itself, writes all
gradients to one flat tensor, and updates all parameters by one fused kernel.

The passes that are written by hand stay as long as they save time. This command
compares fits by them with the same fits by autograd. The last run gave 0.68 to 0.83 of
the time.

    python benchmarks/speed.py --parts autograd
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from .._networks.autoencoder import Dense

_aten = torch.ops.aten


def _in_pieces(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let `function` write to `out` a piece at a time, so that it uses one thread.

    PyTorch computes functions such as exp for 16 numbers at a time, and for the
    remainder in another way. So the bits depend on where threads divide a tensor.
    """

    def call(*tensors: Tensor, out: Tensor) -> Tensor:
        pieces = [t.view(-1).split(NUMBERS_OF_ONE_THREAD) for t in (*tensors, out)]
        for *of_tensors, of_out in zip(*pieces, strict=True):
            function(*of_tensors, out=of_out)
        return out

    return call


# PyTorch does not divide tensors of this size.
NUMBERS_OF_ONE_THREAD = 2**15
# Functions that write the activation of z to `out`.
FORWARD: dict[str, Callable[..., Tensor]] = {
    "identity": lambda z, out: z,
    "logistic": _in_pieces(torch.sigmoid),
    "tanh": _in_pieces(torch.tanh),
    "relu": lambda z, out: torch.clamp_min(z, 0, out=out),
    "gelu": _in_pieces(_aten.gelu.out),
    "silu": _in_pieces(_aten.silu.out),
}
# Activations that overwrite z, because their derivative needs only their result.
IN_PLACE = {"identity", "logistic", "tanh", "relu"}
# Derivatives of activations. Each writes to `out` the product of the derivative and of
# `g`, the gradient with respect to the result. The second argument is the tensor that
# the layer keeps: the result of the activations above, the argument z of the others.
DERIVATIVES: dict[str, Callable[..., Tensor]] = {
    "identity": lambda g, kept, out: g,
    "logistic": lambda g, kept, out: _aten.sigmoid_backward.grad_input(
        g, kept, grad_input=out
    ),
    "tanh": lambda g, kept, out: _aten.tanh_backward.grad_input(
        g, kept, grad_input=out
    ),
    "relu": lambda g, kept, out: _aten.threshold_backward.grad_input(
        g, kept, 0, grad_input=out
    ),
    "gelu": _in_pieces(
        lambda g, kept, out: _aten.gelu_backward.grad_input(g, kept, grad_input=out)
    ),
    "silu": _in_pieces(
        lambda g, kept, out: _aten.silu_backward.grad_input(g, kept, grad_input=out)
    ),
}

# The average of the weights covers about the last 1 / AVERAGED_PART of all updates.
AVERAGED_PART = 5


class FlatAdamW(Optimizer):
    """AdamW [1]_ for one flat tensor. All parameters become views of it.

    It can also average the weights. With a constant learning rate the average has the
    effect of a falling learning rate. The window of the average grows with the number
    of updates [2]_, so the average can be used after each update.

    Parameters
    ----------
    params : iterable of dict
        Groups with the parameters under "params", all on one device. Their gradients
        also become views of one flat tensor. Parameters that need no gradient do not
        change.
    lr : float
        Learning rate.
    weight_decay : float
        Decoupled weight decay.
    averages : bool
        Whether to average the weights.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    .. [2] O. Shamir, T. Zhang, "Stochastic gradient descent for non-smooth
       optimization: convergence results and optimal averaging schemes", ICML 2013.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        weight_decay: float,
        averages: bool = False,
    ):
        self.averages = averages
        self.average: Tensor | None = None
        views = [p for group in params for p in group["params"] if p.requires_grad]
        self.flat = nn.Parameter(torch.cat([p.detach().flatten() for p in views]))
        self.flat.grad = torch.zeros_like(self.flat)
        super().__init__([self.flat], {"lr": lr, "weight_decay": weight_decay})
        # PyTorch makes this state at the first step. `resume` needs it earlier.
        self.state[self.flat] = {
            "step": self.flat.new_zeros(()),
            "exp_avg": torch.zeros_like(self.flat),
            "exp_avg_sq": torch.zeros_like(self.flat),
        }
        sizes = [p.numel() for p in views]
        gradients = self.flat.grad.split(sizes)
        for p, value, gradient in zip(
            views, self.flat.detach().split(sizes), gradients, strict=True
        ):
            # Views: one update of the flat tensor changes all parameters.
            p.data = value.view_as(p)
            p.grad = gradient.view_as(p)

    # PyTorch's decorator of this method imports its compiler, which takes a second.
    add_param_group = inspect.unwrap(Optimizer.add_param_group)

    @property
    def progress(self) -> dict[str, Tensor]:
        """State that another optimizer needs to continue, without the average."""
        return {**self.state[self.flat], "weights": self.flat.detach()}

    def resume(self, progress: dict[str, Tensor]) -> None:
        """Continue from the progress of another optimizer.

        Before this call, the weights must be the average of the other optimizer.
        """
        self.average = self.flat.detach().clone()
        for name, value in self.progress.items():
            value.copy_(progress[name])

    def use_average(self) -> None:
        """Set the weights to their average, if there is one."""
        if self.average is not None:
            self.flat.detach().copy_(self.average)

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the parameters by their gradients, as all optimizers do."""
        with torch.no_grad():
            self.update()

    def update(self) -> None:
        """Update the parameters, within `no_grad`.

        PyTorch wraps `step` by a function for its profiler, which takes longer than a
        small update.
        """
        group, state = self.param_groups[0], self.state[self.flat]
        adamw(
            [self.flat],
            [self.flat.grad],  # type: ignore[list-item]
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )
        if self.averages:
            if self.average is None:
                self.average = self.flat.detach().clone()
            # Polynomial-decay averaging, see [2]: the first step has the weight 1.
            weight = AVERAGED_PART / (state["step"] + (AVERAGED_PART - 1))
            self.average.lerp_(self.flat, weight)


def unshare_parameters(module: nn.Module) -> None:
    """Copy all parameters out of the flat tensor, and drop their gradients."""
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()
        parameter.grad = None


class Backpropagation:
    """Forward and backward pass of dense layers.

    Parameters
    ----------
    layers : sequence of (Dense, str)
        Layers in order, each with the name of its activation. Gradients are written
        to the `grad` of the parameters, which must exist.
    """

    def __init__(self, layers: Sequence[tuple[Dense, str]]):
        self.layers = [
            (layer.weight.detach(), layer.bias.detach(), layer.out_features, activation)
            for layer, activation in layers
        ]
        self.gradients = [(layer.weight.grad, layer.bias.grad) for layer, _ in layers]
        self.buffers: dict[int, list[list[Tensor]]] = {}

    def _buffers(self, n_rows: int) -> list[list[Tensor]]:
        """Get memory for each layer: z, f(z) and the gradient, see `backward`.

        Steps with equal numbers of rows share it, because the system takes long to map
        new memory.
        """
        if n_rows not in self.buffers:
            self.buffers[n_rows] = []
            for _, bias, _, activation in self.layers:
                z, gradient = (bias.new_empty(n_rows, len(bias)) for _ in range(2))
                out = z if activation in IN_PLACE else torch.empty_like(z)
                self.buffers[n_rows].append([z, out, gradient])
        return self.buffers[n_rows]

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output. Keep what `backward` needs until the next call."""
        self.layer_inputs = []
        for (weight, bias, n_units, activation), (z, out, _) in zip(
            self.layers, self._buffers(len(x)), strict=True
        ):
            self.layer_inputs.append(x)
            torch.addmm(bias, x, weight.T, out=z)
            x = FORWARD[activation](z, out=out)
            if activation == "logistic":
                # The padding must stay 0. Other activations of 0 are 0.
                x[:, n_units:] = 0.0
        return x

    def backward(self, gradient: Tensor) -> None:
        """Compute the gradients of all parameters. Overwrites `gradient`.

        `gradient` is that of the loss with respect to the output.
        """
        # A layer computes a = f(z), z = x W' + b. Given G = dL/da, the chain rule is
        #   dL/dz = G * f'(z),  dL/dW = (dL/dz)' x,  dL/db = sum over rows of dL/dz,
        # and dL/dx = (dL/dz) W is the G of the layer before.
        buffers = self._buffers(len(gradient))
        for k in reversed(range(len(self.layers))):
            weight, _, _, activation = self.layers[k]
            weight_gradient, bias_gradient = self.gradients[k]
            DERIVATIVES[activation](gradient, buffers[k][0], out=gradient)
            torch.mm(gradient.T, self.layer_inputs[k], out=weight_gradient)
            torch.sum(gradient, 0, out=bias_gradient)
            # The inputs of the first layer are data, which need no gradient.
            if k:
                gradient = torch.mm(gradient, weight, out=buffers[k - 1][2])

    def has_same_bits(self, n_rows: int, n_threads: int) -> bool:
        """Tell whether the passes of `n_rows` rows have the same bits on all threads.

        It is called within `one_thread`.
        """
        return all(
            _has_same_bits(n_rows, *weight.shape, n_threads)
            for weight, _, _, _ in self.layers
        )


@lru_cache(maxsize=1024)
def _has_same_bits(n_rows: int, n_out: int, n_in: int, n_threads: int) -> bool:
    """Compute the products of a layer on one thread and on several; compare the bits.

    Libraries may add up a sum in one part for each thread. The sizes decide whether
    they do, and not the numbers. So random numbers are enough, once for all fits.
    """
    sizes = (n_rows, n_in), (n_out, n_in), (n_out,), (n_rows, n_out)
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, gradient = (torch.randn(s, generator=generator) for s in sizes)

    def products() -> list[Tensor]:
        return [
            torch.addmm(bias, x, weight.T),
            torch.mm(gradient.T, x),
            torch.sum(gradient, 0),
            torch.mm(gradient, weight),
        ]

    on_one = products()
    torch.set_num_threads(n_threads)
    try:
        on_several = products()
    finally:
        torch.set_num_threads(1)
    return all(map(torch.equal, on_one, on_several))


class Autograd:
    """Forward and backward pass of any network, by PyTorch's autograd.

    Parameters
    ----------
    network : callable
        Computes outputs from inputs.
    gradients : Tensor
        The flat tensor of all gradients.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], gradients: Tensor):
        self.network = network
        self.gradients = gradients

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output. Keep what the next call of `backward` needs."""
        try:
            with torch.enable_grad():
                self.output = self.network(x)
        except ValueError as error:
            if len(x) > 1:
                raise
            raise ValueError(
                f"The modules that 'network' builds cannot be trained on a batch of "
                f"one row: {error}. Batch normalisation needs two rows, for example. "
                f"Set a larger 'batch_size', or pass more rows."
            ) from error
        return self.output.detach()

    def backward(self, gradient: Tensor) -> None:
        """Compute the gradients of all parameters from the gradient of the output."""
        self.gradients.zero_()
        self.output.backward(gradient)
        del self.output
