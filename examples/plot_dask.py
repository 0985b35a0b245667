"""
======================
Work on a Dask cluster
======================

Dask cuts a table into partitions and spreads them over processes or machines. Three
things can be done there: train on the partitions in turn, make features of all of them
at once, and search parameters with one fit for each worker.
"""

# %%
# A cluster in this process, for the example. ``LocalCluster()`` starts one process a
# core (in a script below ``if __name__ == "__main__":``), ``Client("address:8786")``
# joins a cluster that runs on other machines; nothing else changes.

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
# A table in six partitions, as ``dd.read_parquet`` would make it of a folder.

X = load_digits(as_frame=True).data.sample(frac=1, random_state=0)
X_test, X = X[:300], X[300:]
table = dd.from_pandas(X, npartitions=6, sort=False)

# %%
# **Train**, partition by partition: one at a time comes here. A few times over, since
# the table is small.

dae = DenoisingAutoencoderTransformer(64, hidden_layer_sizes=(128,), random_state=0)
scores = []
for _ in range(5):
    for partition in table.partitions:
        dae.partial_fit(partition.compute())
    scores.append(dae.score(X_test))

# %%
# **Features**: the fitted transformer is sent to every worker once, and comes back to
# `features` with each partition. Dask wants to know beforehand what it will get, which
# is told by a table without rows.


def features(part, model):
    Z = model.transform(part)
    return pd.DataFrame(Z, part.index, model.get_feature_names_out())


meta = pd.DataFrame(columns=dae.get_feature_names_out(), dtype="float32")
model = client.scatter(dae, broadcast=True)
Z = table.map_partitions(features, model, meta=meta)
same = np.array_equal(Z.compute(), dae.transform(X))
print(f"{len(Z)} rows of {len(Z.columns)} features, the same as here: {same}")

# %%
# **Search**: joblib sends the fits to the cluster. ``scatter=[X]`` puts the rows on all
# workers beforehand, so that no candidate waits for them and none is lost if a worker
# dies.

factors = [0.05, 0.1, 0.2, 0.4]
search = GridSearchCV(dae.set_params(max_iter=10), {"noise_factor": factors}, cv=2)
with joblib.parallel_config("dask", scatter=[X]):
    search.fit(X)

# %%

figure, (left, right) = plt.subplots(ncols=2, figsize=(9, 4), layout="constrained")
left.plot(range(1, 6), scores, marker="o")
left.set(xlabel="passes over the partitions", ylabel="score on rows kept back")
right.plot(factors, search.cv_results_["mean_test_score"], marker="o")
right.set(xlabel="noise_factor", ylabel="score in cross-validation")

client.close()
cluster.close()
