"""Compare how well methods find wrong cells and wrong rows of real tables.

The script makes errors in each table, of three kinds:

- "cells": 2% of the cells get the value of another row. They are in at most a fifth of
  the rows.
- "rows": the values of 5% of the rows are drawn from each column on its own.
- "tenfold": a number of a tenth of the rows is ten times as large.

Each method is fitted on the table with the errors, and ranks its rows. Some methods
also rank its cells. The figures are average precisions: the mean of the precisions at
each wrong row or cell. The average precision of a random ranking is the share of the
wrong ones. Methods of scikit-learn and PyOD get standardised numbers and one-hot codes.
Missing cells are filled with the mean.

With --check, the default transformer must find cells and rows better than an isolation
forest does, on a few tables of scikit-learn.
"""

import warnings
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
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score
from sklearn.neighbors import LocalOutlierFactor

from sklearn_dae import DenoisingAutoencoderTransformer

CELLS, CELL_ROWS, ROWS, TENFOLD_ROWS = 0.02, 0.2, 0.05, 0.1
KINDS = ["cells", "rows", "tenfold"]
OTHERS = ["isolation forest", "LOF", "PCA", "ECOD", "quantiles"]
NOISES = ["swap 0.2", "masking 0.2", "swap+masking 0.1"]


def put(table, wrong, drawn):
    """Return a table with the cells of `drawn` where `wrong`, and what has changed."""
    corrupted, changed = {}, np.zeros(table.shape, dtype=bool)
    for j, (name, column) in enumerate(table.items()):
        values = column.astype(object).to_numpy(copy=True)
        rows = wrong[:, j] & column.notna().to_numpy()
        changed[rows, j] = values[rows] != drawn[name].to_numpy(object)[rows]
        values[rows] = drawn[name].to_numpy(object)[rows]
        corrupted[name] = pd.Series(values, index=table.index)
        if not (column.dtype.kind in "iu" and corrupted[name].isna().any()):
            corrupted[name] = corrupted[name].astype(column.dtype)
    return pd.DataFrame(corrupted), changed


def shuffled(table, rng):
    """Return a table whose columns are drawn from their observed cells, each alone."""
    drawn = {
        name: rng.choice(column.dropna().to_numpy(object), len(table))
        for name, column in table.items()
    }
    return pd.DataFrame(drawn, index=table.index)


def corrupt(table, kind, rng):
    """Return a table with errors of a kind, and the mask of its wrong cells."""
    n_rows, n_columns = table.shape
    wrong = np.zeros(table.shape, dtype=bool)
    if kind == "rows":
        rows = rng.random(n_rows) < ROWS
        corrupted, _ = put(table, wrong | rows[:, None], shuffled(table, rng))
        return corrupted, wrong | rows[:, None]
    if kind == "cells":
        columns = np.arange(n_columns)
        rows = rng.random(n_rows) < min(CELL_ROWS, CELLS * n_columns)
        count = max(1, round(CELLS / CELL_ROWS * n_columns))
    else:
        columns = np.flatnonzero(~table.columns.isin(categorical_columns(table)))
        rows, count = rng.random(n_rows) < TENFOLD_ROWS, 1
    for row in np.flatnonzero(rows):
        wrong[row, rng.choice(columns, count, replace=False)] = True
    if kind == "cells":
        return put(table, wrong, shuffled(table, rng))
    numbers = table.columns[columns]
    floats = table.astype(dict.fromkeys(numbers, float))
    return put(floats, wrong, floats.assign(**floats[numbers] * 10))


def codes_of(table):
    """Return standardised numbers and one-hot codes, and the column of each code."""
    block = pd.concat(one_hot(table), axis=1)
    block = block.loc[:, block.notna().any()]
    column = table.columns.get_indexer(block.columns.get_level_values(0))
    return block.fillna(block.mean()).to_numpy(), column


