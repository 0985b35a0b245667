"""
=============
Repair images
=============

The transformer is trained on clean images, with the noise that it has to remove. Then
it repairs noisy images that it has not seen.
"""

# %%
# Handwritten digits of 8 x 8 pixels, scaled to [0, 1]. The network has a bottleneck
# (``representation="latent"``). Its loss is the binary cross-entropy, which is usual
# for pixels.

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
# The test images are corrupted in three ways: noise on all pixels, about a third of the
# pixels black or white, and half of the pixels missing.

rng = np.random.default_rng(0)
extreme = rng.random(X_test.shape) < 0.3
corrupted = {
    "gaussian": np.clip(X_test + rng.normal(0, 0.3, X_test.shape), 0, 1),
    "salt_and_pepper": np.where(extreme, rng.integers(0, 2, X_test.shape), X_test),
    "masking": np.where(rng.random(X_test.shape) < 0.5, np.nan, X_test),
}
factors = {"gaussian": 0.3, "salt_and_pepper": 0.3, "masking": 0.5}
transformers = {noise: autoencoder(noise, factor) for noise, factor in factors.items()}

# %%
# Noise on all pixels:

ReconstructionDisplay.from_estimator(
    transformers["gaussian"],
    corrupted["gaussian"],
    X_clean=X_test,
    image_shape=(8, 8),
    n_images=6,
)

# %%
# About a third of the pixels black or white:

ReconstructionDisplay.from_estimator(
    transformers["salt_and_pepper"],
    corrupted["salt_and_pepper"],
    X_clean=X_test,
    image_shape=(8, 8),
    n_images=6,
)

# %%
# Half of the pixels missing:

ReconstructionDisplay.from_estimator(
    transformers["masking"],
    corrupted["masking"],
    X_clean=X_test,
    image_shape=(8, 8),
    n_images=6,
)

# %%
# Dense layers do not know which pixels are neighbours. Convolutional layers know it:

convolutional = autoencoder("salt_and_pepper", 0.3, ConvNetwork((1, 8, 8)))
ReconstructionDisplay.from_estimator(
    convolutional, corrupted["salt_and_pepper"], X_clean=X_test, n_images=6
)

# %%
# The mean squared errors on all 540 test images. "PCA" projects the corrupted image on
# the principal components of clean images. Its number of components is the best for
# each noise, chosen on the test images, which favours PCA. A missing pixel counts as
# the mean of its column.

rows = {}
for noise, given in corrupted.items():
    filled = np.where(np.isnan(given), X.mean(axis=0), given)
    projected = []
    for n_components in (4, 8, 16, 24, 32):
        pca = PCA(n_components).fit(X)
        projected.append(pca.inverse_transform(pca.transform(filled)))
    rows[noise] = {
        "corrupted": np.square(filled - X_test).mean(),
        "PCA": min(np.square(repaired - X_test).mean() for repaired in projected),
        "repaired": np.square(transformers[noise].reconstruct(given) - X_test).mean(),
    }
rows["salt_and_pepper"]["repaired by convolutions"] = np.square(
    convolutional.reconstruct(corrupted["salt_and_pepper"]) - X_test
).mean()
pd.DataFrame(rows).T.round(4)
