"""Networks that the user builds: their inputs, initial weights, checks, training."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import Callback, GradientNormClipping
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from sklearn_dae import ConvNetwork
from sklearn_dae._compat import as_tuple
from sklearn_dae._networks.custom import CustomAutoencoder, DrawFrom

from ..helpers import small, tiny_network


def normalised(n_inputs, n_components):
    encoder = nn.Sequential(nn.Linear(n_inputs, 16), nn.BatchNorm1d(16), nn.ReLU())
    return encoder.append(nn.Linear(16, n_components)), nn.Linear(
        n_components, n_inputs
    )


class Bias(nn.Module):
    """A decoder whose output is the same for all rows."""

    def __init__(self, n_outputs):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, latent):
        return self.bias.expand(len(latent), -1)


class Recorder(nn.Linear):
    """A layer that keeps its last inputs."""

    def forward(self, inputs):
        self.last_inputs = inputs
        return super().forward(inputs)


@pytest.fixture
def frame(holes):
    frame = pd.DataFrame(holes, columns=list("abcde"))
    return frame.assign(kind=np.where(frame["a"] > 3, "high", "low"))


@pytest.mark.parametrize("representation", ["stack", "latent"])
def test_a_pair_of_modules_repairs_rows(table, representation):
    dae = small(network=tiny_network, representation=representation, max_iter=100)
    Z = dae.fit_transform(table)
    assert Z.shape == (120, 8 + 5 * (representation == "stack"))
    assert dae.score(table) > 0.5
    np.testing.assert_allclose(
        dae.inverse_transform(Z), dae.reconstruct(table), rtol=1e-4
    )
    np.testing.assert_allclose(
        dae.inverse_transform(Z[:, -8:]), dae.reconstruct(table), rtol=1e-4
    )
    if representation == "stack":
        variances = Z.var(axis=0)
        np.testing.assert_allclose(variances[:5].sum(), variances[5:].sum(), rtol=1e-4)


def test_inputs_are_scaled_numbers_and_one_hot_codes_without_bins(frame):
    dae = small(
        network=lambda n, k: (Recorder(n, k), nn.Linear(k, n)), representation="latent"
    ).fit(frame)
    rows = frame[:16].assign(kind=["high", "low", "other", None] * 4)
    dae.transform(rows)
    inputs = dae.net_.module_.encoder.last_inputs.numpy()
    numbers, new = frame.drop(columns="kind"), rows.drop(columns="kind")
    scaled = ((new - numbers.mean()) / numbers.std(ddof=0)).fillna(0.0)
    np.testing.assert_allclose(inputs[:, :5], scaled, atol=1e-4)
    np.testing.assert_array_equal(inputs[:4, 5:], [[0, 1], [1, 0], [0, 0], [0, 0]])


@pytest.mark.parametrize(
    "params", [{}, {"loss": "log_loss", "scaling": "minmax", "noise": "masking"}]
)
def test_output_starts_from_the_means_and_frequencies(frame, params):
    dae = small(
        network=lambda n, k: (nn.Linear(n, k), Bias(n)),
        learning_rate_init=1e-9,
        emphasis=0.5,
        max_iter=1,
        **params,
    ).fit(frame)
    assert dae.loss_curve_ == pytest.approx([1.0], abs=1e-2)
    np.testing.assert_allclose(
        dae.reconstruct(frame)[list("abcde")].iloc[0],
        frame.drop(columns="kind").mean(),
        rtol=1e-4,
    )


def initialised(name, **params):
    return lambda n: getattr(nn.init, name)(torch.empty(n, 4), **params)


DRAWS = {
    "Linear": lambda n: nn.Linear(n, 3),
    "Conv2d": lambda n: nn.Conv2d(n, 2, 3),
    "ConvTranspose2d": lambda n: nn.ConvTranspose2d(n, 2, 3),
    "LSTM": lambda n: nn.LSTM(n, 3),
    "MultiheadAttention": lambda n: nn.MultiheadAttention(n, 1),
    "Embedding": lambda n: nn.Embedding(n, 3),
    "Parameter": lambda n: nn.Parameter(torch.randn(n, 2)),
    "like": lambda n: torch.rand_like(torch.empty(n)),
    "normal": lambda n: torch.normal(0.0, 1.0, (n,)),
    "permutation": lambda n: torch.randperm(100 * n),
    "method": lambda n: torch.empty(n).exponential_(),
    "bernoulli": lambda n: torch.bernoulli(torch.full((20, n), 0.5)),
    "kaiming": initialised("kaiming_normal_"),
    "xavier": initialised("xavier_uniform_"),
    "orthogonal": initialised("orthogonal_"),
    "truncated": initialised("trunc_normal_"),
    "sparse": initialised("sparse_", sparsity=0.5),
}


def drawn(build, seed):
    """Return the numbers that a builder draws from our generator."""
    with DrawFrom(torch.Generator().manual_seed(seed)):
        built = build(5)
    if isinstance(built, torch.Tensor):
        return built
    return torch.cat([parameter.flatten() for parameter in built.parameters()])


if as_tuple(torch.__version__) < (2, 10):
    del DRAWS["like"]  # These versions refuse it, see tests/test_compat.py.


@pytest.mark.parametrize("build", DRAWS.values(), ids=DRAWS)
def test_functions_of_pytorch_draw_from_our_generator(build):
    before = torch.get_rng_state()
    first = drawn(build, 0)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, drawn(build, 0))
    assert not torch.equal(first, drawn(build, 1))


def test_the_users_generator_is_used():
    def build(n):
        return torch.randn(n, generator=torch.Generator().manual_seed(7))

    assert torch.equal(drawn(build, 0), drawn(build, 1))


@pytest.mark.parametrize("network", [tiny_network, normalised])
def test_equal_seeds_give_equal_bits_and_global_state_does_not_change(digits, network):
    def fitted(seed=0):
        dae = small(network=network, max_iter=10, random_state=seed)
        return dae.fit_transform(digits[0])

    before = torch.get_rng_state()
    alone = fitted()
    assert torch.equal(before, torch.get_rng_state())
    assert not np.array_equal(alone, fitted(1))
    with ThreadPoolExecutor(4) as threads:
        for fit in [threads.submit(fitted) for _ in range(4)]:
            np.testing.assert_array_equal(fit.result(), alone)


class Stack(nn.Linear):
    """A linear encoder whose method `stack` calls `blocks`."""

    def __init__(self, n_inputs, n_components, blocks):
        super().__init__(n_inputs, n_components)
        self.blocks = blocks

    def stack(self, inputs):
        return self.blocks(inputs, self(inputs))


def with_stack(blocks):
    return lambda n, k: (Stack(n, k, blocks), nn.Linear(k, n))


class Noisy(nn.Linear):
    def forward(self, inputs):
        return super().forward(inputs + torch.randn(inputs.shape))


class Dropping(nn.Linear):
    """A layer with functional dropout, which draws from PyTorch's own generator."""

    def forward(self, inputs):
        return nn.functional.dropout(super().forward(inputs), 0.5, self.training)


