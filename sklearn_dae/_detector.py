"""DenoisingOutlierDetector: find outliers, explain them and repair cells."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._folds import FoldFits, compute_by_fold, copy_columns, make_transformer
from ._model import Model, errors_of, find_folds
from ._parameters import check_part, check_threshold
from ._tables.frames import index_of
from ._transformer import DenoisingAutoencoderTransformer
from ._validation import read_table, snapshot

# Share of the rows that the second networks do not learn: those with low scores.
TRIMMED = 0.25
# Share of the epochs for the first and for the second networks.
SHARES = (2 / 3, 1 / 3)
# Share of outliers with contamination="auto".
USUAL_CONTAMINATION = 0.05


class DenoisingOutlierDetector(OutlierMixin, BaseEstimator):
    """Detect outliers: rows whose cells are unlikely, given the rest of their row.

    Networks learn to predict hidden cells. A row whose cells are predicted badly is an
    outlier. No row is judged by a network that learned it: the rows are divided into
    `cv` folds, and each network learns the rows of the other folds. The fold of a row
    depends on its cells only, so the same holds for training rows in later calls. So
    scores of training rows and of new rows can be compared.

    There are two networks for each fold. The first one learns all rows of the other
    folds. The second one learns those of them that are normal for the first networks,
    so that it does not learn the outliers.

    Parameters
    ----------
    transformer : DenoisingAutoencoderTransformer or None, default=None
        The settings of the networks. It is cloned. None means the default settings. A
        search reaches its parameters, for example ``transformer__noise_factor``. Of
        its epochs, the first networks get two thirds, and the second ones a third.

    contamination : "auto" or float, default="auto"
        Share of outliers in the training table, in (0, 0.5]. It sets the threshold
        `offset_`. "auto" is 0.05: outliers are odder than 95% of the training rows, as
        if a test of the `p_values` at the level of 5% decided.

    cv : int, default=3
        Number of folds, at least 2. The time grows with it.

    n_jobs : int or None, default=None
        Number of fits at the same time, in threads. None means 1, unless a
        :func:`joblib.parallel_config` says otherwise. -1 means all processors. The
        results have the same bits for all numbers.

    random_state : int, RandomState instance or None, default=None
        Determines random number generation of the networks. Pass an int for
        reproducible results. None means the `random_state` of `transformer`.

    verbose : bool or int, default=False
        Whether to show the progress of each fit, as in `transformer`.

    Attributes
    ----------
    estimators_ : list of DenoisingAutoencoderTransformer of length ``2 * cv``
        The fitted networks: the first one of each fold, then the second one of each
        fold.

    offset_ : float
        The threshold. A row with a lower score is an outlier.

    training_scores_ : ndarray of shape (n_samples,)
        `score_samples` of the training rows.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Faster; looks at single columns.
    sklearn.neighbors.LocalOutlierFactor : Compares a row with its neighbours.
    CellErrorsDisplay : Shows the odd cells of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_dae import DenoisingOutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=300)
    >>> X = np.column_stack([x, x + 0.1 * rng.normal(size=300)])
    >>> X[7] = [2.0, -2.0]  # usual numbers, which do not belong together
    >>> detector = DenoisingOutlierDetector(random_state=0).fit(X)
    >>> int(detector.score_samples(X).argmin())
    7
    """

    _doc_link_module = "sklearn_dae"
    _doc_link_template = DenoisingAutoencoderTransformer._doc_link_template

    _parameter_constraints: dict = {
        "transformer": [DenoisingAutoencoderTransformer, None],
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        transformer=None,
        *,
        contamination="auto",
        cv=3,
        n_jobs=None,
        random_state=None,
        verbose=False,
    ):
        self.transformer = transformer
        self.contamination = contamination
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn what is normal, and the threshold.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Training rows, at least two, as for the transformer. They may contain
            outliers.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If a parameter or `X` is invalid.
        FloatingPointError
            If training diverges, so that the loss is not finite.
        KeyboardInterrupt
            If Ctrl-C is pressed. The detector is the same as before the call.
        """
        fitted = snapshot(self)
        fitted._fit(X)
        self.__dict__ = vars(fitted)
        return self

    def score_samples(self, X):
        """Score how normal rows are.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            A high score is normal, and a low score is an outlier. The highest score is
            0.0. It is the mean of `score_samples` of two transformers that did not
            learn the row: minus the root mean square of the errors of its cells.
        """
        folds, table = self._read(X)
        return self._score(folds, table)

    def decision_function(self, X):
        """Compute the scores above the threshold.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            `score_samples` minus `offset_`. It is negative for outliers.
        """
        fitted = snapshot(self)
        return fitted.score_samples(X) - fitted.offset_

    def predict(self, X):
        """Tell which rows are outliers.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,), int
            -1 for outliers and 1 for all other rows.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X):
        """Compute the share of training rows that are at least as odd.

        For a row like the training rows, the p-value is below 0.05 in 5% of the cases,
        because no row was judged by a network that learned it [1]_. Outliers among the
        training rows make the p-values larger.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        p_values : ndarray of shape (n_samples,), float64
            In (0, 1].

        References
        ----------
        .. [1] S. Bates, E. Candès, L. Lei, Y. Romano, M. Sesia, "Testing for outliers
           with conformal p-values", Annals of Statistics 51 (2023), 149-178.
        """
        fitted = snapshot(self)
        scores = fitted.score_samples(X)
        of_training = np.sort(fitted.training_scores_)
        n_odder = np.searchsorted(of_training, scores, side="right")
        return (1 + n_odder) / (1 + len(of_training))

    def cell_errors(self, X, *, part="both"):
        """Measure how anomalous each cell is, in its column and in its row.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.
        part : {"both", "column", "row"}, default="both"
            Which errors to return: how rare the value is in its column ("column"), how
            unlikely it is in its row ("row"), or the sum of both.

        Returns
        -------
        errors : ndarray or DataFrame of shape (n_samples, n_features), float32
            The errors, as in `DenoisingAutoencoderTransformer.cell_errors`.
        """
        check_part(part)
        folds, table = self._read(X)
        errors = errors_of(self._surprise(folds, table), part)
        return self.estimators_[0]._model.layout.frame(errors, index_of(X))

    def repair(self, X, *, threshold=6.0):
        """Replace odd cells by what the rest of their row predicts.

        Rows are repaired cell by cell. The oddest cell of a row is hidden first. Then
        the other cells of the row are judged again without it, because one wrong cell
        makes its neighbours look wrong. This ends when no error is larger than
        `threshold`. Missing cells stay missing.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.
        threshold : float, default=6.0
            Cells with a larger error in `cell_errors` are replaced, in (0, inf).

        Returns
        -------
        X_repaired : ndarray, sparse matrix or DataFrame of shape \
                (n_samples, n_features)
            The rows. All cells that were not replaced are the same as in `X`.
        changed : ndarray or DataFrame of shape (n_samples, n_features), bool
            Whether the cell was replaced.
        """
        check_threshold(threshold)
        fitted = snapshot(self)
        folds, table = fitted._read(X)
        table = table.rows(slice(None))
        wrong = fitted._find_wrong(folds, table, threshold)
        layout = fitted.estimators_[0]._model.layout
        expected = layout.empty(len(table))
        visible = layout.hide(table, wrong)
        compute_by_fold(fitted._rounds()[0], folds, visible, Model.expected, expected)
        # Only the wrong cells count as missing.
        to_fill = layout.empty(len(table))
        to_fill.put(slice(None), (0, 0))
        to_fill = layout.hide(to_fill, wrong)
        dense = X.toarray() if issparse(X) else X
        repaired = layout.fill(dense, to_fill, expected)
        if issparse(X) and isinstance(repaired, np.ndarray):
            repaired = type(X.tocsr())(repaired)
        return repaired, layout.frame(wrong, index_of(X))

    def _fit(self, X):
        settings = make_transformer(self)
        fits = FoldFits(settings, X, self.cv, self.n_jobs)
        copy_columns(settings, self)
        self._cv = self.cv
        self.estimators_ = fits.fit(SHARES[0])
        # Rare values count here, too: they are what the second networks must not learn.
        surprise = self._surprise(fits.folds, fits.table).max(axis=-1)
        n_observed = (~np.isnan(surprise)).sum(axis=1)
        oddness = np.nansum(surprise, axis=1) / np.maximum(n_observed, 1)
        kept = oddness <= np.quantile(oddness, 1 - TRIMMED)
        self.estimators_ = self.estimators_ + fits.fit(SHARES[1], kept)
        self.training_scores_ = self._score(fits.folds, fits.table)
        self.offset_ = _threshold(self.training_scores_, self.contamination)

    def _read(self, X):
        """Return the folds and the validated Table of a user's `X`."""
        check_is_fitted(self)
        fitted = snapshot(self)
        codec = fitted.estimators_[0]._model.codec
        table = read_table(fitted, codec.layout, X)
        return find_folds(codec, table, fitted._cv), table

    def _explain(self, X):
        """Return what displays show of odd cells: see `Model.explain`."""
        fitted = snapshot(self)
        folds, table = fitted._read(X)
        models, shape = fitted._rounds()[0], (len(table), fitted.n_features_in_)
        expected, counts = np.empty(shape, dtype=object), np.empty(shape)
        for fold, model in enumerate(models):
            rows = folds == fold
            if rows.any():
                expected[rows], counts[rows] = model.explain(table.rows(rows))
        return expected, counts

    def _rounds(self):
        """List the models: the first one of each fold, then the second one."""
        models = [estimator._model for estimator in self.estimators_]
        return [models[i : i + self._cv] for i in range(0, len(models), self._cv)]

    def _score(self, folds, table):
        """Compute the mean score of the two networks that did not learn the row."""
        scores = np.empty((2, len(table)))
        for of_round, models in zip(scores, self._rounds(), strict=True):
            compute_by_fold(models, folds, table, Model.score_samples, of_round)
        return scores.mean(axis=0)

    def _surprise(self, folds, table):
        """Compute the surprise of cells, of shape (n_rows, n_features, 2).

        The first networks judge cells better than the second ones.
        """
        models = self._rounds()[0]
        shape = (len(table), models[0].layout.n_features, 2)
        surprise = np.empty(shape, dtype=np.float32)
        compute_by_fold(models, folds, table, Model.cell_surprise, surprise)
        return surprise

    def _find_wrong(self, folds, table, threshold):
        """Find the odd cells, the oddest of each row first. Return their mask."""
        layout = self.estimators_[0]._model.layout
        wrong = np.zeros((len(table), layout.n_features), dtype=bool)
        rows = np.arange(len(table))
        # At most half of the cells of a row are hidden.
        for _ in range(max(1, layout.n_features // 2)):
            visible = layout.hide(table.rows(rows), wrong[rows])
            errors = np.nan_to_num(
                errors_of(self._surprise(folds[rows], visible), "both")
            )
            is_wrong = errors.max(axis=1, initial=0) > threshold
            rows, errors = rows[is_wrong], errors[is_wrong]
            if not len(rows):
                break
            wrong[rows, errors.argmax(axis=1)] = True
        return wrong

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = self.transformer or DenoisingAutoencoderTransformer()
        tags.input_tags = inner.__sklearn_tags__().input_tags
        return tags


def _threshold(scores, contamination):
    """Compute the score below which a row is an outlier."""
    share = USUAL_CONTAMINATION if contamination == "auto" else contamination
    return float(np.quantile(scores, share))
