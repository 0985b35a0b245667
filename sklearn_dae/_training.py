"""Training by skorch, and what the trained net gives: features and expected cells.

The only file that imports skorch.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any, Literal, NamedTuple

import numpy as np
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
from skorch.utils import noop
from torch import Tensor

from ._batches import (
    CorruptibleRows,
    FixedBatches,
    ShuffledBatches,
    TrainingBatch,
    n_batches,
)
from ._cells import Cells, ColumnSummary, SparseCells, pieces_of
from ._corruption import NOISES, Corruption, Noise, Pool, custom
from ._descent import Autograd, Backpropagation, FlatAdamW, unshare_parameters
from ._loss import (
    ReconstructionLoss,
    baseline_output,
    expected_cells,
    mean_errors,
)
from ._network import ACTIVATIONS, Autoencoder, DenoisingAutoencoder
from ._pair import PairAutoencoder, unfit_arguments

__all__ = [
    "ACTIVATIONS",
    "NOISES",
    "History",
    "Progress",
    "Recipe",
    "check_callbacks",
    "check_device",
    "decode",
    "features",
    "fit_net",
    "n_batches",
    "n_stacked",
    "predict_cells",
    "unfit_arguments",
]

# Most rows, and numbers of inputs and features in them, to estimate quantiles and
# spreads from.
SAMPLE_ROWS, SAMPLE_NUMBERS = 10_000, 2**22
# Rows of a stream, the last ones, that spreads are estimated from at least.
FEWEST_ROWS = 1000


class History(NamedTuple):
    """What happened in training, one loss an epoch; NaN where none was taken."""

    losses: list[float]
    validation_losses: list[float]
    interrupted: bool


class Progress(NamedTuple):
    """What the next piece of a stream goes on from, beside the network.

    On the CPU whatever the device, so that it can be unpickled where that is missing.

    Attributes
    ----------
    optimizer : dict of str to Tensor
        The optimizer's, see `FlatAdamW.progress`. The net has averaged weights.
    generator : Tensor
        The state of the generator.
    device : str
        Where both have been used.
    """

    optimizer: dict[str, Tensor]
    generator: Tensor
    device: str


class _Watch(Callback):
    """Stop when the loss is no longer a number; know whether an epoch is under way."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.epoch_under_way_ = False

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.epoch_under_way_ = True

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self.epoch_under_way_ = False
        loss = net.history[-1, "train_loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"Training diverged: the loss is {loss} after epoch "
                f"{len(net.history)} with learning_rate_init={net.lr}. Try a smaller "
                f"'learning_rate_init', or scale the columns: scaling='standard'."
            )


