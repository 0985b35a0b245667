"""
=================================
Choose the noise by a grid search
=================================

The best noise differs from table to table.
:class:`~sklearn.model_selection.GridSearchCV` finds it. With labels, the search
compares the scores of a whole pipeline. Without labels, it compares the scores of the
transformer.
"""

# %%
# With labels
# -----------
# The search tries two kinds of noise, four strengths, and two values of the
# classifier's `C` on 600 handwritten digits. It chooses by the accuracy of the
# classifier at the end of the pipeline. A `memory` fits each transformer once for all
# values of `C`.

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline

from sklearn_dae import DenoisingAutoencoderTransformer, NoiseFactorDisplay

X, y = load_digits(return_X_y=True)
rows = np.random.default_rng(0).permutation(len(y))[:600]
X, y = X[rows], y[rows]
cv = KFold(3, shuffle=True, random_state=0)

dae = DenoisingAutoencoderTransformer(max_iter=20, random_state=0)
cache = TemporaryDirectory()
pipeline = Pipeline(
    [("dae", dae), ("classifier", LogisticRegression(max_iter=500))], memory=cache.name
)
grid = {
    "dae__noise": ["swap", "masking"],
    "dae__noise_factor": [0.02, 0.1, 0.3, 0.7],
    "classifier__C": [0.1, 1.0],
}
with_labels = GridSearchCV(pipeline, grid, cv=cv).fit(X, y)
cache.cleanup()
print(with_labels.best_params_, f"accuracy {with_labels.best_score_:.3f}")

# %%
# Without labels
# --------------
# `score` hides cells and predicts them from the rest of their row. It does not depend
# on the noise of the training, so it can compare transformers that were trained with
# different noise. The loss cannot do this: it is always smallest for the least noise.

grid = {"noise": ["swap", "masking"], "noise_factor": [0.02, 0.1, 0.3, 0.7]}
without_labels = GridSearchCV(dae, grid, cv=cv).fit(X)
print(without_labels.best_params_, f"score {without_labels.best_score_:.3f}")

# %%
# Compare both searches
# ---------------------
# The bars are standard deviations over the folds. Where they overlap, the choice hardly
# matters. `score` rejects settings with too little noise. If you have labels, search
# with them instead.

figure, axes = plt.subplots(2, figsize=(6.4, 8), layout="constrained")
NoiseFactorDisplay.from_estimator(with_labels, ax=axes[0])
axes[0].set(title="with labels", ylabel="accuracy")
NoiseFactorDisplay.from_estimator(without_labels, ax=axes[1])
axes[1].set(title="without labels", ylabel="score of hidden cells")

# %%
# The best candidates of the search with labels:

results = pd.DataFrame(with_labels.cv_results_).sort_values("rank_test_score")
columns = ["param_dae__noise", "param_dae__noise_factor", "param_classifier__C"]
results[[*columns, "mean_test_score", "std_test_score"]].head(4).round(3)
