"""Dropout in a user's network: PyTorch's results, drawn from our generator."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Generator, nn
from torch.nn import functional

from sklearn_dae._networks.dropout import GeneratorDropout, draw_from, replace_dropout

from ..helpers import small

KINDS = [
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
]
SHAPES = [(40, 30), (40, 30, 4), (40, 30, 2, 3), (40, 30, 2, 2, 2)]


class SameForward(nn.Dropout):
    """A subclass that computes what its base computes."""


class Scaled(nn.Dropout):
    """A subclass that computes something else."""

    def forward(self, x):
        return 2 * super().forward(x)


class Functional(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.3, self.training)


class InList(nn.Module):
    """Dropout that is no attribute of its module."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Dropout(0.3)]

    def forward(self, x):
        return self.layers[0].train(self.training)(x)


def replaced(module):
    """Return a module like `module`, with our dropout."""
    parent = nn.Sequential(copy.deepcopy(module))
    replace_dropout(parent)
    return parent


def values(output):
    """Return the different values of dropped and of kept cells of a constant input."""
    return sorted(set(np.round(output.unique().tolist(), 5)))


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", [*KINDS, SameForward])
def test_results_have_the_distribution_of_pytorchs(kind, shape, p):
    x = torch.ones(shape, requires_grad=True)
    theirs, ours = kind(p), replaced(kind(p))
    assert isinstance(ours[0], GeneratorDropout)
    draw_from(ours, Generator().manual_seed(0))
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # Shapes that PyTorch does not recommend.
        torch.manual_seed(0)
        try:
            expected = theirs(x)
        except RuntimeError:
            # The trial of a network refuses this shape before dropout is replaced.
            assert kind is nn.Dropout1d
            return
    found = ours(x)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(values(found), values(expected), rtol=1e-4)
    # As many cells are equal along each dimension: channels are dropped as a whole.
    for dim in range(1, len(shape)):
        are_whole = [bool((t == t.select(dim, 0).unsqueeze(dim)).all()) for t in
                     (found, expected)]  # fmt: skip
        assert are_whole[0] == are_whole[1]
    if 0 < p < 1:
        fractions = [(t == t.max()).float().mean().item() for t in (found, expected)]
        assert fractions[0] == pytest.approx(fractions[1], abs=0.15)
    (found.sum() + expected.sum()).backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_dropped_in_prediction(kind):
    x = torch.randn(4, 3, generator=Generator().manual_seed(0))
    assert torch.equal(replaced(kind(0.5)).eval()(x), x)


@pytest.mark.parametrize("kind", [nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_alpha_dropout_keeps_mean_and_variance(kind):
    x = torch.randn(2000, 50, generator=Generator().manual_seed(0))
    ours = replaced(kind(0.2))
    draw_from(ours, Generator().manual_seed(1))
    assert ours(x).mean().item() == pytest.approx(0.0, abs=0.02)
    assert ours(x).var().item() == pytest.approx(1.0, abs=0.03)


def test_a_module_that_is_used_twice_stays_one():
    shared = nn.Dropout(0.3)
    module = nn.Sequential(shared, nn.Sequential(shared, nn.Dropout(0.3)))
    replace_dropout(module)
    assert module[0] is module[1][0] is not module[1][1]


def network_of(dropout):
    """Make a function that builds a network with this module."""

    def network(n_inputs, n_components):
        encoder = nn.Sequential(nn.Linear(n_inputs, 16), nn.ReLU(), dropout())
        return encoder.append(nn.Linear(16, n_components)), nn.Sequential(
            nn.Linear(n_components, n_inputs)
        )

    return network


def with_dropout(n_inputs, n_components):
    return network_of(lambda: nn.Dropout(0.2))(n_inputs, n_components)


def encoder_is_dropout(n_inputs, n_components):
    """The encoder itself is dropout, of as many units as inputs."""
    return nn.Dropout(0.1), nn.Linear(n_components, n_inputs)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_equal_seeds_give_equal_bits_in_threads_too(digits, kind):
    def features(seed=0):
        network = network_of(lambda: kind(0.2))
        return small(network=network, random_state=seed).fit_transform(digits[0])

    before = torch.get_rng_state()
    expected = features()
    with ThreadPoolExecutor(4) as threads:
        for result in [threads.submit(features) for _ in range(4)]:
            np.testing.assert_array_equal(result.result(), expected)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.array_equal(expected, features(1))
    without = small(network=network_of(lambda: kind(0.0)))
    assert not np.array_equal(expected, without.fit_transform(digits[0]))


def test_the_encoder_itself_may_be_dropout(table):
    dae = small(network=encoder_is_dropout, n_components=5).fit(table)
    assert isinstance(dae.net_.module_.encoder, GeneratorDropout)


@pytest.mark.parametrize(
    ("method", "early_stopping"),
    [("fit", False), ("fit", True), ("partial_fit", False)],
)
def test_copies_of_a_fitted_transformer(table, method, early_stopping):
    params = {"network": with_dropout, "early_stopping": early_stopping}
    dae = getattr(small(**params, warm_start=True), method)(table)
    expected = dae.transform(table)
    np.testing.assert_array_equal(dae.transform(table), expected)
    copies = [pickle.loads(pickle.dumps(dae)), copy.deepcopy(dae)]
    again = getattr(dae, method)(table).transform(table)
    for copied in copies:
        np.testing.assert_array_equal(copied.transform(table), expected)
        getattr(copied, method)(table)
        np.testing.assert_array_equal(copied.transform(table), again)
    first = getattr(clone(dae), method)(table)
    np.testing.assert_array_equal(first.transform(table), expected)


def test_warm_start_refuses_another_probability(table):
    dae = small(network=with_dropout, warm_start=True).fit(table)
    other = network_of(lambda: nn.Dropout(0.4))
    with pytest.raises(ValueError, match=r"(?s)describe another network.*p=0.4"):
        dae.set_params(network=other).fit(table)


@pytest.mark.parametrize("dropout", [Functional, InList, lambda: Scaled(0.3)])
def test_other_random_numbers_are_refused(table, dropout):
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match=r"must not draw random numbers.*Dropout3d"):
        small(network=network_of(dropout)).fit(table)
    assert torch.equal(torch.get_rng_state(), before)


def test_wrong_shapes_are_refused_as_pytorch_refuses_them(table):
    network = network_of(
        lambda: nn.Sequential(nn.Unflatten(1, (4, 4, 1)), nn.Dropout1d())
    )
    with pytest.raises(ValueError, match="Expected 2D or 3D input"):
        small(network=network).fit(table)
