"""Compare how well methods find outliers: rows that are anomalies, and wrong cells.

There are three kinds of data:

- ``--anomalies DIR``: tables with labelled anomalies that others collected, as NAME.npz
  with `X` and `y`. In the setting "mixed" a method is fitted on all rows and ranks the
  same rows. In "normal" it is fitted on half of the normal rows and ranks the others.
- ``--dirty DIR``: tables with real errors, as NAME_dirty.csv and NAME_clean.csv. A cell
  is wrong where these differ.
- ``--data DIR``: errors that this script makes in tables. "cells": 2% of the cells get
  the value of another row. They are in at most a fifth of the rows. "rows": the values
  of 5% of the rows are drawn from each column on its own. "tenfold": a number of a
  tenth of the rows is ten times as large.

The figures are the area under the ROC curve (AUC) and the average precision (AP). The
AP of a random ranking is the share of the outliers. Methods of scikit-learn and PyOD
get standardised numbers and one-hot codes. Missing cells are filled with the mean.

With --check, the detector must rank cells and rows with made errors better than an
isolation forest does, on a few tables of scikit-learn, and find wrong words.
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
    timed,
)
from sklearn.covariance import MinCovDet
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from sklearn_dae import DenoisingAutoencoderTransformer, DenoisingOutlierDetector

CELLS, CELL_ROWS, ROWS, TENFOLD_ROWS = 0.02, 0.2, 0.05, 0.1
KINDS = ["cells", "rows", "tenfold"]
SETTINGS = ["mixed", "normal"]
OTHERS = ["isolation forest", "LOF", "PCA", "ECOD", "quantiles"]
NOISES = ["swap 0.2"]
DROPPED = ["index", "id", "tuple_id"]


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


def by_dae(name, table, seed):
    """Yield the scores of rows and cells of a transformer and of a detector."""
    dae = transformer(name, seed)
    detector = DenoisingOutlierDetector(dae, random_state=seed).fit(table)
    for title, model in ((name, dae.fit(table)), (f"detector, {name}", detector)):
        yield title, (-model.score_samples(table), np.asarray(model.cell_errors(table)))


def neighbours(train, test, seed):
    """Rank rows by the distance to their fifth neighbour. None is its own neighbour."""
    is_same = train is test
    nearest = NearestNeighbors(n_neighbors=5 + is_same).fit(train)
    return nearest.kneighbors(test)[0][:, -1]


def distances(train, test, seed):
    """Rank rows by the robust Mahalanobis distance."""
    return MinCovDet(random_state=seed).fit(train).mahalanobis(test)


def residuals(train, test, seed):
    """Rank rows by the squared errors of the components of 90% of the variance."""
    components = PCA(0.9, svd_solver="full").fit(train)
    repaired = components.inverse_transform(components.transform(test))
    return np.square(test - repaired).mean(axis=1)


def local_factor(train, test, seed):
    """Rank rows by LocalOutlierFactor."""
    factor = LocalOutlierFactor(novelty=train is not test).fit(train)
    if train is test:
        return -factor.negative_outlier_factor_
    return -factor.score_samples(test)


def forest(train, test, seed, **params):
    """Rank rows by IsolationForest."""
    fitted = IsolationForest(random_state=seed, **params).fit(train)
    return -fitted.score_samples(test)


def by_pyod(name, train, test, seed):
    """Rank rows by a method of PyOD."""
    from pyod.models.ecod import ECOD
    from pyod.models.knn import KNN

    return {"ECOD": ECOD, "KNN": KNN}[name]().fit(train).decision_function(test)


def by_detector(train, test, seed):
    """Rank rows by the detector."""
    detector = DenoisingOutlierDetector(random_state=seed).fit(train)
    return -detector.score_samples(test)


def by_transformer(train, test, seed):
    """Rank rows by `score_samples` of the transformer."""
    dae = DenoisingAutoencoderTransformer(random_state=seed).fit(train)
    return -dae.score_samples(test)


ROW_METHODS = {
    "detector": by_detector,
    "score_samples": by_transformer,
    "isolation forest": forest,
    "isolation forest, all rows": partial(forest, max_samples=1.0),
    "MinCovDet": distances,
    "5th neighbour": neighbours,
    "KNN (PyOD)": partial(by_pyod, "KNN"),
    "LOF": local_factor,
    "PCA": residuals,
    "ECOD (PyOD)": partial(by_pyod, "ECOD"),
}


def read_anomalies(path, setting, n_rows, seed):
    """Return training rows, rows to rank, and the labels of the latter."""
    with np.load(path) as file:
        X, y = file["X"].astype(float), file["y"].astype(bool)
    random_state = np.random.RandomState(seed)
    if len(X) > n_rows:
        n_odd = max(5, round(n_rows * y.mean()))
        odd = random_state.choice(np.flatnonzero(y), min(n_odd, y.sum()), replace=False)
        usual = np.flatnonzero(~y)
        usual = random_state.choice(usual, n_rows - len(odd), replace=False)
        rows = random_state.permutation(np.concatenate([odd, usual]))
        X, y = X[rows], y[rows]
    if setting == "mixed":
        return X, X, y
    usual = random_state.permutation(np.flatnonzero(~y))
    train, rest = np.split(usual, [len(usual) // 2])
    test = np.concatenate([rest, np.flatnonzero(y)])
    return X[train], X[test], y[test]


def rank_anomalies(options):
    """Print the means over tables with labelled anomalies."""
    found = []
    paths = sorted(options.anomalies.glob("*.npz"))
    for path, setting, seed in product(paths, SETTINGS, range(options.seeds)):
        train, test, y = read_anomalies(path, setting, options.rows, seed)
        scaler = StandardScaler().fit(train)
        scaled = scaler.transform(train)
        to_rank = scaled if setting == "mixed" else scaler.transform(test)
        for name, rank in ROW_METHODS.items():
            scores, seconds = timed(rank, scaled, to_rank, seed)
            measured = {"AUC": roc_auc_score(y, scores)}
            measured["AP"] = average_precision_score(y, scores)
            key = {"table": path.stem, "setting": setting, "seed": seed}
            found.append({**key, "method": name, "seconds": seconds, **measured})
        if options.out:
            pd.DataFrame(found).to_csv(options.out, index=False)
    for setting, rows in pd.DataFrame(found).groupby("setting"):
        print_table(anomaly_summary(rows), f"collected anomalies, {setting}", ".3f")


def anomaly_summary(found):
    """Return the means over tables, their spread over seeds, and the mean ranks."""
    lines = {}
    for measure in ("AUC", "AP"):
        by_table = found.pivot_table(index="table", columns="method", values=measure)
        by_seed = found.groupby(["seed", "method"])[measure].mean().unstack()
        lines[measure] = by_table.mean()
        lines[f"{measure}, std over seeds"] = by_seed.std()
        lines[f"rank by {measure}"] = by_table.rank(axis=1, ascending=False).mean()
        if measure == "AUC":
            lines["tables below .5"] = (by_table < 0.5).sum()
    lines["seconds"] = found.groupby("method")["seconds"].median()
    return pd.DataFrame(lines).sort_values("AUC", ascending=False)


def read_dirty(folder, name):
    """Return a table of text with errors, and the same table without."""
    tables = []
    for kind in ("dirty", "clean"):
        path = folder / f"{name}_{kind}.csv"
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table = table.drop(columns=[column for column in DROPPED if column in table])
        tables.append(table.apply(lambda column: column.str.strip()))
    dirty, clean = tables
    return dirty, clean[dirty.columns]


def level_rarity(table):
    """Return 1 / count of the values, one line of pandas for each column."""
    return table.apply(lambda column: 1 / column.map(column.value_counts()))


def surprise_of_levels(table):
    """Return the rarity of the values, minus the entropy of the column."""

    def of_column(column):
        rarity = -np.log(column.map(column.value_counts(normalize=True)).astype(float))
        return rarity - rarity.mean()

    return table.apply(of_column)


def find_wrong_cells(options):
    """Print how well wrong cells of real tables are found and repaired."""
    found = []
    names = sorted(
        p.name[: -len("_dirty.csv")] for p in options.dirty.glob("*_dirty.csv")
    )
    for name, seed in product(names, range(options.seeds)):
        dirty, clean = read_dirty(options.dirty, name)
        table, wrong = dirty.where(dirty != "", None), (dirty != clean).to_numpy()
        detector, seconds = timed(
            DenoisingOutlierDetector(random_state=seed).fit, table
        )
        observed = table.notna().to_numpy()
        for method, errors in {
            "detector": detector.cell_errors(table),
            "detector, column": detector.cell_errors(table, part="column"),
            "detector, row": detector.cell_errors(table, part="row"),
            "1 / count": level_rarity(table),
            "rarity - entropy": surprise_of_levels(table),
        }.items():
            scores = errors.to_numpy(float)[observed]
            key = {"table": name, "method": method, "seed": seed, "seconds": seconds}
            auc = roc_auc_score(wrong[observed], scores)
            ap = average_precision_score(wrong[observed], scores)
            found.append({**key, "AUC": auc, "AP": ap})
        repaired, changed = detector.repair(table)
        right = (repaired.fillna("") == clean).to_numpy() & wrong & changed.to_numpy()
        found[-5]["right repairs"] = right.sum() / wrong.sum()
        found[-5]["replaced"] = changed.to_numpy().sum()
    means = pd.DataFrame(found).groupby(["table", "method"]).mean(numeric_only=True)
    print_table(means.drop(columns="seed"), "wrong cells of real tables", ".3f")


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
    lines = {
        "mean": by_table.mean(),
        "rank": by_table.rank(axis=1, ascending=False).mean(),
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
    """Compare the detector with an isolation forest, and with the rarity of words."""
    tables = {name: read_table(name) for name in ("iris", "wine", "breast_cancer")}
    tables = {name: table.drop(columns="target") for name, table in tables.items()}
    found = results(tables, KINDS[:2], 1, 600, OTHERS[:1], NOISES[:1])
    for kind, measure in (("cells", "cells"), ("cells", "rows"), ("rows", "rows")):
        means = summary(found, kind, measure)["mean"].to_dict()
        sentence = f"average precision of {measure}, kind of error: {kind}"
        yield claim(sentence, means, f"detector, {NOISES[0]}", ">", OTHERS[0], 1.2)


if __name__ == "__main__":
    # ECOD and PCA warn about constant columns.
    warnings.simplefilter("ignore", RuntimeWarning)
    # Columns of text with many different values, and covariances without full rank.
    warnings.simplefilter("ignore", UserWarning)
    parser = argument_parser(__doc__)
    add_check(parser)
    parser.add_argument("--anomalies", type=Path, help="folder of npz files")
    parser.add_argument("--dirty", type=Path, help="folder of csv files")
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
    if options.anomalies:
        rank_anomalies(options)
    if options.dirty:
        find_wrong_cells(options)
    if options.data:
        main(options)
