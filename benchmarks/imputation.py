"""Imputation of hidden cells, beside scikit-learn's imputers.

In each table a share of the observed cells is hidden at random and filled by every
method from what is left. The error of a numeric cell is squared and in units of its
column's variance, that of a categorical cell is 1 if the level is wrong; a table's
error is the mean over its columns. scikit-learn's KNNImputer and IterativeImputer take
numbers only, so they are given one-hot codes beside standardised numbers, and the
largest code of a column is the level.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from sklearn_dae import DenoisingAutoencoderTransformer

TABLES = [
    "adult",
    "ames",
    "sick",
    "soybean",
    "titanic",
    "credit_default",
    "wine_quality",
]


def categorical_columns(table):
    return table.select_dtypes(exclude="number").columns


def one_hot(table):
    """Standardised numbers and one-hot codes, NaN where a cell is missing."""
    parts = {}
    for name, column in table.items():
        if name in categorical_columns(table):
            codes = pd.get_dummies(column, dtype=float)
            codes.loc[column.isna().to_numpy()] = np.nan
            parts[name] = codes
        else:
            scale = column.std(ddof=0) or 1.0
            parts[name] = ((column - column.mean()) / scale).to_frame()
    return parts


def by_codes(imputer, table):
    """The table imputed by a scikit-learn imputer for numbers."""
    parts = one_hot(table)
    block = pd.concat(parts, axis=1)
    block = block.loc[:, block.notna().any()]
    block = pd.DataFrame(
        imputer.fit_transform(block.to_numpy()),
        index=block.index,
        columns=block.columns,
    )
    filled = {}
    for name, column in table.items():
        if name in categorical_columns(table):
            guess = block[name].idxmax(axis=1)
            filled[name] = column.astype(object).where(column.notna(), guess)
        else:
            scale = column.std(ddof=0) or 1.0
            guess = block[name].iloc[:, 0] * scale + column.mean()
            filled[name] = column.where(column.notna(), guess)
    return pd.DataFrame(filled)


def by_column(table):
    """The table imputed by means and most frequent levels."""
    return table.apply(
        lambda column: (
            column.astype(object).fillna(column.mode()[0])
            if column.name in categorical_columns(table)
            else column.fillna(column.mean())
        )
    )


def by_dae(table, seed):
    dae = DenoisingAutoencoderTransformer(noise="masking", random_state=seed)
    return dae.fit(table).impute(table)


def error(table, given, filled, hidden):
    """Mean over the columns of the error in the hidden cells."""
    errors = []
    for j, name in enumerate(table):
        was, now = table[name][hidden[:, j]], filled[name][hidden[:, j]]
        if name in categorical_columns(table):
            errors.append((was.astype(object) != now.astype(object)).mean())
        elif given[name].var(ddof=0) > 0:
            errors.append((np.square(was - now) / given[name].var(ddof=0)).mean())
    return np.nanmean(errors)


def methods(seed):
    iterative = IterativeImputer(max_iter=5, n_nearest_features=20, random_state=seed)
    return {
        "mean/mode": by_column,
        "KNN": lambda table: by_codes(KNNImputer(), table),
        "iterative": lambda table: by_codes(iterative, table),
        "DAE": lambda table: by_dae(table, seed),
    }


def compare(table, seed, share):
    """Error and seconds of every method on a table with a share of cells hidden."""
    hidden = np.random.default_rng(seed).random(table.shape) < share
    hidden &= table.notna().to_numpy()
    given = table.mask(hidden)
    results = []
    for fill in methods(seed).values():
        start = time.perf_counter()
        filled = fill(given)
        seconds = time.perf_counter() - start
        results.append((error(table, given, filled, hidden), seconds))
    return results


def main(folder, n_rows, share, seeds):
    print(f"{'table':16}" + "".join(f"{name:>11}" for name in methods(0)))
    ratios = []
    for name in TABLES:
        table = pd.read_parquet(folder / f"{name}.parquet").drop(columns="target")
        results = np.mean(
            [
                compare(
                    table.sample(min(n_rows, len(table)), random_state=seed),
                    seed,
                    share,
                )
                for seed in range(seeds)
            ],
            axis=0,
        )
        errors, seconds = results.T
        ratios.append(seconds / seconds[2])
        print(f"{name:16}" + "".join(f"{e:11.3f}" for e in errors), flush=True)
    ratios = np.median(ratios, axis=0)
    print(f"{'time, ratio':16}" + "".join(f"{ratio:11.2f}" for ratio in ratios))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of parquet files"
    )
    parser.add_argument("--rows", type=int, default=2000, help="most rows of a table")
    parser.add_argument("--share", type=float, default=0.2, help="of cells to hide")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    main(options.data, options.rows, options.share, options.seeds)
