"""Steps written out, against PyTorch's autograd and AdamW; threads; cold starts."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, GradientNormClipping

from sklearn_dae import _training
from sklearn_dae._descent import (
    Autograd,
    Backpropagation,
    FlatAdamW,
    unshare_parameters,
)
from sklearn_dae._network import ACTIVATIONS, DenoisingAutoencoder
from sklearn_dae._training import one_thread

from .conftest import make_cells, small


def make_network(activation="relu", linear_latent=True):
    generator = torch.Generator().manual_seed(0)
    network = DenoisingAutoencoder(5, (3,), (7, 4), activation, linear_latent)
    for parameter in network.parameters():
        parameter.data.normal_(generator=generator)
    return network


def optimizer_of(network, **params):
    group = {"params": list(network.parameters())}
    return FlatAdamW([group], **{"lr": 0.1, "weight_decay": 0.0, **params})


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    return make_cells(rng.normal(size=(20, 5)), rng.integers(3, size=(20, 1)))


@pytest.mark.parametrize("linear_latent", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_autograd(cells, activation, linear_latent):
    ours = make_network(activation, linear_latent)
    theirs = make_network(activation, linear_latent)
    of_output = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    output = theirs(*cells)
    output.backward(of_output)
    optimizer_of(ours)
    layers = Backpropagation(ours.dense_layers())
    for n_rows in (7, 20):  # The second time memory is used again.
        found = layers.forward(ours.cells(*cells)[:n_rows])
        torch.testing.assert_close(found, output[:n_rows])
        layers.backward(of_output[:n_rows].clone())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-4)


def test_gradients_by_autograd_are_written_to_the_flat_tensor(cells):
    ours, theirs = make_network(), make_network()
    of_output = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    optimizer = optimizer_of(ours)
    passes = Autograd(ours.repair, optimizer.flat.grad)
    inputs = ours.cells(*cells)
    for n_rows in (7, 20):  # The second time nothing of the first is left.
        output = passes.forward(inputs[:n_rows])
        passes.backward(of_output[:n_rows])
    theirs(*cells).backward(of_output)
    torch.testing.assert_close(output, theirs(*cells))
    assert not output.requires_grad
    expected = torch.cat([p.grad.flatten() for p in theirs.parameters()])
    torch.testing.assert_close(optimizer.flat.grad, expected)


def test_updates_are_those_of_adamw():
    ours, theirs = make_network(), make_network()
    optimizer = optimizer_of(ours, weight_decay=0.3)
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


def test_a_fitted_network_has_memory_of_its_own(table):
    network = make_network()
    optimizer = optimizer_of(network)
    unshare_parameters(network)
    before = [parameter.clone() for parameter in network.parameters()]
    optimizer.flat.data.zero_()
    assert all(map(torch.equal, before, network.parameters()))
    dae = small(hidden_layer_sizes=(100, 100), max_iter=1).fit(table)
    parameters = list(dae.net_.module_.parameters())
    assert all(parameter.grad is None for parameter in parameters)
    # The weights once, and what else there is.
    n_bytes = sum(4 * parameter.numel() for parameter in parameters)
    assert len(pickle.dumps(dae)) < n_bytes + 60_000


def test_learning_rate_falls_along_half_a_cosine(table):
    class Rates(Callback):
        def on_train_begin(self, net, **kwargs):
            self.seen = []

        def on_batch_end(self, net, **kwargs):
            self.seen.append(net.optimizer_.param_groups[0]["lr"])

    rates = Rates()
    dae = small(max_iter=3, batch_size=30, learning_rate_init=0.1, callbacks=[rates])
    dae.fit(table)
    expected = 0.05 * (1 + np.cos(np.pi * np.arange(12) / 12))
    np.testing.assert_allclose(rates.seen, expected)


def test_callbacks_may_keep_what_was_predicted(table):
    class Keep(Callback):
        def on_train_begin(self, net, **kwargs):
            self.kept, self.copies = [], []

        def on_batch_end(self, net, y_pred, **kwargs):
            self.kept.append(y_pred)
            self.copies.append(y_pred.clone())

    keep = Keep()
    small(callbacks=[keep]).fit(table)
    assert all(map(torch.equal, keep.kept, keep.copies))


def test_callbacks_may_change_gradients(table):
    def weights(**params):
        net = small(max_iter=3, **params).fit(table).net_
        return net.module_.encoder[0].weight

    # AdamW heeds the scale of gradients only where they are as small as its epsilon.
    clipped = weights(callbacks=[GradientNormClipping(1e-8)])
    assert not torch.allclose(clipped, weights(), atol=1e-4)


def test_threads_are_restored_also_after_an_error():
    def fail():
        with one_thread():
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_threads_are_restored_when_fits_overlap():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    first_is_out, both_are_in = Barrier(2), Barrier(2)

    def first():
        with one_thread():
            both_are_in.wait()
        first_is_out.wait()
        return torch.get_num_threads()

    def second():
        with one_thread():
            both_are_in.wait()
            first_is_out.wait()
            inside = torch.get_num_threads()
            with ThreadPoolExecutor(1) as pool:
                new_thread = pool.submit(torch.get_num_threads).result()
        return inside, new_thread, torch.get_num_threads()

    try:
        with ThreadPoolExecutor(2) as pool:
            a, b = pool.submit(first), pool.submit(second)
            assert a.result() == 2
            assert b.result() == (1, 1, 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("width", "n_threads"), [(256, 1), (1024, 2)])
def test_small_networks_train_on_one_thread(table, monkeypatch, width, n_threads):
    class Count(Callback):
        def on_batch_end(self, net, **kwargs):
            seen.append(torch.get_num_threads())

    seen = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        small(
            n_components=width,
            hidden_layer_sizes=(width, width),
            batch_size=60,
            max_iter=1,
            callbacks=[Count()],
        ).fit(table)
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {n_threads}
    assert _training._n_on_one_thread == 0


@pytest.mark.parametrize("method", ["transform", "reconstruct", "inverse_transform"])
def test_few_rows_go_through_on_one_thread(table, method):
    seen = []
    dae = small(n_components=256, hidden_layer_sizes=(256,)).fit(table)
    dae.net_.module_.decoder[0].register_forward_hook(
        lambda *_: seen.append(torch.get_num_threads())
    )
    dae.net_.module_.encoder[0].register_forward_hook(
        lambda *_: seen.append(torch.get_num_threads())
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for n_times in (1, 20):
            X = np.tile(table, (n_times, 1))
            if method == "inverse_transform":
                X = np.zeros((len(X), 256))
            getattr(dae, method)(X)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert (seen[0], seen[-1]) == (1, 2)


def test_a_fit_imports_no_compiler():
    code = """
import sys, numpy as np
from sklearn_dae import DenoisingAutoencoderTransformer
X = np.random.default_rng(0).normal(size=(50, 3))
DenoisingAutoencoderTransformer(max_iter=2, early_stopping=True).fit(X).transform(X)
print({"torch._dynamo", "sympy"} & set(sys.modules))
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert found.stdout == "set()\n"
