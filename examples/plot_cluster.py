"""
=================
Cluster a table
=================

K-means finds round clusters of equal size in the space that it is given. Denoising
features are a space where rows that hang together in the same way lie closer.
"""

# %%
# All handwritten digits, as k-means sees them: raw, and by the features of the
# transformer, learned from the same rows. No label is used.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix, normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler

from sklearn_dae import DenoisingAutoencoderTransformer, FeaturesDisplay

X, y = load_digits(return_X_y=True)
dae = DenoisingAutoencoderTransformer(random_state=0).fit(X)
features = {
    "raw columns": StandardScaler().fit_transform(X),
    "denoising features": dae.transform(X),
}

# %%
# How well the clusters agree with the digits, by normalised mutual information (1.0 is
# the same partition, 0.0 an unrelated one). K-means depends on where it starts: three
# runs, each the best of ten starts.

agreement = {}
for name, Z in features.items():
    agreement[name] = [
        normalized_mutual_info_score(
            y, KMeans(10, n_init=10, random_state=seed).fit_predict(Z)
        )
        for seed in range(3)
    ]
    print(name, np.round(agreement[name], 3))

# %%
# The features in two dimensions, those of their principal components, coloured by the
# digit (which neither the transformer nor k-means was told), and by the cluster.

clusters = KMeans(10, n_init=10, random_state=0).fit_predict(
    features["denoising features"]
)
figure, axes = plt.subplots(ncols=2, figsize=(11, 4.4), layout="constrained")
FeaturesDisplay.from_estimator(dae, X, y, ax=axes[0])
axes[0].set_title("digits")
FeaturesDisplay.from_estimator(dae, X, clusters, ax=axes[1])
axes[1].set_title("clusters")

# %%
# Which digits each cluster holds. Six digits have a cluster of their own; the 3 and the
# 9 share one, and the 8 shares one with half of the 1, which is written in many ways.

figure, ax = plt.subplots(figsize=(6, 4.4), layout="constrained")
counts = confusion_matrix(y, clusters)
counts = counts[:, np.argsort(counts.argmax(axis=0), kind="stable")]
ax.imshow(counts, cmap="Blues")
for (digit, cluster), count in np.ndenumerate(counts):
    if count:
        color = "white" if count > counts.max() / 2 else "black"
        ax.text(cluster, digit, count, ha="center", va="center", color=color)
ax.set(xlabel="cluster", ylabel="digit", yticks=range(10), xticks=[])
