"""DenoisingAutoencoderTransformer: parameters, validation, fitted attributes."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from ._networks.autoencoder import ACTIVATIONS
from ._networks.inference import (
    decode,
    features,
    n_features_out,
    predict_cells,
    prediction_chunks,
)
from ._parameters import (
    NOISE_NAMES,
    check_loss,
    check_partial_fit,
    check_validation_fraction,
    find_categorical,
    positive_integers,
    resolve_batch_size,
    resolve_max_iter,
    resolve_noises,
)
from ._tables.codec import Codec
from ._tables.columns import (
    ColumnStatistics,
    check_no_dates,
    check_numbers,
    names_and_kinds,
)
from ._tables.frames import (
    check_collected,
    index_of,
    is_frame,
    is_plain_numbers,
)
from ._tables.layout import Layout
from ._training.fit import check_device, fit_net
from ._training.net import TrainingParameters, check_callbacks

# Number of groups of cells that `score` hides in turn.
N_HIDDEN_GROUPS = 5
# Remedies that are added to errors of NumPy and scikit-learn, by a part of the error.
REMEDIES = {
    "could not convert": "Name columns of text in 'categorical_features', or pass a "
    "DataFrame, where their dtype tells.",
    "float() argument": "Pass a DataFrame, an array of numbers or a sparse matrix.",
    "with a sequence": "Pass rows of one length, as an array or a DataFrame of pandas "
    "or polars.",
}


class DenoisingAutoencoderTransformer(TransformerMixin, BaseEstimator):
    """Learn features of a table by repairing it.

    In training, every mini-batch is corrupted and a small neural network is asked for
    the clean one [1]_. To do so its encoder must learn how the columns hang together;
    what its layers compute from clean rows become the features. The same network
    repairs rows (`reconstruct`), fills missing cells (`impute`) and tells how odd rows
    and cells are (`score_samples`, `cell_errors`).

    Columns of numbers are scaled inside, columns of categories need no encoding, and
    missing values are allowed everywhere.

    Parameters
    ----------
    n_components : int, default=256
        Number of units of the latent layer, the innermost one. May exceed the number of
        columns: it is the noise that keeps the network from copying its input.

    network : "mlp" or callable, default="mlp"
        The encoder and the decoder.

        - "mlp": dense layers, shaped by `hidden_layer_sizes` and `activation`.
        - :class:`ConvNetwork`: convolutional layers, for rows that are images.
        - callable ``network(n_inputs, n_components)``: returns a pair of
          :class:`torch.nn.Module`, built anew at every call: the encoder, from
          tensors of shape (n_rows, n_inputs) to (n_rows, n_components), and the
          decoder, back to (n_rows, n_inputs). An input is a scaled number less its
          column's mean, or one place of the one-hot code of a category, and 0.0 where
          the cell is missing; an output is the same number, to which the mean is added,
          or a logit: of a level, or with ``loss="log_loss"`` of a number. If the
          encoder has a method ``stack(inputs)`` it returns a list of tensors of shape
          (n_rows, any), its own output last, which the stack is made of.

        Initial weights that are drawn by PyTorch when the pair is built follow
        `random_state`. Modules must not draw at random later, as dropout does: the
        noise is there to regularise. Those with `requires_grad` False stay as they are.
        If the callable has `get_params`, as a
        :class:`~sklearn.base.BaseEstimator` has, its parameters can be searched,
        as ``network__channels``. To pickle or to search in several processes,
        define functions and modules in an importable module, not as lambdas.

    hidden_layer_sizes : array-like of shape (n_layers,) or int, default=(256, 256)
        Number of units of the encoder's layers before the latent one. The decoder
        mirrors them if `representation` is "latent", and is one linear layer else. Only
        used when ``network="mlp"``.

    activation : {"identity", "logistic", "tanh", "relu", "gelu", "silu"}, \
            default="relu"
        Activation function of the layers, as in
        :class:`~sklearn.neural_network.MLPClassifier`, and two of PyTorch's. Only used
        when ``network="mlp"``.

    representation : {"stack", "latent"}, default="stack"
        The features.

        - "stack": the network's inputs (the scaled numbers, smoothly clipped at ten
          standard deviations [3]_, how far each has come through six quantile bins of
          its column [4]_, and the one-hot codes of categories), then the output of all
          encoder layers, first layer first, side by side. Each of these blocks is
          divided by one number, so that they vary alike, by 1 a feature on average.
          Wide features help linear models, neighbours and clusterers most. With more
          than 64 columns of numbers there are fewer bins, with more than 192 none; more
          than 1024 inputs are left out. A `network` of its own is given no bins and
          clips at a thousand deviations.
        - "latent": the output of the latent layer only, `n_components` of them. The
          latent layer of "mlp" is then linear, as a bottleneck should be.

    noise : {"swap", "masking", "salt_and_pepper", "gaussian"}, list, dict, callable \
            or None, default="swap"
        How training cells are corrupted. A missing cell stays missing.

        - "swap": a cell takes the value of the same column in a training row drawn
          at random, for each cell anew. Where that row has the same value, the cell
          does not change: in a balanced binary column, half of the time.
        - "masking": a cell is hidden. The network is given the column's mean instead,
          exactly as for a missing cell, so this trains for missing values.
        - "salt_and_pepper": a cell becomes its column's smallest or largest training
          value, with equal chances.
        - "gaussian": normal noise is added to every cell. Under ``scaling="minmax"``
          the result is clipped to the valid range [0, 1].
        - list of such names, or callables: applied in turn, all with `noise_factor`.
        - dict from column name (or position) to a name or a list of names. Columns
          left out are not corrupted.
        - callable ``noise(X, noise_factor, rng)``: is given a copy of the scaled rows
          `X` of one or more batches, of shape (n_rows, n_numeric), the numeric columns
          with NaN where a cell is missing, `noise_factor` as an array of shape
          (n_numeric,) and a :class:`numpy.random.Generator`, and returns the corrupted
          rows, with NaN where a cell is hidden. Categories are left alone.
        - None: no corruption, a plain autoencoder.

        "salt_and_pepper" and "gaussian" swap categories, with `noise_factor` as the
        probability (all of them from 1.0 on).

    noise_factor : float, array-like of shape (n_features,) or dict, default=0.2
        Strength of the corruption, for all columns, for each one, or by column name
        (or position), where columns left out are not corrupted. For "swap", "masking"
        and "salt_and_pepper" the probability, in [0, 1], that a cell is corrupted; for
        "gaussian" the standard deviation of the noise, in units of the scaled column.
        The parameter most worth a search.

    loss : {"squared_error", "absolute_error", "log_loss"}, default="squared_error"
        Error of a reconstructed number; that of a category is its cross-entropy, in
        units of the column's entropy. "log_loss" is the binary cross-entropy and needs
        values in [0, 1], as ``scaling="minmax"`` gives; the reconstruction then stays
        within the training range.

    emphasis : float, default=0.8
        Weight, in (0, 1], of corrupted cells in the loss; intact ones weigh
        ``1 - emphasis`` [2]_. 0.5 is neutral. With 1.0, which needs some noise, only
        corrupted cells count.

    scaling : {"standard", "minmax", "quantile"} or None, default="standard"
        How columns are scaled before they reach the network: to mean 0 and variance 1,
        to the range [0, 1], to a normal distribution by quantiles, or not at all.
        Columns of numbers count in the loss in proportion to their spread after
        scaling, a column of categories as much as an average one of numbers.
        "quantile" is not for sparse tables.

    categorical_features : array-like of bool, int or str, "from_dtype" or None, \
            default="from_dtype"
        The categorical columns, as in
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`.

        - "from_dtype": the columns of a DataFrame that are of strings, objects,
          categories (pandas categorical, polars Categorical and Enum) or booleans; an
          array has none.
        - array-like: a mask of shape (n_features,), positions (integers are never
          names), or column names. All other columns must be of numbers.
        - None: no column is categorical.

        A categorical cell is corrupted, hidden and given back as a whole. A level that
        was not seen in `fit` tells the network nothing, as if missing.

    min_frequency : int or float, default=None
        Levels of a categorical column that are rarer are grouped: an int in [1, inf)
        is a number of rows, a float in (0, 1) a share of them. See
        :class:`~sklearn.preprocessing.OneHotEncoder`.

    max_categories : int or None, default=128
        Largest number of levels of a categorical column, counting as one the group of
        the rarest ones that do not fit in. What is decoded as that group becomes its
        most frequent level. None: no limit; every level costs one row of weights at
        both ends of the network, and a cell more than one byte beyond 128 levels.

    learning_rate_init : float, default=0.002
        Initial learning rate of Adam. It falls to 0 along a half cosine over
        `max_iter` epochs, and stays in `partial_fit`.

    batch_size : int or "auto", default="auto"
        Largest number of rows of a mini-batch. "auto" takes a fortieth of the rows that
        a call is given, but at least 32 and at most 256.

    max_iter : int or "auto", default="auto"
        Number of epochs, or the largest number with `early_stopping`. "auto" takes as
        many as make about 1000 updates of the weights, and one on very large tables.
        More hardly change how good features are, but repair and fill cells better.

    weight_decay : float, default=0.01
        Decoupled weight decay of Adam (AdamW), in [0, inf).

    early_stopping : bool, default=False
        Whether to set aside `validation_fraction` of the rows, to stop when the loss
        on them no longer falls, and to restore the weights with the best one. They are
        corrupted in the same way in all epochs. Scales and levels are learned from all
        rows. Not for `partial_fit`.

    validation_fraction : float, default=0.1
        Share of the rows set aside, in (0, 1). Only used when `early_stopping` is True.

    n_iter_no_change : int, default=20
        Number of epochs in a row without a fall of the validation loss by `tol` after
        which training stops. Only used when `early_stopping` is True.

    tol : float, default=1e-4
        Smallest fall of the validation loss that counts. Only used when
        `early_stopping` is True.

    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the previous call, with a new
        optimizer, instead of starting anew. The network must be the same, and what the
        first call learned of the columns (kinds, scales, levels) is kept: parameters
        about them have no effect on later calls.

    callbacks : list of skorch callbacks or None, default=None
        Called by :class:`skorch.NeuralNet` during training, see
        :class:`skorch.callbacks.Callback`. There is a "valid_loss" to monitor only when
        `early_stopping` is True. Callbacks that set the learning rate or freeze
        parameters (`LRScheduler`, `ParamMapper` and its subclasses) are refused, and
        `BatchScoring`. The function of an `EpochScoring` is given the net and a dataset
        of the training or validation rows, which ``net.predict`` takes, and no `y`.

    device : str, default="cpu"
        PyTorch device of the computations, such as "cpu" or "cuda".

    random_state : int, RandomState instance or None, default=None
        Determines random number generation for the initial weights, the order of the
        rows, the corruption, the validation rows and the subsample that quantiles are
        estimated from. Pass an int for reproducible results across calls; the global
        generators of NumPy and PyTorch are neither used nor changed.

    verbose : bool or int, default=False
        Whether to show one live line of progress (1 or True), with the losses and the
        time left, or to print a line every epoch (2).

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained network, fit for prediction only.

    n_iter_ : int
        Number of epochs run, over all calls of `fit` with `warm_start`, and of
        `partial_fit`, each of which runs one over its rows.

    loss_curve_ : list of float of length `n_iter_`
        Training loss of each epoch, under noise. 1.0 is what predicting every column's
        mean costs.

    validation_loss_curve_ : list of float
        Loss on the validation rows after each epoch with `early_stopping`; empty
        without. NaN for epochs without it if `warm_start` has gone on from or to some
        with it.

    best_loss_ : float
        Smallest validation loss with `early_stopping`, else smallest training loss;
        infinite if Ctrl-C came in the first epoch.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature
        names that are all strings.

    See Also
    --------
    ConvNetwork : A `network` for images.
    sklearn.decomposition.PCA : Linear features; the best linear reconstruction.
    sklearn.neural_network.BernoulliRBM : Features of binary data.
    sklearn.impute.IterativeImputer : Imputation by a regression for each column.

    Notes
    -----
    Columns without two different values, or without any, are not learned: they are
    reconstructed as their one value, or 0, or the first level their dtype declares.

    A table of one column can be fitted, but there is nothing to learn from: cells are
    repaired from the other cells of their row.

    A fitted transformer holds weights and summaries of the columns, no rows. To tell
    rare levels from unseen ones it holds the names of all levels: leave out columns of
    names or identifiers that must not be handed on.

    Ctrl-C ends training early: the weights so far are kept, with a warning.

    References
    ----------
    .. [1] P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol, "Extracting and
       composing robust features with denoising autoencoders", ICML 2008, 1096-1103.
    .. [2] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, "Stacked
       denoising autoencoders: learning useful representations in a deep network with a
       local denoising criterion", JMLR 11 (2010), 3371-3408, section 4.2.
    .. [3] D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data", NeurIPS 2024.
    .. [4] Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features
       in tabular deep learning", NeurIPS 2022, section 3.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_dae import DenoisingAutoencoderTransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> dae = DenoisingAutoencoderTransformer(
    ...     n_components=32, hidden_layer_sizes=(32,), random_state=0
    ... )
    >>> dae.fit_transform(X).shape
    (150, 92)
    >>> dae.inverse_transform(dae.transform(X)).shape
    (150, 4)
    """

    # Where scikit-learn's HTML representation and its tooltips link to.
    _doc_link_module = "sklearn_dae"
    _doc_link_template = (
        "https://sklearn-dae.readthedocs.io/en/stable/generated/"
        "{estimator_module}.{estimator_name}.html"
    )

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "network": [StrOptions({"mlp"}), callable],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "representation": [StrOptions({"stack", "latent"})],
        "noise": [StrOptions(set(NOISE_NAMES)), list, dict, callable, None],
        "noise_factor": [Interval(Real, 0, None, closed="left"), "array-like", dict],
        "loss": [StrOptions({"squared_error", "absolute_error", "log_loss"})],
        "emphasis": [Interval(Real, 0, 1, closed="right")],
        "scaling": [StrOptions({"standard", "minmax", "quantile"}), None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=256,
        *,
        network="mlp",
        hidden_layer_sizes=(256, 256),
        activation="relu",
        representation="stack",
        noise="swap",
        noise_factor=0.2,
        loss="squared_error",
        emphasis=0.8,
        scaling="standard",
        categorical_features="from_dtype",
        min_frequency=None,
        max_categories=128,
        learning_rate_init=0.002,
        batch_size="auto",
        max_iter="auto",
        weight_decay=0.01,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        warm_start=False,
        callbacks=None,
        device="cpu",
        random_state=None,
        verbose=False,
    ):
        self.n_components = n_components
        self.network = network
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.representation = representation
        self.noise = noise
        self.noise_factor = noise_factor
        self.loss = loss
        self.emphasis = emphasis
        self.scaling = scaling
        self.categorical_features = categorical_features
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the columns, then train the network to repair corrupted rows.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Training rows, at least two, with any missing cells as NaN, None, pandas'
            NA or polars' null. A sparse matrix holds numbers only and is made dense
            some rows at a time.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter or `X` is not as stated.
        FloatingPointError
            If training diverges: the loss is no longer finite.
        """
        with self._all_or_nothing():
            return self._fit(X)

    def _check_can_stream(self):
        """Raise AttributeError where there is no `partial_fit`."""
        if self.early_stopping:
            raise AttributeError(
                "partial_fit does not support early_stopping=True: it goes once over "
                "the rows that it is given. Set early_stopping=False, and compare "
                "`score` on rows that you keep back to know when to stop."
            )
        return True

    @available_if(_check_can_stream)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Go on training by one pass over further rows, as of a stream.

        The first call learns the columns as `fit` does, and all that it learns of them
        is final: kinds, scales, levels, bins, the range of "salt_and_pepper". So let
        the first rows be many and well shuffled. A column that is constant in them is
        not learned at all, a level that they lack counts as missing from then on, and
        with ``loss="log_loss"`` no later number may lie outside of their range.

        Shuffle the rows of later calls, too: swap noise draws from the rows of its
        call, and what was seen last is remembered best. The scale of the stack's
        blocks is that of the last call's features, or of the last thousand rows'.

        The optimizer goes on where it was, and so does the generator, also after
        pickling: the same rows in the same calls give the same bits. The learning rate
        stays at `learning_rate_init`, for nobody knows where a stream ends. What is
        used of the network is an average of its weights, over about the last fifth of
        all updates. `max_iter` is not used. After `fit`, training goes on from its
        weights and columns, with a new optimizer.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Training rows, as in `fit`; in later calls one is enough, and the columns
            must be the same. They are all in memory: a stream is as many calls.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted transformer, fit for use after every call.

        Raises
        ------
        AttributeError
            If `early_stopping` is True.
        ValueError
            If a parameter or `X` is not as stated.
        FloatingPointError
            If training diverges: the loss is no longer finite.
        KeyboardInterrupt
            If Ctrl-C comes during training. As after any error, the transformer is
            what it was before the call.
        """
        with self._all_or_nothing():
            return self._partial_fit(X)

    def transform(self, X):
        """Compute the features of rows, without corruption.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows, of the columns that `fit` has seen.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_out), float32
            The features; a DataFrame after ``set_output``.
        """
        table = self._read(X)
        X_new = np.empty((len(table), self._n_features_out), dtype=np.float32)
        for rows, chunk in self._chunks(table):
            X_new[rows] = features(self.net_.module_, self._codec.encode(chunk))
        return X_new

    def inverse_transform(self, X):
        """Turn features back into rows of the table, through the decoder.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out) or \
                (n_samples, n_components)
            Features as `transform` gives them, or those of the latent layer alone,
            which are the last `n_components` of the stack.

        Returns
        -------
        X_original : ndarray or DataFrame of shape (n_samples, n_features)
            Rows in the units, the order and the dtypes of the training table, and of
            its kind: pandas, polars, or else an array.
        """
        check_is_fitted(self)
        check_collected(X)
        index = index_of(X)
        shape = np.shape(X)
        # Check this first: a table in the place of features may hold no numbers.
        if len(shape) == 2 and shape[1] not in (
            self._n_features_out,
            self._n_components,
        ):
            raise ValueError(
                f"X has {shape[1]} features, but inverse_transform takes the "
                f"{self._n_features_out} features that transform gives, or the "
                f"{self._n_components} of the latent layer alone, which are the last."
            )
        X = check_array(X, input_name="X", dtype=np.float32)
        latent = X[:, -self._n_components :]
        network, loss = self.net_.module_, self.net_.criterion__loss
        expected = self._layout.empty(len(X))
        for rows in prediction_chunks(network, len(X)):
            predicted = decode(network, loss, latent[rows])
            expected.put(rows, self._codec.decode(*predicted))
        return self._layout.write(expected, index)

    def reconstruct(self, X):
        """Repair rows: what the network makes of each cell, given its whole row.

        The same as ``inverse_transform(transform(X))`` up to rounding, with the index
        of a pandas DataFrame.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows, of the columns that `fit` has seen.

        Returns
        -------
        X_repaired : ndarray or DataFrame of shape (n_samples, n_features)
            Rows without missing cells, as from `inverse_transform`.
        """
        expected = self._expected(self._read(X))
        return self._layout.write(expected, index_of(X))

    def impute(self, X):
        """Fill missing cells with what the network expects; touch no other cell.

        Levels that were not seen in `fit` are no missing cells, and stay.

        Train with ``noise="masking"`` for this, alone or in a list: it hides cells and
        asks for them, which is the very task.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows, of the columns that `fit` has seen.

        Returns
        -------
        X_filled : ndarray, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows without missing cells, of the kind of the training table, or as a
            CSR matrix if `X` is sparse.
        """
        table = self._read(X)
        if issparse(table.numeric):
            return self._impute_sparse(table)
        return self._layout.fill(X, table, self._expected(table))

    def score(self, X, y=None):
        """How well hidden cells are predicted from the rest of their row.

        The cells of `X` are dealt at random, always in the same way, into five groups.
        Each group is hidden in turn and predicted. So the score depends neither on
        `noise` nor on `noise_factor`, `loss` or `scaling`, and a search may compare
        them; the loss under noise, say, is always best without noise.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows. Missing cells, unseen levels and columns that were constant in
            training do not count.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
            One minus the error over that of the training means and frequencies. The
            error is that of `cell_errors`. At most 1.0; 0.0 is what the means give,
            and also where there is nothing to predict.
        """
        table = self._read(X)
        # Always the same groups, so that candidates of a search compare.
        random_state = np.random.RandomState(0)
        learned = self._codec.learned
        error = baseline = 0.0
        for _, chunk in self._chunks(table):
            shape = (len(chunk), self.n_features_in_)
            groups = random_state.randint(N_HIDDEN_GROUPS, size=shape)
            for group in range(N_HIDDEN_GROUPS):
                hidden = (groups == group) & learned
                errors = self._errors(chunk, hidden)
                error += np.nansum(errors[hidden], dtype=np.float64)
            of_means = self._codec.baseline_errors(chunk)[:, learned]
            baseline += np.nansum(of_means, dtype=np.float64)
        return 1.0 - float(error / baseline) if baseline else 0.0

    def score_samples(self, X):
        """How normal rows are: minus their mean reconstruction error.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows. Missing cells and unseen levels do not count.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float32
            Minus the mean of the row's `cell_errors`; higher is more normal, 0.0 at
            most, which is also given to a row without any observed cell.
        """
        table = self._read(X)
        scores = np.empty(len(table), dtype=np.float32)
        for rows, chunk in self._chunks(table):
            errors = self._errors(chunk)
            n_known = np.maximum((~np.isnan(errors)).sum(axis=1), 1)
            scores[rows] = -np.nansum(errors, axis=1) / n_known.astype(np.float32)
        return scores

    def cell_errors(self, X):
        """How odd cells are: the squared error of their reconstruction.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows, of the columns that `fit` has seen.

        Returns
        -------
        errors : ndarray or DataFrame of shape (n_samples, n_features), float32
            Squared differences between cells and what is expected of them, for a
            category between its one-hot code and the expected probabilities (its
            Brier score), in units of the column's training variance: 1.0 is what the
            column's mean, or frequencies, cost on average. NaN where a cell is missing
            or its level was not seen in `fit`.
        """
        table = self._read(X)
        errors = np.empty((len(table), self.n_features_in_), dtype=np.float32)
        for rows, chunk in self._chunks(table):
            errors[rows] = self._errors(chunk)
        return self._layout.frame(errors, index_of(X))

    def get_feature_names_out(self, input_features=None):
        """Get the names of the features.

        They tell what a feature is:

        - ``input_age``: the scaled number of the column "age";
        - ``bin1_age``, ``bin2_age``, ...: how far that number is through each quantile
          bin of its column;
        - ``input_city=Rome``: whether the column "city" is "Rome". The rare categories
          that `max_categories` or `min_frequency` has grouped are "infrequent";
        - ``layer1_0``, ``layer1_1``, ...: the units of the encoder's first layer, and
          so on;
        - ``latent0``, ``latent1``, ...: the units of the latent layer.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns, as in `fit`. If None, the names of `fit` are used, or
            "x0", "x1", ... if it had none.

        Returns
        -------
        feature_names_out : ndarray of str objects
            One name for each column of `transform`, in order.
        """
        check_is_fitted(self)
        input_features = _check_feature_names_in(self, input_features)
        names = self.net_.module_.name_features(
            *self._layout.name_inputs(input_features)
        )
        if len(set(names)) < len(names):
            # The levels 1 and "1", for example. Some DataFrames refuse equal names.
            names = [f"{name}_{position}" for position, name in enumerate(names)]
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        # Quantiles of sparse columns would make zeros something else.
        tags.input_tags.sparse = self.scaling != "quantile"
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @contextmanager
    def _all_or_nothing(self):
        """Restore all fitted attributes after an error."""
        before = vars(self).copy()
        try:
            yield
        except BaseException:  # KeyboardInterrupt, too.
            vars(self).clear()
            vars(self).update(before)
            raise

    def _fit(self, X):
        self._check_parameters()
        random_state = check_random_state(self.random_state)
        goes_on = self.warm_start and hasattr(self, "net_")
        codec, table = self._learn_table(X, random_state, goes_on)
        noises = self._resolve_noises(codec.layout)
        train, valid = self._split(codec, table, random_state)
        # Free the numbers in the table's own units before training.
        del table
        parameters = self._training_parameters(train.n_rows, _seed(random_state))
        previous = self.net_ if goes_on else None
        net, history, _ = fit_net(
            train, valid, codec.summary(), noises, parameters, previous
        )
        self._keep(codec, net, history, goes_on)
        if history.interrupted:
            warnings.warn(
                f"Training interrupted by user after {len(history.losses)} epochs; the "
                f"weights so far are kept.",
                ConvergenceWarning,
                stacklevel=4,  # The caller of fit.
            )
        return self

    def _partial_fit(self, X):
        # scikit-learn validates parameters at the first call only.
        self._validate_params()
        self._check_parameters()
        goes_on = hasattr(self, "net_")
        previous = self.net_ if goes_on else None
        previous_loss = previous.criterion__loss if goes_on else self.loss
        check_partial_fit(self.loss, previous_loss)
        progress = self._progress if goes_on else None
        # Later calls draw from the generator of the first one.
        random_state = None if progress else check_random_state(self.random_state)
        codec, table = self._learn_table(X, random_state, goes_on, min_rows=1)
        noises = self._resolve_noises(codec.layout)
        cells = codec.encode(table)
        del table
        seed = 0 if progress else _seed(random_state)
        parameters = self._training_parameters(cells.n_rows, seed, incremental=True)
        net, history, progress = fit_net(
            cells, None, codec.summary(), noises, parameters, previous, progress
        )
        if history.interrupted:
            raise KeyboardInterrupt
        self._keep(codec, net, history, goes_on, progress)
        return self

    def _check_parameters(self):
        """Check what validation of single parameters cannot, and what needs no data."""
        positive_integers(
            "'hidden_layer_sizes'", self.hidden_layer_sizes, allow_empty=True
        )
        check_loss(self.loss, self.scaling)
        check_callbacks(self.callbacks, self.early_stopping)
        check_device(self.device)

    def _learn_table(self, X, random_state, goes_on, min_rows=2):
        """Return a codec and the Table of `X`.

        The codec is fitted on `X`, or that of the previous call, which needs `min_rows`
        rows.
        """
        if goes_on:
            codec, table = self._codec, self._read(X, min_samples=min_rows)
        else:
            validated, is_categorical = self._validate_columns(X)
            layout = Layout(self.min_frequency, self.max_categories)
            table = layout.fit(validated, is_categorical, X)
            codec = Codec(layout, self.scaling).fit(table, random_state)
        if self.loss == "log_loss":
            statistics = codec.statistics_
            if goes_on:
                statistics = ColumnStatistics.of(table.numeric)
            codec.check_unit_range(statistics)
        return codec, table

    def _resolve_noises(self, layout):
        return resolve_noises(
            self.noise,
            self.noise_factor,
            self.emphasis,
            getattr(self, "feature_names_in_", None),
            layout.numeric_,
            layout.categorical_,
        )

    def _split(self, codec, table, random_state):
        """Return cells of the training rows, and of the validation rows or None."""
        if not self.early_stopping:
            return codec.encode(table), None
        check_validation_fraction(self.validation_fraction, len(table))
        train_rows, valid_rows = train_test_split(
            np.arange(len(table)),
            test_size=self.validation_fraction,
            random_state=random_state,
        )
        return codec.encode(table, train_rows), codec.encode(table, valid_rows)

    def _validate_columns(self, X):
        """Return the validated training table and the mask of categorical columns."""
        check_collected(X)
        categorical_features = self.categorical_features
        if not is_frame(X):
            if isinstance(categorical_features, (str, type(None))):
                X = self._validate(X, False, reset=True, min_samples=2)
                return X, find_categorical(categorical_features, X.shape[1], None, [])
            X = check_array(
                X,
                accept_sparse="csr",
                dtype=None if hasattr(X, "dtype") else object,
                ensure_all_finite=False,
            )
        names, kinds = names_and_kinds(X)
        is_categorical = find_categorical(
            categorical_features, X.shape[1], names, kinds
        )
        check_numbers(X, names, kinds, is_categorical)
        X = self._validate(X, is_categorical.any(), reset=True, min_samples=2)
        return X, is_categorical

    def _validate(self, X, has_categories, *, reset=False, min_samples=1):
        """Return `X` as a DataFrame or array, of floats if there are no categories."""
        if is_frame(X) and (has_categories or not is_plain_numbers(X)):
            if len(X) < min_samples:
                raise ValueError(
                    f"Found a table with {len(X)} sample(s) while a minimum of "
                    f"{min_samples} is required by {type(self).__name__}."
                )
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        check_no_dates(X)
        dtype = (np.float64, np.float32)
        if has_categories:
            dtype = None if hasattr(X, "dtype") else object
        try:
            return validate_data(
                self,
                X,
                reset=reset,
                accept_sparse=False if has_categories else "csr",
                dtype=dtype,
                ensure_all_finite=False,  # Layout.read checks it and names the column.
                ensure_min_samples=min_samples,
            )
        except (TypeError, ValueError) as error:
            wrong_kind = isinstance(error, TypeError) or "could not" in str(error)
            if not reset and is_frame(X) and wrong_kind:
                self._layout.read(X)  # Raises an error that names the column.
            for reason, remedy in REMEDIES.items():
                if reason in str(error):
                    kind = TypeError if isinstance(error, TypeError) else ValueError
                    raise kind(f"{str(error).rstrip('.')}. {remedy}") from error
            raise

    def _read(self, X, min_samples=1):
        """Return the validated Table of a user's `X`."""
        check_is_fitted(self)
        check_collected(X)
        layout = self._layout
        has_categories = len(layout.categorical_) > 0
        X = self._validate(X, has_categories, min_samples=min_samples)
        table = layout.read(X)
        layout.check_levels(X, table)
        return table

    def _training_parameters(self, n_rows, seed, incremental=False):
        """Return the parameters of training, with "auto" resolved for `n_rows`."""
        batch_size = resolve_batch_size(self.batch_size, n_rows)
        max_iter = resolve_max_iter(self.max_iter, n_rows, batch_size)
        return TrainingParameters(
            n_components=int(self.n_components),
            network=self.network,
            hidden_layer_sizes=positive_integers(
                "'hidden_layer_sizes'", self.hidden_layer_sizes, allow_empty=True
            ),
            activation=self.activation,
            representation=self.representation,
            loss=self.loss,
            emphasis=self.emphasis,
            learning_rate_init=self.learning_rate_init,
            batch_size=batch_size,
            max_iter=1 if incremental else max_iter,
            weight_decay=self.weight_decay,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            callbacks=self.callbacks or [],
            device=self.device,
            verbose=int(self.verbose),
            seed=seed,
            incremental=incremental,
        )

    def _keep(self, codec, net, history, goes_on, progress=None):
        """Set the fitted attributes, when nothing can fail any more.

        Lists are new ones: `_all_or_nothing` restores the old ones after an error.
        """
        self._progress = progress
        self._layout, self._codec = codec.layout, codec
        self.net_ = net
        losses, validation_losses = history.losses, history.validation_losses
        if goes_on:
            none_before = [np.nan] * len(self.loss_curve_)
            before = self.validation_loss_curve_ or none_before
            losses = self.loss_curve_ + losses
            validation_losses = before + validation_losses
        taken = [loss for loss in validation_losses if not np.isnan(loss)]
        self.loss_curve_ = losses
        self.validation_loss_curve_ = validation_losses if taken else []
        self.n_iter_ = len(losses)
        watched = taken if self.early_stopping else losses
        self.best_loss_ = min(watched, default=np.inf)
        self._n_components = net.module_.n_components
        self._n_features_out = n_features_out(net.module_)

    def _expected(self, table):
        """Return the Table that the network expects, given all cells of each row."""
        expected = self._layout.empty(len(table))
        for rows, chunk in self._chunks(table):
            expected.put(rows, self._codec.decode(*self._predict(chunk)))
        return expected

    def _impute_sparse(self, table):
        """Return the CSR matrix of a Table with its missing cells filled."""
        # Only chunks with missing cells become dense.
        X = table.numeric.copy()
        for rows in prediction_chunks(self.net_.module_, len(table)):
            begin, end = X.indptr[rows.start], X.indptr[rows.stop]
            places = begin + np.flatnonzero(np.isnan(X.data[begin:end]))
            if len(places):
                expected = self._expected(table.rows(rows)).numeric
                of_row = np.searchsorted(X.indptr, places, side="right") - 1
                X.data[places] = expected[of_row - rows.start, X.indices[places]]
        return X

    def _chunks(self, table):
        """Yield slices of rows to go through the network at once, with their Table."""
        for rows in prediction_chunks(self.net_.module_, len(table)):
            yield rows, table.rows(rows)

    def _predict(self, table):
        """Return the expected numbers and probabilities of all cells of a Table."""
        cells = self._codec.encode(table)
        return predict_cells(self.net_.module_, self.net_.criterion__loss, cells)

    def _errors(self, table, hidden=None):
        """Return errors of what the network expects, with some cells hidden from it."""
        visible = table if hidden is None else self._layout.hide(table, hidden)
        return self._codec.errors(table, *self._predict(visible))


def _seed(random_state):
    """Draw the seed of the generator of a training."""
    return int(random_state.randint(np.iinfo(np.int32).max))
