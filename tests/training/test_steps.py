"""Training steps, compared with PyTorch's autograd and AdamW."""

import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional

from sklearn_dae._networks.autoencoder import ACTIVATIONS
from sklearn_dae._training.steps import (
    Autograd,
    Backpropagation,
    FlatAdamW,
    unshare_parameters,
)

from ..helpers import make_cells, make_network, small


def random_network(activation="relu", representation="latent"):
    network = make_network(
        5, (3,), activation=activation, representation=representation
    )
    generator = torch.Generator().manual_seed(0)
    for layer, _ in network.dense_layers():
        for values in real(layer, layer.weight.data, layer.bias.data):
            values.normal_(generator=generator)
    return network


def real(layer, weight, bias):
    """Leave out the padding of values for a layer's weight and bias."""
    n_in, n_out = layer.in_features, layer.out_features
    return weight[:n_out, :n_in], bias[:n_out]


def make_optimizer(network, **params):
    group = {"params": list(network.parameters())}
    return FlatAdamW([group], **{"lr": 0.1, "weight_decay": 0.0, **params})


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    return make_cells(rng.normal(size=(20, 5)), rng.integers(3, size=(20, 1)))


@pytest.mark.parametrize("representation", ["stack", "latent"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_those_of_autograd(cells, activation, representation):
    ours = random_network(activation, representation)
    theirs = random_network(activation, representation)
    output_gradient = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    output = theirs(*cells)
    output.backward(output_gradient)
    make_optimizer(ours)
    layers = Backpropagation(ours.dense_layers())
    for n_rows in (7, 20):  # The second call reuses memory.
        found = layers.forward(ours.cells(*cells)[:n_rows])
        torch.testing.assert_close(found[:, :8], output[:n_rows])
        layers.backward(functional.pad(output_gradient[:n_rows], (0, 8)))
    for (a, _), (b, _) in zip(ours.dense_layers(), theirs.dense_layers(), strict=True):
        ours_, theirs_ = (real(x, x.weight.grad, x.bias.grad) for x in (a, b))
        torch.testing.assert_close(ours_, theirs_, atol=1e-5, rtol=1e-4)
        # The padding stays 0.
        for values, all_values in zip(ours_, (a.weight.grad, a.bias.grad), strict=True):
            assert values.count_nonzero() == all_values.count_nonzero()


def test_gradients_by_autograd_are_written_to_the_flat_tensor(cells):
    ours, theirs = random_network(), random_network()
    output_gradient = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    optimizer = make_optimizer(ours)
    passes = Autograd(ours.repair, optimizer.flat.grad)
    inputs = ours.cells(*cells)
    for n_rows in (7, 20):  # The second call overwrites the first.
        output = passes.forward(inputs[:n_rows])
        passes.backward(output_gradient[:n_rows])
    theirs(*cells).backward(output_gradient)
    torch.testing.assert_close(output, theirs(*cells))
    assert not output.requires_grad
    expected = torch.cat([p.grad.flatten() for p in theirs.parameters()])
    torch.testing.assert_close(optimizer.flat.grad, expected)


def test_updates_equal_those_of_adamw():
    ours, theirs = random_network(), random_network()
    optimizer = make_optimizer(ours, weight_decay=0.3)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.1, weight_decay=0.3)
    generator = torch.Generator().manual_seed(0)
    for lr in (0.1, 0.01, 0.2):
        optimizer.param_groups[0]["lr"] = reference.param_groups[0]["lr"] = lr
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            b.grad = torch.randn(b.shape, generator=generator)
            a.grad.copy_(b.grad)
        optimizer.step()
        reference.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_fitted_network_does_not_hold_the_flat_tensor(table):
    network = random_network()
    optimizer = make_optimizer(network)
    unshare_parameters(network)
    before = [parameter.clone() for parameter in network.parameters()]
    optimizer.flat.data.zero_()
    assert all(map(torch.equal, before, network.parameters()))
    dae = small(hidden_layer_sizes=(100, 100), max_iter=1).fit(table)
    parameters = list(dae.net_.module_.parameters())
    assert all(parameter.grad is None for parameter in parameters)
    # The weights once, and a constant for everything else.
    n_bytes = sum(4 * parameter.numel() for parameter in parameters)
    assert len(pickle.dumps(dae)) < n_bytes + 60_000
