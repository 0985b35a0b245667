"""Mixed tables of the world, where `--data` says where they lie."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae._tables.frames import kind_of

MIXED = ["adult", "ames", "diabetes130", "nursery"]
MIXED += ["sick", "soybean", "splice", "titanic"]
N_ROWS = 3000


@pytest.fixture
def load(request):
    folder = request.config.getoption("--data")
    if folder is None:
        pytest.skip("needs real tables: give their folder with --data")

    def load(name):
        table = pd.read_parquet(folder / f"{name}.parquet").drop(columns="target")
        return table.sample(min(N_ROWS, len(table)), random_state=0)

    return load


def transformer(**params):
    defaults = {"n_components": 128, "hidden_layer_sizes": (128,), "random_state": 0}
    return DenoisingAutoencoderTransformer(**{**defaults, **params})


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_round_trip(load, name, kind):
    table = load(name)
    if kind == "polars":
        table = pl.from_pandas(table)
    repaired = transformer().fit(table).reconstruct(table)
    assert type(repaired) is type(table)
    assert list(repaired.columns) == list(table.columns)
    assert list(repaired.dtypes) == list(table.dtypes)
    right, most_frequent = [], []
    for column in table.columns:
        if kind_of(table[column]) == "numeric":
            continue
        was, now = pd.Series(table[column].to_list()), repaired[column].to_list()
        observed = was.notna()
        assert set(now) <= set(was[observed])
        right.append((was == now)[observed].mean())
        most_frequent.append(was[observed].value_counts(normalize=True).iloc[0])
    # The share of what the most frequent level gets wrong.
    assert 1 - np.mean(right) < 0.5 * (1 - np.mean(most_frequent))


@pytest.mark.parametrize("name", ["adult", "ames", "sick", "soybean", "titanic"])
def test_hidden_cells_are_imputed_better_than_by_mean_and_most_frequent(load, name):
    table = load(name)
    hidden = np.random.default_rng(0).random(table.shape) < 0.2
    hidden &= table.notna().to_numpy()
    given = table.mask(hidden)
    filled = transformer(noise="masking").fit(given).impute(given)
    assert filled.notna().all(axis=None)
    ours, simple = [], []
    for j, column in enumerate(table):
        was, now = table[column][hidden[:, j]], filled[column][hidden[:, j]]
        if kind_of(table[column]) == "numeric":
            variance = given[column].var(ddof=0)
            if variance > 0:
                ours.append((np.square(was - now) / variance).mean())
                simple.append((np.square(was - given[column].mean()) / variance).mean())
        else:
            ours.append((was.astype(object) != now.astype(object)).mean())
            simple.append((was.astype(object) != given[column].mode()[0]).mean())
    assert np.mean(ours) < 0.9 * np.mean(simple)


MEASURE = """
import sys
import pandas as pd
from sklearn_dae import DenoisingAutoencoderTransformer

def kilobytes(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))

table = pd.read_parquet(sys.argv[1]).drop(columns="target")
DenoisingAutoencoderTransformer(max_iter=1).fit(table[:300])
before = kilobytes("VmRSS")
with open("/proc/self/clear_refs", "w") as clear:
    clear.write("5")  # From now on VmHWM is the peak since now.
DenoisingAutoencoderTransformer(max_iter=1).fit(table)
peak = 1024 * (kilobytes("VmHWM") - before)
print(peak / table.memory_usage(deep=True).sum())
"""


def test_memory_of_a_fit_is_a_small_multiple_of_the_table(request, load):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux, which tells the peak of memory since a moment")
    path = request.config.getoption("--data") / "diabetes130.parquet"
    out = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    # Training takes about as much as this table of 7 MB, whatever the table.
    assert float(out.stdout) < 5, out.stdout
