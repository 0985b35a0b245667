"""Pictures of a fitted transformer, as displays in the style of scikit-learn.

matplotlib is imported only when a picture is drawn.
"""

from __future__ import annotations

import textwrap

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils._plotting import _validate_style_kwargs
from sklearn.utils.validation import check_is_fitted

from ._parameters import column_position
from ._tables.arrays import is_missing
from ._tables.frames import check_container

# The six colours of Okabe and Ito, then four dark ones. Colour-blind people can tell
# all of them apart.
COLORS = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
    "#56B4E9", "#882255", "#7F4F24", "#4B0082", "#222222",
]  # fmt: skip
GREY, DARK_GREY = "#808080", "#5A5A5A"
# Markers of the classes. Each colour has one, so that a grey print shows classes, too.
MARKERS = "osD^vPX*<>"
# Horizontal distance, in points, of the error bars of two noises.
BAR_DISTANCE = 8.0

# The kind of estimator that most displays take.
# Errors from which a cell is odd, and from which the colour stays the same.
ODD_ERROR, LARGE_ERROR = 2.0, 15.0
TRANSFORMER = "a fitted DenoisingAutoencoderTransformer"


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Displays need matplotlib, which is not installed. Install it: "
            "pip install matplotlib"
        ) from error
    return plt


def _check_has(estimator, attribute, kind):
    """Raise an error unless `estimator` is fitted and has the attribute."""
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(
            f"'estimator' must be {kind}. Got a {type(estimator).__name__}. For a "
            f"Pipeline or a search, pass the fitted part, for example pipeline[-1] or "
            f"search.best_estimator_."
        )


def _rows_of(X, rows):
    """Select rows of a table, as a DataFrame or a dense array."""
    check_container(X)
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "tocsr"):
        return X.tocsr()[rows].toarray()
    return (X if hasattr(X, "shape") else np.asarray(X))[rows]


def _style(defaults, keywords):
    """Merge keyword arguments of an artist. Those of the user have priority."""
    return _validate_style_kwargs(defaults, keywords or {})


class _Display:
    """Base class of all displays: makes the axes if none are given."""

    # Texts of 10 points are readable when such a figure is 400 pixels wide.
    figsize = (5.6, 4.2)

    def _set_axes(self, ax):
        if ax is None:
            _, ax = _pyplot().subplots(figsize=self.figsize, layout="constrained")
        self.ax_ = ax
        self.figure_ = ax.figure
        return ax


