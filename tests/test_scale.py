"""Large tables and several processes: streams, Dask, joblib's backends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from distributed import Client, LocalCluster
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklearn_dae._tables.frames import Numbers

from .helpers import small

GRID = {"noise_factor": [0.05, 0.1, 0.2, 0.4]}


@pytest.fixture(scope="module")
def client():
    """A client of a cluster of two worker processes."""
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        silence_logs="CRITICAL",
    )
    with cluster, Client(cluster) as client:
        yield client


@pytest.fixture
def frame():
    """Make 400 rows of numbers and a category, with an index of integers."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(400, 2))
    X = Z @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(400, 5))
    frame = pd.DataFrame(X, columns=list("abcde"), index=1000 + np.arange(400))
    return frame.assign(kind=np.where(X[:, 0] > 0, "large", "small"))


def search(**params):
    return GridSearchCV(small(**params), GRID, cv=2)


@pytest.fixture
def sequential(table):
    return search().fit(table)


def assert_same(search, other):
    for name in ("mean_test_score", "split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], other.cv_results_[name])
    assert search.best_params_ == other.best_params_


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_over_workers_finds_what_a_sequential_one_finds(
    table, sequential, backend
):
    n_threads = torch.get_num_threads()
    with joblib.parallel_config(backend, n_jobs=2):
        assert_same(search().fit(table), sequential)
    assert torch.get_num_threads() == n_threads


def test_a_search_on_a_cluster_finds_what_a_sequential_one_finds(
    table, sequential, client
):
    with joblib.parallel_config("dask", scatter=[table]):
        assert_same(search().fit(table), sequential)
    # Two workers on two cores: more threads would slow each other down.
    assert set(client.run(torch.get_num_threads).values()) == {1}


class KillOnce(Callback):
    """Kill the worker that trains, unless a file shows that one was killed."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        try:
            # Two workers can come here at once: only one of them makes the file.
            Path(self.path).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_search_survives_the_death_of_a_worker(table, sequential, client, tmp_path):
    killed = tmp_path / "killed"
    with joblib.parallel_config("dask", scatter=[table]):
        # The file exists before the search fits the best candidate in this process.
        found = search(callbacks=[KillOnce(str(killed))]).fit(table)
    assert killed.exists()
    assert_same(found, sequential)


def features(part, model):
    """Compute the features of a partition, with its index."""
    Z = model.transform(part)
    return pd.DataFrame(Z, part.index, model.get_feature_names_out())


def test_features_of_a_dask_frame_equal_those_of_a_pandas_frame(frame, client):
    dae = small().fit(frame)
    model = client.scatter(dae, broadcast=True)
    meta = pd.DataFrame(columns=dae.get_feature_names_out(), dtype=np.float32)
    Z = dd.from_pandas(frame, npartitions=7).map_partitions(features, model, meta=meta)
    pd.testing.assert_frame_equal(Z.compute(), features(frame, dae), check_exact=True)
    assert (Z.dtypes == np.float32).all()


def test_partial_fit_over_partitions_equals_that_over_frames(frame, client):
    partitions = dd.from_pandas(frame, npartitions=4).partitions
    dae, local = small(), small()
    for partition in partitions:
        dae.partial_fit(partition.compute())
    for chunk in np.split(np.arange(400), 4):
        local.partial_fit(frame.iloc[chunk])
    np.testing.assert_array_equal(dae.transform(frame), local.transform(frame))


@pytest.mark.parametrize(
    ("make_bad", "message"),
    [
        (lambda part: part.drop(columns="c"), "- c"),
        (lambda part: part.assign(c="seven"), "Column 'c' must hold numbers"),
        (lambda part: part.assign(kind=part["a"]), "Column 'kind' has dtype float64"),
    ],
    ids=["missing", "text", "numbers"],
)
def test_an_invalid_partition_is_refused_with_the_column(
    frame, client, make_bad, message
):
    dae = small().fit(frame)
    parts = dd.from_pandas(frame, npartitions=2).map_partitions(
        make_bad, meta=make_bad(frame.iloc[:0])
    )
    meta = features(frame.iloc[:1], dae)
    with pytest.raises(ValueError, match=message):
        parts.map_partitions(features, dae, meta=meta).compute()
    with pytest.raises(ValueError, match=message):
        clone(dae).partial_fit(frame).partial_fit(parts.partitions[1].compute())


STREAM = """
import sys
import numpy as np
import pyarrow.parquet as pq
from sklearn_dae import DenoisingAutoencoderTransformer

def kilobytes(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))

