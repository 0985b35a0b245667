"""
=================================
Choose the noise by a grid search
=================================

The noise is what the transformer learns from, and how much of it is best differs from
table to table. :class:`~sklearn.model_selection.GridSearchCV` finds it, with labels by
what comes out at the end of a pipeline, without labels by the transformer's own score.
"""

# %%
# With labels
# -----------
# What counts is the classifier at the end. The search tries two kinds of noise and four
# strengths in front of it, on 600 of the handwritten digits.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline

from sklearn_dae import DenoisingAutoencoderTransformer, NoiseFactorDisplay

X, y = load_digits(return_X_y=True)
some = np.random.default_rng(0).permutation(len(y))[:600]
X, y = X[some], y[some]
cv = KFold(3, shuffle=True, random_state=0)

dae = DenoisingAutoencoderTransformer(max_iter=20, random_state=0)
pipeline = Pipeline(
    [("dae", dae), ("classifier", LogisticRegression(C=0.1, max_iter=500))]
)
grid = {
    "dae__noise": ["swap", "masking"],
    "dae__noise_factor": [0.02, 0.1, 0.3, 0.7],
}
with_labels = GridSearchCV(pipeline, grid, cv=cv).fit(X, y)
print(with_labels.best_params_, f"accuracy {with_labels.best_score_:.3f}")

# %%
# Without labels
# --------------
# The transformer's `score` hides cells that it predicts from the rest of their row. It
# does not depend on the noise of training, so that transformers trained with different
# noises can be compared by it. The loss could not do this: it is always smallest for
# the least noise.

grid = {"noise": ["swap", "masking"], "noise_factor": [0.02, 0.1, 0.3, 0.7]}
without_labels = GridSearchCV(dae, grid, cv=cv).fit(X)
print(without_labels.best_params_, f"score {without_labels.best_score_:.3f}")

# %%
# Both searches
# -------------
# The bars are standard deviations over the folds. Where they overlap, the choice hardly
# matters; look for where the curve falls off. A search without labels chooses what
# predicts cells best. That often, not always, is what gives the best features.

figure, axes = plt.subplots(ncols=2, figsize=(10, 4), layout="constrained")
NoiseFactorDisplay.from_estimator(with_labels, ax=axes[0])
axes[0].set(title="with labels", ylabel="accuracy")
NoiseFactorDisplay.from_estimator(without_labels, ax=axes[1])
axes[1].set(title="without labels", ylabel="score of hidden cells")

# %%
# The best candidates of the search with labels:

results = pd.DataFrame(with_labels.cv_results_).sort_values("rank_test_score")
columns = ["param_dae__noise", "param_dae__noise_factor", "mean_test_score"]
results[[*columns, "std_test_score"]].head(4).round(3)