class _ProgressLine(Callback):
    """One live line: epochs, losses, the best of them so far, the time left."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        # Comes with skorch, which requires it. Imported only when it is asked for: it
        # imports what notebooks need.
        from tqdm.auto import notebook_tqdm, std_tqdm, tqdm

        # A log file is not to be filled with what a terminal overwrites.
        live = notebook_tqdm is not std_tqdm or sys.stderr.isatty()
        self.line_ = tqdm(
            total=net.max_epochs, unit="epoch", mininterval=0.1 if live else 10.0
        )

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
        """End the line, if it has begun."""
        if hasattr(self, "line_"):
            self.line_.close()


class _Net(NeuralNet):
    """An autoencoder's net, whose steps of training are written out.

    The learning rate falls from `lr` to 0 along a half cosine over all epochs, whatever
    else would set it. Over a stream, whose end is unknown, it stays, and weights are
    averaged. Losses are read once an epoch, so that a GPU is not waited for at every
    step.
    """

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
            return
        self.module_.train()
        losses = []
        n_before = (len(self.history) - 1) * len(iterator)
        for update, batch in enumerate(iterator, n_before):
            if not self.optimizer_.averages:
                share = update / (self.max_epochs * len(iterator))
                for group in self.optimizer_.param_groups:
                    group["lr"] = self.lr * (0.5 + 0.5 * math.cos(math.pi * share))
            self.notify("on_batch_begin", batch=batch, training=True)
            step = step_fn(batch, **fit_params)
            losses.append(step["loss"])
            self.notify("on_batch_end", batch=batch, training=True, **step)
        self.history.record(prefix + "_loss", float(torch.stack(losses).mean()))

    def get_iterator(self, dataset: CorruptibleRows, training: bool = False) -> Any:
        if not training:
            return FixedBatches(dataset, self.batch_size)
        cells = self.module_.cells
        return ShuffledBatches(dataset, self.batch_size, cells, cells.n_inputs)

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> _Net:
        super().initialize_optimizer(*args, **kwargs)
        module, gradients = self.module_, self.optimizer_.flat.grad
        self.passes_ = (
            Backpropagation(module.dense_layers())
            if isinstance(module, DenoisingAutoencoder)
            else Autograd(module.repair, gradients)
        )
        return self

    @torch.no_grad()
    def train_step(self, batch: TrainingBatch, **fit_params: Any) -> dict[str, Tensor]:
        inputs, target = batch
        output = self.passes_.forward(inputs)
        loss, gradient = self.criterion_.with_gradient(output, target)
        self.passes_.backward(gradient)
        parameters = self.module_.named_parameters()
        self.notify("on_grad_computed", named_parameters=parameters, batch=batch)
        self.optimizer_.step()
        # A callback may keep it, and the next step uses its memory again.
        return {"loss": loss, "y_pred": output.clone()}

    def trim_for_prediction(self) -> None:
        super().trim_for_prediction()
        del self.passes_
        unshare_parameters(self.module_)


# Multiplications from which several threads pay: of an update of the weights, where on
# a busy machine each product waits for the slowest thread, and of rows going through.
MULTIPLICATIONS_OF_UPDATE = 2**28
MULTIPLICATIONS_OF_ROWS = 2**24

_one_thread_lock = Lock()
_n_on_one_thread = 0
_n_threads_before = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread, and restore the setting of before.

    Its setting is partly the process's and partly the thread's own, so several threads
    that are in here at once must agree: the first one in notes the setting of before,
    and each one out restores it for itself, the last one for the process.
    """
    global _n_on_one_thread, _n_threads_before
    with _one_thread_lock:
        if not _n_on_one_thread:
            _n_threads_before = torch.get_num_threads()
        _n_on_one_thread += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _one_thread_lock:
            _n_on_one_thread -= 1
            torch.set_num_threads(_n_threads_before)
            if _n_on_one_thread:
                # What the process's threads share must stay as the others need it.
                helper = Thread(target=torch.set_num_threads, args=(1,))
                helper.start()
                helper.join()


def threads_for(
    n_multiplications: int, least: int = MULTIPLICATIONS_OF_ROWS
) -> AbstractContextManager[None]:
    """One thread, unless there is work for several."""
    return nullcontext() if n_multiplications >= least else one_thread()


Noises = Sequence[tuple[str | Callable[..., Any], Cells]]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train: the estimator's parameters, resolved."""

    network: Literal["mlp"] | Callable[[int, int], Any]
    layer_sizes: tuple[int, ...]
    activation: str
    linear_latent: bool
    loss: str
    emphasis: float
    batch_size: int
    max_epochs: int
    learning_rate: float
    weight_decay: float
    patience: int
    tol: float
    callbacks: Sequence[Any]
    device: str
    seed: int
    verbose: int
    # Whether the rows are a piece of a stream, whose end nobody knows.
    streams: bool


# Callbacks that training would overrule or break, and what to do instead.
REFUSED_CALLBACKS = {
    LRScheduler: (
        "set the learning rate, which falls from 'learning_rate_init' to 0 over "
        "'max_iter' epochs. Leave it out and set these two parameters"
    ),
    ParamMapper: (
        "freeze or set parameters of the network: all of them are initialized from "
        "'random_state' and trained. Leave it out"
    ),
    BatchScoring: (
        "score batches, whose targets are cells and their weights. Use an EpochScoring"
    ),
}


def check_callbacks(callbacks: Sequence[Any] | None, early_stopping: bool) -> None:
    """Raise ValueError unless all are skorch callbacks, named or not, that can work."""
    for given in callbacks or ():
        named = isinstance(given, tuple) and len(given) == 2
        callback = given[1] if named else given
        if not isinstance(callback, Callback):
            raise ValueError(
                f"'callbacks' must hold skorch callbacks, instances of "
                f"skorch.callbacks.Callback, or pairs of a name and one. Got {given!r}."
            )
        for kind, reason in REFUSED_CALLBACKS.items():
            if isinstance(callback, kind):
                raise ValueError(f"'callbacks' cannot {reason}. Got {given!r}.")
        if isinstance(callback, EpochScoring) and not callable(callback.scoring):
            raise ValueError(
                f"An EpochScoring among 'callbacks' must have a function to score "
                f"with, scoring(net, X, y=None), for there is no y. Got "
                f"{callback.scoring!r}."
            )
        monitor = getattr(callback, "monitor", None)
        if not early_stopping and monitor in ("valid_loss", "valid_loss_best"):
            raise ValueError(
                f"{given!r} among 'callbacks' monitors {monitor!r}, but without "
                f"early_stopping=True there are no validation rows. Set it, or "
                f"let the callback monitor something else, such as 'train_loss'."
            )


