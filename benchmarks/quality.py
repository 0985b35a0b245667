"""Compare denoising features with raw columns, random features and other features.

For each seed the script splits each table into 70% training rows and 30% test rows. It
fits everything on the training rows and measures everything on the test rows. Each kind
of features goes to the same models:

- few_labels: accuracy of a logistic regression on 10 labels a class, mean of 5 draws
- all_labels: accuracy of a logistic regression on all training labels
- neighbours: accuracy of the 10 nearest neighbours
- clusters: normalised mutual information of k-means clusters and labels
- ridge: R2 of a ridge regression, for tables with a number to predict
- boosting: accuracy or R2 of gradient boosting on all labels, for few kinds of features
- mlp: accuracy or R2 of a neural network of scikit-learn on all labels, for raw only

few_labels, all_labels, boosting and mlp also give the area under the ROC curve, as the
mean over the classes of one class against the rest. Accuracy does not see classes with
few rows.

The kinds of features are:

- raw: standardised numbers and one-hot categories
- pca: principal components with 95% of the variance of raw
- random: random features, as many as those of dae
- nystroem: an approximation of the RBF kernel, as many features as those of dae
- forest: leaves of random trees, about as many as features of dae
- plain: features of the same network, trained without noise
- dae: features of the transformer with its default settings
- raw+dae: raw and dae side by side
- dae+pca: the first 128 principal components of dae
- one kind for each --params: features of the transformer with these parameters
- one kind for each of --peers: features of another package, as many as those of dae

The script appends its results to a csv file. A second run computes only what the file
does not contain. Use --fresh after a change of the transformer.

With --check, the mean accuracy of dae with 10 labels a class must be at least that of
raw, on two tables of scikit-learn, or on small samples of tables of --data. For each of
--peers, dae must fit in less time, and its accuracy must not be clearly lower.
"""

import json
import warnings
from functools import cached_property, partial
from itertools import product
from pathlib import Path

import common
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from peers import PEERS, peer_features
from scipy.stats import wilcoxon
from sklearn.cluster import KMeans
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.datasets import fetch_openml
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomTreesEmbedding,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch.callbacks import Callback
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from sklearn_dae import DenoisingAutoencoderTransformer

# Tables of OpenML, which a run without --data uses: version and task by name.
OPENML = {
    "adult": (2, "classification"),
    "credit-g": (1, "classification"),
    "kr-vs-kp": (1, "classification"),
    "mfeat-factors": (1, "classification"),
    "pendigits": (1, "classification"),
    "segment": (1, "classification"),
    "soybean": (1, "classification"),
    "spambase": (1, "classification"),
    "splice": (1, "classification"),
    "vehicle": (1, "classification"),
    "cpu_act": (1, "regression"),
    "wine_quality": (1, "regression"),
}
# Tables of --check, from scikit-learn and from the folder of --data.
BUNDLED_TABLES = ["breast_cancer", "digits"]
SMALL_TABLES = ["ionosphere", "segment", "splice", "vehicle"]
KINDS = [
    "raw", "pca", "random", "nystroem", "forest", "plain", "dae", "raw+dae", "dae+pca",
]  # fmt: skip
CLASSIFICATION_TASKS = ["few_labels", "all_labels", "neighbours", "clusters"]
# Models for few kinds of features, as they are slow or find features themselves.
KINDS_OF_MODEL = {"boosting": ["raw", "raw+dae"], "mlp": ["raw"]}
TASKS = [*CLASSIFICATION_TASKS, "ridge", *KINDS_OF_MODEL]
AUC_OF_TASK = {
    task: f"{task}_auc" for task in ["few_labels", "all_labels", *KINDS_OF_MODEL]
}
MEASURES = [*TASKS, *AUC_OF_TASK.values()]
KEY = ["seed", "table", "features", "rows", "parameters", "tasks"]
COLUMNS = [*KEY, *MEASURES, "score", "width", "fit_seconds", "missing", "versions"]
# Leaves of a tree of the kind forest.
N_LEAVES = 32
VERSIONS = common.versions()
FEW_C = np.logspace(-1, 3, 5)
ALL_C = np.logspace(0, 4, 5)
N_DRAWS, N_CLUSTERINGS = 5, 3
# Width of dae+pca.
N_COMPONENTS = 128


