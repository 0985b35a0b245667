"""Displays: the data that they draw."""

import subprocess
import sys

import matplotlib.colors as mcolors
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_dae import (
    CellErrorsDisplay,
    ConvNetwork,
    DenoisingOutlierDetector,
    FeaturesDisplay,
    LossCurveDisplay,
    NoiseFactorDisplay,
    ReconstructionDisplay,
    RepairedCellsDisplay,
)

from .helpers import small


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_loss_curves_are_drawn_with_the_best_epoch_and_the_baseline(table):
    dae = small(early_stopping=True, max_iter=8).fit(table)
    display = LossCurveDisplay.from_estimator(dae)
    training, validation, best, baseline = display.ax_.get_lines()
    epochs = range(1, dae.n_iter_ + 1)
    np.testing.assert_array_equal(training.get_xydata().T, [epochs, dae.loss_curve_])
    np.testing.assert_array_equal(
        validation.get_xydata().T, [epochs, dae.validation_loss_curve_]
    )
    lowest = int(np.argmin(dae.validation_loss_curve_))
    assert best.get_xydata().tolist() == [[lowest + 1, dae.best_loss_]]
    assert set(baseline.get_ydata()) == {1.0}
    assert legend_of(display.ax_)[2] == f"best: epoch {lowest + 1}"
    assert display.ax_.get_ylabel() == "loss under noise"