def by_column(of_codes, column, table):
    """Return the sum of the scores of the codes of each column."""
    cells = np.zeros(table.shape)
    np.add.at(cells.T, column, of_codes.T)
    return cells


def isolation_forest(table, seed):
    """Rank rows by IsolationForest. A cell has the score of its row."""
    codes, _ = codes_of(table)
    rows = -IsolationForest(random_state=seed).fit(codes).score_samples(codes)
    return rows, np.broadcast_to(rows[:, None], table.shape)


def local_outlier_factor(table, seed):
    """Rank rows by LocalOutlierFactor. A cell has the score of its row."""
    codes, _ = codes_of(table)
    rows = -LocalOutlierFactor().fit(codes).negative_outlier_factor_
    return rows, np.broadcast_to(rows[:, None], table.shape)


def pca(table, seed):
    """Rank by the squared errors of the components of 90% of the variance."""
    codes, column = codes_of(table)
    components = PCA(0.9, svd_solver="full").fit(codes)
    errors = codes - components.inverse_transform(components.transform(codes))
    cells = by_column(errors**2, column, table)
    return cells.mean(axis=1), cells


def ecod(table, seed):
    """Rank by PyOD's ECOD, and cells by their terms of its sum."""
    from pyod.models.ecod import ECOD

    codes, column = codes_of(table)
    detector = ECOD().fit(codes)
    return detector.decision_scores_, by_column(detector.O, column, table)


def quantiles(table, seed):
    """Rank cells by how rare such large, such small numbers or levels are."""
    cells = np.zeros(table.shape)
    for j, (name, column) in enumerate(table.items()):
        if name in categorical_columns(table):
            tail = column.map(column.value_counts(normalize=True)).astype(float)
        else:
            tail = 2 * np.minimum(
                column.rank(pct=True, method="max"),
                column.rank(pct=True, method="max", ascending=False),
            )
        cells[:, j] = -np.log(tail.fillna(1.0))
    return cells.max(axis=1), cells


METHODS = dict(
    zip(
        OTHERS,
        [isolation_forest, local_outlier_factor, pca, ecod, quantiles],
        strict=True,
    )
)


def transformer(name, seed):
    """Return an unfitted transformer for a name such as "swap+masking 0.1"."""
    noise, factor = name.split()
    return DenoisingAutoencoderTransformer(
        noise=noise.split("+"), noise_factor=float(factor), random_state=seed
    )


def repair_errors(dae, table):
    """Return the squared errors of `reconstruct`, which sees the cells themselves."""
    repaired = dae.reconstruct(table)
    errors = {}
    for name, column in table.items():
        if name in categorical_columns(table):
            different = column.astype(object) != repaired[name].astype(object)
            errors[name] = different.where(column.notna()).astype(float)
        else:
            errors[name] = ((column - repaired[name]) / spread(column)) ** 2
    return pd.DataFrame(errors).to_numpy()


def by_dae(name, table, seed):
    """Yield the scores of rows and cells of a transformer, hidden and not hidden."""
    dae = transformer(name, seed).fit(table)
    yield name, (-dae.score_samples(table), np.asarray(dae.cell_errors(table)))
    errors = repair_errors(dae, table)
    yield f"{name}, not hidden", (np.nanmean(errors, axis=1), errors)


def precisions(scores, wrong, observed):
    """Return the average precision of rows, and of cells."""
    rows, cells = scores
    return {
        "rows": average_precision_score(wrong.any(axis=1), rows),
        "cells": average_precision_score(wrong[observed], cells[observed]),
    }


def compare(table, kind, seed, others, noises):
    """Yield the average precisions and the seconds of each method on a table."""
    corrupted, wrong = corrupt(table, kind, np.random.default_rng(seed))
    if not wrong.any():
        return
    observed = corrupted.notna().to_numpy()
    for name in others:
        scores, seconds = timed(METHODS[name], corrupted, seed)
        yield name, seconds, precisions(scores, wrong, observed)
    for noise in noises:
        found, seconds = timed(lambda n=noise: list(by_dae(n, corrupted, seed)))
        for name, scores in found:
            yield name, seconds, precisions(scores, wrong, observed)


