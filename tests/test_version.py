"""The version of the package."""

from importlib.metadata import version

import sklearn_dae


def test_the_version_is_that_of_the_installed_package():
    assert sklearn_dae.__version__ == version("sklearn-dae")
