"""Results do not depend on the caller's settings of PyTorch."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from sklearn_dae import ConvNetwork

from ..helpers import small, tiny_network


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


CONTEXTS = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "device": lambda: torch.device("meta"),
}


def drawing_network(n_inputs, n_components):
    """Draw weights and create constants in several ways."""
    encoder, decoder = nn.Linear(n_inputs, n_components), Shifted(n_components)
    encoder.weight = nn.Parameter(torch.normal(0.0, 1.0, (n_components, n_inputs)))
    encoder.bias = nn.Parameter(0.1 * torch.randn(n_components))
    return encoder, nn.Sequential(decoder, nn.Linear(n_components, n_inputs))


class Shifted(nn.Module):
    """Use constants of the default dtype and device in `forward`."""

    def __init__(self, n_components):
        super().__init__()
        self.scale = nn.Parameter(torch.full((n_components,), 1.5))
        self.order = torch.arange(n_components)

    def forward(self, latent):
        shift = torch.tensor([0.5]) + torch.zeros(latent.shape[1])
        return (latent * self.scale + shift)[:, self.order]


NETWORKS = {
    "mlp": "mlp",
    "tiny": tiny_network,
    "drawing": drawing_network,
    "conv": ConvNetwork((1, 1, 6), channels=(4,)),
}


def results(network, X, method):
    """Compute the results of all methods after `fit` or `partial_fit`."""
    dae = getattr(small(network=network), method)(X)
    Z = dae.transform(X)
    others = [dae.reconstruct, dae.impute, dae.score_samples, dae.cell_errors]
    found = [Z, dae.inverse_transform(Z), *(other(X) for other in others)]
    return [*map(np.asarray, found), dae.score(X), dae.loss_curve_]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_all_methods_give_the_same_bits_in_any_context(holes, context, network, method):
    X = np.c_[holes, holes[:, 0] ** 2]
    expected = results(network, X, method)
    with context():
        found = results(network, X, method)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize("scaling", ["quantile", "minmax"])
def test_categories_and_early_stopping_in_any_context(holes, context, scaling):
    X = pd.DataFrame(holes, columns=list("abcde"))
    X["kind"] = np.where(X["a"] > 3, "high", "low")

    def features():
        params = {"scaling": scaling, "early_stopping": True, "noise": ["gaussian"]}
        return small(**params, warm_start=True).fit(X).fit(X).transform(X)

    expected = features()
    with context():
        np.testing.assert_array_equal(features(), expected)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_the_callers_settings_are_restored(table, context):
    def settings():
        created = torch.empty(0)
        return (
            created.dtype,
            created.device,
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        )

    with context():
        before = settings()
        dae = small().fit(table)
        with pytest.raises(ValueError, match="infinity"):
            dae.transform(np.full_like(table, np.inf))
        assert settings() == before