def list_tables(folder):
    """Return the task of each table by its name."""
    if folder:
        return pd.read_csv(folder / "index.csv").set_index("name")["task"].to_dict()
    return {name: task for name, (_, task) in OPENML.items()}


def load_table(name, folder):
    """Return a table, without rows that have no target.

    It comes from the folder. Without a folder it comes from OpenML or scikit-learn.
    """
    if folder or name in BUNDLED_TABLES:
        table = common.read_table(name, folder)
    else:
        found = fetch_openml(name, version=OPENML[name][0], as_frame=True)
        table = found.data.assign(target=found.target)
    return table.dropna(subset="target")


def split(table, classifies, n_rows, seed):
    """Return training and test rows, training and test targets."""
    table = table.sample(min(n_rows, len(table)), random_state=seed)
    y = table.pop("target").to_numpy()
    if classifies:
        y = pd.factorize(y)[0]
        frequent = np.bincount(y)[y] >= 4
        table, y = table[frequent], np.unique(y[frequent], return_inverse=True)[1]
    return train_test_split(
        table, y, test_size=0.3, random_state=seed, stratify=y if classifies else None
    )


def as_text(table):
    """Return levels as strings. The level of missing cells is "nan"."""
    return table.astype(object).where(table.notna(), "nan").map(str)


def raw_columns():
    """Return the transformer of the kind raw."""
    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    codes = OneHotEncoder(
        handle_unknown="ignore", max_categories=128, sparse_output=False
    )
    categories = make_pipeline(FunctionTransformer(as_text), codes)
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            ("categories", categories, make_column_selector(dtype_exclude="number")),
        ]
    )


class Stop(Callback):
    """End a fit after its first epoch."""

    def on_epoch_end(self, net, **kwargs):
        """Interrupt the training, as a user does with Ctrl-C."""
        raise KeyboardInterrupt


class Features:
    """Kinds of features of one split: training rows, test rows, seconds to fit.

    `variants` are parameters of the transformer by the name of their kind. `scores`
    are the results of `score` on the test rows, by kind.
    """

    def __init__(self, X, X_test, seed, variants):
        self.X, self.X_test = X, X_test
        self.seed = seed
        self.variants = variants
        self.made = {}
        self.scores = {}

    def of(self, kind):
        """Return the features of a kind. Compute them in the first call only."""
        if kind not in self.made:
            self.made[kind] = self.make(kind)
        return self.made[kind]

    def make(self, kind):
        """Compute the features of a kind."""
        if kind == "raw":
            return fitted(raw_columns(), self.X, self.X_test)
        if kind in self.variants:
            return self.denoising(kind)
        raw, raw_test, _ = self.of("raw")
        if kind == "pca":
            return fitted(PCA(0.95), raw, raw_test)
        if kind in ("random", "nystroem", "forest"):
            width = self.dae_shape["width"]
            made = untrained_features(kind, *raw.shape, width, self.seed)
            return fitted(made, raw, raw_test)
        if kind in PEERS:
            return peer_features(kind, raw, raw_test, seed=self.seed, **self.dae_shape)
        if kind == "dae+pca":
            Z, Z_test, seconds = self.of("dae")
            n_components = min(N_COMPONENTS, *Z.shape)
            pca = PCA(n_components, svd_solver="randomized", random_state=self.seed)
            Z, Z_test, seconds_of_pca = fitted(pca, Z, Z_test)
            return Z, Z_test, seconds + seconds_of_pca
        Z, Z_test, seconds = zip(self.of("raw"), self.of("dae"), strict=True)
        return np.hstack(Z), np.hstack(Z_test), sum(seconds)

    @cached_property
    def dae_shape(self):
        """Number of features, number of epochs and batch size of dae."""
        dae = DenoisingAutoencoderTransformer(callbacks=[Stop()], random_state=0)
        dae.fit(self.X)
        return {
            "width": len(dae.get_feature_names_out()),
            "n_epochs": dae.net_.max_epochs,
            "batch_size": dae.net_.batch_size,
        }

    def denoising(self, kind):
        """Fit a transformer with the parameters of a variant."""
        dae = DenoisingAutoencoderTransformer(random_state=self.seed)
        made = fitted(dae.set_params(**self.variants[kind]), self.X, self.X_test)
        self.scores[kind] = dae.score(self.X_test)
        return made


