"""The skorch net: build it, check its callbacks, run its training.

This is the only file that imports skorch.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing import current_process
from time import perf_counter
from typing import Any, Literal, NamedTuple

import torch
from skorch import NeuralNet
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    ParamMapper,
)
from skorch.helper import predefined_split
from skorch.history import History as EpochHistory
from skorch.utils import get_map_location, noop
from torch import Tensor, nn

from .._cells import Cells, ColumnSummary
from .._networks.autoencoder import Autoencoder, DenoisingAutoencoder
from .._networks.custom import CustomAutoencoder
from .._networks.dropout import draw_from
from .._networks.threads import MULTIPLICATIONS_OF_UPDATE, ThreadChoice
from .batches import CorruptibleRows, FixedBatches, ShuffledBatches, TrainingBatch
from .loss import ReconstructionLoss
from .steps import Autograd, Backpropagation, FlatAdamW, unshare_parameters

# Callbacks that do not work with this training, each with the reason and the remedy.
REFUSED_CALLBACKS = {
    LRScheduler: (
        "set the learning rate, which falls from 'learning_rate_init' to 0 over "
        "'max_iter' epochs. Remove the callback and set these two parameters"
    ),
    ParamMapper: (
        "freeze or set parameters of the network: all of them are initialized from "
        "'random_state' and trained. Remove the callback"
    ),
    BatchScoring: (
        "score batches, whose targets are cells and their weights. Use an EpochScoring "
        "instead"
    ),
}


@dataclass(frozen=True, kw_only=True)
class TrainingParameters:
    """The estimator's parameters of training, with "auto" resolved.

    `seed` is drawn from `random_state`. `incremental` is True for `partial_fit`.
    """

    n_components: int
    network: Literal["mlp"] | Callable[[int, int], Any]
    hidden_layer_sizes: Sequence[int]
    activation: str
    representation: str
    loss: str
    emphasis: float
    learning_rate_init: float
    batch_size: int
    max_iter: int
    weight_decay: float
    n_iter_no_change: int
    tol: float
    callbacks: Sequence[Any]
    device: str
    verbose: int
    seed: int
    incremental: bool


class History(NamedTuple):
    """Losses of a training, one for each epoch, NaN if an epoch has none."""

    losses: list[float]
    validation_losses: list[float]
    interrupted: bool


class DivergenceCheck(Callback):
    """Stop training when the loss is not finite. Record whether an epoch runs."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.is_in_epoch_ = False

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.is_in_epoch_ = True

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self.is_in_epoch_ = False
        loss = net.history[-1, "train_loss"]
        if math.isinf(loss) or (math.isnan(loss) and not _is_finite(net.module_)):
            raise FloatingPointError(
                f"Training diverged: the loss is {loss} after epoch "
                f"{len(net.history)} with learning_rate_init={net.lr}. Try a smaller "
                f"'learning_rate_init', or scale the columns: scaling='standard'."
            )


def _is_finite(network: nn.Module) -> bool:
    """Tell whether all parameters are finite.

    If they are, a loss that is NaN is one over no cell.
    """
    return all(bool(p.isfinite().all()) for p in network.parameters())


def _mean(losses: Tensor, network: nn.Module) -> float:
    """Average the losses of batches, without those in which no cell counts."""
    is_nan = losses.isnan()
    if is_nan.any() and not is_nan.all() and _is_finite(network):
        losses = losses[~is_nan]
    return float(losses.mean())


class BestWeights(Callback):
    """Restore the weights with the smallest validation loss at the end of training."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.state_: dict[str, Tensor] | None = None

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if net.history[-1, "valid_loss_best"]:
            self.state_ = deepcopy(net.module_.state_dict())

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if self.state_ is not None:
            net.module_.load_state_dict(self.state_)


class WholeLines:
    """A stream that writes each state of a live line as a line of its own.

    Worker processes share the terminal. The live lines of two of them would overwrite
    each other.
    """

    def write(self, text: str) -> None:
        """Write one line, in one call, so that other processes do not divide it."""
        if text.strip():
            sys.stderr.write(f"process {os.getpid()}: {text.strip()}\n")

    def flush(self) -> None:
        """Write what is left in the buffer."""
        sys.stderr.flush()


class ProgressLine(Callback):
    """Show one live line with the epochs, the losses and the time left."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        # tqdm is a dependency of skorch. Its import is slow in notebooks, so import it
        # only if needed.
        from tqdm.auto import notebook_tqdm, std_tqdm, tqdm

        options: dict[str, Any] = {"total": net.max_epochs, "unit": "epoch"}
        if sys.stderr is None:  # A program without a console, such as pythonw.
            self.line_ = std_tqdm(**options, disable=True)
        elif current_process().name != "MainProcess":
            self.line_ = std_tqdm(**options, file=WholeLines(), mininterval=10.0)
        else:
            # A terminal overwrites the line. A log file keeps all its states.
            live = notebook_tqdm is not std_tqdm or sys.stderr.isatty()
            self.line_ = tqdm(**options, mininterval=0.1 if live else 10.0)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        losses = {"loss": net.history[-1, "train_loss"]}
        watched = "train_loss"
        if "valid_loss" in net.history[-1]:
            watched = "valid_loss"
            losses["validation_loss"] = net.history[-1, watched]
        losses["best"] = min(net.history[:, watched])
        self.line_.set_postfix(losses, refresh=False)
        self.line_.update()

    def close(self) -> None:
        """End the line, if it was begun."""
        if hasattr(self, "line_"):
            self.line_.close()


