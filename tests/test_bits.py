"""Fits and predictions have the same bits with any number of threads of PyTorch."""

from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sklearn_dae import ConvNetwork
from sklearn_dae._networks import inference
from sklearn_dae._networks.autoencoder import ACTIVATIONS
from sklearn_dae._networks.threads import ThreadChoice
from sklearn_dae._training import net
from sklearn_dae._training.steps import Backpropagation, _has_same_bits

from .helpers import small, tiny_network

KINDS = ("numeric", "mixed", "sparse")
N_THREADS = (1, 2, 3, 4, 8, 16)


@pytest.fixture(autouse=True)
def restored_threads():
    """Restore PyTorch's number of threads after the test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def all_threads_at_work(monkeypatch):
    """Let threads share small predictions, too, and steps use all threads."""
    monkeypatch.setattr(inference, "MULTIPLICATIONS_OF_PREDICTION", 0)
    monkeypatch.setattr(net, "MULTIPLICATIONS_OF_UPDATE", 0)
    monkeypatch.setattr(ThreadChoice, "record", lambda choice, seconds: None)


def draw_table(kind, rng):
    """Draw a table of an odd shape: numbers, numbers and categories, or sparse."""
    n_rows, n_columns = 2 * rng.integers(60, 400) + 1, 2 * rng.integers(1, 70) + 1
    X = rng.normal(size=(n_rows, n_columns)).astype("f4")
    if kind == "sparse":
        return sparse.csr_array(X * (rng.random(X.shape) < 0.1))
    X[rng.random(X.shape) < 0.05] = np.nan
    if kind == "numeric":
        return X
    frame = pd.DataFrame(X).rename(columns=str)
    for name, n_levels in {"a": 3, "b": 41}.items():
        frame[name] = rng.integers(n_levels, size=n_rows).astype(str)
    return frame


def draw_parameters(rng):
    return {
        "n_components": 2 * int(rng.integers(1, 150)) + 1,
        "hidden_layer_sizes": (2 * rng.integers(1, 250, size=2) + 1).tolist(),
        # Products of few rows depend most on the number of threads.
        "batch_size": int(rng.integers(9, rng.choice([30, 900]))),
        "learning_rate_init": 0.01,
        "weight_decay": 0.01,
        "max_iter": 1,
    }


def results(dae, X):
    """List the weights and what a fitted transformer computes."""
    Z = dae.transform(X)
    weights = [value.numpy() for value in dae.net_.module_.state_dict().values()]
    scores = dae.loss_curve_, dae.score(X), dae.score_samples(X)
    return [*weights, Z, *map(np.asarray, scores), np.asarray(dae.inverse_transform(Z))]


def fitted_results(n_threads, X, params):
    """Fit with a number of threads, and list the results."""
    torch.set_num_threads(n_threads)
    return results(small(**params).fit(X), X)


def assert_equal_bits(first, second):
    for a, b in zip(first, second, strict=True):
        if a.dtype.kind == "f":
            assert a.tobytes() == b.tobytes()
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", range(12))
def test_bits_do_not_depend_on_the_number_of_threads(seed):
    rng = np.random.default_rng(seed)
    shift = seed // 6  # Each activation meets two kinds and both representations.
    X, params = draw_table(KINDS[(seed + shift) % 3], rng), draw_parameters(rng)
    params["activation"] = list(ACTIVATIONS)[seed % 6]
    params["representation"] = ("stack", "latent")[(seed + shift) % 2]
    expected = fitted_results(1, X, params)
    for n_threads in N_THREADS:
        assert_equal_bits(fitted_results(n_threads, X, params), expected)
        assert torch.get_num_threads() == n_threads


@pytest.fixture
def wide():
    """Make rows and parameters that need padding everywhere."""
    X = np.random.default_rng(0).normal(size=(401, 33))
    return X, {"n_components": 75, "hidden_layer_sizes": 129, "max_iter": 2}


def test_bits_of_partial_fit_do_not_depend_on_the_number_of_threads(wide):
    X, params = wide

    def streamed(n_threads):
        torch.set_num_threads(n_threads)
        dae = small(**params)
        for rows in (X[:200], X[200:400], X[400:]):
            dae.partial_fit(rows)
        return results(dae, X)

    expected = streamed(1)
    for n_threads in N_THREADS:
        assert_equal_bits(streamed(n_threads), expected)


def test_bits_are_the_same_in_another_process_and_in_threads_at_once(wide):
    X, params = wide
    expected = fitted_results(1, X, params)
    of_process = joblib.Parallel(2, backend="loky")(
        joblib.delayed(fitted_results)(n_threads, X, params) for n_threads in (2, 3)
    )
    with ThreadPoolExecutor(4) as threads:
        fits = [threads.submit(fitted_results, n, X, params) for n in N_THREADS]
        for found in [*of_process, *(fit.result() for fit in fits)]:
            assert_equal_bits(found, expected)


@pytest.mark.parametrize(
    "network", [tiny_network, ConvNetwork((1, 5, 7), channels=(3, 5))], ids=repr
)
def test_other_networks_compute_on_one_thread(network):
    X = np.random.default_rng(0).normal(size=(701, 35))
    params = {"network": network, "scaling": "minmax", "batch_size": 333}
    expected = fitted_results(1, X, params)
    for n_threads in N_THREADS:
        assert_equal_bits(fitted_results(n_threads, X, params), expected)


@pytest.fixture
def sums_in_parts(monkeypatch):
    """Let several threads add up long sums in two parts, as some processors do."""

    def in_parts(multiply):
        def call(*factors, out=None):
            *bias, a, b = factors
            part = a.shape[1] // 3
            result = multiply(*factors, out=out)
            if part > 80 and torch.get_num_threads() > 1:
                result.copy_(a[:, :part] @ b[:part] + a[:, part:] @ b[part:])
                for of_units in bias:
                    result.add_(of_units)
            return result

        return call

    for name in ("mm", "addmm"):
        monkeypatch.setattr(torch, name, in_parts(getattr(torch, name)))
    _has_same_bits.cache_clear()
    yield
    _has_same_bits.cache_clear()


@pytest.mark.usefixtures("sums_in_parts")
@pytest.mark.parametrize(("n_rows", "n_threads"), [(304, 1), (96, 4)])
def test_one_thread_computes_if_bits_would_depend_on_the_number(n_rows, n_threads):
    class Look(Callback):
        def on_train_end(self, net, **kwargs):
            found.update({n: choice.n_threads for n, choice in net.threads_.items()})

    # The gradients of weights are sums over the rows of a batch.
    X = np.random.default_rng(0).normal(size=(2 * n_rows, 30))
    params = {"n_components": 64, "hidden_layer_sizes": (), "batch_size": n_rows}
    found, params["callbacks"] = {}, [Look()]
    expected = fitted_results(1, X, params)
    assert found == {n_rows: 1}
    assert_equal_bits(fitted_results(4, X, params), expected)
    assert found == {n_rows: n_threads}


class Raise(Callback):
    """Raise an error at the third batch."""

    def __init__(self, error):
        self.error = error

    def on_train_begin(self, net, **kwargs):
        self.n_batches = 0

    def on_grad_computed(self, net, **kwargs):
        self.n_batches += 1
        if self.n_batches == 3:
            raise self.error


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_the_number_of_threads_is_restored_after_an_error(wide, method, error):
    X, params = wide
    dae = small(**params, batch_size=50, callbacks=[Raise(error)])
    torch.set_num_threads(3)
    if error is KeyboardInterrupt and method == "fit":
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            dae.fit(X)
    else:
        with pytest.raises(error):
            getattr(dae, method)(X)
    assert torch.get_num_threads() == 3
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 3


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_one_thread_computes_after_an_error_within_a_product(wide, error, monkeypatch):
    X, params = wide
    seen = []

    class See(Callback):
        def on_train_end(self, net, **kwargs):
            seen.append(torch.get_num_threads())

    def interrupted(passes, gradient):
        seen.append(torch.get_num_threads())
        raise error

    monkeypatch.setattr(Backpropagation, "backward", interrupted)
    torch.set_num_threads(3)
    dae = small(**params, callbacks=[See()])
    with (
        pytest.raises(error)
        if error is ZeroDivisionError
        else pytest.warns(ConvergenceWarning, match="interrupted")
    ):
        dae.fit(X)
    assert seen == ([3] if error is ZeroDivisionError else [3, 1])
    assert torch.get_num_threads() == 3


def test_callbacks_compute_on_one_thread(wide):
    X, params = wide
    seen = set()

    class See(Callback):
        def on_batch_begin(self, net, **kwargs):
            seen.add(torch.get_num_threads())

        def on_grad_computed(self, net, **kwargs):
            # A call of the transformer must not change the number of the fit.
            other.transform(X)
            seen.add(torch.get_num_threads())

    other = small(max_iter=1).fit(X)
    torch.set_num_threads(2)
    small(**params, callbacks=[See()]).fit(X)
    assert seen == {1}