def results(tables, kinds, seeds, n_rows, others, noises, out=None):
    """Return the results of all methods as a DataFrame, with a line for each.

    After each table, write all results to the csv file `out`, if given.
    """
    found = []
    for seed, (table_name, table) in product(range(seeds), tables.items()):
        rows = sample(table, n_rows, seed).reset_index(drop=True)
        for kind in kinds:
            key = {"table": table_name, "seed": seed, "kind": kind}
            for name, seconds, measured in compare(rows, kind, seed, others, noises):
                found.append({**key, "method": name, "seconds": seconds, **measured})
        if out:
            pd.DataFrame(found).to_csv(out, index=False)
    return pd.DataFrame(found)


def summary(found, kind, measure):
    """Return the means over the tables, the mean ranks and the ratios of a measure."""
    of_kind = found[found["kind"] == kind]
    by_table = of_kind.pivot_table(index="table", columns="method", values=measure)
    ranked = by_table.loc[:, [not name.endswith("hidden") for name in by_table]]
    lines = {
        "mean": by_table.mean(),
        "rank": ranked.rank(axis=1, ascending=False).mean(),
    }
    if "isolation forest" in by_table:
        ratios = by_table.div(by_table["isolation forest"], axis=0)
        lines["ratio"] = np.exp(np.log(ratios).mean())
    return pd.DataFrame(lines)


def main(options):
    """Print the means over the tables, then the figures of each table."""
    index = pd.read_csv(options.data / "index.csv")
    names = options.tables or sorted(index["name"])
    tables = {n: read_table(n, options.data).drop(columns="target") for n in names}
    found = results(
        tables,
        options.kinds,
        options.seeds,
        options.rows,
        options.others,
        options.noises,
        options.out,
    )
    for kind in options.kinds:
        for measure in ("rows",) if kind == "rows" else ("cells", "rows"):
            title = f"average precision of {measure}, kind of error: {kind}"
            print_table(summary(found, kind, measure), title, ".3f")
            by_table = found[found["kind"] == kind].pivot_table(
                index="table", columns="method", values=measure
            )
            if options.by_table:
                print_table(by_table, f"{title}, by table", ".3f")
    seconds = found.groupby("method")["seconds"].median()
    print_table(seconds.to_frame(), "median seconds", ".2f")


def claims():
    """Compare the default transformer with an isolation forest."""
    tables = {name: read_table(name) for name in ("iris", "wine", "breast_cancer")}
    tables = {name: table.drop(columns="target") for name, table in tables.items()}
    found = results(tables, KINDS[:2], 1, 600, OTHERS[:1], NOISES[:1])
    for kind, measure in (("cells", "cells"), ("cells", "rows"), ("rows", "rows")):
        means = summary(found, kind, measure)["mean"].to_dict()
        sentence = f"average precision of {measure}, kind of error: {kind}"
        yield claim(sentence, means, NOISES[0], ">", OTHERS[0], 1.2)


if __name__ == "__main__":
    # ECOD and PCA warn about constant columns.
    warnings.simplefilter("ignore", RuntimeWarning)
    parser = argument_parser(__doc__)
    add_check(parser)
    parser.add_argument("--data", type=Path, help="folder of parquet files")
    parser.add_argument("--tables", nargs="+", help="names of tables")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--rows", type=int, default=1500, help="most rows of a table")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--others", nargs="*", choices=OTHERS, default=OTHERS)
    parser.add_argument("--noises", nargs="+", default=NOISES, metavar="'NOISE FACTOR'")
    parser.add_argument("--by-table", action="store_true", help="print each table, too")
    parser.add_argument("--out", type=Path, help="csv file for all results")
    options = parser.parse_args()
    if options.check:
        check(claims())
    elif options.data:
        main(options)
    else:
        parser.error("--data is required without --check")
