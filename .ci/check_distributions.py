"""Check the wheel and the source distribution in a folder.

The wheel holds the package, its licence and nothing else. Each of the two, installed
alone in a fresh virtual environment outside of the checkout, imports, fits, transforms
and pickles.
"""

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USE_IT = """
import pickle
from sklearn.datasets import load_iris
import sklearn_dae

X = load_iris().data
dae = sklearn_dae.DenoisingAutoencoderTransformer(max_iter=2, random_state=0).fit(X)
Z = pickle.loads(pickle.dumps(dae)).transform(X)
assert (Z == dae.transform(X)).all()
assert "site-packages" in sklearn_dae.__file__
print(sklearn_dae.__version__, Z.shape)
"""


def check_contents(wheel):
    """Raise AssertionError unless the wheel holds the package and its licence only."""
    found = set(zipfile.ZipFile(wheel).namelist())
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "sklearn_dae").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert "sklearn_dae/py.typed" in package
    metadata = {name for name in found if ".dist-info/" in name}
    assert found - metadata == package, (found - metadata) ^ package
    names = {name.partition(".dist-info/")[2] for name in metadata}
    expected = {"METADATA", "RECORD", "WHEEL", "top_level.txt", "licenses/LICENSE"}
    assert names == expected, names


def main():
    folder = Path(sys.argv[1]).resolve()
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    check_contents(wheel)
    with tempfile.TemporaryDirectory() as elsewhere:
        venv.create(elsewhere, with_pip=True)
        python = f"{elsewhere}/bin/python"
        install = [python, "-m", "pip", "install", "-c", ROOT / "constraints.txt"]
        for options in ([wheel], ["--force-reinstall", "--no-deps", source]):
            subprocess.run([*install, *options], check=True, cwd=elsewhere)
            subprocess.run([python, "-c", USE_IT], check=True, cwd=elsewhere)


main()