def frozen(n_inputs, n_components):
    modules = nn.Linear(n_inputs, n_components), nn.Linear(n_components, n_inputs)
    return [module.requires_grad_(False) for module in modules]


BAD = {
    "one module": (
        lambda n, k: nn.Linear(n, k),
        r"must return a pair of torch.nn.Module.*Got Linear\(",
    ),
    "functions": (lambda n, k: (torch.relu, torch.relu), "must return a pair of torch"),
    "three": (lambda n, k: [nn.Linear(n, k)] * 3, "must return a pair of torch"),
    "wide latent": (
        lambda n, k: (nn.Linear(n, k + 1), nn.Linear(k, n)),
        r"encoder .* of shape \(64, 5\) into .* \(64, 8\) \(rows, .* Got \(64, 9\)",
    ),
    "narrow output": (
        lambda n, k: (nn.Linear(n, k), nn.Linear(k, n - 1)),
        r"decoder .* of shape \(64, 8\) into .* \(64, 5\) \(rows, .* Got \(64, 4\)",
    ),
    "images": (
        lambda n, k: (
            nn.Linear(n, k),
            nn.Sequential(nn.Linear(k, n), nn.Unflatten(1, (n, 1))),
        ),
        r"decoder .* Got \(64, 5, 1\)",
    ),
    "other inputs": (
        lambda n, k: (nn.Linear(n + 1, k), nn.Linear(k, n)),
        r"encoder .* of shape \(64, 5\) .* Got RuntimeError: mat1 and mat2",
    ),
    "no tensor": (
        lambda n, k: (nn.LSTM(n, k), nn.Linear(k, n)),
        r"encoder .* Got a tuple",
    ),
    "no parameters": (
        lambda n, k: (nn.Unflatten(1, (n, 1)), nn.Identity()),
        r"encoder .* Got \(64, 5, 1\)",
    ),
    "frozen": (frozen, "Got no parameter with requires_grad=True"),
    "a layer with noise": (
        lambda n, k: (Noisy(n, k), nn.Linear(k, n)),
        "must not draw random numbers in training.*Dropout1d",
    ),
    "empty stack": (with_stack(lambda x, z: []), "'stack' .* Got no tensor"),
    "stack of maps": (
        with_stack(lambda x, z: [x[:, :, None], z]),
        r"'stack' .* Got \(64, 5, 1\), \(64, 8\)",
    ),
    "stack of fewer rows": (
        with_stack(lambda x, z: [x[:9], z]),
        r"'stack' .* Got \(9, 5\), \(64, 8\)",
    ),
    "stack without the latent layer": (
        with_stack(lambda x, z: [z, x]),
        r"'stack' .* of shape \(64, 8\). Got \(64, 8\), \(64, 5\)",
    ),
    "stack with another latent layer": (
        with_stack(lambda x, z: [x, 2 * z]),
        r"the output of the encoder, of shape \(64, 8\)",
    ),
}


