"""Compare the imputation of hidden cells with scikit-learn's imputers.

The script hides a share of the observed cells of each table at random. Each method
fills them from the other cells. The error of a numeric cell is its squared error, in
units of its column's variance. The error of a categorical cell is 1 if the level is
wrong. The error of a table is the mean over its columns. scikit-learn's KNNImputer and
IterativeImputer accept numbers only. They get one-hot codes and standardised numbers,
and the largest code of a column is its level.

With --check, the transformer must have a lower error than means and most frequent
levels, on a few tables of scikit-learn, or on small samples of the tables of --data.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from common import (
    add_check,
    argument_parser,
    categorical_columns,
    check,
    claim,
    one_hot,
    read_table,
    sample,
    spread,
    timed,
)
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


def by_codes(imputer, table):
    """Fill a table by one of scikit-learn's imputers for numbers."""
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
            guess = block[name].iloc[:, 0] * spread(column) + column.mean()
            filled[name] = column.where(column.notna(), guess)
    return pd.DataFrame(filled)


def by_column(table):
    """Fill a table with means and most frequent levels."""
    return table.apply(
        lambda column: (
            column.astype(object).fillna(column.mode()[0])
            if column.name in categorical_columns(table)
            else column.fillna(column.mean())
        )
    )


def by_dae(table, seed):
    """Fill a table by a transformer that is fitted on it."""
    dae = DenoisingAutoencoderTransformer(noise="masking", random_state=seed)
    return dae.fit(table).impute(table)


def error(table, given, filled, hidden):
    """Return the mean over the columns of the error in the hidden cells."""
    errors = []
    for j, name in enumerate(table):
        was, now = table[name][hidden[:, j]], filled[name][hidden[:, j]]
        if name in categorical_columns(table):
            errors.append((was.astype(object) != now.astype(object)).mean())
        elif given[name].var(ddof=0) > 0:
            errors.append((np.square(was - now) / given[name].var(ddof=0)).mean())
    return np.nanmean(errors)


def methods(seed):
    """Return a function from a table to a filled table for each method."""
    iterative = IterativeImputer(max_iter=5, n_nearest_features=20, random_state=seed)
    return {
        "mean/mode": by_column,
        "KNN": lambda table: by_codes(KNNImputer(), table),
        "iterative": lambda table: by_codes(iterative, table),
        "DAE": lambda table: by_dae(table, seed),
    }


def compare(table, fills, seed, share):
    """Hide a share of the cells. Return the error and the seconds of each method."""
    hidden = np.random.default_rng(seed).random(table.shape) < share
    hidden &= table.notna().to_numpy()
    given = table.mask(hidden)
    results = {}
    for name, fill in fills.items():
        filled, seconds = timed(fill, given)
        results[name] = error(table, given, filled, hidden), seconds
    return results


def tables_to_check(folder):
    """Return small tables by name, with columns of numbers and of categories."""
    if folder:
        tables = {n: read_table(n, folder).drop(columns="target") for n in TABLES}
        return {name: sample(table, 300, 0) for name, table in tables.items()}
    tables = {name: read_table(name) for name in ("iris", "wine", "breast_cancer")}
    # The class becomes a categorical column.
    return {name: table.astype({"target": str}) for name, table in tables.items()}


def claims(folder):
    """Compare the error of the transformer with that of means and modes, by table."""
    fills = {name: methods(0)[name] for name in ("mean/mode", "DAE")}
    for name, table in tables_to_check(folder).items():
        results = compare(table, fills, seed=0, share=0.2)
        errors = {method: value for method, (value, _) in results.items()}
        yield claim(f"error of filled cells, {name}", errors, "DAE", "<", "mean/mode")


def main(folder, n_rows, share, seeds):
    """Print the error of each method on each table, then the median time ratios."""
    print(f"{'table':16}" + "".join(f"{name:>11}" for name in methods(0)))
    ratios = []
    for name in TABLES:
        table = read_table(name, folder).drop(columns="target")
        results = [
            compare(sample(table, n_rows, seed), methods(seed), seed, share)
            for seed in range(seeds)
        ]
        results = np.mean([list(result.values()) for result in results], axis=0)
        errors, seconds = results.T
        ratios.append(seconds / seconds[2])
        print(f"{name:16}" + "".join(f"{e:11.3f}" for e in errors), flush=True)
    ratios = np.median(ratios, axis=0)
    print(f"{'time, ratio':16}" + "".join(f"{ratio:11.2f}" for ratio in ratios))


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    add_check(parser)
    parser.add_argument("--data", type=Path, help="folder of parquet files")
    parser.add_argument("--rows", type=int, default=2000, help="most rows of a table")
    parser.add_argument("--share", type=float, default=0.2, help="of cells to hide")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.check:
        check(claims(options.data))
    elif options.data:
        main(options.data, options.rows, options.share, options.seeds)
    else:
        parser.error("--data is required without --check")
