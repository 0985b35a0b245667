"""Settings of PyTorch under which all methods compute, whatever the caller has set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# Types of devices that `torch.autocast` may be enabled for.
AUTOCAST_DEVICES = ("cpu", "cuda", "xpu")
# Functions whose result has the default dtype, unless they are called with a dtype.
FLOAT_FACTORIES = {
    torch.empty, torch.eye, torch.linspace, torch.logspace, torch.ones, torch.rand,
    torch.randn, torch.zeros,
}  # fmt: skip
# Functions that choose the dtype by their arguments, the default dtype for floats.
INFERRING_FACTORIES = {
    torch.arange, torch.as_tensor, torch.full, torch.scalar_tensor, torch.tensor,
}  # fmt: skip


class CreateFloat32(TorchFunctionMode):
    """Let PyTorch create tensors of float32 by default, in the calling thread.

    `torch.set_default_dtype` would change the default of all threads.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("dtype") is not None or kwargs.get("out") is not None:
            return func(*args, **kwargs)
        # torch.normal(mean, std, size) gets no tensor, from which to take the dtype.
        has_size = func is torch.normal and (len(args) == 3 or "size" in kwargs)
        if func in FLOAT_FACTORIES or has_size:
            return func(*args, **{**kwargs, "dtype": torch.float32})
        result = func(*args, **kwargs)
        is_default = func in INFERRING_FACTORIES and result.is_floating_point()
        return result.float() if is_default else result


@contextmanager
def own_settings() -> Iterator[None]:
    """Compute in float32, on the given device, and with gradients if they are needed.

    Within this context the caller's `torch.autocast`, `torch.inference_mode`,
    `torch.no_grad`, default dtype and default device have no effect.
    """
    created = torch.empty(0)
    with ExitStack() as stack:
        # This enables gradients, too.
        stack.enter_context(torch.inference_mode(False))
        for device_type in AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(device_type):
                stack.enter_context(torch.autocast(device_type, enabled=False))
        # Only where needed, because these two intercept all functions of PyTorch.
        if created.device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if created.dtype != torch.float32:
            stack.enter_context(CreateFloat32())
        yield
