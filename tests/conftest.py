"""Fixtures and hooks of several test modules."""

import os
from pathlib import Path

# Without the first, set before SciPy is imported, scikit-learn skips its array API
# checks; the second is for machines without a screen.
os.environ["SCIPY_ARRAY_API"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import numpy as np
import pytest
from sklearn.datasets import load_digits

from .helpers import small


def pytest_addoption(parser):
    parser.addoption(
        "--data",
        type=Path,
        help="folder of parquet files with an index.csv that names them: tests on "
        "these tables run too",
    )


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
