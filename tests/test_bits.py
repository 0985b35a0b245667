"""Fits and predictions have the same bits with any number of threads of PyTorch."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from sklearn_dae._networks import inference
from sklearn_dae._networks.autoencoder import ACTIVATIONS
from sklearn_dae._networks.threads import ThreadChoice
from sklearn_dae._training import net

from .helpers import small

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
    n_rows, n_columns = 2 * rng.integers(200, 900) + 1, 2 * rng.integers(1, 70) + 1
    X = rng.normal(size=(n_rows, n_columns)).astype("f4")
    if kind == "sparse":
        return sparse.random_array(X.shape, density=0.1, format="csr", rng=rng)
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
        "batch_size": int(rng.integers(1, 900)),
        "learning_rate_init": 0.01,
        "weight_decay": 0.01,
        "max_iter": 1,
    }


def results(dae, X, method="fit"):
    """Fit, and list the weights and what the transformer computes."""
    dae = dae if method == "partial_fit" and hasattr(dae, "net_") else dae.fit(X)
    if method == "partial_fit":
        dae.partial_fit(X[:301])
    Z = dae.transform(X)
    weights = [p.numpy(force=True) for p in dae.net_.module_.state_dict().values()]
    scores = dae.loss_curve_, dae.score(X), dae.score_samples(X)
    return [*weights, Z, *map(np.asarray, scores), dae.inverse_transform(Z)]


def assert_equal_bits(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("seed", range(12))
def test_bits_do_not_depend_on_the_number_of_threads(seed):
    rng = np.random.default_rng(seed)
    shift = seed // 6  # Each activation meets two kinds and both representations.
    X, params = draw_table(KINDS[(seed + shift) % 3], rng), draw_parameters(rng)
    params["activation"] = list(ACTIVATIONS)[seed % 6]
    params["representation"] = ("stack", "latent")[(seed + shift) % 2]
    expected = None
    for n_threads in N_THREADS:
        torch.set_num_threads(n_threads)
        found = results(small(**params), X)
        assert torch.get_num_threads() == n_threads
        expected = expected or found
        assert_equal_bits(found, expected)
