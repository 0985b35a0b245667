"""Write the files of this folder: a fitted transformer, and what it computes.

``python -m tests.saved.write`` overwrites them. Do this once for each new format of the
state, with the oldest libraries, under a name with the new number. The files of older
formats stay: later versions must read them.
"""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae._state import FORMAT

FOLDER = Path(__file__).parent


def table():
    """Make a table with columns of several kinds, without random numbers."""
    rows = np.arange(60)
    number = np.sin(rows)
    X = pd.DataFrame(
        {
            "number": number,
            "time": 1.7e9 + np.cos(rows),
            "city": np.array(["Rome", "Oslo", "Łódź"])[rows % 3],
            "kind": pd.Categorical(np.array([7, 3])[rows % 2], categories=[3, 5, 7]),
            "count": pd.array(rows % 5, dtype="Int64"),
            "flag": number > 0,
        }
    )
    X.loc[4, ["number", "city", "kind", "count"]] = None
    return X


def write():
    """Write a transformer that can continue to train, and its results."""
    X = table()
    dae = DenoisingAutoencoderTransformer(
        4, hidden_layer_sizes=(8,), activation="tanh", random_state=0
    )
    for _ in range(3):
        dae.partial_fit(X)
    path = FOLDER / f"format_{FORMAT}"
    path.with_suffix(".pickle").write_bytes(pickle.dumps(dae, protocol=4))
    path.with_suffix(".skops").write_bytes(skops.io.dumps(dae, compression=8))
    repaired = dae.reconstruct(X)
    np.savez_compressed(
        path.with_suffix(".npz"),
        features=dae.transform(X),
        scores=dae.score_samples(X),
        numbers=repaired[["number", "time"]].to_numpy(float),
        continued=dae.partial_fit(X).transform(X),
    )


if __name__ == "__main__":
    write()
