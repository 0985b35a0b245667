"""
=================================
Save a model and serve it as ONNX
=================================

This example saves a fitted Pipeline in a file that is safe to open. Then it converts
the Pipeline to an ONNX model. onnxruntime computes the predictions of this model
without scikit-learn and PyTorch, in Python or in another language.
"""

# %%
# The table has numbers, categories and missing cells. A Pipeline of the transformer and
# a logistic regression learns from 1500 customers who stays a customer.

import time
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd
import skl2onnx
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sklearn_dae.onnx  # noqa: F401
from sklearn_dae import DenoisingAutoencoderTransformer

rng = np.random.default_rng(0)
plan = rng.choice(["basic", "family", "work"], 2000)
calls = rng.poisson(np.where(plan == "work", 9.0, 3.0))
table = pd.DataFrame(
    {
        "plan": plan,
        "city": rng.choice(["Lyon", "Oslo", "Porto", "Turin"], 2000),
        "minutes": calls * rng.gamma(4.0, 1.0, 2000),
        "months": rng.gamma(2.0, 12.0, 2000),
    }
)
odds = 0.1 * table["months"] - 0.3 * calls + 2 * (plan == "family")
stays = rng.random(2000) < 1 / (1 + np.exp(-odds))
numbers = ["minutes", "months"]
table[numbers] = table[numbers].mask(rng.random((2000, 2)) < 0.05)

dae = DenoisingAutoencoderTransformer(max_iter=10, random_state=0)
model = make_pipeline(dae, LogisticRegression(C=0.01, max_iter=1000))
model.fit(table[:1500], stays[:1500])
accuracy = model.score(table[1500:], stays[1500:])
print(f"accuracy {accuracy:.3f}, always the larger class {stays.mean():.3f}")

# %%
# skops lists the types in the file that it does not know. Here the only one is the
# transformer, which is safe to trust. With files of other people, read the list before
# you pass it as `trusted`.

path = Path(mkdtemp()) / "model.skops"
skops.io.dump(model, path, compression=8)
types = skops.io.get_untrusted_types(file=path)
print(types)
loaded = skops.io.load(path, trusted=types)
same = (loaded.predict_proba(table) == model.predict_proba(table)).all()
print(f"the same probabilities: {same}, {path.stat().st_size / 1e6:.1f} MB")

# %%
# The ONNX model has one input for each column. `import sklearn_dae.onnx` lets skl2onnx
# convert the transformer.

onnx_model = skl2onnx.to_onnx(model, table[:1], options={"zipmap": False})
session = onnxruntime.InferenceSession(onnx_model.SerializeToString())
for given in session.get_inputs():
    print(f"{given.name}: {given.type}")


def probabilities(rows):
    """Compute the probability that each customer stays, by onnxruntime."""
    feed = {name: rows[[name]].to_numpy() for name in rows.columns}
    feed |= {name: rows[[name]].to_numpy(object) for name in ("plan", "city")}
    return session.run(None, feed)[1][:, 1]


by_onnx, by_pipeline = probabilities(table), model.predict_proba(table)[:, 1]
print(f"largest difference {abs(by_onnx - by_pipeline).max():.1e}")

# %%
# The picture shows the time of one call, the median of nine calls.


def milliseconds(function, n_rows, n_calls=9):
    """Measure the median time of a call."""
    rows, times = table[:n_rows], []
    for _ in range(n_calls):
        start = time.perf_counter()
        function(rows)
        times.append(1000 * (time.perf_counter() - start))
    return np.median(times)


sizes = [1, 10, 100, 1000]
figure, ax = plt.subplots(layout="constrained")
for name, function, marker, color in (
    ("Pipeline", model.predict_proba, "D", "#D55E00"),
    ("onnxruntime", probabilities, "o", "#0072B2"),
):
    times = [milliseconds(function, size) for size in sizes]
    ax.plot(sizes, times, marker=marker, color=color, label=name)
ax.set(xscale="log", xlabel="rows of a call", ylabel="milliseconds")
ax.set_ylim(bottom=0)
ax.set_xticks(sizes, map(str, sizes))
ax.legend()
