"""The relative, weighted reconstruction loss, and what the network's output means.

An output row holds one number for each numeric column, then the logits of the levels
of each categorical column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._cells import Cells, SparseCells, pieces_of

# Errors of numbers, by an output and what it stands for.
ERRORS: dict[str, Callable[..., Tensor]] = {
    "squared_error": functional.mse_loss,
    "absolute_error": functional.l1_loss,
    "log_loss": functional.binary_cross_entropy_with_logits,
}


class ReconstructionLoss(nn.Module):
    """Weighted error of predicted cells, relative to that of the columns' means.

    1.0 is what it costs to predict every column's training mean, or the frequencies of
    its levels. Numeric columns count in proportion to their spread after scaling (alike
    under standard scaling); a categorical column counts as an average numeric one.

    Parameters
    ----------
    kind : str
        Error of a number, a key of `ERRORS`. Categories have the cross-entropy.
    n_levels : sequence of int
        Number of levels of each categorical column.
    numeric_baseline : Tensor of shape (n_numeric,)
        Mean error of each numeric column when its mean is predicted.
    codes_baseline : Tensor of shape (n_categorical,)
        Entropy of each categorical column.
    """

    numeric_unit: Tensor
    numeric_baseline: Tensor
    codes_unit: Tensor

    def __init__(
        self,
        kind: str,
        n_levels: Sequence[int],
        numeric_baseline: Tensor,
        codes_baseline: Tensor,
    ):
        super().__init__()
        self.kind = kind
        self.n_levels = tuple(n_levels)
        # Columns without spread weigh nothing, so any unit does for them.
        spread = numeric_baseline[numeric_baseline > 0]
        unit = spread.mean() if len(spread) else numeric_baseline.new_tensor(1.0)
        self.register_buffer("numeric_unit", unit)
        self.register_buffer("numeric_baseline", numeric_baseline)
        # What a cross-entropy is multiplied by, to cost as much as a number.
        self.register_buffer(
            "codes_unit", unit / codes_baseline.masked_fill(codes_baseline == 0, 1.0)
        )

    def forward(self, output: Tensor, target: tuple[Cells, Cells]) -> Tensor:
        return self.with_gradient(output, target)[0]

    def with_gradient(
        self, output: Tensor, target: tuple[Cells, Cells]
    ) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient by the output."""
        (numeric, codes), (numeric_weights, codes_weights) = target
        n_numeric = numeric.shape[1]
        gradient = torch.empty_like(output)
        total = _numeric_error(
            self.kind,
            output[:, :n_numeric],
            numeric,
            numeric_weights,
            gradient[:, :n_numeric],
        )
        baseline = numeric_weights.sum(0) @ self.numeric_baseline
        if self.n_levels:
            total = total + self._codes_error(
                output[:, n_numeric:],
                codes,
                codes_weights * self.codes_unit,
                gradient[:, n_numeric:],
            )
            baseline = baseline + codes_weights.sum() * self.numeric_unit
        baseline = baseline.clamp_min(torch.finfo(baseline.dtype).tiny)
        return total / baseline, gradient.div_(baseline)

    def _codes_error(
        self, logits: Tensor, codes: Tensor, weights: Tensor, gradient: Tensor
    ) -> Tensor:
        """The weighted error of categories; its gradient is written to `gradient`."""
        total = weights.new_zeros(())
        for (columns, block), (_, out) in zip(
            level_blocks(logits, self.n_levels),
            level_blocks(gradient, self.n_levels),
            strict=True,
        ):
            true = codes[:, columns, None].clamp_min(0).long()
            block_weights = weights[:, columns, None]
            log_shares = block.log_softmax(-1)
            total = total - (block_weights * log_shares.gather(-1, true)).sum()
            torch.mul(log_shares.exp_(), block_weights, out=out)
            out.scatter_add_(-1, true, -block_weights)
        return total


def _numeric_error(
    kind: str, output: Tensor, target: Tensor, weights: Tensor, gradient: Tensor
) -> Tensor:
    """The weighted error of numbers; its gradient is written to `gradient`."""
    target = target.nan_to_num()
    if kind == "log_loss":
        errors = ERRORS[kind](output, target, reduction="none")
        torch.mul(output.sigmoid().sub_(target), weights, out=gradient)
        return (errors * weights).sum()
    off = output - target
    if kind == "absolute_error":
        torch.mul(off.sign(), weights, out=gradient)
        return (off * gradient).sum()
    torch.mul(off, weights, out=gradient)
    total = off.mul_(gradient).sum()
    gradient.mul_(2.0)
    return total


def level_blocks(
    logits: Tensor, n_levels: Sequence[int]
) -> Iterator[tuple[slice, Tensor]]:
    """Categorical columns with their logits, as few and as large blocks as there are.

    Yields a slice of columns of one number of levels, and their logits as a tensor of
    shape (n_rows, n_columns, n_levels).
    """
    column = start = 0
    for size, run in groupby(n_levels):
        count = len(list(run))
        stop = start + count * size
        block = logits[:, start:stop].unflatten(1, (count, size))
        yield slice(column, column + count), block
        column, start = column + count, stop


def baseline_output(kind: str, center: Tensor, frequencies: Sequence[Tensor]) -> Tensor:
    """The output row that stands for the columns' means and frequencies."""
    numbers = center.clamp(1e-6, 1 - 1e-6).logit() if kind == "log_loss" else center
    return torch.cat(
        [numbers, *(shares.clamp_min(1e-6).log() for shares in frequencies)]
    )


def mean_errors(kind: str, cells: Cells | SparseCells, prediction: Tensor) -> Tensor:
    """Mean error of each numeric column when one output is given for all its cells."""
    total = torch.zeros_like(prediction, dtype=torch.float64)
    n_observed = torch.zeros_like(prediction, dtype=torch.int64)
    for rows in pieces_of(cells.n_rows, len(prediction)):
        numeric = cells.rows(rows).numeric
        errors = ERRORS[kind](prediction.expand_as(numeric), numeric, reduction="none")
        total += errors.nansum(0, dtype=torch.float64)
        n_observed += (~numeric.isnan()).sum(0)
    return (total / n_observed.clamp_min(1)).float()


def expected_cells(
    output: Tensor, kind: str, n_levels: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Numbers, and probabilities of all levels, that an output stands for."""
    n_numeric = output.shape[1] - sum(n_levels)
    numeric = output[:, :n_numeric]
    blocks = [
        logits.softmax(-1).flatten(1)
        for _, logits in level_blocks(output[:, n_numeric:], n_levels)
    ]
    probabilities = torch.cat(blocks, 1) if blocks else output[:, n_numeric:]
    return numeric.sigmoid() if kind == "log_loss" else numeric, probabilities
