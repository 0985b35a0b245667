"""
=====================================================
A mixed table: fill what is missing, find what is odd
=====================================================

A table as it comes: text, numbers, booleans, a tenth of the cells missing, and some
that are wrong. The transformer takes it as it is, fills the holes, and tells which
cells do not go with the rest of their row.
"""

# %%
# Used cars
# ---------
# The table is made here, so that what is missing and what is wrong is known. Its
# columns hang together as those of real tables do: newer cars have been driven less and
# cost more, diesels are heavier, and so on.

import numpy as np
import pandas as pd

from sklearn_dae import (
    CellErrorsDisplay,
    DenoisingAutoencoderTransformer,
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
# A tenth of the cells is lost, and in three rows something is wrong.

given = cars.mask(rng.random(cars.shape) < 0.1)
lost = given.isna()
given.loc[714, "price"] = 4791.0  # A digit forgotten, of the dearest car.
given.loc[70, ["kind", "power"]] = ["sports", 75.0]
given.loc[700, ["year", "km"]] = [2023.0, 300_000.0]
print(f"{lost.to_numpy().sum()} cells lost")

# %%
# Fill
# ----
# Noise of the kind "masking" hides cells as missing ones are hidden, and so trains for
# them. `impute` fills the holes and touches nothing else; what comes back has the
# dtypes of what went in. The picture shows the first rows, what their holes were filled
# with, and what had been there.

dae = DenoisingAutoencoderTransformer(noise="masking", max_iter=100, random_state=0)
filled = dae.fit(given).impute(given)
RepairedCellsDisplay.from_estimator(dae, given, X_clean=cars)

# %%
# Against the truth, and against the usual first choice, the median of a column of
# numbers and the most frequent value of another one: the share of wrong values, and for
# numbers the squared error, in units of the column's variance.


def error(name, values):
    """Error of the values filled into the holes of a column."""
    holes = lost[name]
    truth, values = cars.loc[holes, name], values[holes]
    if name in ("kind", "fuel", "inspected"):
        return (truth != values).mean()
    return np.square(truth - values).mean() / cars[name].var()


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
# Explain
# -------
# To find wrong cells the transformer must have learned to mistrust what it is given:
# noise of the kind "swap", the default, trains for that. `score_samples` tells how
# normal rows are, `cell_errors` which cells are odd and how much; the display shows the
# oddest rows, and below their odd cells what was expected there.

dae = DenoisingAutoencoderTransformer(max_iter=100, random_state=0).fit(given)
CellErrorsDisplay.from_estimator(dae, given, n_rows=6)

# %%
# The cells with the largest errors, as a table:

errors = dae.cell_errors(given).stack().nlargest(5)
expected = dae.reconstruct(given)
pd.DataFrame(
    {
        "error": errors.round(1),
        "given": [given.at[cell] for cell in errors.index],
        "expected": [expected.at[cell] for cell in errors.index],
    }
)
