"""How fast is it, and how much memory does it take?

Every figure is measured beside what it is compared with, in one run, in turns, and the
median of the turns is taken. Parts, all of them unless --parts names some:

- step: one update of the weights, against the loop of a tutorial (DataLoader, Adam,
  gaussian noise), plain skorch, MLPRegressor, and the matrix products alone
- quality: seconds until the denoising loss of held-out rows is what the tutorial's loop
  has after 50 epochs
- transform: rows a second, against the bare encoder in one call, and PCA
- memory: peak memory above the input and time a row, for arrays of all kinds and a
  memory-mapped file
- search: GridSearchCV with one process and with all, with and without a cached pipeline
- cold: the first fit of a process against the second, the import against its libraries'
- busy: a default fit while another process keeps a core busy
- gpu: where there is one, updates against the same loop in plain PyTorch

Results go to a csv file.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
import skorch
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from threadpoolctl import threadpool_limits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

import sklearn_dae
from sklearn_dae import DenoisingAutoencoderTransformer

VERSIONS = (
    f"python {platform.python_version()}, numpy {np.__version__}, scikit-learn "
    f"{sklearn.__version__}, torch {torch.__version__}, skorch {skorch.__version__}, "
    f"sklearn_dae {sklearn_dae.__version__}"
)
MACHINE = f"{platform.machine()}, {os.cpu_count()} cores"
NOISE_FACTOR = 0.2
# Columns, hidden and latent units, rows of a batch, representation, epochs to time.
SHAPES = [
    (16, 64, 8, 64, "latent", 30),
    (30, 128, 16, 256, "latent", 15),
    (50, 256, 32, 256, "latent", 8),
    (64, 256, 256, 256, "stack", 5),
]
# Batches of an epoch that is timed.
N_BATCHES = 20
TABLES = ["digits", "adult", "california", "mnist"]


def seconds(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def medians(functions, repeats):
    """Median of what each function gives, called in turns after one call each."""
    for function in functions.values():
        function()
    turns = [{name: f() for name, f in functions.items()} for _ in range(repeats)]
    return {name: statistics.median(t[name] for t in turns) for name in functions}


def autoencoder(n_columns, hidden, latent):
    return nn.Sequential(
        *(nn.Linear(n_columns, hidden), nn.ReLU(), nn.Linear(hidden, latent)),
        *(nn.ReLU(), nn.Linear(latent, hidden), nn.ReLU()),
        nn.Linear(hidden, n_columns),
    )


def tutorial(X, hidden, latent, batch_size, n_epochs, device="cpu"):
    """The loop that tutorials show."""
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
    return MLPRegressor(
        hidden_layer_sizes=(hidden, latent, hidden),
        alpha=0.0,
        batch_size=batch_size,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        random_state=0,
    )


def ours(hidden, latent, batch_size, n_epochs, representation, **params):
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
    """Microseconds an update of `fit(n_epochs)`, which makes `N_BATCHES` an epoch.

    The difference of a long and a short fit, so without all that comes once a fit.
    """
    more = seconds(fit, 1 + n_epochs) - seconds(fit, 1)
    return 1e6 * more / (n_epochs * N_BATCHES)


def products_us(layers, batch_size, n_steps=50):
    """Microseconds a step of a fitted network's matrix products, and nothing else."""
    sizes = [(layer.in_features, layer.out_features) for layer, _ in layers]
    given = [torch.randn(batch_size, n_in) for n_in, _ in sizes]
    gradients = [torch.randn(batch_size, n_out) for _, n_out in sizes]
    weights = [torch.randn(n_out, n_in) for n_in, n_out in sizes]
    start = time.perf_counter()
    for _ in range(n_steps):
        for k, (x, g, w) in enumerate(zip(given, gradients, weights, strict=True)):
            torch.mm(x, w.T)
            torch.mm(g.T, x)
            if k:
                torch.mm(g, w)
    return 1e6 * (time.perf_counter() - start) / n_steps


def rows_of(part, case, figures, unit):
    for name, value in figures.items():
        yield {"part": part, "case": case, "name": name, "value": value, "unit": unit}


