"""The oldest versions of the libraries: stated alike everywhere, checked at import."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from sklearn_dae import _compat
from sklearn_dae._compat import (
    OLDEST_OF_EXPORT,
    OLDEST_OPTIONAL,
    OLDEST_REQUIRED,
    as_tuple,
    check_takes_generator,
    check_versions,
)
from sklearn_dae._networks.custom import DrawFrom

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lower_bounds(requirements):
    """The lower bound of each requirement that has one."""
    found = (re.match(r"([\w-]+)>=([\d.]+)", text) for text in requirements)
    return dict(match.groups() for match in found if match)


def pins(name):
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_lower_bounds_are_the_versions_that_the_tests_run_with():
    required = lower_bounds(PROJECT["dependencies"])
    assert required == OLDEST_REQUIRED
    extras = PROJECT["optional-dependencies"]
    optional = lower_bounds(extras["pandas"] + extras["polars"])
    assert optional == OLDEST_OPTIONAL
    of_export = lower_bounds(extras["onnx"])
    assert of_export == OLDEST_OF_EXPORT
    oldest = pins("constraints-oldest.txt")
    for library, number in (required | optional).items():
        assert oldest[library] == number


def test_both_constraint_files_pin_the_same_libraries():
    # Only the oldest ones need a version of pyparsing that their matplotlib works with.
    newest, oldest = pins("constraints.txt"), pins("constraints-oldest.txt")
    assert set(oldest) - {"pyparsing"} <= set(newest)
    for library in set(oldest) & set(newest):
        assert as_tuple(oldest[library]) <= as_tuple(newest[library]), library


def test_the_page_of_support_lists_the_lower_bounds():
    page = (ROOT / "docs" / "support.rst").read_text()
    rows = re.findall(r"\* - (\w+-?\w+)\n +- ([\d.]+)\n", page)
    listed = {name.lower().replace("pytorch", "torch"): bound for name, bound in rows}
    bounds = {"python": PROJECT["requires-python"].removeprefix(">=")}
    bounds |= OLDEST_REQUIRED | OLDEST_OPTIONAL
    assert listed == {name: bound.removesuffix(".0") for name, bound in bounds.items()}


def test_pre_commit_runs_the_pinned_ruff():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(re.findall("ruff==([0-9.]+)", hooks)) == {
        pins("constraints.txt")["ruff"]
    }


@pytest.mark.parametrize(
    ("number", "numbers"),
    [("2.4.0+cpu", (2, 4, 0)), ("2.13.0", (2, 13, 0)), ("1.6.dev0", (1, 6, 0))],
)
def test_numbers_of_a_release(number, numbers):
    assert as_tuple(number) == numbers


def test_all_libraries_that_are_too_old_are_named(monkeypatch):
    installed = {"numpy": "1.9.3", "torch": "2.3.1+cu121", "skorch": "1.10.0"}
    monkeypatch.setattr(_compat, "version", installed.__getitem__)
    message = (
        r"needs numpy>=1.26.0 and torch>=2.4.1. Installed: numpy 1.9.3, torch "
        r"2.3.1\+cu121. Upgrade: pip install 'numpy>=1.26.0' 'torch>=2.4.1'"
    )
    with pytest.raises(ImportError, match=message):
        check_versions({name: OLDEST_REQUIRED[name] for name in installed})


def test_a_library_that_is_not_installed_is_left_to_its_own_import():
    check_versions({"a-library-that-nobody-has": "1.0"})


def test_a_library_that_is_too_old_is_named_at_import(tmp_path):
    metadata = tmp_path / "scikit_learn-1.5.2.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: scikit-learn\nVersion: 1.5.2\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import sklearn_dae"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1
    assert "scikit-learn>=1.6.0. Installed: scikit-learn 1.5.2." in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_a_data_frame_of_a_library_that_is_too_old_is_refused(monkeypatch, small):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [3.0, 1.0, 2.0]})
    monkeypatch.setattr(_compat, "version", lambda name: "2.1.4")
    with pytest.raises(ImportError, match=r"needs pandas>=2.2.0. Installed: pandas"):
        small().fit(frame)


def test_functions_that_take_no_generator_are_refused(monkeypatch):
    monkeypatch.setattr(_compat, "version", lambda name: "2.9.1")
    with pytest.raises(
        ValueError, match=r"torch.randn_like, .* in PyTorch 2.9.1. Draw"
    ):
        check_takes_generator(torch.randn_like)
    check_takes_generator(torch.randn)
    before = torch.get_rng_state()
    with (
        DrawFrom(torch.Generator()),
        pytest.raises(ValueError, match=r"torch.rand_like, which takes no generator"),
    ):
        torch.rand_like(torch.empty(3))
    assert torch.equal(torch.get_rng_state(), before)
