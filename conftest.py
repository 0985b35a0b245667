"""Leave out the doctests of the export to ONNX if PyTorch is too old for it."""

from importlib.metadata import version

# This file must not import the package: tests/conftest.py sets variables before that.
IS_OLD = tuple(map(int, version("torch").split(".")[:2])) < (2, 7)
collect_ignore = ["sklearn_dae/onnx.py"] if IS_OLD else []
