"""Measure the time of transform and of the same ONNX model under onnxruntime.

For each table the script fits a transformer with the default layers for one epoch. The
time of a prediction does not depend on the training. Then it computes the features of
1, 100 and 10,000 rows by `transform` and by onnxruntime, in turns, and takes the median
of the turns. It prints milliseconds and rows a second. Both must give equal features.

With --check, one row must take less time under onnxruntime than by `transform`.
"""

import common
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae.onnx import to_onnx

TABLES = {"digits": 64, "wide": 300, "mixed": 30}
SIZES = {1: 200, 100: 50, 10_000: 5}


def make_table(name, n_rows, seed):
    """Return a DataFrame with this many columns. Half of those of "mixed" are text."""
    rng = np.random.default_rng(seed)
    n_columns = TABLES[name]
    table = pd.DataFrame(rng.normal(size=(n_rows, n_columns))).add_prefix("x")
    if name == "mixed":
        for column in table.columns[::2]:
            table[column] = rng.choice(list("abcdefgh"), n_rows)
    return table


def feed_of(session, table):
    """Return the inputs of a session: a matrix, or a column for each input."""
    inputs = session.get_inputs()
    if len(inputs) == 1:
        return {inputs[0].name: table.to_numpy()}
    return {
        given.name: table[[given.name]].to_numpy(
            object if "string" in given.type else float
        )
        for given in inputs
    }


def session_of(dae, n_threads):
    """Return a session of onnxruntime that computes `transform`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    return onnxruntime.InferenceSession(
        to_onnx(dae).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def measure(name, sizes):
    """Return the results of one table, one dict for each number of rows."""
    dae = DenoisingAutoencoderTransformer(max_iter=1, random_state=0)
    dae.fit(make_table(name, 2000, 0))
    session = session_of(dae, torch.get_num_threads())
    results = []
    for n_rows, repeats in sizes.items():
        table = make_table(name, n_rows, 1)
        feed = feed_of(session, table)
        calls = {
            "transform": lambda table=table: dae.transform(table),
            "onnxruntime": lambda feed=feed: session.run(None, feed)[0],
        }
        features, of_onnx = (call() for call in calls.values())
        np.testing.assert_allclose(of_onnx, features, atol=1e-4)
        timers = {
            name: lambda c=call: common.seconds(c) for name, call in calls.items()
        }
        found = common.medians(timers, repeats)
        results.append({"table": name, "rows": n_rows, **found})
    return results


def report(results):
    """Print milliseconds a call, rows a second and the ratio of times."""
    table = pd.DataFrame(results).set_index(["table", "rows"])
    rows = table.index.get_level_values("rows").to_numpy()[:, None]
    shown = {
        "ms": 1000 * table,
        "rows/s": rows / table,
        "time": (table["onnxruntime"] / table["transform"]).to_frame("ratio"),
    }
    common.print_table(pd.concat(shown, axis=1))


def claims(options):
    """Compare the times of one row."""
    for name in ("digits", "mixed"):
        (found,) = measure(name, {1: 100})
        yield common.claim(
            f"seconds of one row of {name}", found, "onnxruntime", "<", "transform"
        )


def main(options):
    """Measure all tables."""
    print(common.versions(onnx=onnx, onnxruntime=onnxruntime), common.MACHINE, sep="\n")
    report([result for name in TABLES for result in measure(name, SIZES)])


if __name__ == "__main__":
    parser = common.argument_parser(__doc__)
    common.add_check(parser)
    common.run(parser.parse_args(), claims, main)