class AutoencoderNet(NeuralNet):
    """A skorch net whose training steps are those of `steps`.

    In `fit` the learning rate falls from `lr` to 0 along half a cosine over all epochs.
    In `partial_fit` the number of updates is unknown, so the learning rate is constant
    and the weights are averaged. Losses are read once an epoch, because reading a
    number makes the processor wait for a GPU.
    """

    smallest_loss_: float
    n_updates_: int
    n_threads_: int
    threads_: dict[int, ThreadChoice]

    def run_single_epoch(
        self,
        iterator: Any,
        training: bool,
        prefix: str,
        step_fn: Callable[..., dict[str, Tensor]],
        **fit_params: Any,
    ) -> None:
        if not training:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            self._leave_out_empty_batches()
            return
        self.module_.train()
        losses = []
        for batch in iterator:
            if not self.optimizer_.averages:
                self._set_learning_rate(
                    self.n_updates_ / (self.max_epochs * len(iterator))
                )
            self.n_updates_ += 1
            self.notify("on_batch_begin", batch=batch, training=True)
            step = step_fn(batch, **fit_params)
            losses.append(step["loss"])
            self.notify("on_batch_end", batch=batch, training=True, **step)
        self._record_loss(_mean(torch.stack(losses), self.module_))

    def _leave_out_empty_batches(self) -> None:
        """Give validation batches without any cell that counts the weight 0.

        skorch averages the losses of the batches by their sizes.
        """
        batches = self.history[-1].get("batches", [])
        is_empty = [math.isnan(batch.get("valid_loss", 0.0)) for batch in batches]
        if any(is_empty) and not all(is_empty) and _is_finite(self.module_):
            for batch, has_no_cell in zip(batches, is_empty, strict=True):
                if has_no_cell:
                    batch |= {"valid_loss": 0.0, "valid_batch_size": 0}

    def _record_loss(self, loss: float) -> None:
        """Record the training loss, and whether it is the smallest one of this call."""
        self.history.record("train_loss", loss)
        self.history.record("train_loss_best", loss < self.smallest_loss_)
        self.smallest_loss_ = min(loss, self.smallest_loss_)

    def _set_learning_rate(self, fraction: float) -> None:
        """Set the learning rate after this fraction of all updates."""
        for group in self.optimizer_.param_groups:
            group["lr"] = self.lr * (0.5 + 0.5 * math.cos(math.pi * fraction))

    def get_iterator(self, dataset: CorruptibleRows, training: bool = False) -> Any:
        if not isinstance(dataset, CorruptibleRows):
            raise TypeError(
                "'net_' takes scaled cells, not rows of a table. Call a method of the "
                "transformer instead: transform, reconstruct or impute."
            )
        if not training:
            return FixedBatches(dataset, self.batch_size)
        cells = self.module_.cells
        return ShuffledBatches(
            dataset, self.batch_size, cells, cells.n_inputs, cells.multiple
        )

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> AutoencoderNet:
        super().initialize_optimizer(*args, **kwargs)
        module, gradients = self.module_, self.optimizer_.flat.grad
        self.passes_ = (
            Backpropagation(module.dense_layers())
            if isinstance(module, DenoisingAutoencoder)
            else Autograd(module.repair, gradients)
        )
        # Of this call. A callback may fill the history with epochs of previous calls.
        self.n_updates_ = 0
        self.smallest_loss_ = math.inf
        return self

    @torch.no_grad()
    def train_step(self, batch: TrainingBatch, **fit_params: Any) -> dict[str, Tensor]:
        inputs, target = batch
        threads = self._threads_for(len(inputs))
        start = perf_counter()
        with threads:
            output = self.passes_.forward(inputs)
        # `Backpropagation` computes gradients without autograd.
        loss, gradient = self.criterion_.with_gradient(output, target)
        with threads:
            self.passes_.backward(gradient)
        parameters = self.module_.named_parameters()
        self.notify("on_grad_computed", named_parameters=parameters, batch=batch)
        with threads:
            self.optimizer_.update()
        threads.record(perf_counter() - start)
        # Copy the output: a callback may keep it, and the next step overwrites it.
        output = output[:, : self.module_.cells.n_outputs]
        return {"loss": loss, "y_pred": output.clone()}

    def _threads_for(self, n_rows: int) -> ThreadChoice:
        """Get the choice of the number of threads of steps with `n_rows` rows.

        One thread computes them if several would give other bits.
        """
        if n_rows not in self.threads_:
            passes, n_threads = self.passes_, self.n_threads_
            if n_threads > 1 and not (
                self.device == "cpu"
                and isinstance(passes, Backpropagation)
                and passes.has_same_bits(n_rows, n_threads)
            ):
                n_threads = 1
            # The backward pass takes twice as many as the forward pass.
            n_multiplications = 3 * n_rows * self.module_.n_weights
            self.threads_[n_rows] = ThreadChoice(
                n_threads, n_multiplications >= MULTIPLICATIONS_OF_UPDATE
            )
        return self.threads_[n_rows]

    def trim_for_prediction(self) -> None:
        epochs = list(self.history)
        # This clears the history.
        super().trim_for_prediction()
        self.history.extend(epochs)
        # It holds the memory of a batch.
        del self.passes_, self.threads_, self.n_threads_
        del self.n_updates_, self.smallest_loss_
        unshare_parameters(self.module_)
        draw_from(self.module_, None)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, with all tensors on the CPU.

        skorch pickles the modules into a string, by `pickle`. Here the pickler of the
        caller gets them. If it is cloudpickle, as in joblib, modules and functions may
        be defined in a notebook.
        """
        return {name: _on_device(value, "cpu") for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the attributes, on the device of training if it is available."""
        device = get_map_location(state["device"])
        # skorch warns if it is not.
        state["device"] = self._check_device(state["device"], device)
        self.__dict__.update(
            {name: _on_device(value, device) for name, value in state.items()}
        )


