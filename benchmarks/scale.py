"""Rows by the million: how fast, and in how much memory?

Every figure is measured in a process of its own. Parts, all of them unless --parts
names some:

- train: one pass over as many rows as --rows says, by `partial_fit` on the record
  batches of a Parquet file, by `fit` on an array in memory, and by `fit` on a
  memory-mapped file: rows a second, by the clock and by processor time, and peak memory
  above the import
- transform: rows a second of a Dask cluster of one and of two worker processes, over
  the largest of these tables up to a million rows

Files are written in pieces and stay in the folder that --folder names. Results go to a
csv file.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn
import torch
from distributed import Client, LocalCluster
from speed import WATCH_MEMORY, in_fresh_process
from tqdm import tqdm

import sklearn_dae
from sklearn_dae import DenoisingAutoencoderTransformer

VERSIONS = (
    f"python {platform.python_version()}, numpy {np.__version__}, scikit-learn "
    f"{sklearn.__version__}, torch {torch.__version__}, pyarrow {pa.__version__}, "
    f"sklearn_dae {sklearn_dae.__version__}"
)
MACHINE = f"{platform.machine()}, {os.cpu_count()} cores"
N_COLUMNS = 50
WAYS = ["stream", "memory", "mapped"]
# Rows of a row group, and of a record batch.
N_ROWS_GROUP = 50_000


def pieces(n_rows):
    """The rows of a table in pieces: 50 columns that ten hidden ones make."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(10, N_COLUMNS)).astype("f4")
    for start in range(0, n_rows, N_ROWS_GROUP):
        n = min(N_ROWS_GROUP, n_rows - start)
        hidden = rng.normal(size=(n, 10)).astype("f4")
        noise = rng.normal(size=(n, N_COLUMNS)).astype("f4")
        yield start, np.tanh(hidden @ mixing) + noise / 2


def write(n_rows, folder):
    """The paths of the table as a Parquet and as a NumPy file, written if need be."""
    parquet, array = folder / f"{n_rows}.parquet", folder / f"{n_rows}.npy"
    if not (parquet.exists() and array.exists()):
        names = [f"x{j}" for j in range(N_COLUMNS)]
        schema = pa.schema([(name, pa.float32()) for name in names])
        shape = (n_rows, N_COLUMNS)
        mapped = np.lib.format.open_memmap(array, "w+", np.float32, shape)
        with pq.ParquetWriter(parquet, schema) as writer:
            for start, X in tqdm(pieces(n_rows), f"write {n_rows}"):
                mapped[start : start + len(X)] = X
                columns = dict(zip(names, X.T, strict=True))
                writer.write_table(pa.table(columns, schema))
    return parquet, array


TRAIN = f"""
import json, sys, time
import numpy as np
import pyarrow.parquet as pq
from sklearn_dae import DenoisingAutoencoderTransformer

def stream():
    # Without pre_buffer=False the whole file is read ahead.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(50_000):
            dae.partial_fit(batch.to_pandas())

way, path = json.loads(sys.argv[1])
{WATCH_MEMORY}
thread.start()
dae = DenoisingAutoencoderTransformer(max_iter=1, batch_size=256, random_state=0)
if way != "stream":
    X = np.load(path, mmap_mode="r" if way == "mapped" else None)
start = time.perf_counter(), time.process_time()
stream() if way == "stream" else dae.fit(X)
seconds = time.perf_counter() - start[0], time.process_time() - start[1]
done.set()
thread.join()
print(json.dumps([*seconds, peak[0] - before]))
"""


def train(options):
    """One pass over a table, by its number of rows and how it comes in."""
    cases = [(n_rows, way) for n_rows in options.rows for way in options.ways]
    for n_rows, way in tqdm(cases, "train"):
        parquet, array = write(n_rows, options.folder)
        path = parquet if way == "stream" else array
        clock, processor, peak = in_fresh_process(TRAIN, [way, str(path)])
        yield {
            "part": "train",
            "rows": n_rows,
            "way": way,
            "rows a second": n_rows / clock,
            "rows a processor second": n_rows / processor,
            "peak MB": peak,
        }


def summed(part, model):
    """The sums of the features of a partition."""
    return pd.DataFrame([model.transform(part).sum(axis=0, dtype=np.float64)])


def transform(options):
    """Rows a second through a cluster, without bringing the features home."""
    n_rows = max(n for n in options.rows if n <= 1_000_000)
    parquet, _ = write(n_rows, options.folder)
    rows = dd.read_parquet(parquet, split_row_groups=True)
    dae = DenoisingAutoencoderTransformer(max_iter=1, random_state=0)
    dae.fit(rows.partitions[0].compute())
    meta = summed(rows.partitions[0].head(2), dae)
    for n_workers in (1, 2):
        cluster = LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        )
        with cluster, Client(cluster) as client:
            model = client.scatter(dae, broadcast=True)
            sums = rows.map_partitions(summed, model, meta=meta)
            sums.partitions[:n_workers].compute()  # Workers import what they need.
            start = time.perf_counter()
            sums.compute()
            seconds = time.perf_counter() - start
        yield {
            "part": "transform",
            "rows": n_rows,
            "way": f"{n_workers} worker" + "s" * (n_workers - 1),
            "rows a second": n_rows / seconds,
        }


PARTS = {part.__name__: part for part in (train, transform)}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="where files of the rows are kept")
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--rows", nargs="+", type=int, default=[100_000, 1_000_000, 10_000_000])
    add("--ways", nargs="+", choices=WAYS, default=WAYS, help="of the part train")
    add("--out", type=Path, default=Path("scale.csv"))
    return parser.parse_args()


def main(options):
    options.folder.mkdir(parents=True, exist_ok=True)
    found = []
    for part in options.parts:
        for case in PARTS[part](options):
            found.append(case)
            results = pd.DataFrame(found).assign(versions=VERSIONS, machine=MACHINE)
            results.to_csv(options.out, index=False)
    shown = results.drop(columns=["versions", "machine"])
    print(shown.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main(parse())
