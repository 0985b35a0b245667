"""Choose the rows that the network of each fold learns."""

from __future__ import annotations

import numpy as np

from .._cells import row_chunks
from .codec import Codec
from .layout import Table


def hash_rows(codec: Codec, table: Table) -> np.ndarray:
    """Compute one integer for each row. Rows with equal cells have equal integers.

    It is the sum of the bits of the cells times random odd numbers, modulo 2**64 [1]_.

    References
    ----------
    .. [1] D. Lemire, O. Kaser, "Strongly universal string hashing is fast", The
       Computer Journal 57 (2014), 1624-1638, section 3.
    """
    n_features = codec.layout.n_features
    draw = np.random.RandomState(0).randint
    factors = draw(2**62, size=n_features, dtype=np.int64).astype(np.uint64) * 2 + 1
    hashes = np.empty(len(table), dtype=np.uint64)
    for rows in row_chunks(len(table), n_features):
        numeric, codes = (b.numpy() for b in codec.encode(table.rows(rows)))
        # Adding 0 turns -0.0 into 0.0. There are several NaN, too.
        bits = np.nan_to_num(numeric + np.float32(0), nan=3e38).view(np.uint32)
        cells = np.hstack([bits, codes.astype(np.int64) + 2])
        hashes[rows] = cells.astype(np.uint64) @ factors
    return hashes


def training_rows(
    hashes: np.ndarray, folds: np.ndarray, n_folds: int
) -> list[np.ndarray]:
    """List the positions of the rows for the network of each fold.

    These are the rows of the other folds. If several rows of a fold are equal, a share
    of them is added, as if folds were drawn at random. Otherwise the most frequent rows
    would be odd for the network that never saw them.
    """
    _, group, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    rank = np.empty(len(hashes), dtype=np.int64)
    rank[order] = np.arange(len(hashes)) - np.repeat(counts.cumsum() - counts, counts)
    is_added = rank < counts[group] * (n_folds - 1) // n_folds
    parts = [np.flatnonzero((folds != fold) | is_added) for fold in range(n_folds)]
    # A table of very few rows may have all of them in one fold.
    return [part if len(part) > 1 else np.arange(len(hashes)) for part in parts]
