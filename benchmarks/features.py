"""Compare raw columns, principal components and denoising features of digits.

GridSearchCV chooses the noise factor of a Pipeline. Then the same classifier and the
same clusterer get each kind of features. The training rows fit everything, and the test
rows give all results. With --check, the default transformer must be better than raw
columns in all three measures.
"""

from pathlib import Path

import numpy as np
from common import N_FEW, add_check, argument_parser, check, claim, few_rows
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_dae import DenoisingAutoencoderTransformer

N_DRAWS = 20


def split_digits():
    """Return training and test rows, training and test labels."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)


def classifier():
    """Return the classifier that gets all kinds of features."""
    return LogisticRegression(C=0.1, max_iter=1000)


def choose_noise_factor(X, y, n_jobs):
    """Fit a search for the noise factor that suits the classifier best."""
    dae = DenoisingAutoencoderTransformer(random_state=0)
    search = GridSearchCV(
        Pipeline([("dae", dae), ("classifier", classifier())]),
        {"dae__noise_factor": [0.1, 0.2, 0.4]},
        cv=3,
        n_jobs=n_jobs,
    )
    return search.fit(X, y)


def few_labels_accuracy(Z, Z_test, y, y_test):
    """Return the mean accuracy over draws of a few labelled rows of each class."""
    scores = []
    for seed in range(N_DRAWS):
        few = few_rows(y, seed)
        scores.append(classifier().fit(Z[few], y[few]).score(Z_test, y_test))
    return np.mean(scores)


def clusters_agreement(Z, Z_test, y_test):
    """Return the normalised mutual information of k-means clusters and labels."""
    clusters = KMeans(10, n_init=10, random_state=0).fit(Z).predict(Z_test)
    return normalized_mutual_info_score(y_test, clusters)


def evaluate(Z, Z_test, y, y_test):
    """Return the three results of one kind of features."""
    return [
        classifier().fit(Z, y).score(Z_test, y_test),
        few_labels_accuracy(Z, Z_test, y, y_test),
        clusters_agreement(Z, Z_test, y_test),
    ]


def plot(results, measures, path):
    """Draw one panel a measure, with one dot for each kind of features."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        ncols=len(measures), figsize=(6.4, 2.6), layout="constrained", sharey=True
    )
    for ax, title, of_measure in zip(
        axes, measures.values(), zip(*results.values(), strict=True), strict=True
    ):
        for line, (result, color) in enumerate(
            zip(of_measure, ["#808080", "#D55E00", "#0072B2"], strict=True)
        ):
            ax.plot(result, line, "o", color=color, markersize=12)
            ax.annotate(
                f"{result:.3f}",
                (result, line),
                (0, 10),
                textcoords="offset points",
                ha="center",
                fontsize=13,
            )
        ax.set_title(title, fontsize=13)
        ax.set(xticks=[], yticks=range(len(results)), ylim=(2.4, -0.7))
        ax.set_yticklabels(results, fontsize=13)
        ax.margins(x=0.35)
        ax.grid(axis="y", alpha=0.4)
        ax.spines[:].set_visible(False)
        ax.tick_params(axis="y", length=0)
    figure.savefig(path, dpi=200, bbox_inches="tight")


def print_search(results):
    """Print the mean score of each noise factor."""
    for factor, score in zip(
        results["param_dae__noise_factor"], results["mean_test_score"], strict=True
    ):
        print(f"noise_factor={factor:.1f}   accuracy in cross-validation {score:.4f}")


def claims():
    """Compare the features of the default transformer with raw columns."""
    X, X_test, y, y_test = split_digits()
    found = {}
    for name, transformer in {
        "raw": StandardScaler(),
        "DAE": DenoisingAutoencoderTransformer(random_state=0),
    }.items():
        Z, Z_test = transformer.fit_transform(X), transformer.transform(X_test)
        found[name] = evaluate(Z, Z_test, y, y_test)
    measures = ["accuracy with all labels", f"accuracy with {N_FEW} labels a class"]
    for k, measure in enumerate([*measures, "agreement of clusters and labels (NMI)"]):
        results = {name: values[k] for name, values in found.items()}
        yield claim(measure, results, "DAE", ">", "raw")


def main(n_jobs, path):
    """Search the noise factor, then print and draw the results of all features."""
    X, X_test, y, y_test = split_digits()
    search = choose_noise_factor(X, y, n_jobs)
    print_search(search.cv_results_)

    features = {
        "raw": StandardScaler().fit(X),
        "PCA": make_pipeline(StandardScaler(), PCA(0.95)).fit(X),
        "DAE": search.best_estimator_["dae"],
    }
    measures = {
        f"all {len(y)} labels": "accuracy,\nall labels",
        f"{N_FEW} labels a class": f"accuracy,\n{N_FEW} labels a class",
        "k-means NMI": "clusters,\nk-means NMI",
    }
    results = {}
    print("\nfeatures  width", *measures, sep="  ")
    for name, transformer in features.items():
        Z, Z_test = transformer.transform(X), transformer.transform(X_test)
        results[name] = evaluate(Z, Z_test, y, y_test)
        figures = (
            f"{result:{len(measure)}.4f}"
            for result, measure in zip(results[name], measures, strict=True)
        )
        print(f"{name:8}  {Z.shape[1]:5}", *figures, sep="  ")
    if path:
        plot(results, measures, path)


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    add_check(parser)
    parser.add_argument(
        "--n-jobs", type=int, default=-1, help="number of processes of the search"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="image file for a figure"
    )
    arguments = parser.parse_args()
    if arguments.check:
        check(claims())
    else:
        main(arguments.n_jobs, arguments.plot)
