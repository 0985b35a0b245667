"""
=========================
Does it pay on my table?
=========================

Denoising features help on some tables and not on others. This page compares raw
columns, random features and denoising features in front of your own estimator, by
cross-validation. Replace the table and the estimator by your own.
"""

# %%
# `X` is a DataFrame or an array, `y` the labels. Here they are 600 handwritten
# digits. The random features are from the same network without training: its learning
# rate is too small to change a weight.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_dae import DenoisingAutoencoderTransformer

X, y = load_digits(return_X_y=True, as_frame=True)
X = X.sample(600, random_state=0)
y = y[X.index]
estimator = LogisticRegression(max_iter=1000)

raw_columns = make_column_transformer(
    (
        make_pipeline(SimpleImputer(), StandardScaler()),
        make_column_selector(dtype_include="number"),
    ),
    remainder=OneHotEncoder(handle_unknown="ignore"),
)
untrained = {"max_iter": 1, "learning_rate_init": 1e-12}
features = {
    "raw columns": raw_columns,
    "random features": DenoisingAutoencoderTransformer(random_state=0, **untrained),
    "denoising features": DenoisingAutoencoderTransformer(random_state=0),
}
folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=3, random_state=0)
scores = {
    name: cross_val_score(make_pipeline(transformer, estimator), X, y, cv=folds)
    for name, transformer in features.items()
}

# %%
# Each line is one split into training and test rows. Compare the three points of a
# line, because some splits are harder than others.

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
values = np.array(list(scores.values()))
ax.plot(values, color="0.75", linewidth=1)
ax.plot(values, "o", color="0.5", markersize=4)
ax.plot(values.mean(axis=1), "D-", color="#0072B2", markersize=9, label="mean")
ax.set_xticks(range(len(scores)), scores)
ax.set_xlim(-0.4, len(scores) - 0.6)
ax.set(ylabel="accuracy on the test rows")
ax.legend(loc="lower right")

# %%
# Look at two differences:

for name in ("raw columns", "random features"):
    gain = scores["denoising features"] - scores[name]
    print(
        f"denoising features minus {name}: {gain.mean():+.3f}, "
        f"better in {(gain > 0).sum()} of {len(gain)} splits"
    )

# %%
# - *Minus raw columns*: are the features better than the columns? If neither they nor
#   the random features are better in nearly all splits, use the raw columns.
# - *Minus random features*: does the training help? If the difference changes its sign
#   from split to split, random features are enough for your estimator. They take less
#   than a second.
# - Use the measure that you need, for example ``scoring="roc_auc_ovr"`` if some classes
#   are rare. Rare classes hardly change the accuracy.
# - The best value of a penalty such as `C` is not the same for the three kinds of
#   features. Search it for each kind, for example by
#   :class:`~sklearn.linear_model.LogisticRegressionCV`.
# - Three repetitions show differences of a few points. For differences of less than one
#   point, take ten repetitions and other values of `random_state`.
# - With few labels and many rows without labels, fit the transformer on all rows first.
#   See :ref:`sphx_glr_auto_examples_plot_few_labels.py`.
# - Give boosted trees the raw columns. On most tables these features do not help them.
