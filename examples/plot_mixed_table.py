"""
==========================================
Fill missing cells and find wrong cells
==========================================

This table has text, numbers and booleans. A tenth of its cells is missing, and a few
cells are wrong. The transformer fills the missing cells, and finds the cells that do
not fit the rest of their row (anomaly detection).
"""

# %%
# A table of used cars
# --------------------
# The table is artificial, so the true values of missing and wrong cells are known. Its
# columns depend on each other as in real tables: newer cars have been driven less and
# cost more, diesel cars are heavier, and so on.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_dae import (
    CellErrorsDisplay,
    DenoisingAutoencoderTransformer,
    DenoisingOutlierDetector,
    RepairedCellsDisplay,
)

rng = np.random.default_rng(0)
n_rows = 2000
kinds = pd.DataFrame(
    {
        "kind": ["city", "family", "estate", "sports"],
        "doors": [3, 5, 5, 3],
        "power": [70, 110, 130, 260],
        "weight": [1000, 1350, 1550, 1400],
    }
)
cars = kinds.iloc[rng.choice(4, n_rows, p=[0.35, 0.35, 0.2, 0.1])].reset_index(
    drop=True
)
cars["fuel"] = np.where(
    rng.random(n_rows) < cars["kind"].map({"city": 0.1, "sports": 0.02}).fillna(0.6),
    "diesel",
    "petrol",
)
cars["year"] = 2024 - rng.gamma(3, 2.5, n_rows).astype(int)
cars["power"] = (cars["power"] * rng.normal(1, 0.1, n_rows)).round()
cars["weight"] += 0.6 * cars["power"] + 120 * (cars["fuel"] == "diesel")
cars["weight"] = (cars["weight"] * rng.normal(1, 0.03, n_rows)).round()
a_year = np.where(cars["fuel"] == "diesel", 21_000, 11_000)
cars["km"] = ((2025 - cars["year"]) * a_year * rng.lognormal(0, 0.25, n_rows)).round(-2)
cars["price"] = 150 * cars["power"] * 0.88 ** (2025 - cars["year"])
cars["price"] = (cars["price"] * rng.lognormal(0.3, 0.1, n_rows)).round(-1)
cars["inspected"] = pd.array(cars["year"] < 2021, dtype="boolean")
cars.head()

# %%
# A tenth of the cells is removed. Three rows get wrong cells.

given = cars.mask(rng.random(cars.shape) < 0.1)
missing = given.isna()
given.loc[714, "price"] = 4791.0  # The most expensive car, with one digit too few.
given.loc[70, ["kind", "power"]] = ["sports", 75.0]
given.loc[700, ["year", "km"]] = [2023.0, 300_000.0]
print(f"{missing.to_numpy().sum()} cells are missing")

# %%
# Fill the missing cells
# ----------------------
# Masking noise hides cells in the training, in the same way as missing cells are
# hidden. `impute` fills the missing cells and changes no other cell. The result has the
# same dtypes as the table. The picture shows the first rows: the filled values, and the
# true values in brackets.

dae = DenoisingAutoencoderTransformer(noise="masking", max_iter=100, random_state=0)
filled = dae.fit(given).impute(given)
_, ax = plt.subplots(figsize=(6.4, 6), layout="constrained")
RepairedCellsDisplay.from_estimator(dae, given, X_clean=cars, n_columns=4, ax=ax)

# %%
# Compare the filled values with the true ones. The usual first choice is the median of
# a column of numbers and the most frequent value of other columns. The error is the
# fraction of wrong values, and for numbers the mean squared error in units of the
# column's variance.


def error(name, values):
    """Compute the error of the values that fill the missing cells of a column."""
    true_values, values = cars.loc[missing[name], name], values[missing[name]]
    if name in ("kind", "fuel", "inspected"):
        return (true_values != values).mean()
    return np.square(true_values - values).mean() / cars[name].var()


simple = given.fillna(given.select_dtypes("number").median())
simple = simple.fillna(given.mode().iloc[0])
comparison = pd.DataFrame(
    {
        "median or most frequent": [error(name, simple[name]) for name in cars],
        "impute": [error(name, filled[name]) for name in cars],
    },
    index=cars.columns,
)
comparison.round(2)

# %%
# Find the wrong cells
# --------------------
# The detector judges each row by networks that did not learn it. `cell_errors` tells
# how odd each cell is: how rare in its column, and how unlikely in its row. The display
# shows the rows with the six cells that are most unlikely in their row. The three wrong
# cells are among them. Below an odd cell stands the value that the rest of its row
# predicts.

detector = DenoisingOutlierDetector(random_state=0).fit(given)
errors = detector.cell_errors(given, part="row")
rows = errors.max(axis=1).nlargest(6).index
CellErrorsDisplay.from_estimator(detector, given, rows=rows, n_columns=5)

# %%
# The cells that are most unlikely in their row, as a table. `repair` replaces odd
# cells, the oddest of each row first, by what the rest of the row predicts.

odd = errors.stack().nlargest(5)
predicted, changed = detector.repair(given, threshold=5)
pd.DataFrame(
    {
        "error": odd.round(),
        "given": [given.at[cell] for cell in odd.index],
        "predicted": [predicted.at[cell] for cell in odd.index],
    }
)