def step(options):
    """Microseconds an update, by shape of the network and number of threads."""
    for d, h, k, b, representation, n_epochs in tqdm(SHAPES, "step"):
        X = np.random.default_rng(0).normal(size=(N_BATCHES * b, d)).astype("float32")
        layers = ours(h, k, b, 1, representation).fit(X).net_.module_.dense_layers()
        fits = {
            "tutorial": partial(tutorial, X, h, k, b),
            "skorch": partial(plain_skorch, X, h, k, b),
            "MLPRegressor": lambda e, X=X, s=(h, k, b): perceptron(*s, e).fit(X, X),
            "sklearn_dae": lambda e, X=X, s=(h, k, b), r=representation: ours(
                *s, e, r
            ).fit(X),
        }
        measured = {n: partial(update_us, fit, n_epochs) for n, fit in fits.items()}
        measured["products"] = partial(products_us, layers, b)
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            with threadpool_limits(n_threads, user_api="blas"):
                found = medians(measured, options.repeats)
            case = f"{d}-{h}-{k}/{b}, {n_threads} thread" + "s" * (n_threads - 1)
            yield from rows_of("step", case, found, "us")


def scaled_numbers(name, folder):
    """Training and test rows of a table's numeric columns, scaled to [0, 1]."""
    if folder:
        table = pd.read_parquet(folder / f"{name}.parquet")
        X = table.drop(columns="target").select_dtypes("number").dropna()
    else:
        X = load_digits().data
    X, X_test = train_test_split(np.asarray(X, dtype=float), random_state=0)
    scaler = MinMaxScaler().fit(X)
    return scaler.transform(X).astype("f4"), scaler.transform(X_test).astype("f4")


def quality(options):
    """Seconds until held-out rows are repaired as well as after 50 tutorial epochs."""
    torch.set_num_threads(1)
    for name in tqdm(TABLES if options.data else ["digits"], "quality"):
        X, X_test = scaled_numbers(name, options.data)
        noise = np.random.default_rng(0).normal(size=X_test.shape)
        noisy = (X_test + NOISE_FACTOR * noise).clip(0, 1).astype("f4")
        h, k, b = (256, 64, 64) if X.shape[1] > 100 else (128, 32, 64)

        def loss(repaired, clean=X_test):
            return float(np.square(repaired - clean).mean())

        start = time.perf_counter()
        model = tutorial(X, h, k, b, 50)
        found = {"tutorial": time.perf_counter() - start}
        with torch.inference_mode():
            target = loss(model(torch.from_numpy(noisy)).numpy())
        found["sklearn_dae"] = ours_until(target, X, noisy, loss, (h, k))
        found["MLPRegressor"] = perceptron_until(target, X, noisy, loss, (h, k, b))
        yield from rows_of("quality", name, found, "s")


def ours_until(target, X, noisy, loss, shape):
    """Seconds of the shortest fit that reaches the target."""
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
        found = seconds(dae.fit, X)
        if loss(dae.reconstruct(noisy)) <= target:
            return found
    return float("nan")


def perceptron_until(target, X, noisy, loss, shape):
    """Seconds of as many epochs, each with noise drawn anew, as reach the target."""
    model, rng, found = perceptron(*shape, 1), np.random.default_rng(0), 0.0
    for _ in range(100):
        start = time.perf_counter()
        noise = NOISE_FACTOR * rng.normal(size=X.shape).astype("f4")
        given = (X + noise).clip(0, 1)
        model.partial_fit(given, X)  # One epoch of mini-batches.
        found += time.perf_counter() - start
        if loss(model.predict(noisy)) <= target:
            return found
    return float("nan")


