"""Train a net on cells, and prepare it for prediction."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from .._cells import Cells, ColumnSummary, SparseCells, row_chunks
from .._networks.autoencoder import Autoencoder
from .._networks.output import baseline_output
from .._networks.threads import one_thread
from .batches import CorruptibleRows, FixedBatches
from .corruption import Corruption
from .loss import mean_errors
from .net import AutoencoderNet, History, TrainingParameters, build_net, run

# Quantiles and spreads are estimated from a sample of the rows. These are its largest
# number of rows, and of inputs and features in all its rows together.
SAMPLE_ROWS, SAMPLE_NUMBERS = 10_000, 2**22
# Smallest number of last rows that `partial_fit` estimates spreads from.
FEWEST_ROWS = 1000


class Moments(NamedTuple):
    """Means of the stacked features and of their squares.

    Attributes
    ----------
    means : Tensor of shape (2, n_features), float64
    n_rows : int
        Number of rows that the means were computed from.
    """

    means: Tensor
    n_rows: int


class Progress(NamedTuple):
    """State that the next call of `partial_fit` needs besides the network.

    Tensors are on the CPU, so that a machine without the device can unpickle them.

    Attributes
    ----------
    optimizer : dict of str to Tensor
        See `FlatAdamW.progress`. It contains the weights before averaging.
    moments : Moments or None
        Moments of the stack, from which its spreads were estimated.
    generator : Tensor
        State of the generator.
    device : str
        Device of the training.
    """

    optimizer: dict[str, Tensor]
    moments: Moments | None
    generator: Tensor
    device: str


def check_device(device: str) -> None:
    """Raise ValueError if PyTorch cannot compute on `device` here."""
    try:
        # Some devices hold tensors, but have no generator.
        torch.empty(0, device=device)
        Generator(device)
    except (RuntimeError, AssertionError, ImportError) as error:
        # PyTorch imports a package for some devices.
        reason = str(error).splitlines()[0].split(". ")[0]
        hint = ""
        if device.lower().partition(":")[0] == "gpu":
            hint = "PyTorch names the GPUs of NVIDIA and AMD 'cuda', Apple's 'mps'. "
        raise ValueError(
            f"'device' must be a device that PyTorch can use here, such as 'cpu'. Got "
            f"{device!r}: {reason}. {hint}Set device='cpu', or install a build of "
            f"PyTorch and a driver for that device."
        ) from error


@one_thread()
def fit_net(
    train: Cells | SparseCells,
    valid: Cells | SparseCells | None,
    columns: ColumnSummary,
    noises: Sequence[tuple[str | Callable[..., Any], Cells]],
    parameters: TrainingParameters,
    previous: AutoencoderNet | None = None,
    progress: Progress | None = None,
) -> tuple[AutoencoderNet, History, Progress]:
    """Train a network to predict the cells of `train` from corrupted cells.

    With rows in `valid`, training stops when the loss on them has not fallen by `tol`
    for `n_iter_no_change` epochs. The weights with the smallest loss are
    restored. Otherwise it runs `max_iter` epochs. The returned net is trimmed for
    prediction. Training starts from the weights of `previous`, if given, and in later
    calls of `partial_fit` also from its progress. Neither is changed.
    """
    generator = _make_generator(parameters, progress)
    train, columns = train.to(parameters.device), columns.to(parameters.device)
    means = baseline_output(parameters.loss, columns.center, columns.frequencies)
    baseline = _baseline(parameters, train, columns, means, previous)
    # In other columns the mean is always right, so there is nothing to learn.
    learnable = Cells(baseline.numeric > 0, baseline.codes > 0)
    corruption = Corruption(noises, train, columns)

    def corruptible(cells: Cells | SparseCells) -> CorruptibleRows:
        return CorruptibleRows(
            cells, corruption, parameters.emphasis, learnable, generator
        )

    validation_rows = (
        None if valid is None else corruptible(valid.to(parameters.device))
    )
    if validation_rows is not None:
        _check_validation(validation_rows, parameters, learnable)
    net = build_net(parameters, columns, baseline, validation_rows, generator)
    sample = _draw_sample(train, net.module_, generator)
    if previous is None:
        spread = _variance(parameters.loss, train, columns, baseline).sqrt()
        net.module_.cells.fit_columns(columns.center, spread, sample.numeric)
        net.module_.initialize(means, generator)
    else:
        _resume(net, previous, progress)
    # Inside the context of this function, it only tells the number of the caller.
    with one_thread() as n_threads:
        history = run(net, corruptible(train), n_threads)
    has_spreads = parameters.incremental and previous is not None
    return net, history, _finish(net, sample, generator, progress, has_spreads)


def _check_validation(
    rows: CorruptibleRows, parameters: TrainingParameters, learnable: Cells
) -> None:
    """Raise ValueError if no cell of the validation rows counts in the loss."""
    for _, (_, weights) in FixedBatches(rows, parameters.batch_size):
        if any(bool(block.any()) for block in weights):
            return
    if not any(bool(columns.any()) for columns in learnable):
        reason = "all columns are constant or without any value in training"
    elif any(bool(block.any()) for block in rows.cells.rows(slice(None)).observed()):
        reason = (
            f"with emphasis={parameters.emphasis} only corrupted cells count, and the "
            f"noise corrupts none of them, or their columns are constant in training"
        )
    else:
        reason = "all of them are missing, or are levels that fit did not see in X"
    raise ValueError(
        f"early_stopping=True needs a validation loss, but no cell of the "
        f"{len(rows)} validation rows counts: {reason}. Use other or more validation "
        f"rows, a smaller 'emphasis' or a larger 'noise_factor', or set "
        f"early_stopping=False."
    )


def _make_generator(
    parameters: TrainingParameters, progress: Progress | None
) -> Generator:
    """Make the generator of all random numbers of the training."""
    generator = Generator(parameters.device).manual_seed(parameters.seed)
    if progress is not None:
        # Generators of another kind of device cannot take this state.
        if torch.device(progress.device).type == generator.device.type:
            generator.set_state(progress.generator)
        else:
            generator.manual_seed(int(progress.generator.int().sum()))
    return generator


def _baseline(
    parameters: TrainingParameters,
    train: Cells | SparseCells,
    columns: ColumnSummary,
    means: Tensor,
    previous: AutoencoderNet | None,
) -> Cells:
    """Compute the mean error of predicting each column's mean or frequencies.

    `partial_fit` keeps the errors of its first call. So the losses of all calls have
    the same unit.
    """
    if parameters.incremental and previous is not None:
        return Cells(
            previous.criterion__numeric_baseline, previous.criterion__codes_baseline
        ).to(parameters.device)
    # 0 log 0 is NaN for PyTorch, but 0 in an entropy.
    entropies = [-(p * p.log()).nansum() for p in columns.frequencies]
    return Cells(
        mean_errors(parameters.loss, train, means[: len(columns.center)]),
        torch.stack(entropies) if entropies else columns.center.new_empty(0),
    )


def _variance(
    loss: str, train: Cells | SparseCells, columns: ColumnSummary, baseline: Cells
) -> Tensor:
    """Compute the variance of each numeric column."""
    # The mean squared error of predicting the mean is the variance.
    if loss == "squared_error":
        return baseline.numeric
    return mean_errors("squared_error", train, columns.center)


def _draw_sample(
    cells: Cells | SparseCells, network: Autoencoder, generator: Generator
) -> Cells:
    """Draw rows to estimate quantiles of numbers and spreads of features from."""
    width = network.cells.n_inputs + sum(network.block_sizes)
    # The minimum is for very wide tables: quantiles need some rows.
    n_rows = max(256, min(SAMPLE_ROWS, SAMPLE_NUMBERS // width))
    order = torch.randperm(cells.n_rows, generator=generator, device=cells.device)
    return cells.rows(order[:n_rows])


def _resume(
    net: AutoencoderNet, previous: AutoencoderNet, progress: Progress | None
) -> None:
    """Continue from the weights of `previous`, of the same network, and `progress`."""
    network, before = net.module_, previous.module_
    if _outline(network) != _outline(before):
        raise ValueError(
            f"warm_start=True and partial_fit continue with the network of the "
            f"previous call, but the parameters now describe another network. Set them "
            f"back, or call fit with warm_start=False. The previous network is\n"
            f"{before}\nand the parameters describe\n{network}"
        )
    network.load_state_dict(before.state_dict())
    if progress is not None:
        net.optimizer_.resume(progress.optimizer)


def _outline(network: Autoencoder) -> tuple[str, dict[str, torch.Size]]:
    """Describe a network by its modules, without addresses, and its shapes."""
    # The representation of a module contains classes and settings, but not all shapes.
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    return re.sub(r" at 0x[0-9a-f]+", "", repr(network)), shapes


def _finish(
    net: AutoencoderNet,
    sample: Cells,
    generator: Generator,
    progress: Progress | None,
    has_spreads: bool,
) -> Progress:
    """Prepare the net for prediction, and return the progress."""
    # The next call continues from the weights, so copy them before averaging.
    optimizer = {n: v.clone().cpu() for n, v in net.optimizer_.progress.items()}
    net.optimizer_.use_average()
    net.module_.eval()
    moments = None
    if net.module_.representation == "stack":
        before = progress.moments if progress else None
        moments = _fit_spreads(net.module_, sample, before, has_spreads)
    net.trim_for_prediction()
    return Progress(optimizer, moments, generator.get_state(), str(generator.device))


@torch.no_grad()
def _fit_spreads(
    network: Autoencoder, sample: Cells, before: Moments | None, has_spreads: bool
) -> Moments:
    """Set the spreads so that all blocks of the stack have the same total variance.

    Otherwise distances and penalties would depend only on the block with the largest
    numbers. The variance of the features is 1 on average. If the network `has_spreads`
    of previous rows and the sample has less than `FEWEST_ROWS` rows, previous rows
    count, too.
    """
    spreads, sizes = network.spreads.clone(), network.block_sizes
    moments = _measure(network, sample)
    if has_spreads:
        before = before or _moments_of(spreads, sizes, moments.means[0])
        moments = _merge(before, moments)
    width = sum(sizes) / len(sizes)
    for k, (mean, mean_square) in enumerate(moments.means.split(sizes, 1)):
        variance = (mean_square - mean.square()).sum() / width
        # A block of constants keeps its spread.
        if variance > torch.finfo(torch.float32).eps:
            spreads[k] = variance.sqrt()
    network.spreads.copy_(spreads)
    return Moments(moments.means.cpu(), moments.n_rows)


def _measure(network: Autoencoder, sample: Cells) -> Moments:
    """Compute the moments of the stack over a sample."""
    sizes = network.block_sizes
    sums = torch.zeros(2, sum(sizes), dtype=torch.float64, device=sample.device)
    for rows in row_chunks(sample.n_rows, sum(sizes)):
        for (total, squares), block in zip(
            sums.split(sizes, 1), network.stack(*sample.rows(rows)), strict=True
        ):
            total += block.sum(0, dtype=torch.float64)
            squares += block.square().sum(0, dtype=torch.float64)
    return Moments(sums / sample.n_rows, sample.n_rows)


def _moments_of(spreads: Tensor, sizes: Sequence[int], mean: Tensor) -> Moments:
    """Compute moments from spreads, because `fit` keeps no moments."""
    width = sum(sizes) / len(sizes)
    variances = [
        mean.new_full((size,), float(spread) ** 2 * width / size)
        for spread, size in zip(spreads, sizes, strict=True)
    ]
    return Moments(
        torch.stack([mean, mean.square() + torch.cat(variances)]), FEWEST_ROWS
    )


def _merge(before: Moments, now: Moments) -> Moments:
    """Combine moments. Previous rows count if `now` has less than `FEWEST_ROWS`."""
    n_before = min(before.n_rows, max(0, FEWEST_ROWS - now.n_rows))
    n_rows = n_before + now.n_rows
    # lerp: (1 - w) before + w now, with w the fraction of new rows.
    means = before.means.to(now.means.device).lerp(now.means, now.n_rows / n_rows)
    return Moments(means, n_rows)
