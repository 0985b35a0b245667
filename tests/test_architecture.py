"""The files of the package: allowed imports, sizes, and documented defaults."""

import ast
import inspect
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString

import sklearn_dae
from sklearn_dae import ConvNetwork, DenoisingAutoencoderTransformer

PACKAGE = Path(sklearn_dae.__file__).parent
# The sub-packages and top-level files, and those that each of them may import.
SUB_PACKAGES = {
    "__init__": {
        "_compat", "_detector", "_display", "_export", "_networks", "_transformer",
        "_version",
    },
    "_transformer": {
        "_model", "_parameters", "_state", "_tables", "_training", "_validation",
        "_warnings",
    },
    "_state": {
        "_cells", "_compat", "_model", "_networks", "_parameters", "_tables",
        "_training", "_version",
    },
    "_model": {"_cells", "_networks", "_parameters", "_tables", "_training"},
    "_display": {"_parameters", "_tables"},
    "onnx": {"_compat", "_export", "_networks", "_transformer"},
    "_training": {"_cells", "_networks"},
    "_networks": {"_cells", "_compat", "_parameters"},
    "_tables": {"_cells", "_compat", "_warnings"},
    "_parameters": set(),
    "_cells": set(),
    "_compat": set(),
    "_version": set(),
    "_warnings": set(),
    "_validation": {"_parameters", "_tables"},
    "_detector": {
        "_folds", "_model", "_parameters", "_tables", "_transformer", "_validation",
    },
    "_folds": {"_model", "_tables", "_transformer"},
    "_export": {"_model", "_networks", "_tables", "_transformer"},
}  # fmt: skip
FILES = {
    "__init__": {
        "_compat", "_detector", "_display", "_export", "_networks.conv", "_transformer",
        "_version",
    },
    "_transformer": {
        "_model", "_parameters", "_state", "_tables.codec", "_tables.frames",
        "_tables.layout", "_training.fit", "_training.net", "_validation", "_warnings",
    },
    "_state": {
        "_cells", "_compat", "_model", "_networks.autoencoder", "_networks.contexts",
        "_networks.conv", "_networks.custom", "_parameters", "_tables.plain",
        "_tables.states", "_training.fit", "_training.net", "_version",
    },
    "_model": {
        "_cells", "_networks.autoencoder", "_networks.contexts", "_networks.folds",
        "_networks.inference", "_networks.surprise", "_parameters", "_tables.codec",
        "_tables.columns", "_tables.layout", "_training.fit", "_training.net",
    },
    "_display": {"_parameters", "_tables.arrays", "_tables.frames"},
    "onnx": {"_compat", "_export", "_networks.inference", "_transformer"},
    "_training.fit": {
        "_cells", "_networks.autoencoder", "_networks.output", "_networks.threads",
        "_training.batches", "_training.corruption", "_training.loss", "_training.net",
    },
    "_training.net": {
        "_cells", "_networks.autoencoder", "_networks.custom", "_networks.dropout",
        "_networks.threads", "_training.batches", "_training.loss", "_training.steps",
    },
    "_training.batches": {"_cells", "_training.corruption"},
    "_training.corruption": {"_cells"},
    "_training.loss": {"_cells", "_networks.output"},
    "_training.steps": {"_networks.autoencoder"},
    "_networks.inference": {
        "_cells", "_networks.autoencoder", "_networks.contexts", "_networks.output",
        "_networks.threads",
    },
    "_networks.methods": {
        "_networks.autoencoder", "_networks.output", "_networks.surprise",
    },
    "_networks.custom": {
        "_compat", "_networks.autoencoder", "_networks.dropout", "_parameters",
    },
    "_networks.conv": {"_parameters"},
    "_networks.autoencoder": set(),
    "_networks.contexts": set(),
    "_networks.dropout": set(),
    "_networks.output": set(),
    "_networks.threads": {"_networks.contexts"},
    "_tables.codec": {"_cells", "_tables.columns", "_tables.layout"},
    "_tables.layout": {
        "_cells", "_tables.arrays", "_tables.columns", "_tables.descriptions",
        "_tables.frames", "_tables.labels", "_tables.number_types", "_warnings",
    },
    "_tables.states": {
        "_tables.codec", "_tables.columns", "_tables.descriptions", "_tables.labels",
        "_tables.layout", "_tables.number_types", "_tables.plain",
    },
    "_tables.descriptions": {
        "_compat", "_tables.frames", "_tables.labels", "_tables.plain",
    },
    "_tables.labels": {"_tables.plain"},
    "_tables.plain": set(),
    "_tables.columns": {"_cells", "_tables.arrays", "_tables.frames"},
    "_tables.frames": {"_compat", "_tables.arrays", "_tables.number_types"},
    "_tables.arrays": set(),
    "_tables.number_types": set(),
    "_parameters": set(),
    "_cells": set(),
    "_compat": set(),
    "_version": set(),
    "_warnings": set(),
    "_validation": {
        "_parameters", "_tables.arrays", "_tables.columns", "_tables.frames",
        "_tables.layout",
    },
    "_detector": {
        "_folds", "_model", "_parameters", "_tables.frames", "_transformer",
        "_validation",
    },
    "_folds": {"_model", "_tables.folds", "_tables.layout", "_transformer"},
    "_networks.folds": set(),
    "_networks.surprise": set(),
    "_tables.folds": {"_cells", "_tables.codec", "_tables.layout"},
    "_export": {"_model", "_networks.methods", "_tables.codec", "_transformer"},
}  # fmt: skip
# Libraries, and the files that may import them.
LIBRARIES = {
    "skorch": {"_training.net"},
    "sklearn": {
        "_detector", "_display", "_export", "_folds", "_networks.conv", "_state",
        "_tables.codec", "_tables.columns", "_tables.layout", "_transformer",
        "_validation",
    },
    "torch": {
        "_cells", "_model", "_networks.autoencoder", "_networks.contexts",
        "_networks.conv", "_networks.custom", "_networks.dropout", "_networks.folds",
        "_networks.inference", "_networks.methods", "_networks.output",
        "_networks.surprise", "_networks.threads", "_state", "_tables.arrays",
        "_tables.codec", "_training.batches", "_training.corruption", "_training.fit",
        "_training.loss", "_training.net", "_training.steps", "onnx",
    },
    "pandas": set(),
    "polars": set(),
    "matplotlib": {"_display"},
    "onnx": {"onnx"},
    "skl2onnx": {"onnx"},
}  # fmt: skip


