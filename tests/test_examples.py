"""The examples run, and what they show is so."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from .helpers import OLD_TORCH

EXAMPLES = Path(__file__).parent.parent / "examples"


def few_labels(shown):
    of_each = {name: scores.mean(axis=1) for name, scores in shown["scores"].items()}
    assert (of_each["denoising features"] > of_each["raw columns"] + 0.01).all()
    assert (of_each["denoising features"] > of_each["PCA"] + 0.01).all()


def does_it_pay(shown):
    mean = {name: scores.mean() for name, scores in shown["scores"].items()}
    assert mean["denoising features"] > mean["raw columns"] + 0.005
    assert mean["denoising features"] > mean["random features"]


def choose_noise(shown):
    factors = [0.02, 0.1, 0.3, 0.7]
    for search, prefix in (("with_labels", "dae__"), ("without_labels", "")):
        results = shown[search].cv_results_
        tried = results[f"param_{prefix}noise_factor"]
        assert sorted(set(tried)) == factors
    # Accuracies with labels differ by less than their spread over the folds.
    assert shown["with_labels"].best_score_ > 0.93
    strongest = results["mean_test_score"][np.array(tried) == factors[-1]]
    assert shown["without_labels"].best_score_ > max(strongest) + 0.05
    assert shown["without_labels"].best_params_["noise_factor"] in factors[1:3]


def cluster(shown):
    agreement = shown["agreement"]
    assert min(agreement["denoising features"]) > max(agreement["raw columns"]) + 0.05


def mixed_table(shown):
    comparison = shown["comparison"]
    assert (comparison["impute"] < 0.5 * comparison.iloc[:, 0]).all()
    wrong = {(714, "price"), (700, "year")}
    assert wrong <= set(shown["odd"].index)
    assert {714, 70, 700} <= set(shown["rows"])
    assert all(shown["changed"].at[cell] for cell in wrong)


def repair_images(shown):
    for errors in shown["rows"].values():
        assert errors["repaired"] < 0.8 * errors["PCA"] < 0.8 * errors["corrupted"]
    errors = shown["rows"]["salt_and_pepper"]
    assert errors["repaired by convolutions"] < 0.95 * errors["repaired"]


def stream_parquet(shown):
    scores = list(shown["scores"].values())
    assert len(scores) == 20
    assert scores[-1] > scores[0] + 0.1
    assert 1 - scores[-1] < 1.05 * (1 - shown["score_of_fit"])


def dask(shown):
    assert shown["same"]
    assert shown["scores"][-1] > shown["scores"][0]
    assert len(shown["search"].cv_results_["params"]) == 4


def serve(shown):
    assert shown["types"] == [
        "sklearn_dae._transformer.DenoisingAutoencoderTransformer"
    ]
    assert shown["same"]
    assert shown["accuracy"] > shown["stays"].mean() + 0.02
    np.testing.assert_allclose(shown["by_onnx"], shown["by_pipeline"], atol=1e-4)


CLAIMS = [few_labels, does_it_pay, choose_noise, cluster, mixed_table, repair_images]
CLAIMS += [stream_parquet, dask, serve]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_an_example_shows_what_it_says(claim, capsys):
    if claim is serve and OLD_TORCH:
        pytest.skip(OLD_TORCH)
    shown = runpy.run_path(str(EXAMPLES / f"plot_{claim.__name__}.py"))
    claim(shown)
    pictures = [plt.figure(number) for number in plt.get_fignums()]
    assert pictures
    assert all(np.ptp(np.asarray(_drawn(picture))) > 0 for picture in pictures)
    plt.close("all")


def test_all_examples_are_tried():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {f"plot_{claim.__name__}" for claim in CLAIMS}


def _drawn(figure):
    figure.canvas.draw()
    return figure.canvas.buffer_rgba()