@pytest.mark.parametrize(("network", "message"), BAD.values(), ids=BAD)
def test_invalid_networks_are_refused_before_training(table, network, message):
    class Fail(Callback):
        def on_train_begin(self, net, **kwargs):
            raise AssertionError

    with pytest.raises((ValueError, TypeError), match=message):
        small(network=network, callbacks=[Fail()]).fit(table)


def test_a_refused_network_leaves_the_generator_of_pytorch_as_it_was(table):
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match="must not draw random numbers in training"):
        small(network=lambda n, k: (Dropping(n, k), nn.Linear(k, n))).fit(table)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("network", ["conv", 3, None])
def test_other_types_are_refused_as_network(table, network):
    with pytest.raises(ValueError, match="The 'network' parameter of Denoising"):
        small(network=network).fit(table)


def test_the_stack_is_the_result_of_the_encoders_method(table):
    dae = small(network=with_stack(lambda x, z: [x[:, :2] ** 2, z])).fit(table)
    Z = dae.transform(table)
    assert Z.shape == (120, 5 + 2 + 8)
    squares = Z[:, :2] ** 2
    np.testing.assert_allclose(
        Z[:, 5:7] / squares, (Z[:, 5:7] / squares)[:1].repeat(120, 0), rtol=1e-3
    )
    np.testing.assert_allclose(
        dae.inverse_transform(Z), dae.reconstruct(table), rtol=1e-4
    )


def test_batch_normalisation_predicts_with_running_statistics(table):
    dae = small(network=normalised, batch_size=119).fit(table)
    norm = dae.net_.module_.encoder[1]
    assert not norm.training
    assert norm.num_batches_tracked == 5 * 2  # Two batches of sixty rows each.
    assert norm.running_mean.any()
    Z = dae.transform(table)
    np.testing.assert_allclose(dae.transform(table[:1]), Z[:1], rtol=1e-5)


def test_running_statistics_are_restored_and_training_continues(table):
    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            if net.history[-1, "valid_loss_best"]:
                self.best = net.module_.encoder[1].running_mean.clone()

    keep = Keep()
    dae = small(
        network=normalised,
        early_stopping=True,
        n_iter_no_change=2,
        learning_rate_init=0.5,
        max_iter=100,
        callbacks=[keep],
        warm_start=True,
    ).fit(table)
    assert dae.n_iter_ < 100
    norm = dae.net_.module_.encoder[1]
    assert torch.equal(norm.running_mean, keep.best)
    n_batches = int(norm.num_batches_tracked)
    dae.set_params(max_iter=1).fit(table)
    norm = dae.net_.module_.encoder[1]
    assert norm.num_batches_tracked == n_batches + 4


def test_frozen_parameters_do_not_change_and_others_are_trained(table):
    def network(n, k):
        encoder = nn.Linear(n, k)
        encoder.weight.requires_grad_(False).fill_(0.25)
        return encoder, nn.Linear(k, n)

    encoder = small(network=network).fit(table).net_.module_.encoder
    assert (encoder.weight == 0.25).all()
    assert not encoder.weight.requires_grad
    assert encoder.bias.unique().numel() == 8


def test_modules_may_update_their_buffers_in_training(table):
    def network(n, k):
        # Each batch improves its estimate of the largest singular value.
        return spectral_norm(nn.Linear(n, k)), nn.Linear(k, n)

    before = torch.get_rng_state()
    dae = small(network=network, max_iter=30).fit(table)
    assert torch.equal(before, torch.get_rng_state())
    weight = dae.net_.module_.encoder.weight.detach()
    assert torch.linalg.matrix_norm(weight, 2) == pytest.approx(1.0, rel=1e-2)


