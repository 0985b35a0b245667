"""
======================
Work on a Dask cluster
======================

Dask divides a table into partitions and distributes them over processes or machines.
This example trains on the partitions one after the other, computes the features of all
partitions in parallel, and searches parameters with one fit for each worker.
"""

# %%
# For this example the cluster runs in this process. ``LocalCluster()`` starts one
# process for each core (in a script, call it below ``if __name__ == "__main__":``).
# ``Client("address:8786")`` connects to a cluster on other machines. The rest of the
# code is the same.

import dask.dataframe as dd
import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from sklearn_dae import DenoisingAutoencoderTransformer

cluster = LocalCluster(processes=False, n_workers=2, dashboard_address="127.0.0.1:0")
client = Client(cluster)

# %%
# A table in six partitions. ``dd.read_parquet`` returns such a table for a folder.

X = load_digits(as_frame=True).data.sample(frac=1, random_state=0)
X_test, X = X[:300], X[300:]
table = dd.from_pandas(X, npartitions=6, sort=False)

# %%
# Train
# -----
# Each partition is loaded and used for one call of `partial_fit`. The table is small,
# so there are five passes.

dae = DenoisingAutoencoderTransformer(64, hidden_layer_sizes=(128,), random_state=0)
scores = []
for _ in range(5):
    for partition in table.partitions:
        dae.partial_fit(partition.compute())
    scores.append(dae.score(X_test))

# %%
# Compute the features
# --------------------
# The fitted transformer is sent to each worker once. Dask calls `features` with each
# partition and the transformer. `meta` is an empty table that tells Dask the columns of
# the result.


def features(part, model):
    Z = model.transform(part)
    return pd.DataFrame(Z, part.index, model.get_feature_names_out())


meta = pd.DataFrame(columns=dae.get_feature_names_out(), dtype="float32")
model = client.scatter(dae, broadcast=True)
Z = table.map_partitions(features, model, meta=meta)
same = np.array_equal(Z.compute(), dae.transform(X))
print(f"{len(Z)} rows of {len(Z.columns)} features, the same as here: {same}")

# %%
# Search
# ------
# joblib sends the fits to the cluster. ``scatter=[X]`` first sends the rows to all
# workers. Then no fit waits for them, and no candidate is lost if a worker dies.

factors = [0.05, 0.1, 0.2, 0.4]
search = GridSearchCV(dae.set_params(max_iter=10), {"noise_factor": factors}, cv=2)
with joblib.parallel_config("dask", scatter=[X]):
    search.fit(X)

# %%
# The score after each pass of the training, and the scores of the search:

figure, (upper, lower) = plt.subplots(2, figsize=(6.4, 7), layout="constrained")
upper.plot(range(1, 6), scores, marker="o")
upper.set(xlabel="passes over the partitions", ylabel="score on test rows")
lower.plot(factors, search.cv_results_["mean_test_score"], marker="o")
lower.set(xlabel="noise_factor", ylabel="score in cross-validation")

client.close()
cluster.close()