def transform(options):
    """Rows a second of the default transformer, of its bare encoder, and of PCA."""
    torch.set_num_threads(os.cpu_count())
    X = np.random.default_rng(0).normal(size=(options.rows, 50)).astype("f4")
    dae = DenoisingAutoencoderTransformer(max_iter=1, random_state=0).fit(X[:5000])
    pca = PCA(32).fit(X[:5000])
    module = dae.net_.module_
    codes = torch.empty(len(X), 0, dtype=torch.int8)

    @torch.inference_mode()
    def bare(X):
        return torch.cat(module.stack(torch.from_numpy(X), codes[: len(X)]), 1).numpy()

    sizes = [n for n in (1, 100, 10_000, 100_000, 1_000_000) if n <= len(X)]
    for n in tqdm(sizes, "transform"):
        some, n_calls = X[:n], max(1, 1000 // n)

        def rate(function, some=some, n=n, n_calls=n_calls):
            return (
                n * n_calls / seconds(lambda: [function(some) for _ in range(n_calls)])
            )

        measured = {
            "sklearn_dae": partial(rate, dae.transform),
            "validation": partial(rate, dae._read),
            "PCA": partial(rate, pca.transform),
        }
        if n <= 100_000:  # In one call a million rows take too much memory.
            measured["bare encoder"] = partial(rate, bare)
        yield from rows_of(
            "transform", f"{n} rows", medians(measured, options.repeats), "rows/s"
        )


# How a program in a process of its own watches its peak memory: `peak[0]` MB above
# `before`, from `thread.start()` to `done.set()`.
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
{WATCH_MEMORY}
thread.start()
dae.fit(X)
done.set()
thread.join()
start = time.perf_counter()
dae.fit(X)
seconds = time.perf_counter() - start
print(json.dumps([peak[0] - before, seconds]))
"""


def in_fresh_process(code, *args):
    """What a Python program prints as JSON."""
    found = subprocess.run(
        [sys.executable, "-c", code, *map(json.dumps, args)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(found.stdout)


def memory(options):
    """Peak megabytes above the input and microseconds a row, of one epoch."""
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
            found = in_fresh_process(FIT_AND_MEASURE, [n, dtype, order, given])
            case = f"{n} x 50, {dtype}, {order}"
            figures = {
                "peak": found[0],
                "one float32 copy": n * 50 * 4 / 2**20,
            }
            yield from rows_of("memory", case, figures, "MB")
            time_a_row = {"time a row": 1e6 * found[1] / n}
            yield from rows_of("memory", case, time_a_row, "us")


def search(options):
    """Seconds of a search of the default transformer on digits."""
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
                found[f"n_jobs={n_jobs}"] = seconds(searched.fit, X, y)
        yield from rows_of("search", "cached" if cached else "not cached", found, "s")


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
    """Seconds of fits and imports of fresh processes."""
    fits, imports = [], {"its libraries": LIBRARIES, "sklearn_dae": "sklearn_dae"}
    for _ in tqdm(range(options.repeats), "cold"):
        fits.append(in_fresh_process(FIRST_AND_SECOND_FIT))
    first, second = map(statistics.median, zip(*fits, strict=True))
    yield from rows_of("cold", "fit", {"first": first, "second": second}, "s")
    measured = {
        name: partial(in_fresh_process, IMPORT.format(modules))
        for name, modules in imports.items()
    }
    yield from rows_of("cold", "import", medians(measured, options.repeats), "s")


def busy(options):
    """Seconds of a default fit, alone and while another process computes."""
    torch.set_num_threads(os.cpu_count())
    X = np.random.default_rng(0).normal(size=(5000, 50))

    def fit():
        return seconds(DenoisingAutoencoderTransformer(random_state=0).fit, X)

    def fit_beside_another():
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            return fit()
        finally:
            other.kill()
            other.wait()

    measured = {"alone": fit, "busy": fit_beside_another}
    found = medians(measured, options.repeats)
    yield from rows_of("busy", "5000 x 50, default", found, "s")


def gpu(options):
    """Microseconds an update on a GPU; nothing without one."""
    if not torch.cuda.is_available():
        print("gpu: PyTorch finds none here, so nothing is measured")
        return
    for d, h, k, b, representation, n_epochs in tqdm(SHAPES, "gpu"):
        X = np.random.default_rng(0).normal(size=(N_BATCHES * b, d)).astype("float32")
        dae = ours(h, k, b, 1, representation, device="cuda")
        fits = {
            "tutorial": lambda e, X=X, s=(h, k, b): tutorial(X, *s, e, "cuda"),
            "sklearn_dae": lambda e, X=X, dae=dae: dae.set_params(max_iter=e).fit(X),
        }
        measured = {n: partial(update_us, fit, n_epochs) for n, fit in fits.items()}
        found = medians(measured, options.repeats)
        yield from rows_of("gpu", f"{d}-{h}-{k}/{b}", found, "us")


PARTS = {
    part.__name__: part
    for part in (step, quality, transform, memory, search, cold, busy, gpu)
}


def report(results):
    """One line a case: what was measured, and it in units of the others."""
    for (part, unit), of_part in results.groupby(["part", "unit"], sort=False):
        table = of_part.pivot_table("value", "case", "name", sort=False)
        if "sklearn_dae" in table:
            others = table.drop(columns="sklearn_dae")
            ratios = others.rdiv(table["sklearn_dae"], axis=0).add_prefix("/ ")
            table = table.join(ratios)
        print(f"\n{part}, {unit}\n\n{table.to_string(float_format='{:.4g}'.format)}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--data", type=Path, help="folder of parquet files, for the part quality")
    add("--rows", type=int, default=1_000_000, help="most rows of transform and memory")
    add("--repeats", type=int, default=5, help="turns to take medians of")
    add("--out", type=Path, default=Path("speed.csv"))
    return parser.parse_args()


def main(options):
    warnings.simplefilter("ignore", ConvergenceWarning)
    found = []
    for part in options.parts:
        found += PARTS[part](options)
        results = pd.DataFrame(found).assign(versions=VERSIONS, machine=MACHINE)
        results.to_csv(options.out, index=False)
    report(results)


if __name__ == "__main__":
    main(parse())
