"""Functions that several benchmark scripts use.

The scripts run from this folder or from the root of the repository as
`python benchmarks/NAME.py`, so Python finds this module beside them. `features.py` must
run with the dependencies of sklearn_dae alone. Therefore the functions that need pandas
import it themselves.
"""

import argparse
import json
import operator
import os
import platform
import statistics
import subprocess
import sys
import time

import numpy as np
import sklearn
import torch
from sklearn import datasets

import sklearn_dae

# Labelled rows of each class where there are few labels.
N_FEW = 10
MACHINE = f"{platform.machine()}, {os.cpu_count()} cores"


def argument_parser(docstring):
    """Return a parser that describes itself by the first line of a docstring."""
    return argparse.ArgumentParser(description=docstring.splitlines()[0])


def add_check(parser):
    """Add the option --check to a parser or to a group of options."""
    parser.add_argument(
        "--check",
        action="store_true",
        help="only test the main claims on small data, in about a minute",
    )


def versions(**packages):
    """Return a text with the versions of Python and of the packages in use.

    `packages` are modules beside those that all benchmarks use, by their names.
    """
    packages = {
        "numpy": np,
        "scikit-learn": sklearn,
        "torch": torch,
        **packages,
        "sklearn_dae": sklearn_dae,
    }
    found = [f"{name} {package.__version__}" for name, package in packages.items()]
    return ", ".join([f"python {platform.python_version()}", *found])


def read_table(name, folder=None):
    """Return a table as a DataFrame, with its target in the column "target".

    The table comes from a parquet file in `folder`. Without a folder it is one of the
    tables that scikit-learn contains, for example "digits".
    """
    import pandas as pd

    if folder:
        return pd.read_parquet(folder / f"{name}.parquet")
    return getattr(datasets, f"load_{name}")(as_frame=True).frame


def sample(table, n_rows, seed):
    """Return as many random rows of a table, or all of them if it has fewer."""
    return table.sample(min(n_rows, len(table)), random_state=seed)


def categorical_columns(table):
    """Return the names of all columns that are not numeric."""
    return table.select_dtypes(exclude="number").columns


def spread(column):
    """Return the standard deviation of a column, or 1 if it is constant."""
    return column.std(ddof=0) or 1.0


def one_hot(table):
    """Return standardised numbers and one-hot codes, NaN where a cell is missing."""
    import pandas as pd

    parts = {}
    for name, column in table.items():
        if name in categorical_columns(table):
            codes = pd.get_dummies(column, dtype=float)
            codes.loc[column.isna().to_numpy()] = np.nan
            parts[name] = codes
        else:
            parts[name] = ((column - column.mean()) / spread(column)).to_frame()
    return parts


def few_rows(y, seed):
    """Return the indices of `N_FEW` random rows of each class."""
    order = np.random.default_rng(seed).permutation(len(y))
    return np.concatenate([order[y[order] == c][:N_FEW] for c in np.unique(y)])


def timed(function, *args):
    """Call a function. Return its result and the seconds that the call took."""
    start = time.perf_counter()
    result = function(*args)
    return result, time.perf_counter() - start


def seconds(function, *args):
    """Return the seconds that a call of a function takes."""
    return timed(function, *args)[1]


def medians(functions, repeats):
    """Return the median of the values of each function.

    Call each function once before the first repeat. In each repeat, call all functions
    one after the other, so that a slow minute of the machine affects all of them.
    """
    for function in functions.values():
        function()
    turns = [{name: f() for name, f in functions.items()} for _ in range(repeats)]
    return {name: statistics.median(t[name] for t in turns) for name in functions}


# Code for a program that runs in its own process. It watches the memory of the process
# from `thread.start()` until `done.set()`. The peak is `peak[0] - before` megabytes.
WATCH_MEMORY = """
import threading

def anonymous_mb():
    with open("/proc/self/status") as lines:
        found = [line.split()[1] for line in lines if line.startswith("RssAnon")]
    return int(found[0]) / 1024

def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], anonymous_mb())

before, peak, done = anonymous_mb(), [0.0], threading.Event()
thread = threading.Thread(target=watch)
"""


def in_fresh_process(code, *args):
    """Run a Python program in its own process and return the JSON that it prints.

    The program gets each argument as JSON in `sys.argv`.
    """
    found = subprocess.run(
        [sys.executable, "-c", code, *map(json.dumps, args)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(found.stdout)


def run_parts(parts, options, made_with):
    """Run the parts that `options` names and return their results as a DataFrame.

    Each part is a generator of results. After each result, write all results with the
    versions (`made_with`) and the machine to the csv file `options.out`.
    """
    import pandas as pd

    found = []
    for name in options.parts:
        for result in parts[name](options):
            found.append(result)
            results = pd.DataFrame(found).assign(versions=made_with, machine=MACHINE)
            results.to_csv(options.out, index=False)
    return pd.DataFrame(found)


def print_table(table, title=None, digits=".4g", index=True):
    """Print a DataFrame as text, below a title."""
    if title:
        print(f"\n{title}\n")
    float_format = f"{{:{digits}}}".format
    print(table.to_string(na_rep="-", float_format=float_format, index=index))


RELATIONS = {"<": operator.lt, ">": operator.gt, ">=": operator.ge}


def claim(measure, found, name, relation, other, factor=1):
    """Compare two of the values in `found` and return a sentence and whether it holds.

    The claim is that the value of `name` is in this relation to `factor` times the
    value of `other`. A claim about NaN does not hold.
    """
    times = "" if factor == 1 else f"{factor} x "
    sentence = (
        f"{measure}: {name} {found[name]:.4g} {relation} "
        f"{times}{other} {found[other]:.4g}"
    )
    return sentence, RELATIONS[relation](found[name], factor * found[other])


def check(claims):
    """Print all claims. Exit with status 1 if some of them do not hold."""
    failed = []
    for sentence, holds in claims:
        print(f"{'holds' if holds else 'FAILS'}: {sentence}", flush=True)
        if not holds:
            failed.append(sentence)
    if failed:
        sys.exit("\n".join(["These claims do not hold:", *failed]))


def run(options, claims, main):
    """Test the claims if the options contain --check, else run the benchmark.

    `claims` and `main` are functions of the options.
    """
    if options.check:
        check(claims(options))
    else:
        main(options)
