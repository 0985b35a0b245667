"""
======================================
Train on a file bigger than the memory
======================================

A Parquet file is read batch by batch, and each batch trains the transformer by
`partial_fit`. What is in memory at a time is one batch, however long the file is.
"""

# %%
# The file is written in pieces, as it would come from a database: ten columns of
# numbers that three hidden ones make, and a category that hangs on them. Its rows are
# in random order. If those of yours are not, by time for example, shuffle them once
# when you write the file.

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
# The first batch tells what the columns are, once and for all: their kinds, scales and
# levels. So it should be large. ``pre_buffer=False`` matters, or PyArrow reads the file
# ahead, all of it. The transformer is ready for use after each batch: its score on rows
# kept back says when there is nothing left to learn.

kept_back = rows(2000)
dae = DenoisingAutoencoderTransformer(
    64, hidden_layer_sizes=(64, 64), random_state=0, noise_factor=0.3
)
scores = {}
with pq.ParquetFile(path, pre_buffer=False) as file:
    for batch in file.iter_batches(batch_size=5000):
        dae.partial_fit(batch.to_pandas())
        scores[dae.n_iter_ * 5000] = dae.score(kept_back)

# %%
# Beside it what `fit` reaches that has all rows in memory and goes over them once. Its
# learning rate falls, for it knows where the end is. That of `partial_fit` stays; it
# averages the weights of its last steps instead.

whole = pd.read_parquet(path)
at_once = clone(dae).set_params(max_iter=1, batch_size=125).fit(whole)
score_of_fit = at_once.score(kept_back)
folder.cleanup()

figure, ax = plt.subplots(layout="constrained")
ax.plot(scores.keys(), scores.values(), marker="o", label="partial_fit, by batches")
ax.axhline(score_of_fit, color="gray", linestyle="--", label="fit, all rows at once")
ax.set(xlabel="rows seen", ylabel="score on rows kept back", ylim=(0, 1))
ax.legend(loc="lower right")

# %%
# Features are made in the same way, batch by batch, and written as they come.

dae.set_output(transform="pandas").transform(kept_back.head(3)).iloc[:, -3:]
