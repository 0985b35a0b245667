"""Training steps: forward, backward, Adam; those of dense layers are written out.

Around the matrix products of a small network autograd and an update for each parameter
cost more than the products themselves. Here gradients are written straight to one flat
buffer, and one fused kernel updates all parameters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from ._network import ACTIVATIONS

# Activations whose derivative needs their result only, so that they work in place, and
# the others. The derivatives turn a gradient by results into one by what went in.
IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid_,
    "tanh": torch.tanh_,
    "relu": torch.relu_,
}
_aten = torch.ops.aten
DERIVATIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda gradient, _: gradient,
    "logistic": lambda gradient, result: _aten.sigmoid_backward.grad_input(
        gradient, result, grad_input=gradient
    ),
    "tanh": lambda gradient, result: _aten.tanh_backward.grad_input(
        gradient, result, grad_input=gradient
    ),
    "relu": lambda gradient, result: _aten.threshold_backward.grad_input(
        gradient, result, 0, grad_input=gradient
    ),
    "gelu": lambda gradient, given: _aten.gelu_backward.grad_input(
        gradient, given, grad_input=gradient
    ),
    "silu": lambda gradient, given: _aten.silu_backward.grad_input(
        gradient, given, grad_input=gradient
    ),
}


# An average of the weights goes back over about one in so many of all updates.
AVERAGED_PART = 5


class FlatAdamW(Optimizer):
    """AdamW [1]_ over all parameters as one, which become views of one flat tensor.

    Where the learning rate does not fall, an average of the weights does instead. Its
    memory grows with the number of updates [2]_, so that it is good after each of them.

    Parameters
    ----------
    params : iterable of dict
        Groups with the parameters under "params", all of one device. Their gradients
        become views of one flat tensor, too. Frozen ones are left alone.
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
            p.data = value.view_as(p)
            p.grad = gradient.view_as(p)

    # Decorated by PyTorch to be left out of compilation, which imports its compiler:
    # about a second.
    add_param_group = inspect.unwrap(Optimizer.add_param_group)

    @property
    def progress(self) -> dict[str, Tensor]:
        """All that another one needs to go on from here, but for the average."""
        return {**self.state[self.flat], "weights": self.flat.detach()}

    def go_on(self, progress: dict[str, Tensor]) -> None:
        """Go on from the progress of another one; its average are the weights now."""
        self.average = self.flat.detach().clone()
        for name, value in self.progress.items():
            value.copy_(progress[name])

    def use_average(self) -> None:
        """Make the average the weights."""
        if self.average is not None:
            self.flat.detach().copy_(self.average)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the parameters by their gradients."""
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
            share = AVERAGED_PART / (state["step"] + (AVERAGED_PART - 1))
            self.average.lerp_(self.flat, share)


def unshare_parameters(module: nn.Module) -> None:
    """Give all parameters memory of their own again, and forget their gradients."""
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()
        parameter.grad = None


class Backpropagation:
    """Output and gradients of dense layers.

    Parameters
    ----------
    layers : sequence of (nn.Linear, str)
        In order, each with the name of its activation. Gradients are written to the
        `grad` of their parameters, which must be there.
    """

    def __init__(self, layers: Sequence[tuple[nn.Linear, str]]):
        self.layers = [
            (layer.weight.detach(), layer.bias.detach(), activation)
            for layer, activation in layers
        ]
        self.gradients = [(layer.weight.grad, layer.bias.grad) for layer, _ in layers]
        self.buffers: dict[int, list[tuple[Tensor, Tensor]]] = {}

    def _buffers(self, n_rows: int) -> list[tuple[Tensor, Tensor]]:
        """Memory for each layer's results and their gradient, used again and again.

        Fresh memory would be touched page by page at every step.
        """
        if n_rows not in self.buffers:
            self.buffers[n_rows] = [
                (bias.new_empty(n_rows, len(bias)), bias.new_empty(n_rows, len(bias)))
                for _, bias, _ in self.layers
            ]
        return self.buffers[n_rows]

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """The output; what `backward` needs is kept until the next call."""
        self.given, self.kept = [], []
        for (weight, bias, activation), (out, _) in zip(
            self.layers, self._buffers(len(x)), strict=True
        ):
            self.given.append(x)
            torch.addmm(bias, x, weight.T, out=out)
            self.kept.append(out)
            x = out
            if activation in IN_PLACE:
                IN_PLACE[activation](x)
            else:
                x = ACTIVATIONS[activation](x)
        return x

    @torch.no_grad()
    def backward(self, gradient: Tensor) -> None:
        """Gradients of all parameters. That by the output, given, is overwritten."""
        buffers = self._buffers(len(gradient))
        for k in reversed(range(len(self.layers))):
            weight, _, activation = self.layers[k]
            of_weight, of_bias = self.gradients[k]
            DERIVATIVES[activation](gradient, self.kept[k])
            torch.mm(gradient.T, self.given[k], out=of_weight)
            torch.sum(gradient, 0, out=of_bias)
            if k:
                gradient = torch.mm(gradient, weight, out=buffers[k - 1][1])


class Autograd:
    """Output and gradients of any network, by PyTorch's autograd.

    Parameters
    ----------
    network : callable
        From inputs to outputs.
    gradients : Tensor
        What the `grad` of all parameters are views of.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], gradients: Tensor):
        self.network = network
        self.gradients = gradients

    def forward(self, x: Tensor) -> Tensor:
        """The output; what `backward` needs is kept until then."""
        try:
            with torch.enable_grad():
                self.output = self.network(x)
        except ValueError as error:
            if len(x) > 1:
                raise
            raise ValueError(
                f"The modules that 'network' builds cannot be trained on one row at a "
                f"time, as batch normalisation cannot: {error}. Set a larger "
                f"'batch_size', or pass more rows."
            ) from error
        return self.output.detach()

    def backward(self, gradient: Tensor) -> None:
        """Gradients of all parameters, by that of the output."""
        self.gradients.zero_()
        self.output.backward(gradient)
        del self.output
