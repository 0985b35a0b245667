"""Measure the time and the memory of training and of transform.

The script measures each figure together with those it is compared with. It runs them in
turns and takes the median of the turns. Parts, all of them unless --parts names some:

- step: one update of the weights, compared with the loop of a tutorial (DataLoader,
  Adam, gaussian noise), with plain skorch, with MLPRegressor, and with the matrix
  products alone
- autograd: fits whose forward and backward passes are written by hand, as they are,
  compared with the same fits by PyTorch's autograd, on one thread
- quality: seconds until the denoising loss of test rows is as low as that of the
  tutorial's loop after 50 epochs
- transform: rows per second, compared with the bare encoder in one call, and with PCA
- memory: peak memory above the input and time per row, for arrays of several kinds and
  for a memory-mapped file
- search: GridSearchCV with one process and with all, with and without a cached pipeline
- frozen: GridSearchCV over the classifier only, with the transformer in the pipeline,
  with a cached pipeline, and with a frozen transformer that was fitted once before
- cold: the first fit of a process compared with the second, and the import compared
  with the import of its libraries
- busy: default fits on one thread and on two, alone and while another process uses a
  core
- gpu: where there is a GPU, updates compared with the same loop in plain PyTorch

The script writes results to a csv file. With --check, an update of the smallest network
must be faster than that of the tutorial's loop and of skorch, and the transformer must
reach the tutorial's loss on digits in less time.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from unittest import mock

import common
import numpy as np
import skorch
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler
from threadpoolctl import threadpool_limits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae._training.net import AutoencoderNet
from sklearn_dae._training.steps import Autograd

NOISE_FACTOR = 0.2
# Columns, hidden units, latent units, batch size, representation, epochs to measure.
SHAPES = [
    (16, 64, 8, 64, "latent", 30),
    (30, 128, 16, 256, "latent", 15),
    (50, 256, 32, 256, "latent", 8),
    (64, 256, 256, 256, "stack", 5),
]
# Number of batches of an epoch that is measured.
N_BATCHES = 20
TABLES = ["digits", "adult", "california", "mnist"]


def autoencoder(n_columns, hidden, latent):
    """Return a network with one hidden layer on each side of the latent layer."""
    return nn.Sequential(
        *(nn.Linear(n_columns, hidden), nn.ReLU(), nn.Linear(hidden, latent)),
        *(nn.ReLU(), nn.Linear(latent, hidden), nn.ReLU()),
        nn.Linear(hidden, n_columns),
    )


def tutorial(X, hidden, latent, batch_size, n_epochs, device="cpu"):
    """Train a network by the loop that tutorials show."""
    torch.manual_seed(0)
    model = autoencoder(X.shape[1], hidden, latent).to(device)
    optimizer, criterion = torch.optim.Adam(model.parameters(), lr=1e-3), nn.MSELoss()
    batches = DataLoader(
        TensorDataset(torch.from_numpy(X)), batch_size=batch_size, shuffle=True
    )
    for _ in range(n_epochs):
        total = 0.0
        for (clean,) in batches:
            clean = clean.to(device)
            noisy = (clean + NOISE_FACTOR * torch.randn_like(clean)).clamp(0, 1)
            loss = criterion(model(noisy), clean)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
    return model


def plain_skorch(X, hidden, latent, batch_size, n_epochs):
    """Train the same network by skorch."""
    skorch.NeuralNet(
        autoencoder(X.shape[1], hidden, latent),
        nn.MSELoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=n_epochs,
        batch_size=batch_size,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    ).fit(X, X)


def perceptron(hidden, latent, batch_size, n_epochs):
    """Return a regressor of scikit-learn with the same layers."""
    return MLPRegressor(
        hidden_layer_sizes=(hidden, latent, hidden),
        alpha=0.0,
        batch_size=batch_size,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        random_state=0,
    )


def ours(hidden, latent, batch_size, n_epochs, representation, **params):
    """Return a transformer with the same layers."""
    return DenoisingAutoencoderTransformer(
        latent,
        hidden_layer_sizes=(hidden,),
        representation=representation,
        batch_size=batch_size,
        max_iter=n_epochs,
        random_state=0,
        **params,
    )


def update_us(fit, n_epochs):
    """Return the microseconds of an update of `fit(n_epochs)`.

    An epoch has `N_BATCHES` updates. The time is the difference between a long and a
    short fit. So it does not contain the work that a fit does once.
    """
    rest()
    more = common.seconds(fit, 1 + n_epochs) - common.seconds(fit, 1)
    return 1e6 * more / (n_epochs * N_BATCHES)


def rest():
    """Wait until no thread of a function that was measured before is left running.

    The threads of some libraries, such as OpenBLAS, wait in a loop for more work. They
    slow down whatever is measured during the next tenth of a second.
    """
    time.sleep(0.2)


def products_us(layers, batch_size, n_steps=50):
    """Return the microseconds of the matrix products of an update, without the rest."""
    sizes = [(layer.in_features, layer.out_features) for layer, _ in layers]
    given = [torch.randn(batch_size, n_in) for n_in, _ in sizes]
    gradients = [torch.randn(batch_size, n_out) for _, n_out in sizes]
    weights = [torch.randn(n_out, n_in) for n_in, n_out in sizes]

    rest()

    def multiply():
        for _ in range(n_steps):
            for k, (x, g, w) in enumerate(zip(given, gradients, weights, strict=True)):
                torch.mm(x, w.T)
                torch.mm(g.T, x)
                if k:
                    torch.mm(g, w)

    return 1e6 * common.seconds(multiply) / n_steps


def rows_of(part, case, figures, unit):
    """Yield one result for each of the figures, which are values by name."""
    for name, value in figures.items():
        yield {"part": part, "case": case, "name": name, "value": value, "unit": unit}


def normal_batches(n_columns, batch_size):
    """Return normal numbers for the batches of an epoch."""
    shape = (N_BATCHES * batch_size, n_columns)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def updates_of(shape):
    """Return functions that measure the microseconds of an update, by name."""
    d, h, k, b, representation, n_epochs = shape
    X = normal_batches(d, b)
    fits = {
        "tutorial": partial(tutorial, X, h, k, b),
        "skorch": partial(plain_skorch, X, h, k, b),
        "MLPRegressor": lambda e: perceptron(h, k, b, e).fit(X, X),
        "sklearn_dae": lambda e: ours(h, k, b, e, representation).fit(X),
    }
    layers = ours(h, k, b, 1, representation).fit(X).net_.module_.dense_layers()
    return {
        **{name: partial(update_us, fit, n_epochs) for name, fit in fits.items()},
        "products": partial(products_us, layers, b),
    }


def medians_with_threads(functions, repeats, n_threads):
    """Return the median of the values of each function with a number of threads."""
    torch.set_num_threads(n_threads)
    with threadpool_limits(n_threads, user_api="blas"):
        return common.medians(functions, repeats)


def step(options):
    """Measure microseconds of an update, by shape of the network and by threads."""
    for shape in tqdm(SHAPES, "step"):
        updates = updates_of(shape)
        for n_threads in (1, 2):
            found = medians_with_threads(updates, options.repeats, n_threads)
            threads = f"{n_threads} thread" + "s" * (n_threads - 1)
            yield from rows_of("step", f"{shape_name(shape)}, {threads}", found, "us")


def fit_by_autograd(dae, X):
    """Fit a transformer of dense layers with PyTorch's autograd."""
    initialize = AutoencoderNet.initialize_optimizer

    def with_autograd(net, *args, **kwargs):
        initialize(net, *args, **kwargs)
        net.passes_ = Autograd(net.module_.repair, net.optimizer_.flat.grad)
        return net

    with mock.patch.object(AutoencoderNet, "initialize_optimizer", with_autograd):
        dae.fit(X)


