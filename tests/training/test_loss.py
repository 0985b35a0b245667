"""The relative loss and its gradient, compared with independent computations."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from sklearn_dae._cells import Cells
from sklearn_dae._networks.output import baseline_output
from sklearn_dae._training.loss import ReconstructionLoss, mean_errors

from ..helpers import make_cells, missing_cells

N_LEVELS = (3, 3, 5)


@pytest.fixture
def cells():
    return make_cells(
        [[0.5, np.nan], [1.5, -2.0], [np.nan, 0.0]],
        [[0, 2, 4], [-1, 1, 0], [2, -1, -1]],
    )


def weighted(cells, numeric=1.0, codes=1.0):
    weights = Cells(
        torch.full(cells.numeric.shape, numeric), torch.full(cells.codes.shape, codes)
    )
    return cells, Cells(
        *(
            w.masked_fill(m, 0.0)
            for w, m in zip(weights, missing_cells(cells), strict=True)
        )
    )


@pytest.mark.parametrize("kind", ["squared_error", "absolute_error", "log_loss"])
def test_predicting_the_means_costs_one(kind):
    numbers = np.random.default_rng(0).beta(1, 3, size=(500, 2))
    numbers[:, 1] *= 0.3
    numbers[::5, 0] = np.nan
    cells = make_cells(numbers)
    center = cells.numeric.nanmean(0)
    output = baseline_output(kind, center, ())
    baseline = mean_errors(kind, cells, output)
    loss = ReconstructionLoss(kind, (), baseline, torch.empty(0))
    cost = loss(output.expand(500, 2), weighted(cells))
    torch.testing.assert_close(cost, torch.tensor(1.0))


def test_predicting_the_frequencies_costs_one():
    codes = np.repeat([[0], [1], [2]], [60, 30, 10], axis=0)
    cells = make_cells(np.empty((100, 0)), codes)
    frequencies = torch.tensor([0.6, 0.3, 0.1])
    entropy = -(frequencies * frequencies.log()).sum()
    loss = ReconstructionLoss("squared_error", (3,), torch.empty(0), entropy[None])
    output = baseline_output("squared_error", torch.empty(0), [frequencies])
    cost = loss(output.expand(100, 3), weighted(cells))
    torch.testing.assert_close(cost, torch.tensor(1.0))


def test_loss_of_numbers_and_categories_against_a_plain_computation(cells):
    output = torch.randn(3, 2 + sum(N_LEVELS), generator=torch.Generator())
    numeric_baseline, entropies = (
        torch.tensor([2.0, 4.0]),
        torch.tensor([0.5, 1.0, 2.0]),
    )
    loss = ReconstructionLoss("squared_error", N_LEVELS, numeric_baseline, entropies)
    target = weighted(cells, numeric=0.25, codes=0.75)

    total = base = 0.0
    for row in range(3):
        for j in range(2):
            x = cells.numeric[row, j]
            if not x.isnan():
                total += 0.25 * (output[row, j] - x) ** 2 / 3.0
                base += 0.25 * numeric_baseline[j] / 3.0
        start = 2
        for j, size in enumerate(N_LEVELS):
            code = cells.codes[row, j]
            if code >= 0:
                p = output[row, start : start + size].double().softmax(0).numpy()
                ce = log_loss([int(code)], [p], labels=range(size))
                total += 0.75 * ce / entropies[j]
                base += 0.75
            start += size
    torch.testing.assert_close(loss(output, target), total / base)


@pytest.mark.parametrize("kind", ["squared_error", "absolute_error", "log_loss"])
def test_gradient_of_the_loss_equals_finite_differences(cells, kind):
    cells = Cells(cells.numeric.clamp(0, 1), cells.codes)
    loss = ReconstructionLoss(
        kind, N_LEVELS, torch.tensor([2.0, 4.0]), torch.tensor([0.5, 1.0, 2.0])
    )
    target = weighted(cells, numeric=0.25, codes=0.75)
    output = torch.randn(3, 2 + sum(N_LEVELS), generator=torch.Generator())
    _, gradient = loss.with_gradient(output, target)
    step = 1e-2
    for place in np.ndindex(output.shape):
        up, down = output.clone(), output.clone()
        up[place] += step
        down[place] -= step
        slope = (loss(up, target) - loss(down, target)) / (2 * step)
        torch.testing.assert_close(gradient[place], slope, atol=2e-4, rtol=2e-3)


def test_cells_of_weight_zero_have_no_gradient(cells):
    loss = ReconstructionLoss(
        "squared_error", N_LEVELS, torch.ones(2), torch.ones(len(N_LEVELS))
    )
    _, gradient = loss.with_gradient(torch.zeros(3, 13), weighted(cells))
    assert gradient.isfinite().all()
    assert (gradient[:, :2][cells.numeric.isnan()] == 0).all()
    assert (gradient[1, 2:5] == 0).all()
    assert (gradient[1, 5:8] != 0).all()


def test_a_loss_over_nothing_is_no_number():
    cells = make_cells(np.ones((4, 2)))
    loss = ReconstructionLoss("squared_error", (), torch.zeros(2), torch.empty(0))
    value, gradient = loss.with_gradient(torch.ones(4, 2), weighted(cells, numeric=0.0))
    assert value.isnan()
    assert (gradient == 0).all()


def test_constant_columns_do_not_change_the_unit_of_categories(cells):
    entropies = torch.tensor([0.5, 1.0, 2.0])
    output = torch.randn(3, 13, generator=torch.Generator())
    costs = []
    for numeric_baseline in ([2.0], [2.0, 0.0]):
        n_numeric = len(numeric_baseline)
        loss = ReconstructionLoss(
            "squared_error", N_LEVELS, torch.tensor(numeric_baseline), entropies
        )
        target = weighted(Cells(cells.numeric[:, :n_numeric], cells.codes))
        # Constant columns have no weight.
        target[1].numeric[:, 1:] = 0.0
        columns = [*range(n_numeric), *range(2, 13)]
        costs.append(loss(output[:, columns], target))
    torch.testing.assert_close(*costs)


def test_the_padding_of_the_output_has_no_gradient(cells):
    loss = ReconstructionLoss(
        "squared_error", N_LEVELS, torch.ones(2), torch.ones(len(N_LEVELS))
    )
    output = torch.randn(3, 16, generator=torch.Generator())
    cost, gradient = loss.with_gradient(output, weighted(cells))
    expected, of_output = loss.with_gradient(output[:, :13], weighted(cells))
    assert torch.equal(gradient[:, :13], of_output)
    assert torch.equal(cost, expected)
    # The memory of a new tensor often is that of the last one.
    del gradient
    torch.full((3, 16), torch.nan)
    _, gradient = loss.with_gradient(output, weighted(cells))
    assert (gradient[:, 13:] == 0).all()