def test_without_validation_rows_there_is_one_curve(table):
    dae = small().fit(table)
    figure, ax = plt.subplots()
    display = LossCurveDisplay.from_estimator(dae, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert legend_of(ax)[0] == "training rows"
    assert "validation rows" not in legend_of(ax)
    assert ax.get_lines()[1].get_ydata()[0] == dae.best_loss_


@pytest.mark.parametrize("first", [False, True])
def test_validation_losses_are_drawn_at_their_epochs(table, first):
    dae = small(early_stopping=first, warm_start=True).fit(table)
    dae.set_params(early_stopping=not first).fit(table)
    training, validation, best, _ = LossCurveDisplay.from_estimator(dae).ax_.get_lines()
    np.testing.assert_array_equal(training.get_ydata(), dae.loss_curve_)
    epochs, losses = validation.get_xydata()[np.isfinite(validation.get_ydata())].T
    assert epochs.tolist() == ([1, 2, 3, 4, 5] if first else [6, 7, 8, 9, 10])
    assert best.get_xydata()[0].tolist() == [epochs[losses.argmin()], losses.min()]
    assert dae.best_loss_ == (min(dae.loss_curve_) if first else losses.min())


def test_a_fit_without_a_complete_epoch_has_no_best_epoch():
    display = LossCurveDisplay(loss_curve=[], validation_loss_curve=[]).plot()
    assert legend_of(display.ax_) == ["training rows", "columns' means"]


def test_scores_of_a_search_by_noise_factor_and_noise(table):
    grid = {"noise": ["swap", "masking"], "noise_factor": [0.4, 0.1]}
    search = GridSearchCV(small(), grid, cv=3).fit(table)
    display = NoiseFactorDisplay.from_estimator(search)
    assert legend_of(display.ax_) == ["masking", "swap"]
    results = pd.DataFrame(search.cv_results_).sort_values("param_noise_factor")
    for noise, bars in zip(display.scores, display.ax_.containers, strict=True):
        of_noise = results[results["param_noise"] == noise]
        line, _, (lengths,) = bars
        np.testing.assert_array_equal(line.get_xdata(), [0.1, 0.4])
        np.testing.assert_array_equal(line.get_ydata(), of_noise["mean_test_score"])
        ends = np.array([segment[:, 1] for segment in lengths.get_segments()])
        deviations = of_noise["std_test_score"]
        np.testing.assert_allclose(np.diff(ends).ravel() / 2, deviations)


def test_error_bars_of_several_noises_stand_side_by_side_within_the_axes():
    scores = {
        noise: np.array([[0.1, 0.4], [0.5, 0.5], [0.1, 0.2]]) for noise in ("a", "b")
    }
    display = NoiseFactorDisplay(scores=scores).plot()
    display.figure_.canvas.draw()
    positions = []
    for bars in display.errorbar_:
        transform = bars.lines[0].get_transform()
        positions.append(transform.transform(bars.lines[0].get_xydata())[:, 0])
        box = display.ax_.get_window_extent()
        assert all(
            box.contains(*transform.transform(point))
            for segment in bars.lines[2][0].get_segments()
            for point in segment
        )
    distance = positions[1] - positions[0]
    np.testing.assert_allclose(distance, 8 * display.figure_.dpi / 72)


def test_one_noise_has_no_offset():
    scores = {"": np.array([[0.1, 0.4], [0.5, 0.5], [0.1, 0.2]])}
    (bars,) = NoiseFactorDisplay(scores=scores).plot().errorbar_
    offset = bars.lines[0].get_transform() - bars.lines[0].axes.transData
    np.testing.assert_allclose(offset.transform((0.0, 0.0)), 0.0, atol=1e-9)


def mean_width(dae, X, y=None):
    return float(dae.transform(X).shape[1])


@pytest.mark.parametrize(
    ("scoring", "refit", "label"),
    [
        (None, True, "score"),
        (mean_width, True, "mean_width"),
        ({"width": mean_width, "other": mean_width}, "width", "width"),
    ],
)
def test_the_axis_names_the_metric(table, scoring, refit, label):
    grid = {"noise_factor": [0.1, 0.2]}
    search = GridSearchCV(small(), grid, cv=2, scoring=scoring, refit=refit).fit(table)
    ax = NoiseFactorDisplay.from_estimator(search).ax_
    assert ax.get_ylabel() == f"{label} (mean of the folds)"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_of_a_pipeline_are_the_best_over_other_parameters(digits):
    X, _, y, _ = digits
    pipeline = Pipeline([("dae", small()), ("c", LogisticRegression(max_iter=50))])
    grid = {"dae__noise_factor": [0.1, 0.3], "c__C": [1e-6, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="accuracy").fit(X, y)
    display = NoiseFactorDisplay.from_estimator(search)
    assert display.metric == "accuracy"
    results = pd.DataFrame(search.cv_results_)
    best = results.groupby("param_dae__noise_factor")["mean_test_score"].max()
    np.testing.assert_array_equal(display.scores[""][1], best)
    assert display.ax_.get_legend() is None


def test_a_search_without_noise_factors_is_refused(table):
    search = GridSearchCV(small(), {"noise": ["swap"]}, cv=2).fit(table)
    with pytest.raises(ValueError, match=r"single numbers.*\['noise'\]"):
        NoiseFactorDisplay.from_estimator(search)


def test_candidates_without_a_noise_factor_are_left_out(table):
    grids = [
        {"noise": ["swap"], "noise_factor": [0.1, 0.3]},
        {"noise_factor": [0.2]},
        {"noise": [None]},
    ]
    search = GridSearchCV(small(), grids, cv=2).fit(table)
    display = NoiseFactorDisplay.from_estimator(search)
    means = search.cv_results_["mean_test_score"]
    assert display.scores["swap"][:2].tolist() == [[0.1, 0.3], means[:2].tolist()]
    assert display.scores[""][:2].tolist() == [[0.2], [means[2]]]
    assert len(display.scores) == 2
    assert legend_of(display.ax_) == ["not searched", "swap"]


def test_refit_names_the_metric_that_is_shown(table):
    def width(dae, X, y=None):
        return dae.transform(X).shape[1]

    metrics = {"error": lambda dae, X, y=None: -dae.score(X), "width": width}
    search = GridSearchCV(
        small(), {"noise_factor": [0.1, 0.2]}, cv=2, scoring=metrics, refit=False
    ).fit(table)
    with pytest.raises(
        ValueError, match=r"metrics: \['error', 'width'\]. Got False. Set"
    ):
        NoiseFactorDisplay.from_estimator(search)
    display = NoiseFactorDisplay.from_estimator(search.set_params(refit="error"))
    np.testing.assert_array_equal(
        display.scores[""][1], search.cv_results_["mean_test_error"]
    )


def test_features_are_projected_and_coloured_by_label(digits):
    X, _, y, _ = digits
    dae = small().fit(X)
    display = FeaturesDisplay.from_estimator(dae, X, y)
    expected = PCA(2).fit_transform(dae.transform(X))
    np.testing.assert_allclose(display.components, expected, atol=1e-3)
    groups = display.ax_.collections
    assert legend_of(display.ax_) == [str(label) for label in range(10)]
    for label, group in enumerate(groups):
        np.testing.assert_array_equal(
            group.get_offsets(), display.components[y == label]
        )
    assert len({tuple(group.get_facecolor()[0]) for group in groups}) == 10
    assert len({group.get_paths()[0].vertices.tobytes() for group in groups}) == 10


def test_a_colour_comes_back_with_another_marker(table):
    y = [f"class {i % 30:02}" for i in range(120)]
    groups = FeaturesDisplay.from_estimator(small().fit(table), table, y).scatter_
    styles = {
        (tuple(g.get_facecolor()[0]), g.get_paths()[0].vertices.tobytes())
        for g in groups
    }
    assert len(styles) == len(groups) == 30


def test_markers_of_the_legend_are_larger_than_the_points(table):
    display = FeaturesDisplay.from_estimator(small().fit(table), table, [0, 1] * 60)
    (size,) = {
        handle.get_sizes()[0] for handle in display.ax_.get_legend().legend_handles
    }
    assert size == 4 * display.scatter_[0].get_sizes()[0]


@pytest.mark.parametrize("quantity", [True, False])
def test_features_without_labels_or_coloured_by_a_quantity(table, quantity):
    dae = small().set_output(transform="pandas").fit(table)
    y = table[:, 0] if quantity else None
    display = FeaturesDisplay.from_estimator(dae, table, y)
    (points,) = display.ax_.collections
    np.testing.assert_array_equal(points.get_offsets(), display.components)
    assert len(display.figure_.axes) == 1 + quantity  # The second is the colour bar.
    if quantity:
        np.testing.assert_array_equal(points.get_array(), y)


@pytest.mark.parametrize(
    "y",
    [
        np.array(["a", "b", None] * 40, dtype=object),
        pd.Series(["a", "b", pd.NA] * 40, dtype="string"),
        pd.Series(["a", "b", np.nan] * 40, dtype="category"),
        pl.Series(["a", "b", None] * 40),
        ["a", "b", None] * 40,
        [0.0, 1.0, np.nan] * 40,
        pd.DataFrame({"y": pd.Series([0, 1, pd.NA] * 40, dtype="Int64")}),
    ],
)
def test_rows_without_a_label_are_grey(table, y):
    display = FeaturesDisplay.from_estimator(small().fit(table), table, y)
    missing, *groups = display.ax_.collections
    np.testing.assert_array_equal(missing.get_offsets(), display.components[2::3])
    np.testing.assert_allclose(missing.get_facecolor()[0, :3], 128 / 255)
    for k, group in enumerate(groups):
        np.testing.assert_array_equal(group.get_offsets(), display.components[k::3])
    assert legend_of(display.ax_)[0] == "missing"
    assert len(groups) == 2


def test_quantities_may_be_missing(table):
    y = pd.Series(table[:, 0]).astype("Float64").mask(np.arange(120) < 7)
    display = FeaturesDisplay.from_estimator(small().fit(table), table, y)
    missing, points = display.ax_.collections
    np.testing.assert_array_equal(missing.get_offsets(), display.components[:7])
    np.testing.assert_array_equal(points.get_array(), table[7:, 0])
    assert legend_of(display.ax_) == ["missing"]


def test_the_second_component_of_one_feature_is_zero(table):
    dae = small(n_components=1, representation="latent").fit(table)
    display = FeaturesDisplay.from_estimator(dae, table)
    np.testing.assert_allclose(np.ptp(display.components, axis=0)[1], 0, atol=1e-6)
    np.testing.assert_allclose(display.explained_variance_ratio, [1, 0], atol=1e-6)


def test_labels_of_another_length_are_refused(table):
    with pytest.raises(
        ValueError, match=r"inconsistent numbers of samples: \[120, 7\]"
    ):
        FeaturesDisplay.from_estimator(small().fit(table), table, [0] * 7)


def test_clean_given_and_repaired_images_are_lines_of_the_picture(digits):
    X, X_noisy = (X.astype(int) for X in digits[:2])
    dae = small(scaling="minmax").fit(X)
    display = ReconstructionDisplay.from_estimator(
        dae, X_noisy, image_shape=(8, 8), X_clean=X, n_images=3
    )
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["clean", "given", "repaired"]
    mosaic = np.asarray(display.ax_.get_images()[0].get_array())
    assert mosaic.shape == (3 * 10, 3 * 10)
    np.testing.assert_array_equal(mosaic[11:19, 11:19], X_noisy[1].reshape(8, 8))
    repaired = dae.reconstruct(X_noisy[:3])
    np.testing.assert_allclose(mosaic[21:29, 1:9], repaired[0].reshape(8, 8), rtol=1e-5)


def test_images_of_another_size_are_refused(digits):
    dae = small().fit(digits[0])
    with pytest.raises(ValueError, match=r"64 pixels.*\(8, 9\), which has 72"):
        ReconstructionDisplay.from_estimator(dae, digits[0], image_shape=(8, 9))
    with pytest.raises(ValueError, match=r"'image_shape' .* Got 64, which"):
        ReconstructionDisplay.from_estimator(dae, digits[0], image_shape=64)
    with pytest.raises(ValueError, match=r"'X_clean' must have.*\(2, 64\).*\(8, 64\)"):
        ReconstructionDisplay.from_estimator(
            dae, digits[0], image_shape=(8, 8), X_clean=digits[0][:2]
        )


def test_images_have_the_shape_of_a_convolutional_network(digits):
    network = ConvNetwork((1, 8, 8), channels=(2,))
    dae = small(network=network, max_iter=1).fit(digits[0])
    display = ReconstructionDisplay.from_estimator(dae, digits[1], n_images=2)
    assert display.images["given"].shape == (2, 8, 8)


def test_images_of_three_channels_are_coloured(digits):
    X = np.tile(digits[0] / 16, 3) * np.repeat([1.0, 0.5, 0.0], 64)
    dae = small(max_iter=1).fit(X)
    display = ReconstructionDisplay.from_estimator(dae, X, image_shape=(3, 8, 8))
    mosaic = np.asarray(display.ax_.get_images()[0].get_array())
    assert mosaic.shape == (2 * 10, 8 * 10, 3)
    expected = X[1].reshape(3, 8, 8).transpose(1, 2, 0)
    np.testing.assert_array_equal(mosaic[1:9, 11:19], expected)


@pytest.mark.parametrize(
    ("image_shape", "message"),
    [(None, "must be given"), ((4, 4, 4), r"1 or 3 channels .* \(4, 4, 4\)")],
)
def test_images_without_a_valid_shape_are_refused(digits, image_shape, message):
    dae = small(max_iter=1).fit(digits[0])
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_estimator(dae, digits[0], image_shape=image_shape)


@pytest.mark.parametrize("library", [pd, pl, np])
def test_anomalous_cells_are_shown_with_the_prediction(library):
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    columns = {"a": a, "b": a + 0.01 * rng.normal(size=200), "c": -a, "d": np.ones(200)}
    columns["b"][17] = 9.0
    columns["c"][3] = np.nan
    X = np.column_stack(list(columns.values()))
    table = X if library is np else library.DataFrame(columns)
    dae = small(n_components=32, hidden_layer_sizes=(64,), max_iter=60).fit(table)
    display = CellErrorsDisplay.from_estimator(dae, table, n_rows=2, n_columns=2)
    assert display.row_names[0] == "17"
    assert "b" in display.column_names or library is np
    odd = np.unravel_index(np.nanargmax(display.errors), display.errors.shape)
    assert odd[0] == 0
    texts = [text.get_text() for text in display.ax_.texts]
    expected = display.expected[odd]
    reason = {True: "rare, ", False: ""}[display.column_errors[odd] > 2]
    assert f"{X[17, 1]:.4g}\n{reason}expected\n{expected:.4g}" in texts
    assert display.errors.shape == display.cells.shape == (2, 2)


def test_rows_may_be_lists(table):
    display = CellErrorsDisplay.from_estimator(small().fit(table), table.tolist())
    assert display.column_names == ["x0", "x1", "x2", "x3", "x4"]
    assert display.errors.shape == (6, 5)


def test_missing_cells_and_long_names_of_levels(small):
    levels = np.array(["a very long name of a level", "other"], dtype=object)
    table = pd.DataFrame({"level": levels[[0, 1] * 30], "x": [0.0, 1.0] * 30})
    table.loc[5, "x"] = np.nan
    dae = small().fit(table)
    display = CellErrorsDisplay.from_estimator(dae, table, n_rows=60)
    texts = {text.get_text().split("\n")[0] for text in display.ax_.texts}
    assert texts == {"a very long name", "other", "0", "1", "missing"}
    assert "a very long name\nof a level" in {t.get_text() for t in display.ax_.texts}


def test_rows_and_columns_of_cell_errors_can_be_chosen(table):
    X = pd.DataFrame(table, columns=list("abcde"))
    dae = small().fit(X)
    display = CellErrorsDisplay.from_estimator(dae, X, rows=[9, 4], columns=["d", 0])
    assert display.row_names == ["9", "4"]
    assert display.column_names == ["d", "a"]
    expected = dae.cell_errors(X).loc[[9, 4], ["d", "a"]]
    np.testing.assert_allclose(display.errors, expected, rtol=1e-5)
    # The prediction does not depend on the cell itself.
    hidden = X.assign(d=np.nan)
    predicted = dae.impute(hidden)["d"][[9, 4]]
    np.testing.assert_allclose(display.expected[:, 0].astype(float), predicted)
    with pytest.raises(ValueError, match="'columns' contains the column 'z'"):
        CellErrorsDisplay.from_estimator(dae, X, columns=["z"])


def test_the_reason_of_an_odd_cell_is_shown():
    city = np.array(["Oslo", "Rome"] * 60, dtype=object)
    table = pd.DataFrame({"city": city, "copy": city.copy(), "x": np.arange(120.0)})
    table.loc[7, "city"] = "Oslx"
    table.loc[20, "x"] = 1e6
    dae = small(max_iter=150, noise="masking").fit(table)
    detector = DenoisingOutlierDetector(clone(dae), cv=2).fit(table)
    for estimator in (dae, detector):
        display = CellErrorsDisplay.from_estimator(estimator, table, rows=[7, 9, 20])
        texts = [text.get_text() for text in display.text_.ravel()]
        assert texts[0] == "Oslx\n1x, expected\nRome"
        assert texts[4] == "Rome"
        assert texts[8].startswith("1000000\nrare, expected\n")
        assert display.counts[0, 0] == 1
        assert np.isnan(display.counts[2, 2])


def test_figure_of_cell_errors_grows_and_colours_differ(table):
    dae = small().fit(table)
    sizes = [
        CellErrorsDisplay.from_estimator(
            dae, table, n_rows=n, n_columns=n
        ).figure_.get_size_inches()
        for n in (4, 5)
    ]
    assert (sizes[1] > sizes[0]).all()
    display = CellErrorsDisplay.from_estimator(dae, table)
    colors = display.im_.cmap(display.im_.norm([0, 3, 8, 15]))
    assert (np.abs(np.diff(colors, axis=0)).sum(axis=1) > 0.2).all()


def test_texts_of_cells_stay_inside_their_cells():
    levels = [f"level-number-{k} of a city" for k in range(30)]
    table = pd.DataFrame({"city": levels * 4, "x": np.arange(120) / 7e4})
    table["y"] = table["x"] * 1e9
    display = CellErrorsDisplay.from_estimator(
        small(max_categories=4).fit(table), table
    )
    display.figure_.canvas.draw()
    width, height = display.ax_.bbox.width / 3, display.ax_.bbox.height / 6
    for text in display.ax_.texts:
        box = text.get_window_extent()
        assert box.width < width
        assert box.height < height


def test_groups_of_rare_levels_are_shown_by_their_number():
    levels = ["common"] * 60 + [f"rare {k}" for k in range(6)] * 5
    table = pd.DataFrame({"level": levels, "x": np.arange(90.0)})
    dae = small(max_categories=2, noise="masking", max_iter=200).fit(table)
    hidden = table.assign(level=None).iloc[[0, 89]]
    display = RepairedCellsDisplay.from_estimator(dae, hidden, X_clean=table[-2:])
    assert display.repaired[:, 0].tolist() == ["common", "one of 6 rare levels"]
    assert dae.impute(hidden)["level"].tolist() == ["common", "rare 0"]
    errors = CellErrorsDisplay.from_estimator(dae, table.iloc[[0, 89]])
    assert sorted(errors.expected[:, 0]) == ["common", "one of 6 rare levels"]


@pytest.mark.parametrize("display", [LossCurveDisplay, FeaturesDisplay])
def test_unfitted_transformers_are_refused(display, table):
    arguments = [table] if display is FeaturesDisplay else []
    with pytest.raises(NotFittedError):
        display.from_estimator(small(), *arguments)


@pytest.mark.parametrize(
    ("display", "arguments"),
    [
        (LossCurveDisplay, {}),
        (NoiseFactorDisplay, {}),
        (ReconstructionDisplay, {"X": np.ones((2, 5)), "image_shape": (1, 5)}),
        (CellErrorsDisplay, {"X": np.ones((2, 5))}),
    ],
)
def test_a_pipeline_is_refused_and_the_error_names_the_part_to_pass(
    display, arguments, table
):
    pipeline = Pipeline([("dae", small())]).fit(table)
    with pytest.raises(
        TypeError, match=r"must be a fitted .* for example pipeline\[-1\]"
    ):
        display.from_estimator(pipeline, **arguments)


def test_principal_components_need_two_rows(table):
    with pytest.raises(ValueError, match=r"at least two rows .* Got 1"):
        FeaturesDisplay.from_estimator(small().fit(table), table[:1])


def test_cells_of_a_frame_may_be_sparse(digits):
    frame = pd.DataFrame(digits[0]).astype(pd.SparseDtype(float, 0.0))
    frame.columns = [f"p{k}" for k in range(64)]
    dae = small().fit(frame)
    dense = frame.astype(float)
    for kind in (CellErrorsDisplay, RepairedCellsDisplay):
        ours, expected = (kind.from_estimator(dae, X) for X in (frame, dense))
        assert ours.column_names == expected.column_names
    np.testing.assert_allclose(
        ours.repaired.astype(float), expected.repaired.astype(float)
    )


def test_rows_may_be_sparse(digits):
    dae, X = small().fit(digits[0]), sparse.csr_array(digits[1])
    errors = CellErrorsDisplay.from_estimator(dae, X).errors
    expected = CellErrorsDisplay.from_estimator(dae, digits[1]).errors
    np.testing.assert_array_equal(errors, expected)
    display = ReconstructionDisplay.from_estimator(dae, X, image_shape=(8, 8))
    np.testing.assert_array_equal(display.images["given"].reshape(8, 64), digits[1][:8])


def test_without_matplotlib_the_error_names_the_package_to_install():
    code = """
import sys
sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = None
import numpy as np
from sklearn_dae import DenoisingAutoencoderTransformer, LossCurveDisplay
X = np.random.default_rng(0).normal(size=(20, 2))
dae = DenoisingAutoencoderTransformer(max_iter=1).fit(X)
try:
    LossCurveDisplay.from_estimator(dae)
except ImportError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install matplotlib" in found.stdout


@pytest.mark.parametrize("library", [pd, pl, np], ids=["pandas", "polars", "numpy"])
def test_repaired_cells_are_marked_and_show_the_clean_value(table, library):
    table = table.round(2)
    table[2, 3] = np.nan  # Missing in both: not changed.
    given = table.copy()
    given[1, 2], given[3, 0], given[0, 4] = np.nan, -7.0, 1234567.0
    wrap = np.asarray if library is np else library.DataFrame
    dae = small().fit(wrap(table))
    display = RepairedCellsDisplay.from_estimator(
        dae, wrap(given), X_clean=wrap(table), n_rows=4
    )
    assert set(zip(*display.changed.nonzero(), strict=True)) == {(0, 4), (1, 2), (3, 0)}
    texts = [text.get_text() for text in display.ax_.texts]
    repaired = np.asarray(dae.reconstruct(wrap(given)))
    assert texts[0] == f"{given[0, 0]:.4g}"
    assert texts[7] == f"missing\n→ {repaired[1, 2]:.4g}\n({table[1, 2]:.4g})"
    assert texts[15] == f"-7\n→ {repaired[3, 0]:.4g}\n({table[3, 0]:.4g})"
    assert texts[4].startswith("1235000\n")
    assert len(display.ax_.get_yticks()) == 4


def test_without_clean_rows_missing_cells_are_marked_and_few_columns_shown():
    frame = pd.DataFrame({f"n{i}": np.arange(30.0) * i for i in range(12)})
    frame["kind"] = ["a", "b"] * 15
    frame.loc[1, ["n11", "kind"]] = None
    dae = small().fit(frame)
    display = RepairedCellsDisplay.from_estimator(dae, frame, n_rows=2, n_columns=3)
    assert display.column_names == ["n0", "n11", "kind"]
    assert display.ax_.get_xlabel() == "3 of 13 columns"
    assert display.changed.tolist() == [[False] * 3, [False, True, True]]
    kind = dae.reconstruct(frame)["kind"].iloc[1]
    assert display.ax_.texts[-1].get_text() == f"missing\n→ {kind}"
    assert display.clean is None


def test_clean_rows_of_another_shape_are_refused(table):
    dae = small().fit(table)
    with pytest.raises(ValueError, match=r"'X_clean' must have.*\(6, 4\).*\(6, 5\)"):
        RepairedCellsDisplay.from_estimator(dae, table, X_clean=table[:, :4])


def test_labels_keep_their_names_and_values(table):
    dae = small().fit(table)
    sold = pd.Series(table[:, 0] > 3, name="sold", dtype="boolean")
    legend = FeaturesDisplay.from_estimator(dae, table, sold).ax_.get_legend()
    assert legend.get_title().get_text() == "sold"
    assert [text.get_text() for text in legend.get_texts()] == ["False", "True"]
    price = pd.Series(table[:, 0], name="price")
    bar = FeaturesDisplay.from_estimator(dae, table, price).figure_.axes[1]
    assert bar.get_ylabel() == "price"


def rgb(artist):
    return mcolors.to_hex(artist.get_color())


def test_lines_are_kept_and_take_keyword_arguments(table):
    dae = small(early_stopping=True).fit(table)
    display = LossCurveDisplay.from_estimator(
        dae,
        line_kw={"lw": 5},
        marker_kw={"c": "red"},
        baseline_kw={"linestyle": "-."},
    )
    lines = [*display.lines_, display.marker_, display.baseline_]
    assert lines == list(display.ax_.get_lines())
    assert [line.get_linewidth() for line in display.lines_] == [5, 5]
    assert [line.get_linestyle() for line in display.lines_] == ["-", "--"]
    assert rgb(display.marker_) == "#ff0000"
    assert display.baseline_.get_linestyle() == "-."
    assert display.plot(line_kw={"color": "black"}) is display
    assert {rgb(line) for line in display.lines_} == {"#000000"}


def test_without_an_epoch_there_is_no_marker():
    display = LossCurveDisplay(loss_curve=[], validation_loss_curve=[]).plot()
    assert display.marker_ is None
    assert len(display.lines_) == 1


def test_error_bars_are_kept_and_take_keyword_arguments(table):
    grid = {"noise": ["swap", "masking"], "noise_factor": [0.1, 0.4]}
    search = GridSearchCV(small(), grid, cv=2).fit(table)
    display = NoiseFactorDisplay.from_estimator(search, errorbar_kw={"ls": ":"})
    assert display.errorbar_ == display.ax_.containers
    assert len(display.errorbar_) == 2
    assert {bars.lines[0].get_linestyle() for bars in display.errorbar_} == {":"}


@pytest.mark.parametrize("labels", ["none", "classes", "quantity"])
def test_points_are_kept_and_take_keyword_arguments(table, labels):
    y = {"none": None, "classes": [0, 1, None] * 40, "quantity": table[:, 0]}[labels]
    display = FeaturesDisplay.from_estimator(
        small().fit(table), table, y, scatter_kw={"s": 99}
    )
    assert display.scatter_ == list(display.ax_.collections)
    assert len(display.scatter_) == (3 if labels == "classes" else 1)
    assert {points.get_sizes()[0] for points in display.scatter_} == {99}


def test_images_are_kept_and_take_keyword_arguments(digits):
    dae = small(max_iter=1).fit(digits[0])
    display = ReconstructionDisplay.from_estimator(
        dae, digits[0], image_shape=(8, 8), im_kw={"cmap": "viridis"}
    )
    assert [display.im_] == display.ax_.get_images()
    assert display.im_.get_cmap().name == "viridis"


@pytest.mark.parametrize("kind", [RepairedCellsDisplay, CellErrorsDisplay])
def test_cells_are_kept_and_take_keyword_arguments(table, kind):
    display = kind.from_estimator(
        small().fit(table),
        table,
        n_rows=3,
        im_kw={"vmax": 9},
        text_kw={"c": "red", "ha": "left"},
    )
    assert [display.im_] == display.ax_.get_images()
    assert display.im_.get_clim() == (0, 9)
    assert display.text_.shape == (3, 5)
    assert display.text_.ravel().tolist() == list(display.ax_.texts)
    for text in display.text_.ravel():
        assert rgb(text) == "#ff0000"
        assert text.get_horizontalalignment() == "left"