def autograd(options):
    """Measure the seconds of fits with passes written by hand, and by autograd."""
    torch.set_num_threads(1)
    small = {"n_components": 16, "hidden_layer_sizes": (32,)}
    cases = [(2000, 20, {}), (5000, 50, {}), (5000, 50, small)]
    for n_rows, n_columns, params in tqdm(cases, "autograd"):
        X = np.random.default_rng(0).normal(size=(n_rows, n_columns))
        dae = DenoisingAutoencoderTransformer(random_state=0, **params)
        measured = {
            "sklearn_dae": partial(common.seconds, dae.fit, X),
            "autograd": partial(common.seconds, fit_by_autograd, dae, X),
        }
        found = common.medians(measured, options.repeats)
        size = "small" if params else "default"
        yield from rows_of("autograd", f"{n_rows} x {n_columns}, {size}", found, "s")


def shape_name(shape):
    """Return a short name of a shape, for example "16-64-8/64"."""
    n_columns, hidden, latent, batch_size, *_ = shape
    return f"{n_columns}-{hidden}-{latent}/{batch_size}"


def scaled_numbers(name, folder):
    """Return training and test rows of the numeric columns, scaled to [0, 1]."""
    table = common.read_table(name, folder)
    X = table.drop(columns="target").select_dtypes("number").dropna()
    X, X_test = train_test_split(np.asarray(X, dtype=float), random_state=0)
    scaler = MinMaxScaler().fit(X)
    return scaler.transform(X).astype("f4"), scaler.transform(X_test).astype("f4")


