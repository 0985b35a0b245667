"""Repairs and features of handwritten digits by convolutional and by dense layers.

Images are corrupted in three ways. For each, both networks learn to repair the training
images; principal components are fitted on the clean ones. All errors are mean squares
over the pixels of test images. Then the same linear model is given pixels and the
features of all the networks, with a few labels of each class.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from sklearn_dae import (
    ConvNetwork,
    DenoisingAutoencoderTransformer,
    ReconstructionDisplay,
)

SHAPE = (1, 28, 28)
N_TRAIN = 10_000
N_COMPONENTS = 256
N_FEW = 10
# The regularisation that is best for each kind of features is taken.
PENALTIES = [0.001, 0.01, 0.1, 1.0, 10.0]


def gaussian(X, strength, rng):
    return np.clip(X + strength * rng.normal(size=X.shape), 0, 1)


def salt_and_pepper(X, strength, rng):
    corrupted = rng.random(X.shape) < strength
    return np.where(corrupted, rng.integers(2, size=X.shape), X)


def masking(X, strength, rng):
    return np.where(rng.random(X.shape) < strength, np.nan, X)


NOISES = {f.__name__: f for f in (gaussian, salt_and_pepper, masking)}
REPAIRING, FEATURES = ("MLP", "wide MLP", "conv"), ("MLP, stack", "conv")


def load(folder):
    """Training and test images with their labels, pixels in [0, 1]."""
    table = pd.read_parquet(folder / "mnist.parquet")
    y = table.pop("target").to_numpy()
    X = table.to_numpy(np.float32) / 255
    return X[:N_TRAIN], X[N_TRAIN:], y[:N_TRAIN], y[N_TRAIN:]


def fit(X, noise, strength, **params):
    """A transformer that has learned to repair the images, and its seconds."""
    dae = DenoisingAutoencoderTransformer(
        N_COMPONENTS,
        noise=noise,
        noise_factor=strength,
        scaling=None,
        loss="log_loss",
        emphasis=0.5,
        **params,
    )
    start = time.perf_counter()
    dae.fit(X)
    return dae, time.perf_counter() - start


def networks(X, noise, strength, **shared):
    """Dense layers to repair, as they come and wide, or for features; conv for both."""
    settings = {
        "MLP": {"representation": "latent"},
        "wide MLP": {"representation": "latent", "hidden_layer_sizes": (1024,)},
        "MLP, stack": {},
        "conv": {"network": ConvNetwork(SHAPE)},
    }
    fitted = {}
    for name, params in settings.items():
        fitted[name], seconds = fit(X, noise, strength, **params, **shared)
        print(f"{noise.__name__}, {name}: fitted in {seconds:.0f} s", flush=True)
    return fitted


def repairs(X, noisy, fitted):
    """The noisy images, and what each method makes of them."""
    filled = np.where(np.isnan(noisy), X.mean(axis=0), noisy)
    pca = PCA(64, random_state=0).fit(X)
    return {
        "noisy": filled,
        "PCA": pca.inverse_transform(pca.transform(filled)),
        **{name: fitted[name].reconstruct(noisy) for name in REPAIRING},
    }


def few_labels_accuracy(Z, Z_test, y, y_test, n_draws):
    """Best mean accuracy of a penalty over draws of a few rows of each class."""
    scores = np.empty((len(PENALTIES), n_draws))
    for draw in range(n_draws):
        order = np.random.default_rng(draw).permutation(len(y))
        few = np.concatenate([order[y[order] == c][:N_FEW] for c in np.unique(y)])
        for k, C in enumerate(PENALTIES):
            model = LogisticRegression(C=C, max_iter=1000).fit(Z[few], y[few])
            scores[k, draw] = model.score(Z_test, y_test)
    return scores.mean(axis=1).max()


def plot(pictures, file, n_images=4):
    """Draw the first images and their repairs, one panel a noise."""
    figure, axes = plt.subplots(
        1, len(pictures), figsize=(6.4, 3.4), layout="constrained", squeeze=False
    )
    for ax, (noise, lines) in zip(axes[0], pictures.items(), strict=True):
        images = {n: X[:n_images].reshape(-1, *SHAPE[1:]) for n, X in lines.items()}
        ReconstructionDisplay(images=images).plot(ax=ax)
        ax.images[0].set_clim(0, 1)
        ax.set_title(noise, fontsize=12)
        ax.tick_params(labelleft=ax is axes[0, 0], labelsize=12)
    figure.savefig(file, dpi=150, bbox_inches="tight")


def main(folder, noises, strength, learning_rate, seed, n_draws, file):
    X, X_test, y, y_test = load(folder)
    errors, pictures, accuracies = {}, {}, {}
    # Varying by 1 a pixel on average, as features do.
    scale = X.std(axis=0).mean()
    probe = partial(few_labels_accuracy, y=y, y_test=y_test, n_draws=n_draws)
    accuracies["pixels", ""] = probe(X / scale, X_test / scale)
    for name in noises:
        noise = NOISES[name]
        fitted = networks(
            X, noise, strength, learning_rate_init=learning_rate, random_state=seed
        )
        noisy = noise(X_test, strength, np.random.default_rng(seed))
        lines = repairs(X, noisy, fitted)
        pictures[name] = {"clean": X_test, **lines}
        errors[name] = {
            method: np.square(repaired - X_test).mean()
            for method, repaired in lines.items()
        }
        for method in FEATURES:
            Z, Z_test = fitted[method].transform(X), fitted[method].transform(X_test)
            accuracies[method, name] = probe(Z, Z_test)
    report(errors, accuracies)
    if file:
        plot(pictures, file)


def report(errors, accuracies):
    errors = pd.DataFrame(errors).T
    for other in ("noisy", "PCA", "MLP", "wide MLP"):
        errors[f"conv/{other}"] = errors["conv"] / errors[other]
    print(errors.round(4).to_string())
    print(f"\naccuracy with {N_FEW} labels a class")
    print(pd.Series(accuracies).unstack(fill_value=np.nan).round(4).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with mnist.parquet"
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=0.5,
        help="standard deviation of gaussian noise, share of pixels for the others",
    )
    parser.add_argument("--noises", nargs="+", choices=NOISES, default=list(NOISES))
    parser.add_argument(
        "--learning-rate", type=float, default=0.002, help="of all networks"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=10, help="of labelled images")
    parser.add_argument("--plot", type=Path, help="file for a picture of the repairs")
    options = parser.parse_args()
    main(
        options.data,
        options.noises,
        options.strength,
        options.learning_rate,
        options.seed,
        options.draws,
        options.plot,
    )
