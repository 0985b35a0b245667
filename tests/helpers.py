"""What several test modules share: an estimator that fits fast, cells, networks."""

from importlib.metadata import version

import numpy as np
import pandas as pd
import torch
from torch import nn

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae._cells import Cells, ColumnSummary
from sklearn_dae._compat import OLDEST_OF_EXPORT, as_tuple
from sklearn_dae._networks.autoencoder import DenoisingAutoencoder

# Why the export to ONNX is not tested, or "" if it is.
OLD_TORCH = ""
if as_tuple(version("torch")) < as_tuple(OLDEST_OF_EXPORT["torch"]):
    OLD_TORCH = f"The export to ONNX needs torch>={OLDEST_OF_EXPORT['torch']}."
# Methods that read a table, without `fit`.
METHODS_WITH_X = [
    "transform",
    "impute",
    "reconstruct",
    "cell_errors",
    "score",
    "score_samples",
    "partial_fit",
]


def small(**params):
    """Make an unfitted transformer that fits in a fraction of a second."""
    defaults = {
        "n_components": 8,
        "hidden_layer_sizes": (16,),
        "max_iter": 5,
        "random_state": 0,
    }
    return DenoisingAutoencoderTransformer(**{**defaults, **params})


def make_cells(numeric, codes=None):
    """Make cells from nested lists or arrays."""
    numeric = torch.as_tensor(np.asarray(numeric), dtype=torch.float32)
    if codes is None:
        codes = np.empty((len(numeric), 0))
    return Cells(numeric, torch.as_tensor(np.asarray(codes), dtype=torch.int64))


def missing_cells(cells):
    """Compute the mask of the missing cells."""
    return Cells(cells.numeric.isnan(), cells.codes < 0)


def make_columns(cells, bounded=False, zero=0.0):
    """Summarize the numeric columns of cells."""
    low = cells.numeric.nan_to_num(torch.inf).amin(0)
    high = cells.numeric.nan_to_num(-torch.inf).amax(0)
    center = cells.numeric.nanmean(0)
    return ColumnSummary(center, low, high, torch.full_like(center, zero), (), bounded)


def make_network(n_numeric, n_levels, **params):
    """Make a network of dense layers without initial values."""
    settings = {
        "n_components": 4,
        "hidden_layer_sizes": (7,),
        "activation": "relu",
        "representation": "stack",
    }
    return DenoisingAutoencoder(n_numeric, n_levels, **{**settings, **params})


def tiny_network(n_inputs, n_components):
    """Build a network as a user may."""
    encoder = nn.Sequential(nn.Linear(n_inputs, 16), nn.ReLU())
    return encoder.append(nn.Linear(16, n_components)), nn.Linear(
        n_components, n_inputs
    )


def mixed(n_rows=150, seed=0):
    """Make a table with columns of all kinds, and missing cells."""
    rng = np.random.default_rng(seed)
    number = rng.normal(size=n_rows)
    X = pd.DataFrame(
        {
            "time": 1.7e9 + number,
            "city": rng.choice(["Rome", "Oslo", "Łódź", "x", "y"], n_rows),
            "count": pd.array(rng.poisson(3, n_rows), dtype="Int64"),
            "is_new": number > 0,
            "code": pd.Categorical(rng.choice([7, 3, 2**40], n_rows)),
            "sold": pd.array(rng.random(n_rows) < 0.5, dtype="boolean"),
            "size": pd.Categorical(rng.choice([0.1, 2.5, -1.0], n_rows)),
            "constant": 4.0,
        }
    )
    # The booleans of NumPy cannot be missing.
    holes = rng.random(X.shape) < 0.1
    holes[:, X.columns.get_loc("is_new")] = False
    return X.mask(holes).astype({"is_new": bool})
