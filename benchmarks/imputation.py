"""Compare the imputation of hidden cells with other imputers.

The script hides observed cells of each table by several patterns:

- "10%", "20%", "50%": a share of the cells, at random.
- "large": 20% of the cells. The larger a number is, and the rarer a level is, the more
  often it is hidden.
- "sparse": a quarter of the numeric columns misses 84% of its cells, in the same rows.
  Then 20% of the cells are hidden at random.

Each method fills them from the other cells. The error of a numeric cell is its squared
error, in units of its column's variance. The error of a categorical cell is 1 if the
level is wrong. The error of a table is the mean over its columns. scikit-learn's
imputers accept numbers only. They get one-hot codes and standardised numbers, and the
largest code of a column is its level. "trees" is an IterativeImputer with ExtraTrees,
in the way of missForest. "miceforest" is the package of this name.

With --check, the transformer must have a lower error than means and most frequent
levels, on a few tables of scikit-learn, or on small samples of the tables of --data.
"""

import warnings
from functools import partial
from itertools import product
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
    print_table,
    read_table,
    sample,
    spread,
    timed,
)
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae._parameters import resolve_batch_size, resolve_max_iter

TABLES = [
    "adult",
    "ames",
    "sick",
    "soybean",
    "titanic",
    "credit_default",
    "wine_quality",
]
PATTERNS = ["10%", "20%", "50%", "large", "sparse"]
METHODS = ["mean/mode", "KNN", "iterative", "trees", "miceforest", "DAE"]


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


def by_miceforest(table, seed):
    """Fill a table by miceforest, without its random choice among similar rows."""
    import miceforest

    categories = dict.fromkeys(categorical_columns(table), "category")
    given = table.reset_index(drop=True).astype(categories)
    kernel = miceforest.ImputationKernel(
        given, mean_match_candidates=0, random_state=seed
    )
    kernel.mice(3, num_iterations=50, num_threads=1)
    return kernel.complete_data().set_axis(table.index)


def by_dae(table, seed, **params):
    """Fill a table by a transformer that is fitted on it."""
    params = {"noise": "masking", "random_state": seed, **params}
    return DenoisingAutoencoderTransformer(**params).fit(table).impute(table)


def by_dae_named(table, name, seed):
    """Fill a table by a transformer with a name such as "DAE 0.1 x4".

    It has `noise_factor` 0.1, and makes four times as many epochs as by default.
    """
    params = {}
    for word in name.split()[1:]:
        if word.startswith("x"):
            epochs = resolve_max_iter(
                "auto", len(table), resolve_batch_size("auto", len(table))
            )
            params["max_iter"] = int(word[1:]) * epochs
        else:
            params["noise_factor"] = float(word)
    return by_dae(table, seed, **params)