def quality(options):
    """Measure seconds to the loss that the tutorial has after 50 epochs, by table."""
    for name in tqdm(TABLES if options.data else ["digits"], "quality"):
        yield from rows_of("quality", name, times_to_loss(name, options.data), "s")


def times_to_loss(name, folder):
    """Return the seconds until test rows are repaired as well as by the tutorial."""
    torch.set_num_threads(1)
    X, X_test = scaled_numbers(name, folder)
    noise = np.random.default_rng(0).normal(size=X_test.shape)
    noisy = (X_test + NOISE_FACTOR * noise).clip(0, 1).astype("f4")
    h, k, b = (256, 64, 64) if X.shape[1] > 100 else (128, 32, 64)

    def loss(repaired):
        return float(np.square(repaired - X_test).mean())

    model, duration = common.timed(tutorial, X, h, k, b, 50)
    with torch.inference_mode():
        target = loss(model(torch.from_numpy(noisy)).numpy())
    return {
        "tutorial": duration,
        "sklearn_dae": ours_until(target, X, noisy, loss, (h, k)),
        "MLPRegressor": perceptron_until(target, X, noisy, loss, (h, k, b)),
    }


def ours_until(target, X, noisy, loss, shape):
    """Return the seconds of the shortest fit that reaches the target, or NaN."""
    for n_epochs in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 50, 75, 100):
        dae = ours(
            *shape,
            "auto",
            n_epochs,
            "latent",
            noise="gaussian",
            noise_factor=NOISE_FACTOR,
            emphasis=0.5,
            scaling="minmax",
        )
        found = common.seconds(dae.fit, X)
        if loss(dae.reconstruct(noisy)) <= target:
            return found
    return float("nan")


def perceptron_until(target, X, noisy, loss, shape):
    """Return the seconds of the epochs until the target is reached, or NaN.

    Each epoch has new noise.
    """
    model, rng, found = perceptron(*shape, 1), np.random.default_rng(0), 0.0

    def train_epoch():
        noise = NOISE_FACTOR * rng.normal(size=X.shape).astype("f4")
        model.partial_fit((X + noise).clip(0, 1), X)  # One epoch of mini-batches.

    for _ in range(100):
        found += common.seconds(train_epoch)
        if loss(model.predict(noisy)) <= target:
            return found
    return float("nan")


