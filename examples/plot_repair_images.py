"""
=============
Repair images
=============

What the name promises: noisy images in, clean images out. The transformer is trained on
clean images with the noise that it shall remove, and repairs images it has not seen.
"""

# %%
# Handwritten digits of 8 x 8 pixels, scaled to [0, 1]. A bottleneck (`representation=
# "latent"`) with the binary cross-entropy, as is usual for pixels.

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklearn_dae import (
    ConvNetwork,
    DenoisingAutoencoderTransformer,
    ReconstructionDisplay,
)

X, _ = load_digits(return_X_y=True)
X, X_test = train_test_split(X / 16, test_size=0.3, random_state=0)


def autoencoder(noise, noise_factor, network="mlp"):
    return DenoisingAutoencoderTransformer(
        n_components=64,
        network=network,
        representation="latent",
        noise=noise,
        noise_factor=noise_factor,
        scaling=None,
        loss="log_loss",
        max_iter=60,
        random_state=0,
    ).fit(X)


# %%
# Three ways to spoil an image: noise on every pixel, a third of the pixels black or
# white, and half of the pixels lost. Lost pixels are given as missing values.

rng = np.random.default_rng(0)
spots = rng.random(X_test.shape) < 0.3
spoiled = {
    "gaussian": np.clip(X_test + rng.normal(0, 0.3, X_test.shape), 0, 1),
    "salt_and_pepper": np.where(spots, rng.integers(0, 2, X_test.shape), X_test),
    "masking": np.where(rng.random(X_test.shape) < 0.5, np.nan, X_test),
}
factors = {"gaussian": 0.3, "salt_and_pepper": 0.3, "masking": 0.5}
transformers = {noise: autoencoder(noise, factor) for noise, factor in factors.items()}

# %%
# Noise on every pixel:

ReconstructionDisplay.from_estimator(
    transformers["gaussian"],
    spoiled["gaussian"],
    X_clean=X_test,
    image_shape=(8, 8),
)

# %%
# A third of the pixels black or white:

ReconstructionDisplay.from_estimator(
    transformers["salt_and_pepper"],
    spoiled["salt_and_pepper"],
    X_clean=X_test,
    image_shape=(8, 8),
)

# %%
# Half of the pixels lost:

ReconstructionDisplay.from_estimator(
    transformers["masking"],
    spoiled["masking"],
    X_clean=X_test,
    image_shape=(8, 8),
)

# %%
# Dense layers do not know which pixels are neighbours. Convolutional ones do:

convolutional = autoencoder("salt_and_pepper", 0.3, ConvNetwork((1, 8, 8)))
ReconstructionDisplay.from_estimator(
    convolutional, spoiled["salt_and_pepper"], X_clean=X_test
)

# %%
# Mean squared errors on all 540 test images, of the spoiled image, of its projection on
# the principal components of clean ones (the best number of components for each noise,
# chosen on these very images), and of the repaired image. A lost pixel counts as its
# mean.

rows = {}
for noise, given in spoiled.items():
    seen = np.where(np.isnan(given), X.mean(axis=0), given)
    of_pca = []
    for n_components in (4, 8, 16, 24, 32):
        pca = PCA(n_components).fit(X)
        of_pca.append(pca.inverse_transform(pca.transform(seen)))
    rows[noise] = {
        "spoiled": np.square(seen - X_test).mean(),
        "PCA": min(np.square(repaired - X_test).mean() for repaired in of_pca),
        "repaired": np.square(transformers[noise].reconstruct(given) - X_test).mean(),
    }
rows["salt_and_pepper"]["repaired by convolutions"] = np.square(
    convolutional.reconstruct(spoiled["salt_and_pepper"]) - X_test
).mean()
pd.DataFrame(rows).T.round(4)