def _on_device(value: Any, device: str | torch.device) -> Any:
    """Return a tensor or a module on a device, and any other value unchanged."""
    if isinstance(value, Tensor):
        return value.to(device)
    if not isinstance(value, nn.Module):
        return value
    kinds = {tensor.device.type for tensor in value.state_dict().values()}
    if kinds <= {torch.device(device).type}:
        return value
    # Moving a module changes it.
    return deepcopy(value).to(device)


def check_callbacks(callbacks: Sequence[Any] | None, early_stopping: bool) -> None:
    """Raise ValueError unless all are skorch callbacks that work with training."""
    for item in callbacks or ():
        is_named = isinstance(item, tuple) and len(item) == 2
        callback = item[1] if is_named else item
        if not isinstance(callback, Callback):
            raise ValueError(
                f"'callbacks' must hold skorch callbacks, instances of "
                f"skorch.callbacks.Callback, or pairs of a name and one. Got {item!r}."
            )
        for kind, reason in REFUSED_CALLBACKS.items():
            if isinstance(callback, kind):
                raise ValueError(f"'callbacks' cannot {reason}. Got {item!r}.")
        if isinstance(callback, EpochScoring) and not callable(callback.scoring):
            raise ValueError(
                f"An EpochScoring among 'callbacks' must have a function to score "
                f"with, scoring(net, X, y=None), because there is no y. Got "
                f"{callback.scoring!r}."
            )
        # skorch would raise only at the end of the first epoch.
        monitor = getattr(callback, "monitor", None)
        if not early_stopping and monitor in ("valid_loss", "valid_loss_best"):
            raise ValueError(
                f"{item!r} among 'callbacks' monitors {monitor!r}, but without "
                f"early_stopping=True there are no validation rows. Set "
                f"early_stopping=True, or let the callback monitor "
                f"{monitor.replace('valid', 'train')!r}."
            )


def build_net(
    parameters: TrainingParameters,
    columns: ColumnSummary,
    baseline: Cells,
    validation_rows: CorruptibleRows | None,
    generator: torch.Generator,
) -> AutoencoderNet:
    """Build the net. Its dense layers have no initial values yet."""
    net = AutoencoderNet(
        **_module_parameters(parameters, generator),
        module__n_numeric=len(columns.center),
        module__n_levels=columns.n_levels,
        module__n_components=parameters.n_components,
        module__representation=parameters.representation,
        criterion=ReconstructionLoss,
        criterion__loss=parameters.loss,
        criterion__n_levels=columns.n_levels,
        criterion__numeric_baseline=baseline.numeric,
        criterion__codes_baseline=baseline.codes,
        optimizer=FlatAdamW,
        optimizer__weight_decay=parameters.weight_decay,
        optimizer__averages=parameters.incremental,
        lr=parameters.learning_rate_init,
        max_epochs=parameters.max_iter,
        batch_size=parameters.batch_size,
        train_split=validation_rows and predefined_split(validation_rows),
        callbacks=_callbacks(parameters, validation_rows is not None),
        # AutoencoderNet records the training loss itself.
        callbacks__train_loss=None,
        device=parameters.device,
        verbose=parameters.verbose,
        # A cache would convert targets to arrays, and fail on cells and weights.
        use_caching=False,
    )
    if parameters.verbose < 2:
        net.set_params(callbacks__print_log=None)
    return net.initialize()


