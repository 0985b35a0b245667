"""Dense networks, compared with independent computations."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from sklearn_dae._networks.autoencoder import ACTIVATIONS

from ..helpers import make_cells, make_network

N_LEVELS = (3, 3, 5)


def initialize(seed=0, n_numeric=2, n_levels=N_LEVELS, **params):
    network = make_network(n_numeric, n_levels, **params)
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


def make_encoder(n_numeric, n_levels=()):
    return initialize(n_numeric=n_numeric, n_levels=n_levels).cells


def test_inputs_are_encoded_numbers_and_one_hot_codes(cells):
    encoder = make_encoder(2, N_LEVELS)
    fit_columns(encoder, cells.numeric)
    inputs = encoder(*cells)
    assert inputs.shape == (3, 32)  # A multiple of 16.
    assert (inputs[:, encoder.n_inputs :] == 0).all()
    inputs = inputs[:, : encoder.n_inputs]
    assert inputs.shape == (3, 2 * 7 + 11)
    torch.testing.assert_close(inputs[:, -11:], one_hot(cells.codes))
    numbers = make_encoder(2)
    fit_columns(numbers, cells.numeric)
    without_codes = numbers(cells.numeric, torch.empty(3, 0, dtype=torch.int8))
    torch.testing.assert_close(inputs[:, :-11], without_codes[:, :14])


def test_numbers_are_encoded_piecewise_linearly_between_quantiles():
    numeric = np.random.default_rng(0).exponential(size=(500, 3))
    numeric[::3, 1] = np.nan
    numeric[:400, 2] = 0.0  # Four of six bins are empty.
    encoder = make_encoder(3)
    fit_columns(encoder, make_cells(numeric).numeric)
    expected = numeric - np.nanmean(numeric, axis=0)
    expected /= np.sqrt(1 + (expected / np.nanstd(numeric, axis=0) / 10) ** 2)
    edges = np.nanquantile(numeric, np.linspace(0, 1, 7), axis=0)
    for low, high in pairwise(edges):
        filled = np.clip((numeric - low) / np.maximum(high - low, 1e-4), 0, 1)
        expected = np.hstack([expected, filled - np.nanmean(filled, axis=0)])
    found = encoder(*make_cells(numeric))[:, :21]
    np.testing.assert_allclose(found, np.nan_to_num(expected), atol=1e-3)


@pytest.mark.parametrize(
    ("n_numeric", "bins"), [(1, 6), (64, 6), (65, 5), (192, 2), (193, 0)]
)
def test_many_columns_have_fewer_bins_each(n_numeric, bins):
    encoder = make_encoder(n_numeric)
    cells = make_cells(np.random.default_rng(0).normal(size=(9, n_numeric)))
    fit_columns(encoder, cells.numeric)
    assert encoder.n_inputs == n_numeric * (1 + bins)
    assert encoder(*cells).shape == (9, -(-encoder.n_inputs // 16) * 16)


def test_a_bottleneck_has_no_bins():
    network = initialize(n_numeric=4, n_levels=(), representation="latent")
    assert network.cells.n_inputs == 4


@pytest.mark.parametrize("value", [1e6, 1e30, 3e38])
def test_inputs_are_clipped_at_ten_standard_deviations(value):
    encoder = make_encoder(1)
    fit_columns(encoder, make_cells([[-1.0], [1.0]]).numeric)
    inputs = encoder(*make_cells([[value], [-value]]))
    torch.testing.assert_close(inputs[:, 0], torch.tensor([10.0, -10.0]))


def test_inputs_of_a_bottleneck_are_clipped_at_a_thousand_standard_deviations():
    encoder = initialize(n_numeric=1, n_levels=(), representation="latent").cells
    fit_columns(encoder, make_cells([[-1.0], [1.0]]).numeric)
    inputs = encoder(*make_cells([[100.0], [3e38]]))
    torch.testing.assert_close(
        inputs[:, 0], torch.tensor([99.5, 1000.0]), rtol=1e-3, atol=0
    )


def test_a_missing_cell_is_all_zeros(cells):
    encoder = make_encoder(2, N_LEVELS)
    fit_columns(encoder, cells.numeric)
    empty = make_cells([[np.nan, np.nan]], [[-1, -1, -1]])
    assert (encoder(*empty) == 0).all()


@pytest.mark.parametrize("representation", ["stack", "latent"])
def test_shapes_of_layers_and_output(cells, representation):
    network = initialize(representation=representation)
    inputs = network.cells(*cells)
    assert [layer.shape for layer in network.encode(inputs)] == [(3, 16), (3, 16)]
    assert [block.shape for block in network.stack(*cells)[-2:]] == [(3, 7), (3, 4)]
    assert network.latent(*cells).shape == (3, 4)
    assert network(*cells).shape == (3, 2 + sum(N_LEVELS))
    # A bottleneck's decoder mirrors its encoder.
    assert len(network.decoder) == (2 if representation == "latent" else 1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_latent_layer_is_linear_only_as_a_bottleneck(activation):
    def latent(representation):
        network = initialize(
            n_numeric=0, activation=activation, representation=representation
        )
        # Only numbers have bins. Without them both networks have the same inputs.
        codes = torch.randint(3, (50, 3), generator=torch.Generator().manual_seed(0))
        return network.latent(torch.empty(50, 0), codes)

    linear = latent("latent")
    assert linear.min() < 0 < linear.max()
    torch.testing.assert_close(ACTIVATIONS[activation](linear), latent("stack"))


def test_initial_weights_come_from_the_generator_within_the_bound():
    same, other = initialize(0).state_dict(), initialize(1).state_dict()
    for name, values in initialize(0).state_dict().items():
        assert torch.equal(values, same[name])
        if name.endswith("weight") or name == "encoder.0.bias":
            assert not torch.equal(values, other[name])
            # Two numbers, their twelve bins by half, three categories.
            n_inputs = {"encoder.0": 2 + 6 + 3, "encoder.1": 7, "decoder.0": 4}
            bound = 1 / n_inputs[name.rpartition(".")[0]] ** 0.5
            assert values.abs().max() <= bound
            n_values = values.count_nonzero()  # Without the padding.
            assert values.abs().max() > (0.9 if n_values > 50 else 0.5) * bound


def test_table_without_numeric_columns():
    network = initialize(n_numeric=0)
    fit_columns(network.cells, torch.empty(2, 0))
    codes = torch.tensor([[0, 1, 4], [2, 2, -1]])
    assert network(torch.empty(2, 0), codes).shape == (2, sum(N_LEVELS))
