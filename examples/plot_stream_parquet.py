"""
======================================
Train on a file larger than the memory
======================================

This example reads a Parquet file batch by batch and trains the transformer on each
batch with `partial_fit`. Only one batch is in memory at a time.
"""

# %%
# The file is written in pieces, as from a database. It has ten columns of numbers and
# one category. All depend on three hidden variables. The rows are in random order. If
# your rows are sorted, for example by time, shuffle them when you write the file.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.base import clone

from sklearn_dae import DenoisingAutoencoderTransformer

rng = np.random.default_rng(0)
mixing = rng.normal(size=(3, 10))


def rows(n):
    hidden = rng.normal(size=(n, 3))
    X = np.sin(hidden @ mixing) + 0.1 * rng.normal(size=(n, 10))
    table = pd.DataFrame(X.astype("f4"), columns=[f"x{j}" for j in range(10)])
    return table.assign(kind=np.where(hidden[:, 0] > 0, "high", "low"))


folder = TemporaryDirectory()
path = Path(folder.name) / "rows.parquet"
schema = pa.Schema.from_pandas(rows(1), preserve_index=False)
with pq.ParquetWriter(path, schema) as writer:
    for _ in range(20):
        writer.write_table(pa.Table.from_pandas(rows(5000), schema))

# %%
# The first batch fixes the kinds, scales and levels of the columns, so it should be
# large. Set ``pre_buffer=False``; otherwise PyArrow reads the whole file ahead. You can
# use the transformer after each batch. When its score on test rows no longer rises, the
# training can stop.

test_rows = rows(2000)
dae = DenoisingAutoencoderTransformer(
    64, hidden_layer_sizes=(64, 64), random_state=0, noise_factor=0.3
)
scores = {}
with pq.ParquetFile(path, pre_buffer=False) as file:
    for batch in file.iter_batches(batch_size=5000):
        dae.partial_fit(batch.to_pandas())
        scores[dae.n_iter_ * 5000] = dae.score(test_rows)

# %%
# For comparison, `fit` has all rows in memory and makes one pass over them. The
# learning rate of `fit` falls to 0. The learning rate of `partial_fit` is constant,
# because the length of a stream is unknown; it averages the weights of the last steps
# instead.

whole = pd.read_parquet(path)
at_once = clone(dae).set_params(max_iter=1, batch_size=125).fit(whole)
score_of_fit = at_once.score(test_rows)
folder.cleanup()

figure, ax = plt.subplots(layout="constrained")
ax.plot(scores.keys(), scores.values(), marker="o", label="partial_fit, by batches")
ax.axhline(score_of_fit, color="gray", linestyle="--", label="fit, all rows at once")
ax.set(xlabel="rows seen", ylabel="score on test rows", ylim=(0, 1))
ax.legend(loc="lower right")

# %%
# Compute the features in the same way, batch by batch, and write each batch to a file.

dae.set_output(transform="pandas").transform(test_rows.head(3)).iloc[:, -3:]
