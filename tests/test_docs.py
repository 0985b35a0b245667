"""The documentation and the code agree."""

import ast
from pathlib import Path

import pytest

import sklearn_dae

PACKAGE = Path(sklearn_dae.__file__).parent
DOCS = PACKAGE.parent / "docs"


def messages():
    """Yield the longest literal part of each error message and each warning."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            raised = node.exc if isinstance(node, ast.Raise) else None
            warned = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                "warn"
            )
            call = node if warned else raised
            if not isinstance(call, ast.Call) or not call.args:
                continue
            parts = [
                node.value
                for node in ast.walk(call.args[0])
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            if parts:
                yield f"{path.stem}:{node.lineno}", max(parts, key=len)


@pytest.mark.parametrize(("place", "part"), list(messages()))
def test_a_message_is_in_the_troubleshooting_page(place, part):
    page = (DOCS / "user_guide" / "troubleshooting.rst").read_text()
    assert " ".join(part.split()) in " ".join(page.split()), place


def test_all_public_names_are_in_the_reference():
    page = (DOCS / "api.rst").read_text().split()
    assert {name for name in sklearn_dae.__all__ if name[0].isupper()} <= set(page)