def restore_net(
    network: Autoencoder,
    loss: str,
    baseline: Cells,
    history: Sequence[dict[str, Any]],
    **settings: Any,
) -> AutoencoderNet:
    """Make a net of a trained network, trimmed for prediction.

    Parameters
    ----------
    network : Autoencoder
    loss : str
    baseline : Cells of one row
        Errors of predicting the mean of each column.
    history : sequence of dict
        What was recorded in each epoch.
    **settings : dict
        Arguments of the net: `lr`, `max_epochs`, `batch_size`, `device`, and of the
        user's own network `module__network` and `module__seed`.
    """
    net = AutoencoderNet(
        type(network),
        criterion=None,
        criterion__loss=loss,
        criterion__numeric_baseline=baseline.numeric,
        criterion__codes_baseline=baseline.codes,
        optimizer=None,
        iterator_train=None,
        train_split=None,
        callbacks=[],
        verbose=0,
        use_caching=False,
        **settings,
    )
    # Steps of `initialize` and `trim_for_prediction` that a prediction needs. The
    # others take as long as opening the rest of a file.
    with net._current_init_context("module"):
        net.module_ = network.eval()
    net.history_ = EpochHistory(history)
    net.callbacks_ = []
    net.initialized_ = net._trimmed_for_prediction = True
    # This moves it to the device.
    net.__setstate__(vars(net).copy())
    return net


def _module_parameters(
    parameters: TrainingParameters, generator: torch.Generator
) -> dict[str, Any]:
    """Choose the class of the network, and name its parameters as skorch does."""
    if parameters.network == "mlp":
        return {
            "module": DenoisingAutoencoder,
            "module__hidden_layer_sizes": parameters.hidden_layer_sizes,
            "module__activation": parameters.activation,
        }
    # The user's modules are built on the CPU, with a generator of their own.
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    return {
        "module": CustomAutoencoder,
        "module__network": parameters.network,
        "module__seed": int(seed),
    }


def _callbacks(parameters: TrainingParameters, early_stopping: bool) -> list[Any]:
    """List the callbacks of training and those of the user, in the order of calls."""
    callbacks: list[Any] = [DivergenceCheck()]
    if parameters.verbose == 1:
        callbacks.append(ProgressLine())
    if not early_stopping:
        return [*callbacks, *parameters.callbacks]
    stopping = EarlyStopping(
        monitor="valid_loss",
        patience=parameters.n_iter_no_change,
        threshold=parameters.tol,
        threshold_mode="abs",
        sink=print if parameters.verbose > 1 else noop,
    )
    # The user's callbacks see the best weights at the end of training, and the last
    # epoch before the training stops.
    return [*callbacks, BestWeights(), *parameters.callbacks, stopping]


def run(net: AutoencoderNet, rows: CorruptibleRows, n_threads: int) -> History:
    """Train on rows, and return the losses. Use at most `n_threads` threads.

    Both Ctrl-C and callbacks that stop training raise KeyboardInterrupt, but callbacks
    do so between epochs. `NeuralNet.fit` does not distinguish the two.
    """
    interrupted = False
    net.n_threads_, net.threads_ = n_threads, {}
    callbacks = [callback for _, callback in net.callbacks_]
    draw_from(net.module_, rows.generator)
    try:
        net.notify("on_train_begin", X=rows, y=None)
        try:
            net.fit_loop(rows)
        except KeyboardInterrupt:
            interrupted = any(
                isinstance(callback, DivergenceCheck) and callback.is_in_epoch_
                for callback in callbacks
            )
        # A Checkpoint with load_best=True cuts the history at the end.
        epochs = list(net.history)
        # After no epoch, callbacks would fail, because there is no loss.
        if epochs:
            net.notify("on_train_end", X=rows, y=None)
    finally:
        # skorch does not notify callbacks after an error.
        for callback in callbacks:
            if isinstance(callback, ProgressLine):
                callback.close()
    net.history_ = EpochHistory(_complete(epochs))
    return History(_losses(net, "train_loss"), _losses(net, "valid_loss"), interrupted)


def _complete(epochs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was recorded by epoch, without epochs that Ctrl-C interrupted."""
    return [
        {name: value for name, value in epoch.items() if name != "batches"}
        for epoch in epochs
        if "train_loss" in epoch
    ]


def _losses(net: AutoencoderNet, name: str) -> list[float]:
    """List the losses of all epochs."""
    return [float(epoch.get(name, math.nan)) for epoch in net.history]
