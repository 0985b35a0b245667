"""
=================
Cluster a table
=================

K-means finds round clusters of similar size. On the denoising features of the
handwritten digits, its clusters agree better with the digits than its clusters on
the raw columns.
"""

# %%
# The raw columns of all handwritten digits, scaled, and their denoising features. The
# transformer is trained on the same rows, without labels.

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
# Normalised mutual information measures how well the clusters agree with the digits:
# 1.0 for the same partition, 0.0 for an unrelated one. K-means depends on its start, so
# there are three runs. Each is the best of ten starts.

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
# The first two principal components of the features. The colours show the digits in the
# upper picture and the clusters in the lower one. Neither the transformer nor k-means
# has seen the digits.

clusters = KMeans(10, n_init=10, random_state=0).fit_predict(
    features["denoising features"]
)
figure, axes = plt.subplots(2, figsize=(6.4, 9), layout="constrained")
FeaturesDisplay.from_estimator(dae, X, y, ax=axes[0])
axes[0].set_title("digits")
FeaturesDisplay.from_estimator(dae, X, clusters, ax=axes[1])
axes[1].set_title("clusters")

# %%
# The number of images of each digit in each cluster. Six digits have a cluster of their
# own. The 3 and the 9 share one cluster. The 8 shares one with half of the images of
# the 1, which is written in several ways.

figure, ax = plt.subplots(figsize=(6, 4.8), layout="constrained")
counts = confusion_matrix(y, clusters)
counts = counts[:, np.argsort(counts.argmax(axis=0), kind="stable")]
ax.imshow(counts, cmap="Blues")
for (digit, cluster), count in np.ndenumerate(counts):
    if count:
        color = "white" if count > counts.max() / 2 else "black"
        ax.text(cluster, digit, count, ha="center", va="center", color=color)
ax.set(xlabel="cluster", ylabel="digit", yticks=range(10), xticks=[])
