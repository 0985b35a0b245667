"""The rooms of the package: who may import whom, and one door to each library."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString

import sklearn_dae
from sklearn_dae import ConvNetwork, DenoisingAutoencoderTransformer

PACKAGE = Path(sklearn_dae.__file__).parent
MAY_IMPORT = {
    "__init__": {"_compat", "_conv", "_display", "_transformer"},
    "_compat": set(),
    "_conv": set(),
    "_display": {"_frames"},
    "_transformer": {"_columns", "_frames", "_table", "_training"},
    "_columns": {"_frames", "_training"},
    "_table": {"_cells", "_frames"},
    "_frames": {"_compat"},
    "_training": {
        "_batches", "_cells", "_corruption", "_descent", "_loss", "_network", "_pair",
    },
    "_descent": {"_network"},
    "_pair": {"_compat", "_network"},
    "_batches": {"_cells", "_corruption"},
    "_corruption": {"_cells"},
    "_loss": {"_cells"},
    "_network": set(),
    "_cells": set(),
}  # fmt: skip
DOORS = {
    "skorch": {"_training"},
    "sklearn": {"_conv", "_display", "_transformer", "_table"},
    "torch": {
        "_table", "_training", "_batches", "_corruption", "_descent", "_loss",
        "_network", "_pair", "_conv", "_cells",
    },
    "pandas": set(),
    "polars": set(),
    "matplotlib": {"_display"},
}  # fmt: skip


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)


def test_every_module_has_its_place():
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_imports_run_one_way(module):
    found = list(imports(PACKAGE / f"{module}.py"))
    inside = {name for level, name in found if level}
    assert inside <= MAY_IMPORT[module]
    outside = {name.split(".")[0] for level, name in found if not level}
    for library in outside & set(DOORS):
        assert module in DOORS[library], f"{module} may not import {library}"


def test_import_brings_nothing_but_what_its_libraries_bring():
    code = """
import sys, torch, skorch.callbacks, skorch.helper, sklearn.model_selection
before = set(sys.modules)
import sklearn_dae
print({name.split(".")[0] for name in set(sys.modules) - before})
"""
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "{'sklearn_dae'}"


DOC = NumpyDocString(inspect.cleandoc(DenoisingAutoencoderTransformer.__doc__))


@pytest.mark.parametrize("class_", [DenoisingAutoencoderTransformer, ConvNetwork])
def test_documented_defaults_are_those_of_the_signature(class_):
    doc = NumpyDocString(inspect.cleandoc(class_.__doc__))
    documented = {p.name: p.type for p in doc["Parameters"]}
    signature = inspect.signature(class_).parameters
    assert list(documented) == list(signature)
    for name, parameter in signature.items():
        if parameter.default is parameter.empty:
            continue
        default = re.search(r"default=(.*)$", documented[name]).group(1)
        assert ast.literal_eval(default) == parameter.default, name


def test_documented_attributes_are_those_of_a_fitted_estimator(small, table):
    documented = {a.name for a in DOC["Attributes"]} - {"feature_names_in_"}
    fitted = {a for a in vars(small().fit(table)) if a.endswith("_") and a[0] != "_"}
    assert fitted == documented


@pytest.mark.parametrize(
    "method",
    [
        method
        for name in vars(DenoisingAutoencoderTransformer)
        if not name.startswith("_")
        # Looked up on the class, where `available_if` gives a function, too.
        and inspect.isfunction(method := getattr(DenoisingAutoencoderTransformer, name))
    ],
    ids=lambda method: method.__name__,
)
def test_public_methods_document_what_they_take_and_return(method):
    doc = NumpyDocString(inspect.cleandoc(method.__doc__))
    takes = [name for name in inspect.signature(method).parameters if name != "self"]
    assert [parameter.name for parameter in doc["Parameters"]] == takes
    assert doc["Returns"]
    assert doc["Summary"]


def test_functions_fit_a_screen():
    lengths = []
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name != "__init__":
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append(node.end_lineno - body[0].lineno + 1 if body else 0)
    lengths.sort()
    assert lengths[-1] <= 40
    assert lengths[int(0.9 * len(lengths))] <= 25
