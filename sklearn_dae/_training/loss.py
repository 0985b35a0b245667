"""The relative, weighted reconstruction loss and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._cells import Cells, SparseCells, row_chunks
from .._networks.output import level_blocks

# Errors of numbers, as functions of the output and the target.
ERRORS: dict[str, Callable[..., Tensor]] = {
    "squared_error": functional.mse_loss,
    "absolute_error": functional.l1_loss,
    "log_loss": functional.binary_cross_entropy_with_logits,
}


class ReconstructionLoss(nn.Module):
    """Weighted error of predicted cells, relative to the error of a constant.

    A loss of 1.0 is the loss of predicting each column's training mean, or the
    frequencies of its levels. Numeric columns count in proportion to their spread after
    scaling. Under standard scaling all have the same spread. A categorical column
    counts as much as an average numeric column. The loss is NaN if no cell counts.

    Parameters
    ----------
    loss : str
        Error of a number, a key of `ERRORS`. The error of a category is its
        cross-entropy.
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
        loss: str,
        n_levels: Sequence[int],
        numeric_baseline: Tensor,
        codes_baseline: Tensor,
    ):
        super().__init__()
        self.loss = loss
        self.n_levels = tuple(n_levels)
        # Columns without spread have the weight 0, so their unit does not matter.
        spread = numeric_baseline[numeric_baseline > 0]
        unit = spread.mean() if len(spread) else numeric_baseline.new_tensor(1.0)
        self.register_buffer("numeric_unit", unit)
        self.register_buffer("numeric_baseline", numeric_baseline)
        # Multiplied by this, a cross-entropy counts as much as the error of a number.
        self.register_buffer(
            "codes_unit", unit / codes_baseline.masked_fill(codes_baseline == 0, 1.0)
        )

    def forward(self, output: Tensor, target: tuple[Cells, Cells]) -> Tensor:
        return self.with_gradient(output, target)[0]

    def with_gradient(
        self, output: Tensor, target: tuple[Cells, Cells]
    ) -> tuple[Tensor, Tensor]:
        """Compute the loss and its gradient with respect to the output.

        The output may have more columns than the target. They do not count.
        """
        # L = sum of w e(o, t) over all cells / baseline, for weights w, errors e,
        # outputs o and targets t. The baseline does not depend on o, so that
        # dL/do = w de/do / baseline. Both terms write w de/do to `gradient`.
        (numeric, codes), (numeric_weights, codes_weights) = target
        n_numeric = numeric.shape[1]
        gradient = torch.empty_like(output)
        gradient[:, n_numeric + sum(self.n_levels) :] = 0.0
        total = _numeric_error(
            self.loss,
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
        # If all weights are 0, the baseline is 0, too. The loss is then 0 / 0.
        loss = total / baseline
        baseline = baseline.clamp_min(torch.finfo(baseline.dtype).tiny)
        return loss, gradient.div_(baseline)

    def _codes_error(
        self, logits: Tensor, codes: Tensor, weights: Tensor, gradient: Tensor
    ) -> Tensor:
        """Compute the weighted error of categories; write its gradient."""
        # For logits o of a cell of level c, p = softmax(o) and e = -log p_c:
        # de/do_k = p_k - 1 if k = c, else p_k.
        total = weights.new_zeros(())
        for (columns, block), (_, out) in zip(
            level_blocks(logits, self.n_levels),
            level_blocks(gradient, self.n_levels),
            strict=True,
        ):
            # A missing cell has the weight 0, so its level does not matter.
            true = codes[:, columns, None].clamp_min(0).long()
            block_weights = weights[:, columns, None]
            log_p = block.log_softmax(-1)
            total = total - (block_weights * log_p.gather(-1, true)).sum()
            torch.mul(log_p.exp_(), block_weights, out=out)
            out.scatter_add_(-1, true, -block_weights)
        return total


def _numeric_error(
    loss: str, output: Tensor, target: Tensor, weights: Tensor, gradient: Tensor
) -> Tensor:
    """Compute the weighted error of numbers; write its gradient to `gradient`."""
    # de/do of the errors: 2 (o - t) for (o - t)^2 and sign(o - t) for |o - t|. The
    # cross-entropy of p = sigmoid(o) is log(1 + exp(o)) - t o, with de/do = p - t.
    target = target.nan_to_num()
    if loss == "log_loss":
        errors = ERRORS[loss](output, target, reduction="none")
        torch.mul(output.sigmoid().sub_(target), weights, out=gradient)
        return (errors * weights).sum()
    difference = output - target
    if loss == "absolute_error":
        torch.mul(difference.sign(), weights, out=gradient)
        return (difference * gradient).sum()
    # Use the gradient without its factor 2 to compute the error, too.
    torch.mul(difference, weights, out=gradient)
    total = difference.mul_(gradient).sum()
    gradient.mul_(2.0)
    return total


def mean_errors(loss: str, cells: Cells | SparseCells, prediction: Tensor) -> Tensor:
    """Compute each numeric column's mean error of predicting a constant."""
    total = torch.zeros_like(prediction, dtype=torch.float64)
    n_observed = torch.zeros_like(prediction, dtype=torch.int64)
    for rows in row_chunks(cells.n_rows, len(prediction)):
        numeric = cells.rows(rows).numeric
        errors = ERRORS[loss](prediction.expand_as(numeric), numeric, reduction="none")
        total += errors.nansum(0, dtype=torch.float64)
        n_observed += (~numeric.isnan()).sum(0)
    return (total / n_observed.clamp_min(1)).float()
