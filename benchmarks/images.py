"""Compare repairs and features of digits from convolutional and from dense layers.

The script corrupts images in three ways. Each network learns to repair the training
images, and principal components are fitted on the clean training images. All errors are
mean squared errors over the pixels of test images. Then the same linear model gets the
pixels and the features of all networks, with a few labels of each class.

With --check, convolutions must repair the small digits of scikit-learn better than
principal components do, for each kind of noise.
"""

from functools import partial
from pathlib import Path

import common
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_dae import (
    ConvNetwork,
    DenoisingAutoencoderTransformer,
    ReconstructionDisplay,
)

SHAPE = (1, 28, 28)
N_TRAIN = 10_000
N_COMPONENTS = 256
# Each kind of features gets the penalty that suits it best.
PENALTIES = [0.001, 0.01, 0.1, 1.0, 10.0]


def gaussian(X, strength, rng):
    """Add normal noise and clip the pixels to [0, 1]."""
    return np.clip(X + strength * rng.normal(size=X.shape), 0, 1)


def salt_and_pepper(X, strength, rng):
    """Make a share of the pixels black or white, with equal chances."""
    corrupted = rng.random(X.shape) < strength
    return np.where(corrupted, rng.integers(2, size=X.shape), X)


def masking(X, strength, rng):
    """Make a share of the pixels missing."""
    return np.where(rng.random(X.shape) < strength, np.nan, X)


NOISES = {f.__name__: f for f in (gaussian, salt_and_pepper, masking)}
REPAIRING, FEATURES = ("MLP", "wide MLP", "conv"), ("MLP, stack", "conv")


def load(folder):
    """Return training and test images with their labels, pixels in [0, 1]."""
    table = common.read_table("mnist", folder)
    y = table.pop("target").to_numpy()
    X = table.to_numpy(np.float32) / 255
    return X[:N_TRAIN], X[N_TRAIN:], y[:N_TRAIN], y[N_TRAIN:]


def transformer(noise, strength, **params):
    """Return a transformer that learns to repair images."""
    return DenoisingAutoencoderTransformer(
        N_COMPONENTS,
        noise=noise,
        noise_factor=strength,
        scaling=None,
        loss="log_loss",
        emphasis=0.5,
        **params,
    )


def networks(X, noise, strength, **shared):
    """Fit transformers that repair images, or give features, or do both.

    The default dense layers and the wide one repair images. "MLP, stack" gives
    features. The convolutional network does both.
    """
    settings = {
        "MLP": {"representation": "latent"},
        "wide MLP": {"representation": "latent", "hidden_layer_sizes": (1024,)},
        "MLP, stack": {},
        "conv": {"network": ConvNetwork(SHAPE)},
    }
    fitted = {}
    for name, params in settings.items():
        dae = transformer(noise, strength, **params, **shared)
        fitted[name], seconds = common.timed(dae.fit, X)
        print(f"{noise.__name__}, {name}: fitted in {seconds:.0f} s", flush=True)
    return fitted


def fill(X, noisy):
    """Fill missing pixels with the mean of the training images."""
    return np.where(np.isnan(noisy), X.mean(axis=0), noisy)


def pca_repairs(X, filled, n_components):
    """Return what principal components of the training images make of noisy ones."""
    pca = PCA(n_components, random_state=0).fit(X)
    return pca.inverse_transform(pca.transform(filled))


def repairs(X, noisy, fitted):
    """Return the noisy images and the repairs of each method."""
    filled = fill(X, noisy)
    return {
        "noisy": filled,
        "PCA": pca_repairs(X, filled, 64),
        **{name: fitted[name].reconstruct(noisy) for name in REPAIRING},
    }


def error(repaired, clean):
    """Return the mean squared error over all pixels."""
    return np.square(repaired - clean).mean()


def few_labels_accuracy(Z, Z_test, y, y_test, n_draws):
    """Return the mean accuracy over draws of a few labelled rows of each class.

    The accuracy is that of the best penalty.
    """
    scores = np.empty((len(PENALTIES), n_draws))
    for draw in range(n_draws):
        few = common.few_rows(y, draw)
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


def claims(options):
    """Compare repairs of the small digits of scikit-learn, for each kind of noise."""
    X = common.read_table("digits").drop(columns="target").to_numpy(np.float32) / 16
    X, X_test = train_test_split(X, random_state=0)
    for name, noise in NOISES.items():
        noisy = noise(X_test, 0.5, np.random.default_rng(0))
        filled = fill(X, noisy)
        network = ConvNetwork((1, 8, 8))
        dae = transformer(noise, 0.5, network=network, max_iter=15, random_state=0)
        pca = [error(pca_repairs(X, filled, n), X_test) for n in (4, 8, 16, 32)]
        found = {
            "ConvNetwork": error(dae.fit(X).reconstruct(noisy), X_test),
            "the best PCA": min(pca),
        }
        measure = f"error of repairs, {name}"
        yield common.claim(measure, found, "ConvNetwork", "<", "the best PCA")


def main(options):
    """Measure all networks with each kind of noise, then print and draw the results."""
    X, X_test, y, y_test = load(options.data)
    errors, pictures, accuracies = {}, {}, {}
    # After this division a pixel has a standard deviation of about 1, like a feature.
    scale = X.std(axis=0).mean()
    probe = partial(few_labels_accuracy, y=y, y_test=y_test, n_draws=options.draws)
    accuracies["pixels", ""] = probe(X / scale, X_test / scale)
    shared = {"learning_rate_init": options.learning_rate, "random_state": options.seed}
    for name in options.noises:
        noise = NOISES[name]
        fitted = networks(X, noise, options.strength, **shared)
        noisy = noise(X_test, options.strength, np.random.default_rng(options.seed))
        lines = repairs(X, noisy, fitted)
        pictures[name] = {"clean": X_test, **lines}
        errors[name] = {m: error(repaired, X_test) for m, repaired in lines.items()}
        for method in FEATURES:
            Z, Z_test = fitted[method].transform(X), fitted[method].transform(X_test)
            accuracies[method, name] = probe(Z, Z_test)
    report(errors, accuracies)
    if options.plot:
        plot(pictures, options.plot)


def report(errors, accuracies):
    """Print the errors of all methods with their ratios, then the accuracies."""
    errors = pd.DataFrame(errors).T
    for other in ("noisy", "PCA", "MLP", "wide MLP"):
        errors[f"conv/{other}"] = errors["conv"] / errors[other]
    common.print_table(errors, digits=".4f")
    title = f"accuracy with {common.N_FEW} labels a class"
    common.print_table(
        pd.Series(accuracies).unstack(fill_value=np.nan), title, digits=".4f"
    )


def parse():
    """Return the options of the command line."""
    parser = common.argument_parser(__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with mnist.parquet")
    common.add_check(source)
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
    parser.add_argument("--plot", type=Path, help="image file for the repairs")
    return parser.parse_args()


if __name__ == "__main__":
    common.run(parse(), claims, main)
