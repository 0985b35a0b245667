"""Measure the speed and the memory of training and of transform on millions of rows.

Each figure of training comes from its own process. Parts, all of them unless --parts
names some:

- train: one pass over as many rows as --rows says, by `partial_fit` on the record
  batches of a Parquet file, by `fit` on an array in memory, and by `fit` on a
  memory-mapped file. The figures are rows per second of the clock, rows per second of
  processor time, and the peak memory above that after the imports.
- transform: rows per second of a Dask cluster with one and with two worker processes,
  on the largest table with at most a million rows

The script writes the tables in pieces and keeps them in the folder that --folder names.
It writes results to a csv file. With --check, a stream must train at least half as many
rows per second of processor time as an array in memory, in less than 1 GB.
"""

import tempfile
from pathlib import Path

import common
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client, LocalCluster
from tqdm import tqdm

from sklearn_dae import DenoisingAutoencoderTransformer

N_COLUMNS = 50
WAYS = ["stream", "memory", "mapped"]
# Number of rows of a row group and of a record batch.
N_ROWS_GROUP = 50_000


def pieces(n_rows):
    """Yield the rows of a table in pieces, each with the index of its first row.

    The 50 columns are functions of ten hidden columns, with noise.
    """
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(10, N_COLUMNS)).astype("f4")
    for start in range(0, n_rows, N_ROWS_GROUP):
        n = min(N_ROWS_GROUP, n_rows - start)
        hidden = rng.normal(size=(n, 10)).astype("f4")
        noise = rng.normal(size=(n, N_COLUMNS)).astype("f4")
        yield start, np.tanh(hidden @ mixing) + noise / 2


def write(n_rows, folder):
    """Return the paths of a table as a Parquet file and as a NumPy file.

    Write the files if they are missing.
    """
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
    # With pre_buffer the reader would load the whole file.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(50_000):
            dae.partial_fit(batch.to_pandas())

way, path = json.loads(sys.argv[1])
{common.WATCH_MEMORY}
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
    """Measure one pass over each table, for each way to read it."""
    cases = [(n_rows, way) for n_rows in options.rows for way in options.ways]
    for n_rows, way in tqdm(cases, "train"):
        parquet, array = write(n_rows, options.folder)
        path = parquet if way == "stream" else array
        clock, processor, peak = common.in_fresh_process(TRAIN, [way, str(path)])
        yield {
            "part": "train",
            "rows": n_rows,
            "way": way,
            "rows a second": n_rows / clock,
            "rows a processor second": n_rows / processor,
            "peak MB": peak,
        }


def summed(part, model):
    """Return the sums of the features of a partition."""
    return pd.DataFrame([model.transform(part).sum(axis=0, dtype=np.float64)])


def transform(options):
    """Measure the rows per second of a cluster.

    The workers sum the features and return the sums only.
    """
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
            sums.partitions[:n_workers].compute()  # Each worker imports its modules.
            duration = common.seconds(sums.compute)
        yield {
            "part": "transform",
            "rows": n_rows,
            "way": f"{n_workers} worker" + "s" * (n_workers - 1),
            "rows a second": n_rows / duration,
        }


PARTS = {part.__name__: part for part in (train, transform)}


def claims(options):
    """Compare a stream of 100,000 rows with an array in memory."""
    with tempfile.TemporaryDirectory() as folder:
        options.folder, options.rows = Path(folder), [100_000]
        options.ways = ["stream", "memory"]
        results = {result["way"]: result for result in train(options)}
    measure = "rows a processor second"
    rates = {way: result[measure] for way, result in results.items()}
    yield common.claim(measure, rates, "stream", ">", "memory", factor=0.5)
    peaks = {"stream": results["stream"]["peak MB"], "1 GB": 1024}
    yield common.claim("peak memory in MB", peaks, "stream", "<", "1 GB")


def parse():
    """Return the options of the command line."""
    parser = common.argument_parser(__doc__)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--folder", type=Path, help="folder that keeps the tables")
    common.add_check(place)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--rows", nargs="+", type=int, default=[100_000, 1_000_000, 10_000_000])
    add("--ways", nargs="+", choices=WAYS, default=WAYS, help="of the part train")
    add("--out", type=Path, default=Path("scale.csv"))
    return parser.parse_args()


def main(options):
    """Run the parts and print their results."""
    options.folder.mkdir(parents=True, exist_ok=True)
    results = common.run_parts(PARTS, options, common.versions(pyarrow=pa))
    common.print_table(results, index=False)


if __name__ == "__main__":
    common.run(parse(), claims, main)
