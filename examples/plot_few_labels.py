"""
========================
Classify with few labels
========================

Often many rows are available, but only a few of them have labels (semi-supervised
learning). The transformer learns from all rows, without labels. A simple classifier
then learns from the features of the few labelled rows. Here denoising features help
most.
"""

# %%
# The handwritten digits: 1257 training images and 540 test images. The features are
# fitted on all training images, without their labels. Principal components (PCA) are
# the usual alternative.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_dae import DenoisingAutoencoderTransformer

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

transformers = {
    "raw columns": StandardScaler(),
    "PCA": make_pipeline(StandardScaler(), PCA(0.95)),
    "denoising features": DenoisingAutoencoderTransformer(random_state=0),
}
features = {
    name: (transformer.fit_transform(X), transformer.transform(X_test))
    for name, transformer in transformers.items()
}
for name, (Z, _) in features.items():
    print(f"{name}: {Z.shape[1]} columns")

# %%
# The same logistic regression is fitted on each kind of features, with 1 to 20 labels a
# class. Each fit is repeated ten times with other labelled rows.

N_DRAWS = 10
n_labels = [1, 2, 5, 10, 20]


def accuracies(Z, Z_test, n):
    """Accuracy on the test rows for each draw of `n` labelled rows a class."""
    scores = []
    for seed in range(N_DRAWS):
        order = np.random.default_rng(seed).permutation(len(y))
        few = np.concatenate([order[y[order] == label][:n] for label in np.unique(y)])
        classifier = LogisticRegression(max_iter=1000).fit(Z[few], y[few])
        scores.append(classifier.score(Z_test, y_test))
    return scores


scores = {
    name: np.array([accuracies(Z, Z_test, n) for n in n_labels])
    for name, (Z, Z_test) in features.items()
}

# %%
# The mean accuracy. The bars are standard deviations over the ten repetitions.

figure, ax = plt.subplots(layout="constrained")
for (name, of_features), marker, color in zip(
    scores.items(), "sDo", ["#808080", "#D55E00", "#0072B2"], strict=True
):
    ax.errorbar(
        n_labels,
        of_features.mean(axis=1),
        of_features.std(axis=1),
        marker=marker,
        color=color,
        capsize=3,
        label=name,
    )
ax.set_xscale("log")
ax.set_xticks(n_labels, map(str, n_labels))
ax.minorticks_off()
ax.set(xlabel="labels a class", ylabel="accuracy on 540 test images")
ax.legend(loc="lower right")

# %%
# The mean accuracy as a table:

print(f"{'labels a class':20}", *(f"{n:6}" for n in n_labels))
for name, of_features in scores.items():
    print(f"{name:20}", *(f"{mean:6.3f}" for mean in of_features.mean(axis=1)))

# %%
# In a Pipeline, :class:`~sklearn.frozen.FrozenEstimator` keeps the fitted transformer
# as it is. Only the classifier is then fitted on the labelled rows.

dae = transformers["denoising features"]
model = make_pipeline(FrozenEstimator(dae), LogisticRegression(max_iter=1000))
labelled = np.concatenate([np.flatnonzero(y == label)[:10] for label in np.unique(y)])
accuracy = model.fit(X[labelled], y[labelled]).score(X_test, y_test)
print(f"accuracy {accuracy:.3f} with {len(labelled)} labels")