class LossCurveDisplay(_Display):
    """Losses of all epochs, with the best epoch and the loss of the columns' means.

    The loss of predicting the mean of each column is 1.0.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    loss_curve : list of float
        Training loss of each epoch.
    validation_loss_curve : list of float
        Validation loss of each epoch. NaN for epochs without it. Empty if there were
        no validation rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure with the axes.
    lines_ : list of matplotlib Line2D
        Curve of the training losses, then that of the validation losses, if any.
    marker_ : matplotlib Line2D or None
        Marker of the best epoch. None if there is no epoch.
    baseline_ : matplotlib Line2D
        Line at 1.0, the loss of the columns' means.

    See Also
    --------
    DenoisingAutoencoderTransformer : Describes the losses.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_dae import DenoisingAutoencoderTransformer, LossCurveDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> dae = DenoisingAutoencoderTransformer(max_iter=20, early_stopping=True).fit(X)
    >>> LossCurveDisplay.from_estimator(dae).ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, *, loss_curve, validation_loss_curve):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve

    @classmethod
    def from_estimator(
        cls, estimator, *, ax=None, line_kw=None, marker_kw=None, baseline_kw=None
    ):
        """Plot the losses of a fitted transformer.

        Parameters
        ----------
        estimator : DenoisingAutoencoderTransformer
            The fitted transformer.
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        line_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.plot` of the curves.
        marker_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.plot` of the
            marker of the best epoch.
        baseline_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.axhline`, the line at 1.0.

        Returns
        -------
        display : LossCurveDisplay
            The plotted display.
        """
        _check_has(estimator, "loss_curve_", TRANSFORMER)
        return cls(
            loss_curve=estimator.loss_curve_,
            validation_loss_curve=estimator.validation_loss_curve_,
        ).plot(ax=ax, line_kw=line_kw, marker_kw=marker_kw, baseline_kw=baseline_kw)

    def plot(self, *, ax=None, line_kw=None, marker_kw=None, baseline_kw=None):
        """Plot the losses.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        line_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.plot` of the curves.
        marker_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.plot` of the
            marker of the best epoch.
        baseline_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.axhline`, the line at 1.0.

        Returns
        -------
        display : object
            The display itself.
        """
        ax = self._set_axes(ax)
        curves = {"training rows": self.loss_curve}
        if self.validation_loss_curve:
            curves["validation rows"] = self.validation_loss_curve
        self.lines_ = []
        for (label, losses), color, linestyle in zip(
            curves.items(), COLORS, ["-", "--"], strict=False
        ):
            style = {"color": color, "linestyle": linestyle, "label": label}
            epochs = np.arange(1, len(losses) + 1)
            self.lines_ += ax.plot(epochs, losses, **_style(style, line_kw))
        self.marker_ = self._mark_best(ax, losses, color, marker_kw)
        style = {"color": GREY, "linewidth": 1, "linestyle": ":"}
        style = _style({**style, "label": "columns' means"}, baseline_kw)
        self.baseline_ = ax.axhline(1.0, **style)
        ax.set(xlabel="epoch", ylabel="loss under noise")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
        return self

    def _mark_best(self, ax, losses, color, marker_kw):
        """Mark the epoch with the smallest loss, if there is any epoch."""
        if not len(losses):  # After Ctrl-C in the first epoch.
            return None
        best = int(np.nanargmin(losses))
        style = {"color": color, "marker": "o", "linestyle": "none"}
        style = _style({**style, "label": f"best: epoch {best + 1}"}, marker_kw)
        (marker,) = ax.plot(best + 1, losses[best], **style)
        return marker


class NoiseFactorDisplay(_Display):
    """Mean scores of a search for each noise factor.

    The bars show one standard deviation over the folds. Bars of several noises are
    moved a little to the side, so that they do not cover each other.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    scores : dict of str to ndarray of shape (3, n_factors)
        Noise factors, mean scores, and standard deviations of the scores over the
        folds. The keys are the names of the noises. The key is "" if the search had no
        candidates for `noise`.
    metric : str, default="score"
        Name of the metric.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the scores.
    figure_ : matplotlib Figure
        Figure with the axes.
    errorbar_ : list of matplotlib ErrorbarContainer
        Scores of each noise, in the order of `scores`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_dae import DenoisingAutoencoderTransformer, NoiseFactorDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> dae = DenoisingAutoencoderTransformer(max_iter=5, random_state=0)
    >>> search = GridSearchCV(dae, {"noise_factor": [0.1, 0.3]}, cv=3).fit(X)
    >>> NoiseFactorDisplay.from_estimator(search).ax_.get_xlabel()
    'noise_factor'
    """

    def __init__(self, *, scores, metric="score"):
        self.scores = scores
        self.metric = metric

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, errorbar_kw=None):
        """Plot the scores of a fitted search.

        Parameters
        ----------
        estimator : GridSearchCV or RandomizedSearchCV
            A fitted search over `noise_factor`, for the transformer alone or as a step
            of a Pipeline. If the search has other parameters, except `noise`, the best
            candidate of each factor is shown. Candidates without `noise_factor` are
            left out. If the search has several metrics, `refit` names the metric.
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        errorbar_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.errorbar`.

        Returns
        -------
        display : NoiseFactorDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If the search has no noise factors as candidates, or if they are not single
            numbers. If the search has several metrics and `refit` names none.
        """
        _check_has(estimator, "cv_results_", "a fitted search")
        results, metric = estimator.cv_results_, _metric_of(estimator)
        candidates = _candidates(results)
        best = {}
        # Candidates whose fit failed have no score. They come first.
        means = np.nan_to_num(results[f"mean_test_{metric}"], nan=-np.inf)
        # The best candidate of each noise and factor comes last and replaces others.
        for k in np.argsort(means, kind="stable"):
            if "noise_factor" in candidates[k]:
                noise = str(candidates[k].get("noise", ""))
                best[noise, float(candidates[k]["noise_factor"])] = k
        scores = {}
        for noise, factor in sorted(best):
            of_candidate = (
                results[f"{statistic}_test_{metric}"][best[noise, factor]]
                for statistic in ("mean", "std")
            )
            scores.setdefault(noise, []).append((factor, *of_candidate))
        scores = {name: np.array(of_noise).T for name, of_noise in scores.items()}
        name = _name_of_metric(estimator, metric)
        return cls(scores=scores, metric=name).plot(ax=ax, errorbar_kw=errorbar_kw)

    def plot(self, *, ax=None, errorbar_kw=None):
        """Plot the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        errorbar_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.errorbar`.

        Returns
        -------
        display : object
            The display itself.
        """
        from matplotlib.transforms import offset_copy

        ax = self._set_axes(ax)
        self.errorbar_ = []
        for k, (noise, of_noise) in enumerate(self.scores.items()):
            factors, means, deviations = of_noise
            offset = BAR_DISTANCE * (k - (len(self.scores) - 1) / 2)
            style = {
                "color": COLORS[k % len(COLORS)],
                "marker": MARKERS[k % len(MARKERS)],
                "capsize": 3,
                "label": noise or "not searched",
                "transform": offset_copy(
                    ax.transData, self.figure_, x=offset, units="points"
                ),
            }
            style = _style(style, errorbar_kw)
            self.errorbar_.append(ax.errorbar(factors, means, deviations, **style))
            # matplotlib leaves artists with an offset out of the limits of the axes.
            for ends in (means - deviations, means + deviations):
                ax.update_datalim(np.column_stack([factors, ends]))
        # Leave space for the bars at the sides.
        ax.margins(x=0.1)
        ax.set(xlabel="noise_factor", ylabel=f"{self.metric} (mean of the folds)")
        if len(self.scores) > 1:
            ax.legend(title="noise")
        return self


def _metric_of(search):
    """Find the name in `cv_results_` of the metric to plot."""
    metrics = [
        name.removeprefix("mean_test_")
        for name in search.cv_results_
        if name.startswith("mean_test_")
    ]
    if metrics == ["score"]:
        return "score"
    if search.refit not in metrics:
        raise ValueError(
            f"'refit' must name the metric to plot, because the search has several "
            f"metrics: {metrics}. Got {search.refit!r}. Set it with set_params; no new "
            f"fit of the search is needed."
        )
    return search.refit


def _name_of_metric(search, metric):
    """Name the metric of a search: that of `scoring`, if the search has only one."""
    if metric != "score":
        return metric
    if isinstance(search.scoring, str):
        return search.scoring
    return getattr(search.scoring, "__name__", metric)


def _candidates(results):
    """List the parameters of each candidate, without the names of Pipeline steps."""
    candidates = [
        {name.split("__")[-1]: value for name, value in params.items()}
        for params in results["params"]
    ]
    factors = [c["noise_factor"] for c in candidates if "noise_factor" in c]
    if not factors or not all(map(np.isscalar, factors)):
        raise ValueError(
            f"'estimator' must be a search over 'noise_factor' with single numbers as "
            f"candidates. Got a search over {sorted(set().union(*candidates))}."
        )
    return candidates


class FeaturesDisplay(_Display):
    """The features of rows, projected on their first two principal components.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    components : ndarray of shape (n_samples, 2)
        The two principal components of each row. The second is 0 if there is only one
        feature.
    explained_variance_ratio : ndarray of shape (2,)
        Fraction of the variance of the features that each component explains.
    y : ndarray of shape (n_samples,), default=None
        Labels. Each class has a colour and a marker. Rows without a label are grey.
    y_name : str, default=None
        Name of the labels, for the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure with the axes.
    scatter_ : list of matplotlib PathCollection
        The points: first those without a label, if any, then those of each class. One
        collection for all labelled rows if the labels are quantities.

    See Also
    --------
    sklearn.decomposition.PCA : The projection.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_dae import DenoisingAutoencoderTransformer, FeaturesDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> dae = DenoisingAutoencoderTransformer(max_iter=20, random_state=0).fit(X)
    >>> FeaturesDisplay.from_estimator(dae, X, y).components.shape
    (150, 2)
    """

    def __init__(self, *, components, explained_variance_ratio, y=None, y_name=None):
        self.components = components
        self.explained_variance_ratio = explained_variance_ratio
        self.y = y
        self.y_name = y_name

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, scatter_kw=None):
        """Plot the features that a fitted transformer computes for rows.

        Parameters
        ----------
        estimator : DenoisingAutoencoderTransformer
            The fitted transformer, or a Pipeline whose last step it is.
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows, at least two.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows. None or NaN stands for a missing label. More than twelve
            different numbers are quantities, with a colour bar.
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        scatter_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : FeaturesDisplay
            The plotted display.
        """
        # Import it here: this import takes longer than the rest of the package.
        from sklearn.decomposition import PCA

        _check_has(estimator, "transform", "a fitted transformer")
        features = np.asarray(estimator.transform(X))
        if y is not None:
            check_consistent_length(features, y)
        if len(features) < 2:
            raise ValueError(
                f"'X' must have at least two rows for principal components. Got "
                f"{len(features)}."
            )
        # Two principal components need two columns.
        if features.shape[1] == 1:
            features = np.pad(features, ((0, 0), (0, 1)))
        pca = PCA(2, random_state=0).set_output(transform="default")
        return cls(
            components=pca.fit_transform(features),
            explained_variance_ratio=pca.explained_variance_ratio_,
            # Objects, because NumPy would turn the booleans of pandas into numbers.
            y=None if y is None else column_or_1d(np.asarray(y, dtype=object)),
            y_name=getattr(y, "name", None),
        ).plot(ax=ax, scatter_kw=scatter_kw)

    def plot(self, *, ax=None, scatter_kw=None):
        """Plot the features.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        scatter_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : object
            The display itself.
        """
        ax = self._set_axes(ax)
        self.scatter_ = []
        if self.y is None:
            self._scatter(ax, self.components, scatter_kw, color=COLORS[0])
        else:
            self._scatter_by_label(ax, scatter_kw)
        ratios = [f"{ratio:.0%}" for ratio in self.explained_variance_ratio]
        ax.set(
            xlabel=f"1st principal component of the features ({ratios[0]})",
            ylabel=f"2nd principal component ({ratios[1]})",
        )
        return self

    def _scatter(self, ax, components, scatter_kw, **style):
        style = {"s": 18, "alpha": 0.8, "linewidths": 0, **style}
        points = ax.scatter(*components.T, **_style(style, scatter_kw))
        self.scatter_.append(points)
        return points

    def _scatter_by_label(self, ax, scatter_kw):
        missing = np.array([is_missing(label) for label in self.y])
        if missing.any():
            components = self.components[missing]
            self._scatter(ax, components, scatter_kw, color=GREY, label="missing")
        # NumPy finds the dtype of the labels without the missing ones.
        labels = np.array(list(self.y[~missing]))
        components = self.components[~missing]
        # Many different numbers are quantities, not classes.
        different = np.unique(labels)
        if len(different) > 12 and np.issubdtype(labels.dtype, np.number):
            style = {"c": labels, "cmap": "viridis"}
            points = self._scatter(ax, components, scatter_kw, **style)
            self.figure_.colorbar(points, ax=ax, label=self.y_name)
        else:
            self._scatter_classes(ax, components, labels, different, scatter_kw)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(
                title=self.y_name,
                loc="upper left",
                bbox_to_anchor=(1.0, 1.0),
                markerscale=2.0,
            )

    def _scatter_classes(self, ax, components, labels, different, scatter_kw):
        for k, label in enumerate(different):
            # From the eleventh class on, a colour comes back with another marker.
            n_before = k // len(COLORS)
            self._scatter(
                ax,
                components[labels == label],
                scatter_kw,
                color=COLORS[k % len(COLORS)],
                marker=MARKERS[(k + n_before) % len(MARKERS)],
                label=str(label),
            )


class ReconstructionDisplay(_Display):
    """Images before and after the repair, one row above the other.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    images : dict of str to ndarray of shape (n_images, height, width) or \
            (n_images, 3, height, width)
        The images of each line of the picture, by the name of the line. Three channels
        are red, green and blue, in [0, 1].

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images.
    figure_ : matplotlib Figure
        Figure with the axes.
    im_ : matplotlib AxesImage
        All images side by side, as one image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_dae import DenoisingAutoencoderTransformer, ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> dae = DenoisingAutoencoderTransformer(max_iter=1, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(dae, X, image_shape=(8, 8))
    >>> list(display.images)
    ['given', 'repaired']
    """

    figsize = (5.6, 2.4)

    def __init__(self, *, images):
        self.images = images

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        image_shape=None,
        X_clean=None,
        n_images=8,
        ax=None,
        im_kw=None,
    ):
        """Plot images before and after the repair by a fitted transformer.

        Parameters
        ----------
        estimator : DenoisingAutoencoderTransformer
            The fitted transformer.
        X : array-like or sparse matrix of shape (n_samples, n_pixels)
            Images, one in each row. The first ones are shown.
        image_shape : tuple of (int, int) or (int, int, int), default=None
            Height and width of an image in pixels, or number of channels (1 or 3),
            height and width. If None, the shape of the transformer's
            :class:`ConvNetwork`.
        X_clean : array-like of shape (n_samples, n_pixels), default=None
            The same images before the corruption. They are shown above the others.
        n_images : int, default=8
            Largest number of images to show.
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        im_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : ReconstructionDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If `image_shape` does not fit the number of columns, or if `X_clean` does
            not have the shape of `X`.
        """
        _check_has(estimator, "reconstruct", TRANSFORMER)
        image_shape = _image_shape(estimator, image_shape)
        rows = slice(n_images)
        shown = _rows_of(X, rows)
        lines = {"given": shown, "repaired": estimator.reconstruct(shown)}
        if X_clean is not None:
            lines = {"clean": _rows_of(X_clean, rows), **lines}
            _check_same_shape(lines["given"], lines["clean"])
        shape = (-1, *image_shape)
        images = {
            n: np.asarray(X, dtype=float).reshape(shape) for n, X in lines.items()
        }
        return cls(images=images).plot(ax=ax, im_kw=im_kw)

    def plot(self, *, ax=None, im_kw=None):
        """Plot the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        im_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : object
            The display itself.
        """
        ax = self._set_axes(ax)
        lines = [_framed(images) for images in self.images.values()]
        mosaic = np.vstack([np.hstack(list(line)) for line in lines])
        self.im_ = ax.imshow(mosaic, **_style({"cmap": "gray"}, im_kw))
        height = lines[0].shape[1]
        ax.set_yticks((np.arange(len(lines)) + 0.5) * height - 0.5, list(self.images))
        ax.set_xticks([])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return self


def _image_shape(estimator, image_shape):
    """Find the shape of the images: `image_shape`, or that of the network if None."""
    if image_shape is None:
        image_shape = getattr(estimator.network, "image_shape", None)
    if image_shape is None:
        raise ValueError(
            "'image_shape' must be given, because 'network' is not a ConvNetwork that "
            "knows it. Pass the height and the width of the images."
        )
    n_pixels = int(np.prod(image_shape))
    if np.size(image_shape) not in (2, 3) or n_pixels != estimator.n_features_in_:
        raise ValueError(
            f"'image_shape' must be the height and the width of images of "
            f"{estimator.n_features_in_} pixels, the number of columns in fit. Got "
            f"{image_shape!r}, which has {n_pixels} pixels."
        )
    *channels, height, width = image_shape
    if channels not in ([], [1], [3]):
        raise ValueError(
            f"'image_shape' must be a height and a width, or 1 or 3 channels before "
            f"them. Got {image_shape!r}."
        )
    return (height, width) if channels in ([], [1]) else (3, height, width)


def _framed(images):
    """Put channels last, if any, and add an empty border to each image."""
    if images.ndim == 4:
        images = images.transpose(0, 2, 3, 1)
    width = [(0, 0), (1, 1), (1, 1), (0, 0)][: images.ndim]
    # NaN is drawn transparent.
    return np.pad(images, width, constant_values=np.nan)


class _CellsDisplay(_Display):
    """Base class of displays of cells: draws cells, texts, and names."""

    # Inches around the cells, and of one cell of at most five lines of 16 letters.
    margin, cell_size = np.array([0.9, 2.0]), np.array([1.15, 0.68])

    @property
    def figsize(self):
        n_columns, n_rows = len(self.column_names), len(self.row_names)
        return tuple(self.margin + self.cell_size * (max(n_columns, 3), n_rows))

    def _name_cells(self, ax):
        ax.set_xticks(range(len(self.column_names)), self.column_names)
        ax.tick_params(axis="x", rotation=30)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
        ax.set_yticks(range(len(self.row_names)), self.row_names)
        ax.set_ylabel("row")
        if len(self.column_names) < self.n_features:
            ax.set_xlabel(f"{len(self.column_names)} of {self.n_features} columns")

    def _color_cells(self, ax, values, vmax, im_kw, **style):
        style = {"cmap": "Oranges", "vmax": vmax, "aspect": "auto", **style}
        self.im_ = ax.imshow(values, **_style(style, im_kw))
        self.text_ = np.empty(values.shape, dtype=object)

    def _write(self, ax, cell, text, color, text_kw):
        style = {
            "horizontalalignment": "center",
            "verticalalignment": "center",
            "fontsize": 8.5,
            "color": color,
        }
        row, column = cell
        self.text_[cell] = ax.text(column, row, text, **_style(style, text_kw))


def _largest(of_columns, n_columns):
    """Find the positions of the columns with the largest numbers, in their order."""
    return np.sort(np.argsort(-of_columns, kind="stable")[:n_columns])


def _names_of(estimator, shown, rows, columns):
    """Name the shown rows and columns, and count the columns of the table."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        # The same names as from get_feature_names_out of scikit-learn.
        names = [f"x{i}" for i in range(estimator.n_features_in_)]
    return {
        "row_names": [str(name) for name in getattr(shown, "index", rows)],
        "column_names": [str(names[column]) for column in columns],
        "n_features": len(names),
    }


class RepairedCellsDisplay(_CellsDisplay):
    """Rows of a table before and after the repair, with marked cells.

    A marked cell shows the given value, the repaired value and, in brackets, the clean
    value.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    changed : ndarray of shape (n_rows, n_columns), of bool
        Which cells are marked.
    given, repaired : ndarray of shape (n_rows, n_columns), of object
        The cells before and after the repair.
    clean : ndarray of shape (n_rows, n_columns), of object, or None
        The cells before the corruption.
    row_names, column_names : list of str
        Names of the rows and of the columns.
    n_features : int
        Number of columns of the table.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the cells.
    figure_ : matplotlib Figure
        Figure with the axes.
    im_ : matplotlib AxesImage
        Colours of the cells.
    text_ : ndarray of shape (n_rows, n_columns), of matplotlib Text
        Text of each cell.

    See Also
    --------
    ReconstructionDisplay : The same for images.
    CellErrorsDisplay : The most anomalous cells.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_dae import DenoisingAutoencoderTransformer, RepairedCellsDisplay
    >>> X, _ = load_iris(return_X_y=True, as_frame=True)
    >>> dae = DenoisingAutoencoderTransformer(noise="masking", random_state=0).fit(X)
    >>> holes = X.mask(np.random.default_rng(0).random(X.shape) < 0.2)
    >>> display = RepairedCellsDisplay.from_estimator(dae, holes, X_clean=X)
    >>> display.changed.shape
    (6, 4)
    """

    def __init__(
        self,
        *,
        changed,
        given,
        repaired,
        clean,
        row_names,
        column_names,
        n_features,
    ):
        self.changed = changed
        self.given = given
        self.repaired = repaired
        self.clean = clean
        self.row_names = row_names
        self.column_names = column_names
        self.n_features = n_features

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        X_clean=None,
        n_rows=6,
        n_columns=5,
        ax=None,
        im_kw=None,
        text_kw=None,
    ):
        """Plot rows before and after the repair by a fitted transformer.

        Parameters
        ----------
        estimator : DenoisingAutoencoderTransformer
            The fitted transformer.
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows. The first ones are shown.
        X_clean : array-like, sparse matrix or DataFrame of shape \
                (n_samples, n_features), default=None
            The same rows before the corruption. Cells that differ are marked. If None,
            missing cells are marked.
        n_rows : int, default=6
            Largest number of rows to show.
        n_columns : int, default=5
            Largest number of columns to show: those with the most marked cells.
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        im_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.text`.

        Returns
        -------
        display : RepairedCellsDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If `X_clean` does not have the shape of `X`.
        """
        _check_has(estimator, "reconstruct", TRANSFORMER)
        shown = _rows_of(X, slice(n_rows))
        tables = {"given": shown, "repaired": estimator._describe(shown)}
        if X_clean is not None:
            tables["clean"] = _rows_of(X_clean, slice(n_rows))
        cells = {name: np.asarray(t, dtype=object) for name, t in tables.items()}
        if X_clean is not None:
            _check_same_shape(cells["given"], cells["clean"])
        changed = _differ(cells["given"], cells.get("clean"))
        columns = _largest(changed.sum(axis=0), n_columns)
        return cls(
            changed=changed[:, columns],
            given=cells["given"][:, columns],
            repaired=cells["repaired"][:, columns],
            clean=None if X_clean is None else cells["clean"][:, columns],
            **_names_of(estimator, shown, range(len(changed)), columns),
        ).plot(ax=ax, im_kw=im_kw, text_kw=text_kw)

    def plot(self, *, ax=None, im_kw=None, text_kw=None):
        """Plot the cells.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        im_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.text`.

        Returns
        -------
        display : object
            The display itself.
        """
        ax = self._set_axes(ax)
        self._color_cells(ax, self.changed, 3, im_kw, vmin=0)
        for cell, changed in np.ndenumerate(self.changed):
            text = _short(self.given[cell])
            if changed:
                text += f"\n→ {_short(self.repaired[cell])}"
                if self.clean is not None:
                    text += f"\n({_short(self.clean[cell])})"
            self._write(ax, cell, text, "black" if changed else DARK_GREY, text_kw)
        self._name_cells(ax)
        clean = "" if self.clean is None else " (clean)"
        ax.set_title(f"given → repaired{clean}", fontsize="medium", loc="left")
        return self


