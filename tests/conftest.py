"""What several test modules share: small tables and an estimator that fits fast."""

import os
from pathlib import Path

# Without the first, set before SciPy is imported, scikit-learn skips its array API
# checks; the second is for machines without a screen.
os.environ["SCIPY_ARRAY_API"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae._cells import Cells
from sklearn_dae._corruption import Pool


def pytest_addoption(parser):
    parser.addoption(
        "--data",
        type=Path,
        help="folder of parquet files with an index.csv that names them: tests on "
        "these tables run too",
    )


def small(**params):
    """An unfitted transformer that fits in a fraction of a second."""
    defaults = {
        "n_components": 8,
        "hidden_layer_sizes": (16,),
        "max_iter": 5,
        "random_state": 0,
    }
    return DenoisingAutoencoderTransformer(**{**defaults, **params})


@pytest.fixture(name="small")
def small_fixture():
    return small


@pytest.fixture(scope="session")
def digits():
    """300 training and 200 test rows of 64 pixels, with their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:300], X[300:500], y[:300], y[300:500]


@pytest.fixture
def table():
    """120 rows of five related columns, as an array."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(120, 2))
    return Z @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(120, 5)) + 3.0


@pytest.fixture
def holes(table):
    """The same table with a sixth of its cells missing."""
    X = table.copy()
    X[np.random.default_rng(1).random(X.shape) < 1 / 6] = np.nan
    return X


def make_cells(numeric, codes=None):
    """Cells from nested lists or arrays."""
    numeric = torch.as_tensor(np.asarray(numeric), dtype=torch.float32)
    if codes is None:
        codes = np.empty((len(numeric), 0))
    return Cells(numeric, torch.as_tensor(np.asarray(codes), dtype=torch.int64))


def make_pool(cells, clip=False):
    """A pool over the rows of `cells`."""
    low = cells.numeric.nan_to_num(torch.inf).amin(0)
    high = cells.numeric.nan_to_num(-torch.inf).amax(0)
    return Pool(cells, low, high, clip)


def tiny_network(n_inputs, n_components):
    """A network of a user's own."""
    encoder = nn.Sequential(nn.Linear(n_inputs, 16), nn.ReLU())
    return encoder.append(nn.Linear(16, n_components)), nn.Linear(
        n_components, n_inputs
    )