def hide(table, pattern, rng):
    """Return a table with hidden cells, and the mask of those to fill."""
    observed = table.notna().to_numpy()
    if pattern == "large":
        order = {
            name: column.map(-column.value_counts())
            if name in categorical_columns(table)
            else column
            for name, column in table.items()
        }
        probability = 0.4 * pd.DataFrame(order).astype(float).rank(pct=True).to_numpy()
    elif pattern == "sparse":
        numbers = table.columns.difference(categorical_columns(table))
        chosen = rng.choice(numbers, -(-len(numbers) // 4), replace=False)
        gone = np.outer(rng.random(len(table)) < 0.84, table.columns.isin(chosen))
        table, observed = table.mask(gone), observed & ~gone
        probability = 0.2
    else:
        probability = float(pattern.rstrip("%")) / 100
    hidden = (rng.random(table.shape) < probability) & observed
    return table.mask(hidden), hidden


def column_errors(table, given, filled, hidden):
    """Return the error of each column in its hidden cells, NaN if there are none."""
    errors = {}
    for j, name in enumerate(table):
        was, now = table[name][hidden[:, j]], filled[name][hidden[:, j]]
        if name in categorical_columns(table):
            errors[name] = (was.astype(object) != now.astype(object)).mean()
        elif given[name].var(ddof=0) > 0:
            errors[name] = (np.square(was - now) / given[name].var(ddof=0)).mean()
    return pd.Series(errors, dtype=float)


def methods(seed, names=None):
    """Return a function from a table to a filled table for each method."""
    rounds = {"max_iter": 5, "n_nearest_features": 20, "random_state": seed}
    trees = ExtraTreesRegressor(10, min_samples_leaf=3, random_state=seed)
    known = {
        "mean/mode": by_column,
        "KNN": lambda table: by_codes(KNNImputer(), table),
        "iterative": lambda table: by_codes(IterativeImputer(**rounds), table),
        "trees": lambda table: by_codes(
            IterativeImputer(trees, **{**rounds, "max_iter": 3}), table
        ),
        "miceforest": lambda table: by_miceforest(table, seed),
        "DAE": lambda table: by_dae(table, seed),
    }
    for name in names or METHODS:
        if name.startswith("DAE "):
            known[name] = partial(by_dae_named, name=name, seed=seed)
    return {name: known[name] for name in names or METHODS}


def compare(table, fills, seed, pattern):
    """Hide cells. Yield the seconds and the errors by column of each method."""
    given, hidden = hide(table, pattern, np.random.default_rng(seed))
    # miceforest and IterativeImputer leave out columns without any value.
    given = given.dropna(axis=1, how="all")
    hidden = hidden[:, table.columns.isin(given.columns)]
    table = table[given.columns]
    for name, fill in fills.items():
        filled, seconds = timed(fill, given)
        errors = column_errors(table, given, filled, hidden)
        yield name, seconds, errors, given.isna().mean()


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
    fills = methods(0, ["mean/mode", "DAE"])
    for name, table in tables_to_check(folder).items():
        found = compare(table, fills, seed=0, pattern="20%")
        errors = {method: of_columns.mean() for method, _, of_columns, _ in found}
        yield claim(f"error of filled cells, {name}", errors, "DAE", "<", "mean/mode")


def results(options):
    """Return the error of each column as a DataFrame, and write it to a csv file."""
    found = []
    for seed, name in product(range(options.seeds), options.tables):
        table = read_table(name, options.data).drop(columns="target")
        table = sample(table, options.rows, seed).reset_index(drop=True)
        for pattern in options.patterns:
            if (
                pattern == "sparse"
                and len(categorical_columns(table)) == table.shape[1]
            ):
                continue
            fills = methods(seed, options.methods)
            for method, seconds, errors, missing in compare(
                table, fills, seed, pattern
            ):
                of_columns = pd.DataFrame({"error": errors, "missing": missing})
                key = {"table": name, "seed": seed, "pattern": pattern}
                found.append(of_columns.assign(**key, method=method, seconds=seconds))
            if options.out:
                pd.concat(found).to_csv(options.out, index=False)
    return pd.concat(found)


def main(options):
    """Print the error of each method by pattern, by table and by share of missing."""
    found = results(options)
    keys = ["pattern", "table", "seed", "method"]
    by_run = found.groupby(keys)[["error", "seconds"]].mean().reset_index()
    errors = by_run.pivot_table(
        index=["pattern", "table"], columns="method", values="error"
    )
    print_table(errors, "error", ".3f")
    print_table(errors.groupby("pattern").mean(), "mean error", ".3f")
    ranks = errors.rank(axis=1)
    print_table(ranks.groupby("pattern").mean(), "mean rank", ".2f")
    print_table(ranks.mean().to_frame("all").T, digits=".2f")
    ends = [-0.01, 0.3, 0.7, 1.0]
    labels = ["less than 30%", "30% to 70%", "more than 70%"]
    share = pd.cut(found["missing"], ends, labels=labels).rename("missing in column")
    by_share = found.groupby([share, "method"], observed=True)["error"].mean()
    print_table(by_share.unstack(), "mean error of columns", ".3f")
    seconds = by_run.pivot_table(
        index=["pattern", "table"], columns="method", values="seconds"
    )
    if "iterative" in seconds:
        ratios = seconds.div(seconds["iterative"], axis=0)
        print_table(ratios.groupby("pattern").median(), "median time, ratio", ".2f")


if __name__ == "__main__":
    # IterativeImputer warns that more rounds would change the result.
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", ".* rare categories")
    parser = argument_parser(__doc__)
    add_check(parser)
    parser.add_argument("--data", type=Path, help="folder of parquet files")
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--patterns", nargs="+", choices=PATTERNS, default=PATTERNS)
    parser.add_argument(
        "--methods", nargs="+", default=METHODS, help="also 'DAE 0.1 x4', ..."
    )
    parser.add_argument("--rows", type=int, default=1000, help="most rows of a table")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="csv file for all results")
    options = parser.parse_args()
    if options.check:
        check(claims(options.data))
    elif options.data:
        main(options)
    else:
        parser.error("--data is required without --check")