def untrained_features(kind, n_rows, n_inputs, width, seed):
    """Return a transformer that makes about `width` features without any training."""
    if kind == "nystroem":
        return Nystroem(n_components=min(width, n_rows), random_state=seed)
    if kind == "forest":
        return RandomTreesEmbedding(
            n_estimators=-(-width // N_LEAVES),
            max_depth=None,
            max_leaf_nodes=N_LEAVES,
            sparse_output=False,
            random_state=seed,
        )
    return random_layer(n_inputs, width, seed)


def random_layer(n_inputs, width, seed):
    """Return a transformer that is the first layer of a network without training."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(scale=np.sqrt(2 / n_inputs), size=(n_inputs, width))
    bias = rng.normal(scale=0.5, size=width)
    return FunctionTransformer(lambda X: np.maximum(X @ weights + bias, 0))


def fitted(transformer, X, X_test):
    """Fit a transformer. Return the features of both parts and the seconds."""
    _, seconds = common.timed(transformer.fit, X)
    Z, Z_test = transformer.transform(X), transformer.transform(X_test)
    return Z.astype(np.float32), Z_test.astype(np.float32), seconds


def comparable(Z, Z_test):
    """Centre the features, divide them by one number, and rotate them to fewer axes.

    The number is the root mean square length of the training rows. After the division,
    one grid of penalties suits all kinds of features. The axes are those that the
    training rows span. The rotation does not change the models, because penalised
    weights are 0 along all other axes.
    """
    center = Z.mean(axis=0, dtype=float)
    Z, Z_test = Z - center, Z_test - center
    length = np.sqrt(np.square(Z).sum(axis=1).mean()) or 1.0
    Z, Z_test = Z / length, Z_test / length
    if len(Z) < Z.shape[1]:
        U, S, axes = np.linalg.svd(Z, full_matrices=False)
        Z, Z_test = U * S, Z_test @ axes.T
    return Z, Z_test


def auc(model, Z_test, y_test):
    """Return the mean over classes of the ROC AUC of one class against the rest."""
    probabilities = pd.DataFrame(model.predict_proba(Z_test), columns=model.classes_)
    # A class without test rows, or the only class of the test rows, has no curve.
    present = [c for c in probabilities if 0 < np.mean(y_test == c) < 1]
    return np.mean([roc_auc_score(y_test == c, probabilities[c]) for c in present])


def path(Z, y, grid):
    """Yield a logistic regression for each C. Each fit starts from the one before."""
    model = LogisticRegression(max_iter=200, warm_start=True)
    for C in grid:
        yield model.set_params(C=C).fit(Z, y)


def logistic_scores(Z, y, Z_test, y_test, grid, seed):
    """Return test accuracy and AUC with the C that is best in cross-validation."""
    folds = StratifiedKFold(3, shuffle=True, random_state=seed).split(Z, y)
    scores = [[m.score(Z[b], y[b]) for m in path(Z[a], y[a], grid)] for a, b in folds]
    best = np.mean(scores, axis=0).argmax()
    *_, model = path(Z, y, grid[: best + 1])
    return model.score(Z_test, y_test), auc(model, Z_test, y_test)


def few_labels_scores(Z, y, Z_test, y_test, seed):
    """Return means of accuracy and AUC over draws of a few labelled rows a class."""
    scores = []
    for draw in range(N_DRAWS):
        few = common.few_rows(y, [seed, draw])
        A, B = comparable(Z[few], Z_test)
        scores.append(logistic_scores(A, y[few], B, y_test, FEW_C, draw))
    return np.mean(scores, axis=0)


def clusters_agreement(Z, y, Z_test, y_test):
    """Return the mean NMI of k-means clusters and labels."""
    scores = []
    for seed in range(N_CLUSTERINGS):
        clusters = KMeans(len(np.unique(y)), n_init=3, random_state=seed).fit(Z)
        scores.append(normalized_mutual_info_score(y_test, clusters.predict(Z_test)))
    return np.mean(scores)


def model_scores(model, Z, y, Z_test, y_test):
    """Return the accuracy and AUC of a classifier, or R2 and NaN of a regressor."""
    model.fit(Z, y)
    has_auc = hasattr(model, "predict_proba")
    return model.score(Z_test, y_test), auc(model, Z_test, y_test) if has_auc else None


def all_labels_scores(Z, y, Z_test, y_test, seed):
    """Return accuracy and AUC of a logistic regression on all training labels."""
    A, B = comparable(Z, Z_test)
    return logistic_scores(A, y, B, y_test, ALL_C, seed)


def neighbours_score(Z, y, Z_test, y_test, seed):
    """Return the accuracy of the nearest neighbours."""
    return KNeighborsClassifier(10).fit(Z, y).score(Z_test, y_test), None


def clusters_score(Z, y, Z_test, y_test, seed):
    """Return the agreement of k-means clusters and labels."""
    return clusters_agreement(Z, y, Z_test, y_test), None


def ridge_score(Z, y, Z_test, y_test, seed):
    """Return the R2 of a ridge regression."""
    A, B = comparable(Z, Z_test)
    return RidgeCV(np.logspace(-6, 3, 19)).fit(A, y).score(B, y_test), None


def boosting_scores(Z, y, Z_test, y_test, seed, classifies):
    """Return the scores of gradient boosting."""
    kind = (
        HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
    )
    return model_scores(kind(random_state=seed), Z, y, Z_test, y_test)


def mlp_scores(Z, y, Z_test, y_test, seed, classifies):
    """Return the scores of scikit-learn's neural network with default settings."""
    model = (MLPClassifier if classifies else MLPRegressor)(random_state=seed)
    if not classifies:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return model_scores(model, Z, y, Z_test, y_test)


def evaluate(kind, data, seed, classifies, tasks):
    """Return the results of one kind of features by measure."""
    functions = {
        "few_labels": few_labels_scores,
        "all_labels": all_labels_scores,
        "neighbours": neighbours_score,
        "clusters": clusters_score,
        "boosting": partial(boosting_scores, classifies=classifies),
        "mlp": partial(mlp_scores, classifies=classifies),
    }
    if not classifies:
        functions = {t: functions[t] for t in KINDS_OF_MODEL} | {"ridge": ridge_score}
    scores = {}
    for task in tasks:
        if task in functions and kind in KINDS_OF_MODEL.get(task, [kind]):
            scores[task], of_curve = functions[task](*data, seed)
            if task in AUC_OF_TASK:
                scores[AUC_OF_TASK[task]] = of_curve
    return scores


def measure(keys, classifies, options):
    """Compute the results of kinds of features of one table and seed in one thread."""
    name, seed = keys[0]["table"], keys[0]["seed"]
    torch.set_num_threads(1)
    table = load_table(name, options.data)
    X, X_test, y, y_test = split(table, classifies, options.rows, seed)
    features = Features(X, X_test, seed, options.variants)

    def figures(kind):
        try:
            Z, Z_test, seconds = features.of(kind)
        except (FloatingPointError, RuntimeError) as error:  # A fit or a peer failed.
            return {"missing": str(error)}
        data = (Z, y, Z_test, y_test)
        scores = evaluate(kind, data, seed, classifies, options.tasks)
        scores |= {"width": Z.shape[1], "fit_seconds": seconds}
        return scores | {"score": features.scores.get(kind)}

    with threadpool_limits(1), warnings.catch_warnings():
        # A fit may end after 200 iterations. Classes may be rare, and test rows may
        # have new levels.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The least populated class")
        warnings.filterwarnings("ignore", "Found unknown categories")
        made_with = {"versions": VERSIONS}
        return [key | figures(key["features"]) | made_with for key in keys]


def asked_results(options):
    """Return the keys of all results that the options ask for, first seed first."""
    keys = product(range(options.seeds), options.tables, options.kinds)
    asked = pd.DataFrame(keys, columns=["seed", "table", "features"])
    parameters = [options.variants.get(kind, {}) for kind in asked["features"]]
    parameters = [json.dumps(p, sort_keys=True) for p in parameters]
    return asked.assign(
        rows=options.rows, parameters=parameters, tasks=" ".join(options.tasks)
    )


def read_results(path):
    """Return all results in the file. Where a key has several, return the last."""
    if not path.exists():
        pd.DataFrame(columns=COLUMNS).to_csv(path, index=False)
    results = pd.read_csv(path).astype({"seed": int, "rows": int})
    return results.drop_duplicates(KEY, keep="last")


def forget(asked, path):
    """Remove results from the file, so that the script computes them again."""
    results = read_results(path)
    marked = results.merge(asked, on=KEY, how="left", indicator=True)
    marked[marked["_merge"] == "left_only"][COLUMNS].to_csv(path, index=False)


def compute(results, tasks, options):
    """Compute the missing results and append them to the file."""
    keys = results.loc[results["fit_seconds"].isna(), KEY]
    # These kinds need the same fit, so the same call computes them.
    fits = keys["features"].replace(["raw+dae", "dae+pca"], "dae")
    calls = (
        delayed(measure)(
            job.to_dict("records"), tasks[name] == "classification", options
        )
        for (_, name, _), job in keys.groupby(["seed", "table", fits], sort=False)
    )
    with tqdm(total=len(keys), unit="result") as bar:
        for rows in Parallel(options.jobs, return_as="generator_unordered")(calls):
            rows = pd.DataFrame(rows, columns=COLUMNS)
            rows.to_csv(options.out, mode="a", header=False, index=False)
            bar.set_postfix_str(rows["table"][0])
            bar.update(len(rows))


def by_table(results, column, kinds):
    """Return means over seeds, tables by kinds. A mean is NaN if a seed is missing.

    The means are rounded. So means that differ by rounding errors only are ties.
    """
    cells = results.groupby(["table", "features"])[column]
    means = cells.agg(lambda values: values.mean(skipna=False)).unstack()
    return means.reindex(columns=kinds).dropna(how="all").round(9)


def gains(scores, kind, other):
    """Return how much better a kind is than another one, by table."""
    return scores.reindex(columns=[other, kind]).diff(axis=1).iloc[:, 1].dropna()


def share_better(gain):
    """Return the share of positive gains. A tie counts as half a gain."""
    return ((gain > 0) + 0.5 * (gain == 0)).mean()


def time_ratios(seconds):
    """Return the median over tables of the time to fit, relative to dae."""
    return seconds.div(seconds.reindex(columns=["dae"])["dae"], axis=0).median()


def compare_kinds(scores, seconds, spreads):
    """Return the figures of one measure by kind.

    Means and ranks are over the tables that have results of all kinds. "dae over it" is
    the mean difference between dae and a kind over their tables. It is level if it is
    at most its spread, the standard deviation over seeds.
    """
    scores = scores.dropna(axis=1, how="all")
    complete = scores.dropna()
    versus_dae = {kind: gains(scores, "dae", kind) for kind in scores}
    p_values = {
        kind: f"{wilcoxon(gain).pvalue:.2g}"
        for kind, gain in versus_dae.items()
        if gain.any()
    }
    better = {kind: share_better(gains(scores, kind, "raw")) for kind in scores}
    figures = pd.DataFrame(
        {
            "tables": scores.count(),
            "mean": complete.mean(),
            "mean rank": complete.rank(axis=1, ascending=False).mean(),
            "wins over raw": pd.Series(better).drop("raw", errors="ignore"),
            "dae over it": {kind: gain.mean() for kind, gain in versus_dae.items()},
            "spread": spreads,
            "wins of dae": {kind: share_better(g) for kind, g in versus_dae.items()},
            "p of dae": p_values,
            "fit time": time_ratios(seconds.reindex(scores.index)),
        },
        index=scores.columns,
    )
    is_level = figures["dae over it"].abs() <= figures["spread"]
    is_level &= figures.index != "dae"
    figures["level"] = np.where(is_level, "level", "")
    return figures


def spreads_of_gains(results, measure):
    """Return the standard deviation over seeds of what dae gains over each kind."""
    cells = results.pivot_table(measure, ["seed", "table"], "features")
    if "dae" not in cells:
        return pd.Series(dtype=float)
    gain = cells.rsub(cells["dae"], axis=0).groupby("seed").mean()
    return gain.std()


def with_models(results):
    """Add a kind for each model that finds features in the raw columns itself."""
    raw = results[results["features"] == "raw"]
    found = [results]
    for model in KINDS_OF_MODEL:
        scores = {
            task: raw[model].where(raw[task].notna())
            for task in ("all_labels", "ridge")
        }
        curves = {"all_labels_auc": raw[AUC_OF_TASK[model]]}
        found.append(raw[KEY].assign(features=f"{model} on raw", **scores, **curves))
    return pd.concat(found).dropna(subset=MEASURES, how="all")


def summary(scores, seconds, kind):
    """Return the main figures of a kind by task and name."""
    few = gains(scores["few_labels"], kind, "raw")
    few_random = gains(scores["few_labels"], kind, "random")
    accuracy = gains(scores["all_labels"], kind, "raw")
    all_random = gains(scores["all_labels"], kind, "random")
    clusters = gains(scores["clusters"], kind, "raw")
    ridge = gains(scores["ridge"], kind, "raw")
    log_errors = np.log((1 - scores["all_labels"]).clip(lower=0.002))
    return {
        ("few labels", "points over raw"): 100 * few.mean(),
        ("few labels", "wins over raw"): share_better(few),
        ("few labels", "points over random"): 100 * few_random.mean(),
        ("all labels", "error ratio"): np.exp(gains(log_errors, kind, "raw").mean()),
        ("all labels", "worst points"): 100 * accuracy.min(),
        ("all labels", "worst table"): accuracy.idxmin() if len(accuracy) else "-",
        ("all labels", "wins over random"): share_better(all_random),
        ("clusters", "NMI over raw"): clusters.mean(),
        ("clusters", "wins over raw"): share_better(clusters),
        ("ridge", "wins over raw"): share_better(ridge),
        ("ridge", "R2 over raw"): ridge.mean(),
        ("fit", "time ratio"): time_ratios(seconds).get(kind),
    }


def choices(scores, by_score, kinds):
    """Return the cost of a choice among `kinds` without labels.

    The cost is the number of points below the best kind of a table, as the mean over
    tables. One line is for the kind with the best `score` of each table. The other
    lines are for one kind on all tables.
    """
    score = by_score.reindex(columns=kinds).dropna()
    losses = {}
    for task in ("few_labels", "all_labels", "clusters", "ridge"):
        of_kinds = scores[task].reindex(columns=kinds, index=score.index).dropna()
        below = 100 * of_kinds.rsub(of_kinds.max(axis=1), axis=0)
        chosen = score.loc[below.index].idxmax(axis=1)
        of_score = [below.at[table, kind] for table, kind in chosen.items()]
        losses[task] = pd.Series({"by score": np.mean(of_score)} | dict(below.mean()))
    return pd.DataFrame(losses)


def print_figures(title, table):
    """Print a table with three decimals."""
    common.print_table(table, title, digits=".3f")


def report(results, options):
    """Print and draw all results."""
    missing = results[results["fit_seconds"].isna()]
    results = with_models(results)
    kinds = results["features"].unique()
    scores = {measure: by_table(results, measure, kinds) for measure in MEASURES}
    seconds = by_table(results, "fit_seconds", kinds)
    for measure in MEASURES:
        if len(scores[measure]):
            spreads = spreads_of_gains(results, measure)
            figures = compare_kinds(scores[measure], seconds, spreads)
            print_figures(measure, figures)
    if "dae" in options.kinds:
        print_figures(
            "Claims", pd.Series(summary(scores, seconds, "dae")).to_frame("dae")
        )
    if options.params:
        kinds = ["dae", *options.params]
        lines = {kind: summary(scores, seconds, kind) for kind in kinds}
        print_figures("Claims by parameters", pd.DataFrame(lines).T)
        by_score = by_table(results, "score", kinds)
        print_figures("Points lost by choice", choices(scores, by_score, kinds))
    for tasks in (CLASSIFICATION_TASKS, ["ridge"]):
        tables = {t: scores[t].reindex(columns=["raw", "random", "dae"]) for t in tasks}
        print_figures("Tables", pd.concat(tables, axis=1))
    print()
    for row in missing.itertuples():
        print(f"missing: {row.features} on {row.table}, seed {row.seed}: {row.missing}")
    if options.plot and {"raw", "dae"} <= set(options.kinds):
        plot(scores, options.plot)


def plot(scores, path):
    """Draw how much better dae is than raw on each table, a panel for each task."""
    gain_of = {task: gains(scores[task], "dae", "raw") for task in TASKS}
    shown = [task for task in TASKS if len(gain_of[task])]
    height = 1.2 + 0.19 * max(len(gain) for gain in gain_of.values())
    figure, panels = plt.subplots(
        2, 3, figsize=(12, 2 * height), layout="constrained", squeeze=False
    )
    for panel in panels.flat[len(shown) :]:
        panel.remove()
    for panel, task in zip(panels.flat, shown, strict=False):
        gain = 100 * gain_of[task].sort_values()
        draw_gains(panel, gain)
        panel.set_title(f"{task}: better on {share_better(gain):.0%} of {len(gain)}")
    figure.suptitle("Denoising features minus raw columns, in points, mean over seeds")
    figure.savefig(path, dpi=120)


def draw_gains(panel, gain):
    """Draw a line for each table."""
    better, lines = gain.to_numpy() >= 0, np.arange(len(gain))
    panel.axvline(0, color="black", linewidth=0.8)
    panel.hlines(lines, 0, gain, color="0.75", linewidth=1)
    # The colours are from the palette of Okabe and Ito for colour-blind readers. The
    # shapes of the markers show the same as the colours.
    panel.plot(gain[better], lines[better], "o", color="#0072B2")
    panel.plot(gain[~better], lines[~better], "v", color="#D55E00")
    panel.set_yticks(lines, gain.index, fontsize=8)


def name_and_parameters(text):
    """Return the two parts of "name=parameters", where the parameters are JSON."""
    name, _, parameters = text.partition("=")
    return name, json.loads(parameters)


def parse():
    """Return the options of the command line."""
    parser = common.argument_parser(__doc__)
    common.add_check(parser)
    add = parser.add_argument
    add("--data", type=Path, help="folder of parquet files and index.csv, else OpenML")
    add("--tables", nargs="+", help="names of tables, by default all")
    add("--rows", type=int, default=4000, help="most rows of a table")
    add("--seeds", type=int, default=3)
    add("--features", nargs="+", choices=KINDS, default=KINDS)
    add("--params", type=name_and_parameters, action="append", default=[])
    add("--peers", nargs="+", choices=PEERS, default=[], help="see peers.py")
    add("--tasks", nargs="+", choices=TASKS, default=TASKS, help="what to measure")
    add("--jobs", type=int, default=1, help="number of processes with one thread each")
    add("--out", type=Path, default=Path("quality.csv"))
    add("--plot", type=Path, help="image file to draw")
    add("--fresh", action="store_true", help="compute all results again")
    options = parser.parse_args()
    options.params = dict(options.params)
    plain = {"noise": None, "emphasis": 0.5}
    options.variants = {"plain": plain, "dae": {}, **options.params}
    options.kinds = [*options.features, *options.params, *options.peers]
    if len(set(options.kinds)) < len(options.kinds):
        parser.error(f"Kinds of features need different names. Got {options.kinds}.")
    return options


def claims(options):
    """Compare dae with raw, and with other packages, on small tables."""
    tables = SMALL_TABLES if options.data else BUNDLED_TABLES
    options.tables = options.tables or tables
    options.rows, options.seeds = 600, 2
    options.kinds = ["raw", "dae", *options.peers]
    results = []
    for _, keys in asked_results(options).groupby(["seed", "table"]):
        results += measure(keys.to_dict("records"), True, options)
    accuracy = by_table(pd.DataFrame(results), "few_labels", options.kinds)
    print_figures("accuracy with 10 labels a class", accuracy)
    seconds = by_table(pd.DataFrame(results), "fit_seconds", options.kinds).mean()
    print()
    mean = accuracy.mean()
    yield common.claim("mean accuracy", mean, "dae", ">=", "raw")
    for peer in options.peers:
        yield common.claim("seconds of a fit", seconds, "dae", "<", peer)
        yield common.claim("mean accuracy", mean, "dae", ">", peer, factor=0.95)


def main(options):
    """Compute missing results, then print and draw all results."""
    tasks = list_tables(options.data)
    options.tables = options.tables or list(tasks)
    if not options.data:
        # One process downloads the tables. Then all processes read them from the cache.
        for name in options.tables:
            load_table(name, None)
    asked = asked_results(options)
    if options.fresh:
        forget(asked, options.out)
    compute(asked.merge(read_results(options.out), how="left", on=KEY), tasks, options)
    report(asked.merge(read_results(options.out), how="left", on=KEY), options)


if __name__ == "__main__":
    common.run(parse(), claims, main)