def _check_same_shape(given, clean):
    """Raise ValueError unless both tables have the same shape."""
    if given.shape != clean.shape:
        raise ValueError(
            f"'X_clean' must have the same rows and columns as 'X'. Got shape "
            f"{clean.shape} instead of {given.shape} for the rows that are shown."
        )


def _missing(cells):
    """Find missing cells."""
    found = np.fromiter(map(is_missing, cells.flat), bool, cells.size)
    return found.reshape(cells.shape)


def _differ(given, clean):
    """Find cells that differ from clean ones, or missing cells if `clean` is None."""
    if clean is None:
        return _missing(given)
    both = _missing(given) & _missing(clean)
    either = _missing(given) | _missing(clean)
    # Do not compare NaN or pd.NA: the result would be False or an error.
    known = np.where(either, None, given), np.where(either, None, clean)
    return (known[0] != known[1]) | (either & ~both)


class CellErrorsDisplay(_CellsDisplay):
    """The most anomalous rows of a table, with the errors of their cells.

    A darker cell has a larger error. If the error is above 2.0, the value that the rest
    of the row predicts stands below the given value. If the value is also odd in its
    column, a word before it says so: "rare" for a number, and for a level how often
    `fit` has seen it, for example "1x". One wrong cell can make the other cells of its
    row look wrong.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    errors : ndarray of shape (n_rows, n_columns)
        Errors of the cells, see
        :meth:`DenoisingAutoencoderTransformer.cell_errors`.
    column_errors : ndarray of shape (n_rows, n_columns)
        The part of the errors that the column explains.
    counts : ndarray of shape (n_rows, n_columns)
        How often `fit` has seen the level of the cell. NaN for numbers and for missing
        cells.
    cells, expected : ndarray of shape (n_rows, n_columns), of object
        The values of the cells, and the values that the rest of their row predicts.
        Rare levels that form a group (`max_categories`, `min_frequency`) are described
        as such, for example "one of 12 rare levels".
    row_names, column_names : list of str
        Names of the rows and of the columns.
    n_features : int
        Number of columns of the table.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the cells.
    figure_ : matplotlib Figure
        Figure with the axes. New figures grow with the number of rows and columns.
    im_ : matplotlib AxesImage
        Colours of the cells.
    text_ : ndarray of shape (n_rows, n_columns), of matplotlib Text
        Text of each cell.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_dae import CellErrorsDisplay, DenoisingAutoencoderTransformer
    >>> X, _ = load_iris(return_X_y=True, as_frame=True)
    >>> dae = DenoisingAutoencoderTransformer(max_iter=20, random_state=0).fit(X)
    >>> CellErrorsDisplay.from_estimator(dae, X, n_rows=3).errors.shape
    (3, 4)
    """

    def __init__(
        self,
        *,
        errors,
        column_errors,
        counts,
        cells,
        expected,
        row_names,
        column_names,
        n_features,
    ):
        self.errors = errors
        self.column_errors = column_errors
        self.counts = counts
        self.cells = cells
        self.expected = expected
        self.row_names = row_names
        self.column_names = column_names
        self.n_features = n_features

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        rows=None,
        columns=None,
        n_rows=6,
        n_columns=5,
        ax=None,
        im_kw=None,
        text_kw=None,
    ):
        """Plot the most anomalous rows, the most anomalous one first.

        Parameters
        ----------
        estimator : DenoisingOutlierDetector or DenoisingAutoencoderTransformer
            The fitted detector or transformer.
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows.
        rows : array-like of int, default=None
            Positions of the rows to show, in this order. If None, the `n_rows` rows
            with the smallest `score_samples`.
        columns : array-like of int or str, default=None
            Positions or names of the columns to show, in this order. If None, the
            `n_columns` columns with the largest error in any of the rows.
        n_rows : int, default=6
            Largest number of rows to show. Only used when `rows` is None.
        n_columns : int, default=5
            Largest number of columns to show. Only used when `columns` is None.
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        im_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.text`.

        Returns
        -------
        display : CellErrorsDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If `columns` contains a column that is not in `X`.
        """
        _check_has(estimator, "cell_errors", TRANSFORMER)
        if rows is None:
            rows = np.argsort(estimator.score_samples(X), kind="stable")[:n_rows]
        shown = _rows_of(X, rows)
        errors = np.asarray(estimator.cell_errors(shown), dtype=float)
        if columns is None:
            columns = _largest(np.nan_to_num(errors).max(axis=0), n_columns)
        else:
            names = getattr(estimator, "feature_names_in_", None)
            columns = [
                column_position(column, errors.shape[1], names, "columns")
                for column in columns
            ]
        in_column = np.asarray(estimator.cell_errors(shown, part="column"), dtype=float)
        expected, counts = estimator._explain(shown)
        return cls(
            errors=errors[:, columns],
            column_errors=in_column[:, columns],
            counts=counts[:, columns],
            cells=np.asarray(shown, dtype=object)[:, columns],
            expected=expected[:, columns],
            **_names_of(estimator, shown, rows, columns),
        ).plot(ax=ax, im_kw=im_kw, text_kw=text_kw)

    def plot(self, *, ax=None, im_kw=None, text_kw=None):
        """Plot the cells.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on. If None, new axes are created.
        im_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments for :meth:`matplotlib.axes.Axes.text`.

        Returns
        -------
        display : object
            The display itself.
        """
        ax = self._set_axes(ax)
        self._color_cells(ax, self.errors, LARGE_ERROR, im_kw, vmin=0)
        for cell, error in np.ndenumerate(self.errors):
            text, expected = _short(self.cells[cell]), _short(self.expected[cell])
            if error > ODD_ERROR and expected != text:
                text += f"\n{self._reason(cell)}expected\n{expected}"
            is_dark = error > 0.6 * LARGE_ERROR
            color = DARK_GREY if np.isnan(error) else "white" if is_dark else "black"
            self._write(ax, cell, text, color, text_kw)
        self._name_cells(ax)
        bar = self.figure_.colorbar(
            self.im_, ax=ax, location="top", aspect=40, extend="max"
        )
        bar.set_label("cell error: rare in its column, unlikely in its row")
        return self

    def _reason(self, cell):
        """Write why a cell is odd in its column, if it is."""
        if not self.column_errors[cell] > ODD_ERROR:
            return ""
        count = self.counts[cell]
        return "rare, " if np.isnan(count) else f"{count:.0f}x, "


def _short(value):
    """Write a cell as a short text, of at most two lines."""
    if is_missing(value):
        return "missing"
    if isinstance(value, (float, np.floating)):
        # No exponents, unless the number is very large.
        return f"{float(f'{value:.4g}'):.10g}"
    return textwrap.fill(str(value), 16, max_lines=2, placeholder="…")
