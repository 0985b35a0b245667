"""ConvNetwork: sizes of images, the stack, parameters, quality of repairs."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from torch.nn.functional import avg_pool2d

from sklearn_dae import ConvNetwork

from ..helpers import small


def for_digits(**params):
    """Make a small convolutional transformer for the digits."""
    network = ConvNetwork((1, 8, 8), channels=(4, 8))
    return small(**{"network": network, "scaling": None, **params})


@pytest.mark.parametrize("kernel_size", range(1, 8))
@pytest.mark.parametrize(
    "image_shape", [(1, 1, 1), (1, 5, 7), (1, 28, 28), (3, 6, 5), (2, 1, 9)]
)
def test_images_of_any_size_are_encoded_and_decoded(image_shape, kernel_size):
    network = ConvNetwork(image_shape, channels=(4, 5, 6), kernel_size=kernel_size)
    n_inputs = int(np.prod(image_shape))
    encoder, decoder = network(n_inputs, 3)
    latent = encoder(torch.ones(9, n_inputs))
    assert latent.shape == (9, 3)
    assert decoder(latent).shape == (9, n_inputs)
    blocks = encoder.stack(torch.ones(9, n_inputs))
    torch.testing.assert_close(blocks[-1], latent)
    assert all(block.shape[0] == 9 for block in blocks)


def test_layers_halve_the_image():
    encoder, _ = ConvNetwork((1, 20, 9), channels=(2, 3))(180, 4)
    shapes = [maps.shape for maps in encoder._maps(torch.ones(1, 180))]
    assert shapes == [(1, 2, 10, 5), (1, 3, 5, 3)]


def test_the_stack_holds_averaged_maps_and_the_latent_layer(digits):
    X = digits[0] / 16
    network = ConvNetwork((1, 8, 8), channels=(4, 8), pool_size=2)
    dae = for_digits(network=network).fit(X)
    Z = dae.transform(X)
    assert Z.shape == (300, 64 + 4 * 4 + 8 * 4 + 8)
    encoder, spreads = dae.net_.module_.encoder, dae.net_.module_.spreads
    inputs = torch.tensor(X - X.mean(axis=0), dtype=torch.float32)
    with torch.no_grad():
        first, second = encoder._maps(inputs)
    expected = avg_pool2d(first, 2).flatten(1) / spreads[1]
    np.testing.assert_allclose(Z[:, 64:80], expected, atol=1e-4)
    np.testing.assert_allclose(Z[:, 80:112], second.flatten(1) / spreads[2], atol=1e-4)
    np.testing.assert_allclose(
        dae.inverse_transform(Z), dae.inverse_transform(Z[:, -8:]), rtol=1e-5
    )


def test_it_repairs_noisy_images(digits):
    X, X_test = digits[0] / 16, digits[1] / 16
    dae = for_digits(
        network=ConvNetwork((1, 8, 8), channels=(16, 32)),
        n_components=32,
        noise="gaussian",
        noise_factor=0.5,
        loss="log_loss",
        max_iter=50,
    ).fit(X)
    noise = np.random.default_rng(0).normal(scale=0.5, size=X_test.shape)
    repaired = dae.reconstruct(X_test + noise)
    error = np.square(repaired - X_test).mean()
    assert error < 0.3 * np.square(noise).mean()
    assert error < 0.8 * X_test.var(axis=0).mean()
    assert repaired.min() >= 0
    assert repaired.max() <= 1
    # An image upside down is an outlier.
    scores = dae.score_samples(X_test)
    assert (dae.score_samples(X_test[:, ::-1]) < scores).mean() > 0.8


def test_missing_pixels_and_several_channels(digits):
    X = np.hstack([digits[0], 16 - digits[0]]) / 16
    network = ConvNetwork((2, 8, 8), channels=(16,))
    dae = for_digits(network=network, noise="masking", max_iter=30).fit(X)
    hidden = np.random.default_rng(0).random(X.shape) < 0.2
    filled = dae.impute(np.where(hidden, np.nan, X))
    error = np.square(filled - X)[hidden].mean()
    assert error < 0.5 * np.square(X - X.mean(axis=0))[hidden].mean()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_equal_seeds_give_equal_bits_and_global_state_does_not_change(
    digits, early_stopping
):
    def fitted(seed=0):
        dae = for_digits(early_stopping=early_stopping, random_state=seed)
        return dae.fit_transform(digits[0] / 16)

    before = torch.get_rng_state()
    first = fitted()
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(first, fitted())
    assert not np.array_equal(first, fitted(1))


def test_pickles_clones_and_parameters_of_the_network(digits):
    X = digits[0] / 16
    dae = for_digits().fit(X)
    expected = dae.transform(X)
    for copy in (pickle.loads(pickle.dumps(dae)), clone(dae).fit(X)):
        np.testing.assert_array_equal(copy.transform(X), expected)
    assert dae.get_params()["network__channels"] == (4, 8)
    other = clone(dae).set_params(network__channels=(2,), network__pool_size=1)
    assert dae.network.channels == (4, 8)
    assert other.fit_transform(X).shape == (300, 64 + 2 + 8)


def test_a_search_over_parameters_of_the_network(digits):
    X, _, y, _ = digits
    steps = [("dae", for_digits()), ("classifier", LogisticRegression(max_iter=1000))]
    grid = {"dae__network__channels": [(2,), (4, 8)]}
    search = GridSearchCV(Pipeline(steps), grid, cv=2, n_jobs=2).fit(X / 16, y)
    assert search.best_score_ > 0.6
    assert len(set(search.cv_results_["mean_test_score"])) == 2


def test_warm_start_with_other_channels_is_refused(digits):
    X = digits[0] / 16
    dae = for_digits(warm_start=True).fit(X)
    n_losses = len(dae.fit(X).loss_curve_)
    dae.set_params(network__channels=(4, 9))
    with pytest.raises(ValueError, match=r"(?s)warm_start=True .* Conv2d\(4, 9"):
        dae.fit(X)
    assert len(dae.loss_curve_) == n_losses == 10


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"image_shape": (1, 28, 28)},
            r"columns, 64.*\(1, 28, 28\) with the product 784",
        ),
        ({"image_shape": (8, 8)}, r"three integers.*\(8, 8\)"),
        ({"image_shape": (1, 8.0, 8)}, r"'image_shape' .* integers .*\(1, 8.0, 8\)"),
        ({"image_shape": "8x8"}, "'image_shape' parameter of ConvNetwork"),
        ({"channels": ()}, r"'channels' .* integers of at least 1. Got \(\)"),
        ({"channels": (8, 0)}, r"'channels' .* integers of at least 1. Got \(8, 0\)"),
        ({"kernel_size": 0}, "'kernel_size' parameter of ConvNetwork"),
        ({"pool_size": 1.5}, "'pool_size' parameter of ConvNetwork"),
    ],
)
def test_invalid_parameters_are_refused(digits, params, message):
    network = ConvNetwork(**{"image_shape": (1, 8, 8), **params})
    with pytest.raises(ValueError, match=message):
        for_digits(network=network).fit(digits[0])
