"""Warnings point to the line of the user."""

import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_dae._warnings import warn_user


def test_a_warning_points_to_the_line_that_is_not_of_a_library():
    with pytest.warns(FutureWarning, match="soon") as caught:
        FunctionTransformer(lambda X: warn_user("soon", FutureWarning) or X).transform(
            [[1.0]]
        )
    assert caught[0].filename == __file__


def test_a_warning_in_code_without_a_module_name():
    code = "warn_user('soon', FutureWarning)"
    with pytest.warns(FutureWarning, match="soon") as caught:
        exec(compile(code, "a cell", "exec"), {"warn_user": warn_user})
    assert caught[0].filename == "a cell"


CALLS = {
    "fit": lambda dae, X: dae.fit(X),
    "fit_transform": lambda dae, X: dae.fit_transform(X),
    "set_output": lambda dae, X: dae.set_output(transform="pandas").fit_transform(X),
    "partial_fit": lambda dae, X: dae.partial_fit(X),
    "pipeline": lambda dae, X: make_pipeline(dae).fit(X),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_warning_about_identifiers_points_to_the_call(small, call):
    frame = pd.DataFrame({"id": [f"no. {k}" for k in range(120)], "x": range(120)})
    with pytest.warns(UserWarning, match="identifier column") as caught:
        CALLS[call](small(max_iter=1), frame)
    assert caught[0].filename == __file__
