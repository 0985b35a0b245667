"""Warn at the line of the user's code."""

from __future__ import annotations

import sys
import warnings
from typing import Any

# Libraries between the user's line and the place of a warning.
LIBRARIES = ("sklearn_dae", "sklearn", "contextlib", "joblib")


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is not of this package and of scikit-learn."""
    # Python 3.12 has skip_file_prefixes for this.
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_library(frame.f_globals):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_library(variables: dict[str, Any]) -> bool:
    """Tell whether the global variables are those of a module of a library."""
    # Code that is run by exec has no name.
    return variables.get("__name__", "").partition(".")[0] in LIBRARIES