def check_device(device: str) -> None:
    """Raise ValueError if PyTorch cannot compute on `device` here."""
    try:
        torch.empty(0, device=device)
        torch.Generator(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ValueError(
            f"'device' must be a device that PyTorch can use here, such as 'cpu'. Got "
            f"{device!r}: {reason}. Set device='cpu', or install a build of PyTorch "
            f"and a driver for that device."
        ) from error


def fit_net(
    train: Cells | SparseCells,
    valid: Cells | SparseCells | None,
    columns: ColumnSummary,
    noises: Noises,
    recipe: Recipe,
    previous: NeuralNet | None = None,
    progress: Progress | None = None,
) -> tuple[NeuralNet, History, Progress]:
    """Train a network to give back `train` from its corruption.

    With rows in `valid`, training stops when the loss on their one fixed corruption has
    not fallen by `tol` for `patience` epochs, and the best weights are restored.
    Otherwise it goes on for `max_epochs`. The net comes back fit for prediction only.
    It starts from the weights of `previous`, if there is such a net, and for a further
    piece of a stream from its progress. Neither is changed.
    """
    generator = _generator(recipe, progress)
    train, columns = train.to(recipe.device), columns.to(recipe.device)
    means = baseline_output(recipe.loss, columns.center, columns.frequencies)
    known = previous if recipe.streams else None
    baseline = _baseline(recipe, train, columns, means, known)
    learnable = Cells(baseline.numeric > 0, baseline.codes > 0)
    corruption = _corruption(noises, train, columns)

    def corruptible(cells: Cells | SparseCells) -> CorruptibleRows:
        return CorruptibleRows(cells, corruption, recipe.emphasis, learnable, generator)

    validation_rows = None if valid is None else corruptible(valid.to(recipe.device))
    watch = _Watch()
    net = _build_net(recipe, columns, baseline, validation_rows, generator)
    net.callbacks = [
        watch,
        *_own_callbacks(recipe, valid is not None),
        *recipe.callbacks,
    ]
    net.initialize()
    some_rows = _some_rows(train, net.module_, generator)
    if previous is None:
        spread = _variance(recipe.loss, train, columns, baseline).sqrt()
        net.module_.cells.fit_columns(columns.center, spread, some_rows.numeric)
        net.module_.initialize(means, generator)
    else:
        _go_on(net, previous, progress)
    n_multiplications = 3 * recipe.batch_size * net.module_.n_weights
    with threads_for(n_multiplications, MULTIPLICATIONS_OF_UPDATE):
        interrupted = _run(net, corruptible(train), watch)
    return _finished(net, some_rows, recipe, generator, interrupted)


def _generator(recipe: Recipe, progress: Progress | None) -> torch.Generator:
    """The source of all that is drawn."""
    generator = torch.Generator(recipe.device).manual_seed(recipe.seed)
    if progress is not None:
        # States of generators of other kinds of devices are of another kind.
        if torch.device(progress.device).type == generator.device.type:
            generator.set_state(progress.generator)
        else:
            generator.manual_seed(int(progress.generator.int().sum()))
    return generator


def _finished(
    net: NeuralNet,
    some_rows: Cells,
    recipe: Recipe,
    generator: torch.Generator,
    interrupted: bool,
) -> tuple[NeuralNet, History, Progress]:
    """The trained net, fit for prediction, and what is to be known of its training."""
    optimizer = {n: v.clone().cpu() for n, v in net.optimizer_.progress.items()}
    progress = Progress(optimizer, generator.get_state(), recipe.device)
    net.optimizer_.use_average()
    net.module_.eval()
    if not recipe.linear_latent:
        _fit_spreads(net.module_, some_rows, recipe.streams)
    history = History(
        _losses(net, "train_loss"), _losses(net, "valid_loss"), interrupted
    )
    net.trim_for_prediction()
    return net, history, progress


def _some_rows(
    cells: Cells | SparseCells,
    network: Autoencoder,
    generator: torch.Generator,
) -> Cells:
    """Rows drawn to estimate quantiles of their numbers and spreads of features."""
    width = network.cells.n_inputs + sum(network.block_sizes)
    n_rows = max(256, min(SAMPLE_ROWS, SAMPLE_NUMBERS // width))
    order = torch.randperm(cells.n_rows, generator=generator, device=cells.device)
    return cells.rows(order[:n_rows])


@torch.inference_mode()
def _fit_spreads(network: Autoencoder, cells: Cells, goes_on: bool) -> None:
    """Make all blocks of the stack vary as much as each other over some rows.

    So that neither distances nor penalties heed only the block with the largest
    numbers. The variance of the features is 1 on average. A stream's previous rows
    count too, as far as they are needed to make up `FEWEST_ROWS`.
    """
    before, sizes = network.spreads.clone(), network.block_sizes
    network.spreads.fill_(1.0)
    sums = torch.zeros_like(network.moments)
    # Twice, for the stack is held with and without division.
    for rows in pieces_of(cells.n_rows, 2 * sum(sizes)):
        for (total, squares), block in zip(
            sums.split(sizes, 1), network.stack(*cells.rows(rows)), strict=True
        ):
            total += block.sum(0, dtype=torch.float64)
            squares += block.square_().sum(0, dtype=torch.float64)
    n_before = min(int(network.n_measured), max(0, FEWEST_ROWS - cells.n_rows))
    n_rows = cells.n_rows + (n_before if goes_on else 0)
    network.moments.lerp_(sums / cells.n_rows, cells.n_rows / n_rows)
    network.n_measured.fill_(n_rows)
    for k, (mean, mean_square) in enumerate(network.moments.split(sizes, 1)):
        share = (mean_square - mean.square()).sum() / (sum(sizes) / len(sizes))
        measurable = share > torch.finfo(torch.float32).eps
        network.spreads[k] = share.sqrt() if measurable else before[k]


def _baseline(
    recipe: Recipe,
    train: Cells | SparseCells,
    columns: ColumnSummary,
    means: Tensor,
    known: NeuralNet | None,
) -> Cells:
    """Mean error of each column when its mean, or frequencies, are predicted.

    Of the rows that the net `known` was trained on first, if there is one.
    """
    if known is not None:
        return Cells(
            known.criterion__numeric_baseline, known.criterion__codes_baseline
        ).to(recipe.device)
    entropies = [-(p * p.log()).nansum() for p in columns.frequencies]
    return Cells(
        mean_errors(recipe.loss, train, means[: len(columns.center)]),
        torch.stack(entropies) if entropies else columns.center.new_empty(0),
    )


def _variance(
    loss: str, train: Cells | SparseCells, columns: ColumnSummary, baseline: Cells
) -> Tensor:
    """Variance of each numeric column."""
    if loss == "squared_error":
        return baseline.numeric
    return mean_errors("squared_error", train, columns.center)


def _corruption(
    noises: Noises, train: Cells | SparseCells, columns: ColumnSummary
) -> Corruption:
    pool = Pool(train, columns.low, columns.high, columns.bounded)
    steps: list[tuple[Noise, Cells]] = [
        (custom(noise) if callable(noise) else NOISES[noise], rates.to(train.device))
        for noise, rates in noises
    ]
    return Corruption(steps, pool)


def _module(recipe: Recipe, generator: torch.Generator) -> dict[str, Any]:
    """The kind of network, and what it is built from, as skorch takes them."""
    if recipe.network == "mlp":
        return {
            "module": DenoisingAutoencoder,
            "module__layer_sizes": recipe.layer_sizes,
            "module__activation": recipe.activation,
            "module__linear_latent": recipe.linear_latent,
        }
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    return {
        "module": PairAutoencoder,
        "module__network": recipe.network,
        "module__n_components": recipe.layer_sizes[-1],
        "module__seed": int(seed),
    }


def _outline(network: Autoencoder) -> tuple[str, dict[str, torch.Size]]:
    """The modules of a network, without addresses, and the shapes of what they hold."""
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    return re.sub(r" at 0x[0-9a-f]+", "", repr(network)), shapes


def _go_on(net: NeuralNet, previous: NeuralNet, progress: Progress | None) -> None:
    """Take over the weights of `previous`, of the same network, and the progress."""
    network, before = net.module_, previous.module_
    if _outline(network) != _outline(before):
        raise ValueError(
            f"warm_start=True and partial_fit go on from the network of the previous "
            f"call, but 'network' now builds another one. Set it back, or call fit "
            f"with warm_start=False. It was\n{before}\nand is\n{network}"
        )
    network.load_state_dict(before.state_dict())
    if progress is not None:
        net.optimizer_.go_on(progress.optimizer)


def _build_net(
    recipe: Recipe,
    columns: ColumnSummary,
    baseline: Cells,
    validation_rows: CorruptibleRows | None,
    generator: torch.Generator,
) -> NeuralNet:
    net = _Net(
        **_module(recipe, generator),
        module__n_numeric=len(columns.center),
        module__n_levels=columns.n_levels,
        criterion=ReconstructionLoss,
        criterion__kind=recipe.loss,
        criterion__n_levels=columns.n_levels,
        criterion__numeric_baseline=baseline.numeric,
        criterion__codes_baseline=baseline.codes,
        callbacks__train_loss=None,
        optimizer=FlatAdamW,
        optimizer__weight_decay=recipe.weight_decay,
        optimizer__averages=recipe.streams,
        lr=recipe.learning_rate,
        max_epochs=recipe.max_epochs,
        batch_size=recipe.batch_size,
        train_split=validation_rows and predefined_split(validation_rows),
        device=recipe.device,
        verbose=recipe.verbose,
        # For a user's EpochScoring, which could not make arrays of cells and weights.
        use_caching=False,
    )
    if recipe.verbose < 2:
        net.set_params(callbacks__print_log=None)
    return net


def _own_callbacks(recipe: Recipe, early_stopping: bool) -> list[Callback]:
    progress = [_ProgressLine()] if recipe.verbose == 1 else []
    if not early_stopping:
        return progress
    stopping = EarlyStopping(
        monitor="valid_loss",
        patience=recipe.patience,
        threshold=recipe.tol,
        threshold_mode="abs",
        load_best=True,
        sink=print if recipe.verbose > 1 else noop,
    )
    return [*progress, stopping]


def _run(net: NeuralNet, rows: CorruptibleRows, watch: _Watch) -> bool:
    """Train; True if the user interrupted it.

    `NeuralNet.fit` would swallow Ctrl-C. Callbacks stop by the same exception, but
    between epochs.
    """
    interrupted = False
    try:
        net.notify("on_train_begin", X=rows, y=None)
        try:
            net.fit_loop(rows)
        except KeyboardInterrupt:
            interrupted = watch.epoch_under_way_
        if net.history:
            net.notify("on_train_end", X=rows, y=None)
    finally:
        # Callbacks are not told of errors.
        for _, callback in net.callbacks_:
            if isinstance(callback, _ProgressLine):
                callback.close()
    return interrupted


def _losses(net: NeuralNet, name: str) -> list[float]:
    """One loss of each epoch that trained on all its batches."""
    trained = [epoch for epoch in net.history if "train_loss" in epoch]
    return [float(epoch.get(name, math.nan)) for epoch in trained]


@torch.inference_mode()
def features(net: NeuralNet, cells: Cells, stack: bool) -> np.ndarray:
    """The features of some rows: the stack, or the latent layer only."""
    inputs = map(_whole_vectors, cells.to(net.device))
    with threads_for(cells.n_rows * net.module_.n_weights):
        if stack:
            output = torch.cat(net.module_.stack(*inputs), 1)
        else:
            output = net.module_.latent(*inputs)
    return output[: cells.n_rows].numpy(force=True)


@torch.inference_mode()
def predict_cells(net: NeuralNet, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and probabilities of all levels, expected from the cells of rows."""
    with threads_for(cells.n_rows * net.module_.n_weights):
        output = net.module_(*map(_whole_vectors, cells.to(net.device)))
    return _expected(net, output, cells.n_rows)


def n_stacked(net: NeuralNet) -> int:
    """Width of the stack."""
    return sum(net.module_.block_sizes)


@torch.inference_mode()
def decode(net: NeuralNet, latent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and probabilities of all levels, expected from latent features."""
    inputs = torch.tensor(latent, device=net.device) * net.module_.spreads[-1]
    with threads_for(len(latent) * net.module_.n_weights):
        output = net.module_.decode(_whole_vectors(inputs))
    return _expected(net, output, len(latent))


def _expected(
    net: NeuralNet, output: Tensor, n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    expected = expected_cells(output, net.criterion__kind, net.criterion__n_levels)
    numeric, probabilities = (block[:n_rows].numpy(force=True) for block in expected)
    return numeric, probabilities


def _whole_vectors(block: Tensor) -> Tensor:
    """The rows of `block`, and rows of zeros up to a multiple of 16.

    PyTorch computes sigmoid, tanh and their like 16 numbers at a time and what is left
    in another way. Without remainders a row's result does not depend on its place.
    """
    n_missing = -len(block) % 16
    if not n_missing:
        return block
    return torch.cat([block, block.new_zeros(n_missing, block.shape[1])])