def modules():
    """Map the modules of the package to their files. Leave out empty packages."""
    paths = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    return {n: p for n, p in paths.items() if not n.endswith(".__init__")}


def imports(module):
    """Yield each import of a module: whether it is inside the package, and its name."""
    package = module.split(".")[:-1]
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            yield from ((False, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield False, node.module
        elif isinstance(node, ast.ImportFrom):
            parts = package[: len(package) + 1 - node.level]
            parts += node.module.split(".") if node.module else []
            name = ".".join(parts)
            names = [f"{name}.{a.name}".strip(".") for a in node.names]
            yield from ((True, n if n in modules() else name) for n in names)


def test_the_guide_shows_what_each_room_imports():
    page = (PACKAGE.parent / "docs" / "contributing.rst").read_text()
    row = r"   \* - ``(\w+)``\n     - .*\n     - (.*)\n"
    shown = {
        room: set(re.findall(r"``(\w+)``", imported))
        for room, imported in re.findall(row, page)
    }
    assert shown == SUB_PACKAGES


def test_every_file_is_listed():
    assert set(modules()) == set(FILES)
    assert {module.split(".")[0] for module in FILES} == set(SUB_PACKAGES)


def test_sub_packages_hold_a_docstring_and_no_code():
    for path in PACKAGE.glob("*/__init__.py"):
        (docstring,) = ast.parse(path.read_text()).body
        assert isinstance(docstring.value, ast.Constant)


@pytest.mark.parametrize("module", FILES)
def test_files_import_only_what_is_listed(module):
    found = list(imports(module))
    assert {name for is_inside, name in found if is_inside} == FILES[module]
    outside = {name.split(".")[0] for is_inside, name in found if not is_inside}
    for library in outside & set(LIBRARIES):
        assert module in LIBRARIES[library], f"{module} may not import {library}"


@pytest.mark.parametrize("module", FILES)
def test_sub_packages_import_only_what_is_listed(module):
    inside = {name.split(".")[0] for is_inside, name in imports(module) if is_inside}
    itself = module.split(".")[0]
    assert inside - {itself} <= SUB_PACKAGES[itself]


@pytest.mark.parametrize("graph", [SUB_PACKAGES, FILES], ids=["sub-packages", "files"])
def test_imports_form_no_circle(graph):
    # Raises CycleError if there is one.
    assert set(TopologicalSorter(graph).static_order()) == set(graph)


@pytest.mark.parametrize("module", sorted(set(FILES) - {"__init__"}))
def test_every_file_has_a_test_file(module):
    *folders, name = module.split(".")
    folder = Path(__file__).parent.joinpath(*(f.strip("_") for f in folders))
    assert (folder / f"test_{name.strip('_')}.py").exists()


def test_import_loads_nothing_but_its_libraries():
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
def test_public_methods_document_their_parameters_and_results(method):
    doc = NumpyDocString(inspect.cleandoc(method.__doc__))
    takes = [name for name in inspect.signature(method).parameters if name != "self"]
    assert [parameter.name.lstrip("*") for parameter in doc["Parameters"]] == takes
    assert doc["Returns"]
    assert doc["Summary"]


def definitions(kind):
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kind):
                yield node


def test_functions_are_short():
    lengths = []
    for node in definitions(ast.FunctionDef):
        if node.name != "__init__":
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lengths.append(node.end_lineno - body[0].lineno + 1 if body else 0)
    lengths.sort()
    assert lengths[-1] <= 31
    assert lengths[int(0.9 * len(lengths))] <= 17


def test_classes_have_few_methods():
    for node in definitions(ast.ClassDef):
        methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
        assert len(methods) <= 25 or node.name == "DenoisingAutoencoderTransformer"