class Transposed(nn.Module):
    """A decoder with the weights of its encoder."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, latent):
        return latent @ self.weight


def test_encoder_and_decoder_may_share_weights(table):
    def network(n, k):
        encoder = nn.Linear(n, k)
        return encoder, Transposed(encoder.weight)

    dae = small(network=network, max_iter=60).fit(table)
    assert dae.score(table) > 0.3
    module = dae.net_.module_
    assert module.encoder.weight is module.decoder.weight


def test_callbacks_may_change_gradients_of_a_pair(table):
    def weights(**params):
        dae = small(network=tiny_network, max_iter=3, **params).fit(table)
        return dae.net_.module_.encoder[0].weight

    clipped = weights(callbacks=[GradientNormClipping(1e-8)])
    assert not torch.allclose(clipped, weights(), atol=1e-4)


def test_warm_start_continues_with_the_same_network_only(table):
    dae = small(network=tiny_network, warm_start=True, max_iter=30).fit(table)
    before = dae.loss_curve_[-1]
    dae.set_params(hidden_layer_sizes=(3,), activation="tanh", max_iter=1).fit(table)
    assert dae.loss_curve_[30] < 1.2 * before
    with pytest.raises(
        ValueError, match=r"(?s)now describe another network.*BatchNorm"
    ):
        dae.set_params(network=normalised).fit(table)
    dae.set_params(network=tiny_network)
    for name, value in (
        ("n_components", 9), ("representation", "latent"), ("network", "mlp"),
    ):  # fmt: skip
        before = dae.get_params()[name]
        with pytest.raises(ValueError, match="now describe another network"):
            dae.set_params(**{name: value}).fit(table)
        dae.set_params(**{name: before})


def test_multiplications_are_counted_where_weights_are_used():
    def network(n, k):
        encoder = nn.Sequential(
            nn.Unflatten(1, (1, 4, 4)),
            nn.Conv2d(1, 3, 3, stride=2, padding=1),  # To 3 x 2 x 2.
            nn.Flatten(),
            nn.Linear(12, k),
        )
        decoder = nn.Sequential(
            nn.Linear(k, 12),
            nn.Unflatten(1, (3, 2, 2)),
            nn.ConvTranspose2d(3, 1, 2, stride=2),
            nn.Flatten(),
        )
        return encoder, decoder

    module = CustomAutoencoder(16, (), network, 5, "stack", seed=0)
    assert module.n_weights == 4 * 3 * 9 + 60 + 60 + 4 * 3 * 4


def test_a_pickled_copy_shares_no_memory(table):
    dae = small(network=tiny_network, warm_start=True).fit(table)
    copy = pickle.loads(pickle.dumps(dae))
    np.testing.assert_array_equal(copy.transform(table), dae.transform(table))
    before = dae.transform(table)
    copy.fit(table)
    np.testing.assert_array_equal(dae.transform(table), before)
    assert all(p.grad is None for p in dae.net_.module_.parameters())


@pytest.mark.parametrize("network", [lambda n_inputs: None, ConvNetwork])
def test_a_network_that_cannot_take_sizes_is_refused(small, table, network):
    with pytest.raises(
        ValueError, match=r"must take two arguments \(n_inputs, n_components\)"
    ):
        small(network=network).fit(table)


class StackModule(nn.Module):
    """An encoder with a submodule called `stack`."""

    def __init__(self, n_inputs, n_components):
        super().__init__()
        self.stack = nn.Linear(n_inputs, n_components)

    def forward(self, x):
        return self.stack(x)


def with_stack_module(n_inputs, n_components):
    return StackModule(n_inputs, n_components), nn.Linear(n_components, n_inputs)


def test_a_submodule_called_stack_is_not_used_as_a_method(small, table):
    assert small(network=with_stack_module).fit_transform(table).shape == (120, 5 + 8)


def with_normalisation(n_inputs, n_components):
    encoder = nn.Sequential(nn.Linear(n_inputs, n_components), nn.BatchNorm1d(8))
    return encoder, nn.Linear(n_components, n_inputs)


def test_batch_normalisation_of_one_row_is_refused(small, table):
    dae = small(network=with_normalisation).partial_fit(table)
    with pytest.raises(ValueError, match=r"a batch of one row.*'batch_size'"):
        dae.partial_fit(table[:1])
