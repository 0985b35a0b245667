"""Sparse tables of numbers, as of text counts: dense only some rows at a time."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_dae._tables.codec import Codec
from sklearn_dae._tables.layout import Layout


@pytest.fixture
def counts():
    """200 rows of 12 counts, most of them 0, some columns all 0 or never 0."""
    rng = np.random.default_rng(0)
    X = rng.poisson(np.r_[np.full(10, 0.3), 0.0, 5.0], size=(200, 12)).astype(float)
    X[:, 11] += 1
    return X


FORMATS = pytest.mark.parametrize(
    "make",
    [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array],
    ids=lambda make: make.__name__,
)


@FORMATS
@pytest.mark.parametrize("scaling", ["standard", "minmax", None])
# Swap draws donors in another way from sparse columns, these draw none.
@pytest.mark.parametrize("noise", ["masking", "zero"])
def test_sparse_tables_give_what_dense_ones_give(small, counts, make, scaling, noise):
    params = {"scaling": scaling, "noise": noise, "early_stopping": True}
    dense = small(**params).fit(counts)
    dae = small(**params).fit(make(counts))
    np.testing.assert_allclose(dae.loss_curve_, dense.loss_curve_, rtol=1e-4)
    Z = dae.transform(make(counts))
    np.testing.assert_allclose(Z, dense.transform(counts), atol=1e-4)
    np.testing.assert_allclose(dae.transform(counts), Z, atol=1e-6)
    np.testing.assert_allclose(
        dae.reconstruct(make(counts)), dense.reconstruct(counts), atol=1e-2
    )
    np.testing.assert_allclose(dae.score(make(counts)), dense.score(counts), atol=1e-3)
    np.testing.assert_allclose(
        dae.score_samples(make(counts)), dense.score_samples(counts), rtol=1e-2
    )


@pytest.mark.parametrize("scaling", ["standard", "minmax", None])
def test_encoded_rows_and_statistics_are_those_of_the_dense_table(counts, scaling):
    def codec_and_cells(X):
        layout = Layout(None, None)
        table = layout.fit(X, np.zeros(12, dtype=bool), X)
        codec = Codec(layout, scaling).fit(table, np.random.RandomState(0))
        return codec, codec.encode(table)

    codec, dense = codec_and_cells(counts)
    sparse_codec, cells = codec_and_cells(sparse.csr_array(counts))
    for ours, theirs in zip(sparse_codec.statistics_, codec.statistics_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    rows = torch.tensor([7, 3, 3])
    for index in (rows, slice(5, 9)):
        torch.testing.assert_close(
            cells.rows(index).numeric, dense.rows(index).numeric, atol=1e-5, rtol=1e-5
        )


def test_table_of_zeros_only(small):
    X = sparse.csr_array((20, 3))
    assert small().fit(X).reconstruct(X).tolist() == [[0.0] * 3] * 20


def test_missing_cells_of_a_sparse_table_are_filled_and_it_stays_sparse(small, counts):
    counts[3, 2] = counts[150, 11] = np.nan
    dae = small().fit(sparse.csc_array(counts))
    filled = dae.impute(sparse.csr_array(counts))
    assert sparse.issparse(filled)
    expected = dae.impute(counts)
    np.testing.assert_allclose(filled.toarray(), expected, rtol=1e-5)
    assert np.isfinite(expected[3, 2])


def test_values_of_one_place_are_summed_and_the_matrix_is_not_changed(small, counts):
    counts[3, 2] = counts[150, 11] = np.nan
    rows = sparse.csr_array(counts)
    # The same rows from last to first, each value in two halves.
    halves = sparse.csr_array(
        (
            np.repeat(rows.data / 2, 2)[::-1],
            np.repeat(rows.indices, 2)[::-1],
            2 * (rows.indptr[-1] - rows.indptr[::-1]),
        ),
        shape=rows.shape,
    )
    canonical = sparse.csr_array(counts[::-1])
    before = halves.data.copy(), halves.indices.copy()
    dae, expected = small().fit(halves), small().fit(canonical)
    for ours, theirs in zip(
        dae._model.codec.statistics_, expected._model.codec.statistics_, strict=True
    ):
        np.testing.assert_allclose(ours, theirs)
    assert dae.loss_curve_ == expected.loss_curve_
    for method in ("transform", "score", "cell_errors"):
        of_halves = getattr(dae, method)(halves)
        np.testing.assert_array_equal(of_halves, getattr(dae, method)(canonical))
    filled = dae.impute(halves)
    np.testing.assert_array_equal(filled.toarray(), dae.impute(canonical).toarray())
    for ours, theirs in zip((halves.data, halves.indices), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_scaling_that_needs_the_whole_table_is_refused(small, counts):
    with pytest.raises(ValueError, match=r"'quantile' needs .*'standard', 'minmax'"):
        small(scaling="quantile").fit(sparse.csr_array(counts))


def test_sparse_tables_have_no_categories(small, counts):
    with pytest.raises(TypeError, match="Sparse data was passed"):
        small(categorical_features=[0]).fit(sparse.csr_array(counts))


def test_text_counts_in_a_pipeline(small):
    texts = [f"{'good fine nice' if i % 2 else 'bad sad poor'} {i}" for i in range(60)]
    pipeline = make_pipeline(
        CountVectorizer(), small(max_iter=20), LogisticRegression()
    )
    assert pipeline.fit(texts, np.arange(60) % 2).score(texts, np.arange(60) % 2) > 0.9


def sparse_numbers(n_rows, n_columns):
    """Make a CSR array with numbers in about a thousandth of its cells."""
    rng = np.random.default_rng(0)
    n_numbers = n_rows * n_columns // 1000
    places = (
        rng.integers(n_rows, size=n_numbers),
        rng.integers(n_columns, size=n_numbers),
    )
    numbers = sparse.coo_array((rng.random(n_numbers), places), (n_rows, n_columns))
    return numbers.tocsr()


def test_memory_stays_far_below_the_dense_table(small):
    X = sparse_numbers(40_000, 2_000)
    dae = small(max_iter=1, batch_size=128)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # Each thread holds a chunk of dense rows.
    tracemalloc.start()
    try:
        dae.fit(X).score_samples(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        torch.set_num_threads(n_threads)
    assert peak < 0.25 * 4 * X.shape[0] * X.shape[1]


@pytest.mark.parametrize("scaling", ["standard", "minmax", None])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_training_sees_the_cells_that_prediction_sees(small, counts, scaling, scale):
    counts[:, 10:] = [50.0, -2.0]
    counts[5, 3] = np.nan
    X = sparse.csr_array(counts)
    codec = small(scaling=scaling).fit(X)._model.codec
    table = codec.layout.read(sparse.csr_array(scale * counts))
    training = codec.encode(table).rows(slice(None)).numeric
    prediction = codec.encode(table.rows(slice(None))).numeric
    torch.testing.assert_close(training, prediction, equal_nan=True, atol=1e-5, rtol=0)


def test_sparse_tables_may_not_go_on_from_quantiles(small, counts):
    dae = small(scaling="quantile", warm_start=True).fit(counts)
    Z = dae.transform(sparse.csr_array(counts))
    np.testing.assert_allclose(Z, dae.transform(counts), atol=1e-6)
    with pytest.raises(ValueError, match="'quantile' needs a dense table"):
        dae.fit(sparse.csr_array(counts))


def test_no_column_declared_categorical(small, counts):
    X = sparse.csr_array(counts)
    Z = small(categorical_features=[]).fit(X).transform(X)
    np.testing.assert_array_equal(Z, small().fit(X).transform(X))


def test_validation_rows_are_not_kept_dense(small):
    X = sparse_numbers(20_000, 2_000)
    dae = small(
        max_iter=1, batch_size=128, early_stopping=True, validation_fraction=0.5
    )
    tracemalloc.start()
    try:
        dae.fit(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * 4 * 10_000 * 2_000


# The table has many diagonals.
@pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")
@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
@pytest.mark.parametrize("suffix", ["matrix", "array"])
def test_all_formats_of_scipy_give_the_same(small, counts, kind, suffix):
    X = getattr(sparse, f"{kind}_{suffix}")(counts)
    dae, expected = small().fit(X), small().fit(sparse.csr_array(counts))
    for method in ("transform", "reconstruct", "score", "score_samples", "cell_errors"):
        found = getattr(dae, method)(X)
        np.testing.assert_array_equal(found, getattr(expected, method)(X.tocsr()))
    filled = dae.impute(X)
    assert (filled != X.tocsr()).nnz == 0
    assert dae.partial_fit(X).n_iter_ == 6
