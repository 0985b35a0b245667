"""Check the versions of the libraries, and handle their differences.

A comment at each difference names the version from which its code can be deleted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

# The oldest versions that the tests pass with, as in pyproject.toml.
OLDEST_REQUIRED = {
    "numpy": "1.26.0",
    "scikit-learn": "1.6.0",
    "skorch": "1.2.0",
    "torch": "2.4.1",
}
OLDEST_OPTIONAL = {"pandas": "2.2.0", "polars": "1.0.0"}
OLDEST_OF_EXPORT = {
    "onnx": "1.17.0",
    "onnxscript": "0.7.0",
    "skl2onnx": "1.18.0",
    "torch": "2.7.0",
}


def as_tuple(number: str) -> tuple[int, ...]:
    """Convert a version to a tuple of numbers: "2.4.0+cpu" to (2, 4, 0)."""
    return tuple(map(int, re.findall(r"\d+", number)[:3]))


def check_versions(oldest: dict[str, str], part: str = "sklearn_dae") -> None:
    """Raise ImportError if an installed library is older than in `oldest`.

    `part` names what needs the libraries.
    """
    installed = {}
    for library in oldest:
        try:
            installed[library] = version(library)
        except PackageNotFoundError:
            continue  # Its own import will raise an error.
    too_old = [
        library
        for library, number in installed.items()
        if as_tuple(number) < as_tuple(oldest[library])
    ]
    if too_old:
        found = ", ".join(f"{library} {installed[library]}" for library in too_old)
        needed = [f"{library}>={oldest[library]}" for library in too_old]
        command = " ".join(f"'{requirement}'" for requirement in needed)
        raise ImportError(
            f"{part} needs {' and '.join(needed)}. Installed: {found}. Upgrade: "
            f"pip install {command}"
        )


check_versions(OLDEST_REQUIRED)


# torch < 2.10: these functions take no generator.
DRAW_LIKE = ("rand_like", "randn_like", "randint_like")


def check_takes_generator(function: Callable[..., Any]) -> None:
    """Raise ValueError if a function of PyTorch does not take a generator."""
    if function.__name__ in DRAW_LIKE and as_tuple(version("torch")) < (2, 10):
        raise ValueError(
            f"The modules that 'network' builds draw initial weights by torch."
            f"{function.__name__}, which takes no generator in PyTorch "
            f"{version('torch')}. Draw them by torch.randn(x.shape) or "
            f"torch.rand(x.shape), or upgrade: pip install 'torch>=2.10'"
        )


def pandas_text_dtype(pandas: Any, storage: str | None) -> Any:
    """Make the dtype of text of pandas; None for text whose missing cells are NaN."""
    if storage is not None:
        return pandas.StringDtype(storage)
    # pandas < 2.3: such text has the dtype object.
    if as_tuple(pandas.__version__) < (2, 3):
        return pandas.api.types.pandas_dtype(object)
    return pandas.StringDtype(na_value=math.nan)