def stream(n_batches):
    dae = DenoisingAutoencoderTransformer(
        8, hidden_layer_sizes=8, representation="latent", batch_size=1000
    )
    with pq.ParquetFile(sys.argv[1], pre_buffer=False) as file:
        for k, batch in enumerate(file.iter_batches(10_000)):
            dae.partial_fit(batch.to_pandas())
            if k == n_batches:
                break

stream(2)
before = kilobytes("VmRSS")
with open("/proc/self/clear_refs", "w") as clear:
    clear.write("5")  # Reset VmHWM, the peak of memory.
stream(1000)
print(kilobytes("VmHWM") - before)
"""


def test_a_stream_needs_the_memory_of_a_few_batches(tmp_path):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux, where the recorded peak of memory can be reset")
    path = tmp_path / "table.parquet"
    rng = np.random.default_rng(0)
    names = [f"x{j}" for j in range(50)]
    piece = pa.table(dict(zip(names, rng.normal(size=(50, 20_000)), strict=True)))
    with pq.ParquetWriter(path, piece.schema) as writer:
        for _ in range(12):
            writer.write_table(piece)
    out = subprocess.run(
        [sys.executable, "-c", STREAM, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    # 96 MB in all, of which 10,000 rows are 4 MB.
    assert int(out.stdout) < 40_000, out.stdout


def test_a_memory_mapped_file_is_read_in_chunks(table, tmp_path):
    np.save(tmp_path / "X.npy", table.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = small().fit(table.astype(np.float32)).transform(table)
    np.testing.assert_array_equal(small().fit(mapped).transform(table), expected)


def test_arrow_backed_columns_are_columns_of_numbers(frame):
    arrow = frame.convert_dtypes(dtype_backend="pyarrow")
    dae = small().fit(arrow)
    np.testing.assert_array_equal(
        dae.transform(arrow), small().fit(frame).transform(frame)
    )
    assert list(dae.reconstruct(arrow).dtypes) == list(arrow.dtypes)


@pytest.mark.parametrize("library", ["numpy", "pyarrow", "polars"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_large_frame_is_read_in_chunks(frame, monkeypatch, library, early_stopping):
    holes = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.1)
    if library == "pyarrow":
        holes = holes.convert_dtypes(dtype_backend="pyarrow")
    elif library == "polars":
        holes = pl.from_pandas(holes.astype({"kind": "string"}))
    params = {"early_stopping": early_stopping, "max_iter": 2}
    expected = small(**params).fit_transform(holes)
    lengths, get_rows = [], Numbers.__getitem__

    def recorded(numbers, rows):
        chunk = get_rows(numbers, rows)
        lengths.append(len(chunk))
        return chunk

    monkeypatch.setattr("sklearn_dae._tables.layout.FEW_CELLS", 0)
    monkeypatch.setattr("sklearn_dae._cells.CELLS_AT_ONCE", 250)
    # The sample of the calibration is read at once.
    monkeypatch.setattr("sklearn_dae._model.CALIBRATION_ROWS", 50)
    monkeypatch.setattr(Numbers, "__getitem__", recorded)
    dae = small(**params).fit(holes)
    Z = dae.transform(holes)
    assert max(lengths) == 50
    np.testing.assert_allclose(Z, expected, rtol=1e-4, atol=1e-4)
    filled = dae.impute(holes)
    assert not np.any([pd.isna(filled[name].to_numpy()).any() for name in "abcde"])
