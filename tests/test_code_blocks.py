"""Each Python block of the documentation runs alone, and shows what the text says.

All blocks run in the process of the tests, each in a namespace of its own: a fresh
interpreter for each would import PyTorch some thirty times.
"""

import re
import runpy
import textwrap
from contextlib import chdir
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from .helpers import OLD_TORCH

ROOT = Path(__file__).parent.parent
README, QUICK_START, INDEX = "README.md", "docs/quick_start.rst", "docs/index.rst"
GUIDE = sorted((ROOT / "docs" / "user_guide").glob("*.rst"))
PAGES = [README, QUICK_START, INDEX, *(str(page.relative_to(ROOT)) for page in GUIDE)]

MARKDOWN = r"^```python\n((?:.*\n)*?)```"
DIRECTIVE = r"^\.\. (?:code-block:: python|plot::)\n(?: +:.*\n)*\n((?: +.*\n|\n)+)"

# What plt.show() says without a screen.
pytestmark = pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")


def skip_export(code):
    """Skip a block that exports to ONNX if PyTorch is too old."""
    needs_export = OLD_TORCH and "sklearn_dae.onnx" in code
    return [pytest.mark.skip(OLD_TORCH)] if needs_export else []


def blocks(page):
    """The code of each Python block of a page, by the line that it starts at."""
    text = (ROOT / page).read_text()
    pattern = MARKDOWN if page.endswith(".md") else DIRECTIVE
    return {
        text.count("\n", 0, match.start(1)) + 1: textwrap.dedent(match.group(1))
        for match in re.finditer(pattern, text, flags=re.MULTILINE)
    }


@cache
def run(code):
    """Run a block in an empty folder and return the names that it defines."""
    with TemporaryDirectory() as folder, chdir(folder):
        script = Path(folder) / "block.py"
        script.write_text(code)
        names = runpy.run_path(str(script), run_name="__main__")
    plt.close("all")
    return names


def names_of(page, piece):
    """The names that are defined by the only block of a page with a piece of code."""
    (code,) = [code for code in blocks(page).values() if piece in code]
    return run(code)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=f"{page}:{line}", marks=skip_export(code))
        for page in PAGES
        for line, code in blocks(page).items()
    ],
)
def test_a_block_runs_alone(code):
    run(code)


@pytest.mark.parametrize("page", [README, QUICK_START])
def test_few_labels_gain_from_rows_without(page):
    accuracy = names_of(page, "FrozenEstimator")["accuracy"]
    assert accuracy["denoising features"] > accuracy["raw columns"] + 0.015


def test_readme_search_beats_chance():
    assert names_of(README, "classifier__C")["search"].best_score_ > 0.9


def test_readme_finds_the_planted_error():
    names = names_of(README, "detector.cell_errors(X)")
    assert names["column"] == "mean radius"
    assert 7 in names["outliers"].index
    assert len(names["outliers"]) == 6
    assert names["changed"].loc[7, "mean radius"]
    true = names["X"].loc[7, "mean radius"] / 10
    assert names["repaired"].loc[7, "mean radius"] == pytest.approx(true, rel=0.1)
    assert names["features"].shape == (569, 978)
    assert names["filled"].notna().all(axis=None)


def test_readme_fills_the_right_sizes():
    names = names_of(README, 'given["size"]')
    assert names["right"].mean() > 0.8
    assert names["filled"].notna().all(axis=None)
    assert (names["filled"].dtypes == names["table"].dtypes).all()


def test_readme_repairs_images():
    names = names_of(README, "ReconstructionDisplay.from_estimator")
    # The example clips its noise, as the training does.
    assert (names["noisy"].min(), names["noisy"].max()) == (0, 1)
    assert names["before"] == pytest.approx(0.116, abs=0.005)
    assert names["after"] < 0.5 * names["before"]


def test_the_guide_finds_and_repairs_the_outlier():
    names = names_of("docs/user_guide/outliers.rst", "DenoisingOutlierDetector")
    X, detector = names["X"], names["detector"]
    assert 450 in X.index[detector.predict(X) == -1]
    assert names["errors"].loc[450].idxmax() == "mean radius"
    true = X.loc[450, "mean radius"] / 10
    assert names["repaired"].loc[450, "mean radius"] == pytest.approx(true, rel=0.1)


def test_the_imputer_of_the_guide_is_a_step_of_a_pipeline():
    names = names_of("docs/user_guide/missing.rst", "class DenoisingImputer")
    model, given = names["model"], names["given"]
    filled = model[:-1].transform(given)
    assert filled.notna().all(axis=None)
    assert filled.columns.tolist() == given.columns.tolist()
    assert filled.index.equals(given.index)
    assert model[0].get_feature_names_out().tolist() == given.columns.tolist()
    observed = given.notna()
    pd.testing.assert_frame_equal(filled[observed], given)
    array = clone(model[0]).set_output(transform="default").fit(given.to_numpy())
    assert isinstance(array.transform(given.to_numpy()), np.ndarray)
    assert array.get_feature_names_out()[:2].tolist() == ["x0", "x1"]
    for_polars = clone(model[0]).set_output(transform="polars")
    assert for_polars.fit_transform(given).columns == given.columns.tolist()


def test_readme_shows_the_planted_error_in_a_display():
    odd = names_of(README, "LossCurveDisplay.from_estimator")["odd"]
    assert odd.row_names[0] == "20"
    assert odd.column_names[odd.errors[0].argmax()] == "flavanoids"
    assert odd.errors.max() == odd.errors[0].max()