def transform(options):
    """Measure rows per second of the transformer, of its bare encoder, and of PCA."""
    torch.set_num_threads(os.cpu_count())
    X = np.random.default_rng(0).normal(size=(options.rows, 50)).astype("f4")
    dae = DenoisingAutoencoderTransformer(max_iter=1, random_state=0).fit(X[:5000])
    pca = PCA(32).fit(X[:5000])
    module = dae.net_.module_
    codes = torch.empty(len(X), 0, dtype=torch.int8)

    @torch.inference_mode()
    def bare(X):
        blocks = module.stack(torch.from_numpy(X), codes[: len(X)])
        spreads = module.spreads.tolist()
        blocks = [block / s for block, s in zip(blocks, spreads, strict=True)]
        return torch.cat(blocks, 1).numpy()

    sizes = [n for n in (1, 100, 10_000, 100_000, 1_000_000) if n <= len(X)]
    for n in tqdm(sizes, "transform"):
        some, n_calls = X[:n], max(1, 1000 // n)

        def rate(function, some=some, n=n, n_calls=n_calls):
            return (
                n
                * n_calls
                / common.seconds(lambda: [function(some) for _ in range(n_calls)])
            )

        measured = {
            "sklearn_dae": partial(rate, dae.transform),
            "validation": partial(rate, dae._read),
            "PCA": partial(rate, pca.transform),
        }
        if n <= 100_000:  # A million rows in one call need too much memory.
            measured["bare encoder"] = partial(rate, bare)
        yield from rows_of(
            "transform",
            f"{n} rows",
            common.medians(measured, options.repeats),
            "rows/s",
        )


FIT_AND_MEASURE = f"""
import json, sys, time
import numpy as np
from sklearn_dae import DenoisingAutoencoderTransformer

n_rows, dtype, order, path = json.loads(sys.argv[1])
warm = np.random.default_rng(0).normal(size=(1000, 50)).astype(dtype)
dae = DenoisingAutoencoderTransformer(max_iter=1, batch_size=256, random_state=0)
dae.fit(warm).transform(warm)
if path:
    X = np.load(path, mmap_mode="r")
else:
    X = np.empty((n_rows, 50), dtype=dtype, order=order)
    for column in X.T:
        column[:] = np.random.default_rng(0).normal(size=n_rows)
{common.WATCH_MEMORY}
thread.start()
dae.fit(X)
done.set()
thread.join()
start = time.perf_counter()
dae.fit(X)
seconds = time.perf_counter() - start
print(json.dumps([peak[0] - before, seconds]))
"""


def memory(options):
    """Measure peak megabytes above the input and microseconds per row of one epoch."""
    n_rows = [n for n in (10_000, 100_000, 1_000_000) if n <= options.rows]
    cases = [(n, t, o) for n in n_rows for t in ("f4", "f8") for o in ("C", "F")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        mapped = np.lib.format.open_memmap(path, "w+", "f4", (options.rows, 50))
        mapped[:] = np.random.default_rng(0).normal(size=mapped.shape)
        mapped.flush()
        del mapped
        for n, dtype, order in tqdm([*cases, (options.rows, "f4", "mapped")], "memory"):
            given = str(path) if order == "mapped" else None
            found = common.in_fresh_process(FIT_AND_MEASURE, [n, dtype, order, given])
            case = f"{n} x 50, {dtype}, {order}"
            figures = {
                "peak": found[0],
                "one float32 copy": n * 50 * 4 / 2**20,
            }
            yield from rows_of("memory", case, figures, "MB")
            time_a_row = {"time a row": 1e6 * found[1] / n}
            yield from rows_of("memory", case, time_a_row, "us")


def search(options):
    """Measure the seconds of a search with the default transformer on digits."""
    X, y = load_digits(return_X_y=True)
    grid = {
        "dae__noise_factor": [0.05, 0.1, 0.2, 0.3, 0.4],
        "classifier__C": [0.01, 0.1, 1.0],
    }
    for cached in tqdm((False, True), "search"):
        found = {}
        for n_jobs in (1, -1):
            with tempfile.TemporaryDirectory() as folder:
                steps = [
                    ("dae", DenoisingAutoencoderTransformer(random_state=0)),
                    ("classifier", LogisticRegression(max_iter=200)),
                ]
                pipeline = Pipeline(steps, memory=folder if cached else None)
                searched = GridSearchCV(pipeline, grid, cv=5, n_jobs=n_jobs)
                found[f"n_jobs={n_jobs}"] = common.seconds(searched.fit, X, y)
        yield from rows_of("search", "cached" if cached else "not cached", found, "s")


def frozen(options):
    """Measure the seconds of a search over the classifier alone on digits."""
    X, y = load_digits(return_X_y=True)
    grid = {"logisticregression__C": [0.01, 0.1, 1.0]}

    def seconds(pretrained, memory):
        start = time.perf_counter()
        dae = DenoisingAutoencoderTransformer(random_state=0)
        step = FrozenEstimator(dae.fit(X)) if pretrained else dae
        pipeline = make_pipeline(step, LogisticRegression(max_iter=200), memory=memory)
        GridSearchCV(pipeline, grid, cv=5).fit(X, y)
        return time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        found = {
            "pipeline": seconds(False, None),
            "memory": seconds(False, folder),
            "frozen": seconds(True, None),
        }
    yield from rows_of("frozen", "digits", found, "s")


FIRST_AND_SECOND_FIT = """
import json, time
import numpy as np
from sklearn_dae import DenoisingAutoencoderTransformer
X, found = np.random.default_rng(0).normal(size=(500, 10)), []
for _ in range(2):
    start = time.perf_counter()
    DenoisingAutoencoderTransformer(max_iter=5, random_state=0).fit(X)
    found.append(time.perf_counter() - start)
print(json.dumps(found))
"""
IMPORT = """
import json, time
start = time.perf_counter()
import {}
print(json.dumps(time.perf_counter() - start))
"""
LIBRARIES = "torch, skorch, skorch.helper, sklearn.model_selection"


def cold(options):
    """Measure the seconds of fits and of imports in fresh processes."""
    fits, imports = [], {"its libraries": LIBRARIES, "sklearn_dae": "sklearn_dae"}
    for _ in tqdm(range(options.repeats), "cold"):
        fits.append(common.in_fresh_process(FIRST_AND_SECOND_FIT))
    first, second = map(statistics.median, zip(*fits, strict=True))
    yield from rows_of("cold", "fit", {"first": first, "second": second}, "s")
    measured = {
        name: partial(common.in_fresh_process, IMPORT.format(modules))
        for name, modules in imports.items()
    }
    yield from rows_of("cold", "import", common.medians(measured, options.repeats), "s")


def busy(options):
    """Measure the seconds of default fits by threads, alone and beside a process."""
    for n_rows in tqdm((5000, 20_000), "busy"):
        X = np.random.default_rng(0).normal(size=(n_rows, 50))
        measured = {
            f"{place}, {n_threads}": partial(fit_seconds, X, n_threads, place == "busy")
            for place in ("alone", "busy")
            for n_threads in (1, 2)
        }
        found = common.medians(measured, options.repeats)
        yield from rows_of("busy", f"{n_rows} x 50, default", found, "s")


def fit_seconds(X, n_threads, beside_another):
    """Return the seconds of a default fit, if wanted beside a busy process."""
    torch.set_num_threads(n_threads)
    fit = DenoisingAutoencoderTransformer(random_state=0).fit
    if not beside_another:
        return common.seconds(fit, X)
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        return common.seconds(fit, X)
    finally:
        other.kill()
        other.wait()


def gpu(options):
    """Measure microseconds of an update on a GPU. Without a GPU, measure nothing."""
    if not torch.cuda.is_available():
        print("gpu: PyTorch finds no GPU, so this part measures nothing")
        return
    for shape in tqdm(SHAPES, "gpu"):
        d, h, k, b, representation, n_epochs = shape
        X = normal_batches(d, b)
        dae = ours(h, k, b, 1, representation, device="cuda")
        fits = {
            "tutorial": lambda e, X=X, s=(h, k, b): tutorial(X, *s, e, "cuda"),
            "sklearn_dae": lambda e, X=X, dae=dae: dae.set_params(max_iter=e).fit(X),
        }
        measured = {n: partial(update_us, fit, n_epochs) for n, fit in fits.items()}
        found = common.medians(measured, options.repeats)
        yield from rows_of("gpu", shape_name(shape), found, "us")


PARTS = {
    part.__name__: part
    for part in (
        step,
        autograd,
        quality,
        transform,
        memory,
        search,
        frozen,
        cold,
        busy,
        gpu,
    )
}


def report(results):
    """Print a line for each case, with the ratios of sklearn_dae to the others."""
    for (part, unit), of_part in results.groupby(["part", "unit"], sort=False):
        table = of_part.pivot_table("value", "case", "name", sort=False)
        if "sklearn_dae" in table:
            others = table.drop(columns="sklearn_dae")
            ratios = others.rdiv(table["sklearn_dae"], axis=0).add_prefix("/ ")
            table = table.join(ratios)
        common.print_table(table, f"{part}, {unit}")


def claims(options):
    """Compare an update of the smallest network, and the time to a loss on digits."""
    names = ("tutorial", "skorch", "sklearn_dae")
    updates = updates_of(SHAPES[0])
    updates = {name: updates[name] for name in names}
    found = medians_with_threads(updates, repeats=3, n_threads=1)
    measure = f"microseconds of an update, {shape_name(SHAPES[0])}"
    for other in ("tutorial", "skorch"):
        yield common.claim(measure, found, "sklearn_dae", "<", other)
    found = times_to_loss("digits", None)
    measure = "seconds to the tutorial's loss after 50 epochs, digits"
    yield common.claim(measure, found, "sklearn_dae", "<", "tutorial")


def parse():
    """Return the options of the command line."""
    parser = common.argument_parser(__doc__)
    common.add_check(parser)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--data", type=Path, help="folder of parquet files, for the part quality")
    add("--rows", type=int, default=1_000_000, help="most rows of transform and memory")
    add("--repeats", type=int, default=5, help="number of turns")
    add("--out", type=Path, default=Path("speed.csv"))
    return parser.parse_args()


def main(options):
    """Run the parts and print their results."""
    results = common.run_parts(PARTS, options, common.versions(skorch=skorch))
    if len(results):
        report(results)


if __name__ == "__main__":
    # MLPRegressor warns after few epochs.
    warnings.simplefilter("ignore", ConvergenceWarning)
    common.run(parse(), claims, main)
