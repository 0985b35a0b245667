"""The network over cells, and the loss, against independent computations."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from sklearn_dae._cells import Cells
from sklearn_dae._loss import (
    ReconstructionLoss,
    baseline_output,
    expected_cells,
    mean_errors,
)
from sklearn_dae._network import ACTIVATIONS, DenoisingAutoencoder

from .conftest import make_cells

N_LEVELS = (3, 3, 5)


def make_network(seed=0, n_numeric=2, n_levels=N_LEVELS, **params):
    settings = {"layer_sizes": (7, 4), "activation": "relu", "linear_latent": False}
    network = DenoisingAutoencoder(n_numeric, n_levels, **{**settings, **params})
    generator = torch.Generator().manual_seed(seed)
    bias = torch.zeros(n_numeric + sum(n_levels))
    network.initialize(bias, generator)
    return network


def fit_columns(encoder, numeric):
    means, spreads = np.nanmean(numeric, axis=0), np.nanstd(numeric, axis=0)
    encoder.fit_columns(torch.tensor(means), torch.tensor(spreads), numeric)


@pytest.fixture
def cells():
    return make_cells(
        [[0.5, np.nan], [1.5, -2.0], [np.nan, 0.0]],
        [[0, 2, 4], [-1, 1, 0], [2, -1, -1]],
    )


def one_hot(codes):
    blocks = []
    for column, size in zip(codes.T, N_LEVELS, strict=True):
        block = torch.zeros(len(codes), size + 1)
        block[torch.arange(len(codes)), column] = 1.0
        blocks.append(block[:, :size])
    return torch.cat(blocks, 1)


def encoder_of(n_numeric, n_levels=()):
    return make_network(n_numeric=n_numeric, n_levels=n_levels).cells


def test_inputs_are_encoded_numbers_and_one_hot_codes(cells):
    encoder = encoder_of(2, N_LEVELS)
    fit_columns(encoder, cells.numeric)
    inputs = encoder(*cells)
    assert inputs.shape == (3, encoder.n_inputs) == (3, 2 * 7 + 11)
    torch.testing.assert_close(inputs[:, -11:], one_hot(cells.codes))
    numbers = encoder_of(2)
    fit_columns(numbers, cells.numeric)
    without_codes = numbers(cells.numeric, torch.empty(3, 0, dtype=torch.int8))
    torch.testing.assert_close(inputs[:, :-11], without_codes)


def test_numbers_are_encoded_piecewise_linearly_between_quantiles():
    numeric = np.random.default_rng(0).exponential(size=(500, 3))
    numeric[::3, 1] = np.nan
    numeric[:400, 2] = 0.0  # Four of six bins are empty.
    encoder = encoder_of(3)
    fit_columns(encoder, make_cells(numeric).numeric)
    expected = numeric - np.nanmean(numeric, axis=0)
    expected /= np.sqrt(1 + (expected / np.nanstd(numeric, axis=0) / 10) ** 2)
    edges = np.nanquantile(numeric, np.linspace(0, 1, 7), axis=0)
    for low, high in pairwise(edges):
        share = np.clip((numeric - low) / np.maximum(high - low, 1e-4), 0, 1)
        expected = np.hstack([expected, share - np.nanmean(share, axis=0)])
    found = encoder(*make_cells(numeric))
    np.testing.assert_allclose(found, np.nan_to_num(expected), atol=1e-3)


@pytest.mark.parametrize(
    ("n_numeric", "bins"), [(1, 6), (64, 6), (65, 5), (192, 2), (193, 0)]
)
def test_many_columns_have_fewer_bins_each(n_numeric, bins):
    encoder = encoder_of(n_numeric)
    cells = make_cells(np.random.default_rng(0).normal(size=(9, n_numeric)))
    fit_columns(encoder, cells.numeric)
    assert encoder(*cells).shape == (9, n_numeric * (1 + bins))


def test_a_bottleneck_is_given_no_bins():
    network = make_network(n_numeric=4, n_levels=(), linear_latent=True)
    assert network.cells.n_inputs == 4


@pytest.mark.parametrize("value", [1e6, 1e30, 3e38])
def test_no_number_seems_farther_than_ten_standard_deviations(value):
    encoder = encoder_of(1)
    fit_columns(encoder, make_cells([[-1.0], [1.0]]).numeric)
    inputs = encoder(*make_cells([[value], [-value]]))
    torch.testing.assert_close(inputs[:, 0], torch.tensor([10.0, -10.0]))


def test_a_bottleneck_is_given_far_numbers_as_they_are():
    encoder = make_network(n_numeric=1, n_levels=(), linear_latent=True).cells
    fit_columns(encoder, make_cells([[-1.0], [1.0]]).numeric)
    inputs = encoder(*make_cells([[100.0], [3e38]]))
    torch.testing.assert_close(
        inputs[:, 0], torch.tensor([99.5, 1000.0]), rtol=1e-3, atol=0
    )


def test_a_missing_cell_is_all_zeros(cells):
    encoder = encoder_of(2, N_LEVELS)
    fit_columns(encoder, cells.numeric)
    empty = make_cells([[np.nan, np.nan]], [[-1, -1, -1]])
    assert (encoder(*empty) == 0).all()


@pytest.mark.parametrize("linear_latent", [False, True])
def test_shapes_of_layers_and_output(cells, linear_latent):
    network = make_network(linear_latent=linear_latent)
    inputs = network.cells(*cells)
    assert [layer.shape for layer in network.encode(inputs)] == [(3, 7), (3, 4)]
    assert network(*cells).shape == (3, 2 + sum(N_LEVELS))
    # A bottleneck's decoder mirrors its encoder.
    assert len(network.decoder) == (2 if linear_latent else 1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_latent_layer_is_linear_only_when_asked(activation):
    def latent(linear_latent):
        network = make_network(
            n_numeric=0, activation=activation, linear_latent=linear_latent
        )
        # Without numbers the network is the same, for only they have bins.
        codes = torch.randint(3, (50, 3), generator=torch.Generator().manual_seed(0))
        return network.latent(torch.empty(50, 0), codes)

    linear = latent(True)
    assert linear.min() < 0 < linear.max()
    torch.testing.assert_close(ACTIVATIONS[activation](linear), latent(False))


def test_initial_weights_come_from_the_generator_within_the_bound():
    same, other = make_network(0).state_dict(), make_network(1).state_dict()
    for name, values in make_network(0).state_dict().items():
        assert torch.equal(values, same[name])
        if name.endswith("weight") or name == "encoder.0.bias":
            assert not torch.equal(values, other[name])
            # Two numbers, their twelve bins by half, three categories.
            n_inputs = {"encoder.0": 2 + 6 + 3, "encoder.1": 7, "decoder.0": 4}
            bound = 1 / n_inputs[name.rpartition(".")[0]] ** 0.5
            assert values.abs().max() <= bound
            assert values.abs().max() > (0.9 if values.numel() > 50 else 0.5) * bound


def test_table_without_numeric_columns():
    network = make_network(n_numeric=0)
    fit_columns(network.cells, torch.empty(2, 0))
    codes = torch.tensor([[0, 1, 4], [2, 2, -1]])
    assert network(torch.empty(2, 0), codes).shape == (2, sum(N_LEVELS))


def weighted(cells, numeric=1.0, codes=1.0):
    weights = Cells(
        torch.full(cells.numeric.shape, numeric), torch.full(cells.codes.shape, codes)
    )
    return cells, Cells(
        *(w.masked_fill(m, 0.0) for w, m in zip(weights, cells.missing(), strict=True))
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
    shares = torch.tensor([0.6, 0.3, 0.1])
    entropy = -(shares * shares.log()).sum()
    loss = ReconstructionLoss("squared_error", (3,), torch.empty(0), entropy[None])
    output = baseline_output("squared_error", torch.empty(0), [shares])
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
def test_gradient_of_the_loss_is_that_of_small_steps(cells, kind):
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


def test_nothing_to_learn_costs_nothing():
    cells = make_cells(np.ones((4, 2)))
    loss = ReconstructionLoss("squared_error", (), torch.zeros(2), torch.empty(0))
    assert loss(torch.ones(4, 2), weighted(cells, numeric=0.0)) == 0.0


def test_expected_cells_are_numbers_and_probabilities():
    output = torch.tensor([[0.0, 2.0, 1.0, 1.0, 0.0, 9.0]])
    numeric, probabilities = expected_cells(output, "squared_error", (2, 2))
    assert numeric.tolist() == [[0.0, 2.0]]
    np.testing.assert_allclose(probabilities[0], [0.5, 0.5, 0.0, 1.0], atol=2e-4)
    numeric, _ = expected_cells(output, "log_loss", (2, 2))
    np.testing.assert_allclose(numeric[0], [0.5, 0.880797], atol=1e-6)
