"""DenoisingAutoencoderTransformer: parameters, validation, fitted attributes."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ._model import encode_training_data, errors_of, fit_model
from ._parameters import (
    ACTIVATION_NAMES,
    NOISE_NAMES,
    check_loss,
    check_part,
    check_partial_fit,
    check_validation_fraction,
    check_validation_rows,
    positive_integers,
    resolve_batch_size,
    resolve_bounds,
    resolve_max_iter,
    resolve_noises,
)
from ._state import from_state, to_state, warn_of_versions
from ._tables.codec import Codec
from ._tables.frames import check_container, index_of
from ._tables.layout import (
    Layout,
    check_width,
    names_of,
    numbers_held,
    read_features,
)
from ._training.fit import check_device
from ._training.net import TrainingParameters, check_callbacks
from ._validation import read_columns, read_table, snapshot
from ._warnings import warn_user


class DenoisingAutoencoderTransformer(TransformerMixin, BaseEstimator):
    """Learn features of a table by denoising it.

    In training, noise corrupts every mini-batch, and a small neural network predicts
    the clean mini-batch [1]_. To do this, the encoder must learn how the columns depend
    on each other. The features of a row are the outputs of the layers for the clean
    row. The same network repairs rows (`reconstruct`), fills missing cells (`impute`)
    and scores anomalies, by row (`score_samples`) and by cell (`cell_errors`).

    Numeric columns are scaled internally. Categorical columns need no encoding. Missing
    cells are allowed in all methods that take a table.

    Parameters
    ----------
    n_components : int, default=256
        Number of units of the latent layer, the innermost layer. With the default
        ``representation="stack"`` the number of output columns is larger than this,
        because the stack also holds the inputs and the other encoder layers;
        ``representation="latent"`` gives `n_components` columns. `n_components` may
        exceed the number of columns of the table: the noise keeps the network from
        copying its input.

    network : "mlp" or callable, default="mlp"
        The encoder and the decoder.

        - "mlp": dense layers. `hidden_layer_sizes` and `activation` describe them.
        - :class:`ConvNetwork`: convolutional layers, for rows that are images.
        - callable ``network(n_inputs, n_components)``: builds and returns a pair of
          :class:`torch.nn.Module`, new ones at every call. The first is the encoder. It
          maps tensors of shape (n_rows, n_inputs) to (n_rows, n_components). The second
          is the decoder. It maps these back to (n_rows, n_inputs). An input is a scaled
          number minus the mean of its column, or one entry of the one-hot code of a
          category. It is 0.0 where the cell is missing. An output for a number is the
          number, to which the mean is added; with ``loss="log_loss"`` it is a logit. An
          output for a level of a category is a logit. The encoder may have a method
          ``stack(inputs)``. It returns a list of tensors of shape (n_rows, any), and
          the last one is the output of the encoder. The "stack" is made of them.

        `random_state` determines the initial weights that PyTorch draws while the pair
        is built, and the draws of dropout. Modules of the :class:`torch.nn.Dropout`
        family are replaced by equal ones that draw from the generator of the training.
        Modules must not draw random numbers in another way during training. Parameters
        with `requires_grad` False are not trained.
        The callable is called again when a saved transformer is opened, and must then
        build the same modules.
        If the callable has `get_params`, as a :class:`~sklearn.base.BaseEstimator` has,
        a search can set its parameters, for example ``network__channels``. `pickle`
        needs functions and modules from a module that can be imported. Searches with
        several processes, and cloudpickle, also take those of a notebook.

    hidden_layer_sizes : array-like of shape (n_layers,) or int, default=(256, 256)
        Number of units of the encoder layers before the latent layer. With
        ``representation="latent"`` the decoder has the same layers in reverse order.
        With "stack" the decoder is one linear layer. Only used when ``network="mlp"``.

    activation : {"identity", "logistic", "tanh", "relu", "gelu", "silu"}, \
            default="relu"
        Activation function of the layers. The names are those of
        :class:`~sklearn.neural_network.MLPClassifier` and two of PyTorch. Only used
        when ``network="mlp"``.

    representation : {"stack", "latent"}, default="stack"
        The features.

        - "stack": the inputs of the network, then the outputs of all encoder layers,
          first layer first. The inputs are the scaled numbers, smoothly clipped at ten
          standard deviations [3]_; six quantile bins of each numeric column, encoded
          piecewise linearly [4]_; and the one-hot codes of categories. Each block (the
          inputs, or one layer) is divided by one number, so that the variance of a
          feature is 1 on average in each block. Wide features are best for linear
          models, nearest neighbours and clustering. Tables with more than 64 numeric
          columns get fewer bins, and tables with more than 192 get none. If there are
          more than 1024 inputs, they are left out. A `network` of your own gets no
          bins, and clips at a thousand standard deviations.
        - "latent": the output of the latent layer only, `n_components` features. The
          latent layer of "mlp" is then linear.

    noise : {"swap", "masking", "zero", "salt_and_pepper", "gaussian"}, list, dict, \
            callable or None, default="swap"
        How training cells are corrupted. A missing cell stays missing.

        - "swap": a cell takes the value of the same column in a training row. The row
          is drawn at random for each cell. If that row has the same value, the cell
          does not change. In a balanced binary column this happens half of the time.
        - "masking": a cell is hidden. The network gets the mean of the column instead,
          exactly as for a missing cell. So this trains for missing values.
        - "zero": a cell becomes 0 in the units of the table. The network is not told
          which cells these are. So this trains for sensors that fail with 0, and for
          black pixels. With ``scaling="minmax"``, a column whose training range does
          not contain 0 gets the end of the range that is nearest to 0. A column that
          was constant in training does not change.
        - "salt_and_pepper": a cell takes the smallest or the largest training value of
          its column, with equal probability.
        - "gaussian": normal noise is added to every cell. With ``scaling="minmax"`` and
          with ``scaling=None`` the result is clipped to the training range of the
          column.
        - list of such names, or callables: applied in turn. `noise_factor` holds for
          all of them.
        - dict from column name (or position) to a name or a list of names. Columns
          that are not in the dict are not corrupted.
        - callable ``noise(X, noise_factor, rng)``: returns the corrupted rows, with NaN
          where a cell is hidden. `X` is a copy of the scaled rows of one or more
          batches, of shape (n_rows, n_numeric). It has the numeric columns only, with
          NaN where a cell is missing. `noise_factor` is an array of shape (n_numeric,),
          and `rng` a :class:`numpy.random.Generator`. Categories are not corrupted.
        - None: no corruption. The network is then a plain autoencoder.

        "zero", "salt_and_pepper" and "gaussian" swap categories. `noise_factor` is then
        the probability of a swap; from 1.0 on, all categories are swapped.

    noise_factor : float, array-like of shape (n_features,) or dict, default=0.2
        Strength of the corruption: one number for all columns, one for each column, or
        a dict or pandas Series by column name (or position). Columns that are not in it
        are not corrupted. For "swap", "masking", "zero" and "salt_and_pepper" it is the
        probability, in [0, 1], that a cell is corrupted. For "gaussian" it is the
        standard deviation of the noise, in units of the scaled column. If you search
        only one parameter, search this one.

    loss : {"squared_error", "absolute_error", "log_loss"}, default="squared_error"
        Error of a reconstructed number. The error of a reconstructed category is always
        the cross-entropy divided by the entropy of the column. "log_loss" is the binary
        cross-entropy. It needs values in [0, 1], as ``scaling="minmax"`` gives. The
        reconstruction then stays in the training range.

    emphasis : float, default=0.8
        Weight of corrupted cells in the loss, in (0, 1]. The weight of intact cells is
        ``1 - emphasis`` [2]_. With 0.5 both weights are equal. With 1.0 only corrupted
        cells count, so some noise is needed.

    scaling : {"standard", "minmax", "quantile"} or None, default="standard"
        How numeric columns are scaled before they reach the network. "standard" gives
        mean 0 and variance 1, "minmax" the range [0, 1], "quantile" a normal
        distribution by quantiles. None does not scale. The weight of a numeric column
        in the loss grows with its variance after scaling. A categorical column has the
        weight of an average numeric column. "quantile" does not take sparse tables.

    categorical_features : array-like of bool, int or str, "from_dtype" or None, \
            default="from_dtype"
        The categorical columns, as in
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`.

        - "from_dtype": the columns of a DataFrame whose dtype is string, object,
          categorical (pandas categorical, polars Categorical and Enum) or boolean. An
          array has no categorical columns.
        - array-like: a mask of shape (n_features,), positions, or column names.
          Integers are positions, never names. All other columns must be numeric. The
          values of a mask that is a pandas Series belong to the columns that its index
          names.
        - None: no column is categorical.

        A categorical cell is corrupted, hidden and reconstructed as a whole. A level
        that was not seen in `fit` has the same effect on the network as a missing cell.

    min_frequency : int or float, default=None
        Smallest frequency of a level of a categorical column. Rarer levels are grouped.
        An int in [1, inf) is a number of rows. A float in (0, 1) is a fraction of the
        rows. See :class:`~sklearn.preprocessing.OneHotEncoder`.

    max_categories : int or None, default=128
        Largest number of levels of a categorical column. If there are more, the rarest
        levels form one group, which counts as one level. A cell decoded as the group
        gets the most frequent level of the group. None means no limit. Each level needs
        weights in the first and in the last layer. A column of more than 128 levels
        needs more than one byte for each cell.

    min_value : float, array-like of shape (n_features,), dict or None, default=None
        The smallest number that `impute`, `reconstruct` and `inverse_transform` return
        for a numeric column, as in :class:`~sklearn.impute.IterativeImputer`. None is
        the smallest number of the column in training. A float holds for all columns. An
        array has one number for each column, and a dict or pandas Series has them by
        column name (or position). Columns that are not in it keep their training range.
        ``-np.inf`` removes the bound. Set it before `fit`.

    max_value : float, array-like of shape (n_features,), dict or None, default=None
        The largest such number. None is the largest number of the column in training,
        and ``np.inf`` removes the bound. Everything else is as for `min_value`.

    learning_rate_init : float, default=0.002
        Initial learning rate of Adam. In `fit` it falls to 0 along half a cosine over
        `max_iter` epochs. In `partial_fit` it is constant.

    batch_size : int or "auto", default="auto"
        Largest number of rows of a mini-batch. "auto" is the number of rows of the call
        divided by 40, but at least 32 and at most 256.

    max_iter : int or "auto", default="auto"
        Number of passes over the rows (epochs). With `early_stopping` it is the largest
        number of epochs. "auto" makes enough epochs for about 1000 updates of the
        weights for up to 4000 rows, a quarter of the number of rows for more, and 2000
        from 8000 rows on. It makes one epoch for very large tables. More epochs hardly
        improve the features and `impute`, but they improve `reconstruct`.

    weight_decay : float, default=0.01
        Decoupled weight decay of Adam (AdamW), in [0, inf).

    early_stopping : bool, default=False
        Whether to stop training when the loss on validation rows no longer falls.
        `validation_fraction` of the rows are set aside as validation rows, unless `fit`
        gets `X_val`. The weights with the smallest validation loss are restored. The
        validation rows have the same corruption in all epochs. Scales and levels are
        learned from all rows of `X`. `partial_fit` does not support it.

    validation_fraction : float, default=0.1
        Fraction of the rows to set aside, in (0, 1). Only used when `early_stopping` is
        True and `fit` gets no `X_val`.

    n_iter_no_change : int, default=20
        Training stops when the validation loss has not fallen by at least `tol` for
        this number of consecutive epochs. Only used when `early_stopping` is True.

    tol : float, default=1e-4
        Smallest fall of the validation loss that counts as an improvement, since the
        last improvement. It decides only when training stops: the restored weights are
        those with the smallest loss. Only used when `early_stopping` is True.

    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous call, with a new
        optimizer. Otherwise it starts from new weights. The network must be the same.
        What the first call learned about the columns (their kinds, scales and levels)
        is kept. Parameters about columns have no effect on later calls.

    callbacks : list of skorch callbacks or None, default=None
        Callbacks that :class:`skorch.NeuralNet` calls during training, see
        :class:`skorch.callbacks.Callback`. "valid_loss" can be monitored only when
        `early_stopping` is True. These callbacks are refused: those that set the
        learning rate (`LRScheduler`), those that freeze parameters (`ParamMapper` and
        its subclasses), and `BatchScoring`. The function of an `EpochScoring` gets the
        net, a dataset of the training or validation rows, and no `y`. It can pass the
        dataset to ``net.predict``.

    device : str, default="cpu"
        PyTorch device of the computations, such as "cpu" or "cuda".

    random_state : int, RandomState instance or None, default=None
        Determines random number generation for the initial weights, the order of the
        rows, the corruption, the validation rows and the subsample for quantiles. Pass
        an int for reproducible results across calls. With None, a seed is drawn from
        NumPy's global generator, as everywhere in scikit-learn. PyTorch's global
        generator is neither used nor changed.

    verbose : bool or int, default=False
        Whether to show progress. 1 or True shows one live line on the standard error
        stream, with the losses and the remaining time. In worker processes, for example
        of a search with ``n_jobs=2``, it prints a line every ten seconds and one at the
        end, each with the number of the process. 2 prints one line per epoch.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained network. It can predict, but not continue training. ``net_.history``
        has one dict for each epoch of the last call, with all that callbacks recorded,
        such as the values of an `EpochScoring`.

    n_iter_ : int
        Number of epochs, over all calls of `fit` with `warm_start` and of
        `partial_fit`. Each call of `partial_fit` is one epoch over its rows.

    loss_curve_ : list of float of length `n_iter_`
        Training loss of each epoch, with noise. A loss of 1.0 is that of predicting the
        mean of every column.

    validation_loss_curve_ : list of float
        Validation loss after each epoch. Empty without `early_stopping`. With
        `warm_start`, epochs of calls with ``early_stopping=False`` are NaN.

    best_loss_ : float
        Validation loss of the weights with `early_stopping`: the smallest one of the
        last call of `fit`, which may have had other validation rows than previous
        calls. Otherwise the smallest training loss of all calls. Infinite if Ctrl-C
        ended training in the first epoch.

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
    The network learns nothing about constant columns and columns without any value. A
    constant column is reconstructed as its value. A column without any value is
    reconstructed as 0, or as the first level that its dtype declares.

    A cell is repaired from the other cells of its row. So a table of one column can be
    fitted, but there is nothing to learn.

    A fitted transformer holds weights and summaries of the columns, but no rows. The
    summaries contain all levels of the categorical columns, also the rare ones, and the
    smallest and the largest value of each numeric column. Before `fit`, drop identifier
    columns, such as names of persons, if you will share the transformer.

    Ctrl-C ends `fit` early. The current weights are kept, with a warning. Ctrl-C in
    `partial_fit` changes nothing and raises KeyboardInterrupt.

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

    # The links of scikit-learn's HTML representation and its tooltips.
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
        "activation": [StrOptions(set(ACTIVATION_NAMES))],
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
        "min_value": [
            Interval(Real, None, None, closed="both"),
            "array-like",
            dict,
            None,
        ],
        "max_value": [
            Interval(Real, None, None, closed="both"),
            "array-like",
            dict,
            None,
        ],
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
        min_value=None,
        max_value=None,
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
        self.min_value = min_value
        self.max_value = max_value
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

    def set_params(self, **params):
        """Set parameters of the transformer, and of its `network` if that has any.

        Parameters
        ----------
        **params : dict
            Parameters by name. ``network__width`` is the parameter ``width`` of
            `network`.

        Returns
        -------
        self : object
            The transformer.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        own = {**self.get_params(deep=False), **params}
        for name in params:
            outer, _, inner = name.partition("__")
            if inner and outer in own and not hasattr(own[outer], "set_params"):
                raise ValueError(
                    f"{name!r} cannot be set, because {outer}={own[outer]!r} has no "
                    f"parameters. Only an object with set_params has, such as "
                    f"network=ConvNetwork(image_shape). Set {outer!r} to one first."
                )
        return super().set_params(**params)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_val=None):
        """Learn the columns and train the network.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Training rows, at least two. Missing cells are NaN, None, NA or NaT of
            pandas, or null of polars. A sparse matrix holds numbers only. It is made
            dense a few rows at a time.
        y : Ignored
            Not used, present for API consistency by convention.
        X_val : array-like, sparse matrix or DataFrame of shape (n_val, n_features), \
                default=None
            Validation rows for `early_stopping`, such as rows of other groups or of a
            later time. Scales and levels are learned from `X` only. If None,
            `validation_fraction` of the rows of `X` are set aside. With
            ``Pipeline(..., transform_input=["X_val"])`` the steps before this one
            transform the validation rows, too.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter, `X` or `X_val` is invalid, or if `X_val` is passed without
            ``early_stopping=True``.
        FloatingPointError
            If training diverges, so that the loss is not finite.
        """
        fitted = snapshot(self)
        fitted._fit(X, X_val)
        self.__dict__ = vars(fitted)
        return self

    def _check_can_stream(self):
        """Raise AttributeError if `partial_fit` is not available."""
        if self.early_stopping:
            raise AttributeError(
                "partial_fit does not support early_stopping=True, because each call "
                "is one pass over its rows. Set early_stopping=False. To decide when "
                "to stop, compare `score` on rows that you set aside."
            )
        return True

    @available_if(_check_can_stream)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Continue training with one pass over more rows.

        The first call learns the columns, as `fit` does: their kinds, scales, levels,
        quantile bins and the range for "salt_and_pepper". Later calls do not change
        these. So pass many rows in the first call, and shuffle them. If a column is
        constant in the first call, the network learns nothing about it. If a level is
        not in the first call, its cells count as missing later. With
        ``loss="log_loss"`` later numbers must be in the range of the first call.

        Shuffle the rows of later calls, too. Swap noise draws from the rows of the same
        call. Later rows change the weights more than earlier rows. Each block of the
        stack is scaled by the features of the last call. If the last call had less than
        a thousand rows, rows of previous calls count, too, up to a thousand in total.

        Each call continues with the optimizer and the generator of the previous call,
        also after pickling. So equal calls with equal rows give equal weights, bit for
        bit. The learning rate is constant, because the number of calls is unknown. The
        weights of the fitted network are an average over about the last fifth of all
        updates. `max_iter` is not used. A call after `fit` continues with its weights
        and its columns, and with a new optimizer.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Training rows, as in `fit`. Later calls may have one row, and must have the
            same columns. All rows of a call are in memory. Make several calls for a
            table that is larger than the memory.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted transformer. It can be used after every call.

        Raises
        ------
        AttributeError
            If `early_stopping` is True.
        ValueError
            If a parameter or `X` is invalid.
        FloatingPointError
            If training diverges, so that the loss is not finite.
        KeyboardInterrupt
            If Ctrl-C is pressed during training. As after any error, the transformer is
            the same as before the call.
        """
        fitted = snapshot(self)
        fitted._partial_fit(X)
        self.__dict__ = vars(fitted)
        return self

    def transform(self, X):
        """Compute the features of rows, without corruption.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_out), float32
            The features; a DataFrame after ``set_output``.
        """
        model, table = self._read(X)
        return model.features(table)

    def inverse_transform(self, X):
        """Decode features to rows of the table.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out) or \
                (n_samples, n_components)
            Features from `transform`, or those of the latent layer only. The latter
            are the last `n_components` of the stack.

        Returns
        -------
        X_original : ndarray or DataFrame of shape (n_samples, n_features)
            Rows in the units of the training table, with its columns and dtypes. A
            DataFrame of the same library if the training table was one, otherwise an
            array.

        Raises
        ------
        ValueError
            If `X` is invalid, or if its numbers are so large that no cell can be
            decoded from them.
        """
        check_is_fitted(self)
        check_container(X)
        model, index = self._model, index_of(X)
        # Check this first: a table in the place of features may hold no numbers.
        check_width(np.shape(X), model.n_features_out, model.n_components)
        X = read_features(X, snapshot(self).get_feature_names_out)
        return model.layout.write(model.decode(X), index)

    def reconstruct(self, X):
        """Repair rows: predict each cell from the whole row.

        The result is that of ``inverse_transform(transform(X))`` up to rounding. It has
        the index of `X`, if `X` is a pandas DataFrame.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        X_repaired : ndarray or DataFrame of shape (n_samples, n_features)
            Rows without missing cells, in the format of `inverse_transform`.
        """
        model, table = self._read(X)
        return model.layout.write(model.expected(table), index_of(X))

    def impute(self, X):
        """Fill missing cells with the predictions of the network.

        All other cells stay the same. Levels that were not seen in `fit` are not
        missing, so they stay, too.

        Train with ``noise="masking"`` for this, alone or in a list. It hides cells, so
        the network learns to predict hidden cells.

        A filled number is between `min_value` and `max_value`, by default in the
        training range of its column. A column that held only whole numbers in training
        is filled with whole numbers. A cell that is predicted as the group of rare
        levels gets the most frequent level of the group.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        X_filled : ndarray, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows without missing cells, in the format of the training table. A CSR
            matrix if `X` is sparse. An array of objects if the cells fit into no other.
        """
        model, table = self._read(X)
        return model.layout.fill(X, table, model.fill(table))

    def score(self, X, y=None):
        """Measure how well hidden cells are predicted from the rest of their row.

        Pass rows that `fit` has not seen, as a search does. On the rows of the fit the
        score rises with each epoch, because the network learns these rows by heart.

        The cells of `X` are split into five groups. The split is random, but the same
        in every call. Each group is hidden in turn and predicted. The score does not
        depend on `noise`, `noise_factor`, `loss` or `scaling`, so a search can compare
        them. The training loss cannot be used for that: it is always best without
        noise.

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
            1 minus the ratio of two errors: the error of the network, and the error of
            the training means and frequencies. Both are squared errors, in units of the
            variance of each column. For a category they are those of the one-hot code.
            The score is at most 1.0. Predicting the means gives 0.0. The score is also
            0.0 if there is nothing to predict.
        """
        model, table = self._read(X)
        return model.score(table)

    def score_samples(self, X):
        """Score how normal rows are: how likely their cells are, given the other cells.

        The detector :class:`DenoisingOutlierDetector` finds outliers better. It judges
        no row by a network that learned it.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows. Missing cells do not count.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float32
            Minus the root mean square of the errors ``cell_errors(X, part="row")`` of
            the observed cells of a row. A high score is normal, and a low score is an
            anomaly. The highest score is 0.0. A row without any observed cell gets it,
            too.
        """
        model, table = self._read(X)
        return model.score_samples(table)

    def cell_errors(self, X, *, part="both"):
        """Measure how anomalous each cell is, in its column and in its row.

        A cell can be odd for two reasons, which are measured separately: its value is
        rare in its column, or it is unlikely, given the other cells of its row. For
        the second one each cell is hidden and predicted from the rest of its row. The
        columns are hidden in ten groups: first the columns 0, 10, 20, ..., then 1, 11,
        21, ..., and so on. In a table of ten columns or less, each column is hidden
        alone.

        Both are negative logarithms of a probability, minus their mean in the column.
        See the user guide for the formulas.

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
            The errors, in nats, at least 0.0. An error of 0.0 is at most what is usual
            in the column. An error of 3.0 says that the cell is exp(3), about 20 times
            less likely than a usual cell of its column. NaN where a cell is missing. A
            level that `fit` has not seen is rarer than all others.

        Raises
        ------
        ValueError
            If `part` or `X` is invalid, or if an earlier version saved the transformer.
        """
        check_part(part)
        model, table = self._read(X)
        errors = errors_of(model.cell_surprise(table), part)
        return model.layout.frame(errors, index_of(X))

    def get_feature_names_out(self, input_features=None):
        """Get the names of the features.

        A name tells what the feature is:

        - ``input_age``: the scaled number of the column "age".
        - ``bin1_age``, ``bin2_age``, ...: the quantile bins of the column "age". The
          feature grows with the fraction of the bin that is below the number.
        - ``input_city=Rome``: whether the column "city" is "Rome". The group of rare
          levels (`max_categories`, `min_frequency`) is "infrequent".
        - ``layer1_0``, ``layer1_1``, ...: the units of the first layer of the encoder;
          ``layer2_0``, ... are those of the second layer, and so on.
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
        model = self._model
        input_features = _check_feature_names_in(self, input_features)
        return model.name_features(input_features)

    def __sklearn_is_fitted__(self):
        # Without this method, scikit-learn looks at the names of all attributes.
        return hasattr(self, "_model")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        # Quantiles would turn the zeros of sparse columns into other numbers.
        tags.input_tags.sparse = self.scaling != "quantile"
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def __getstate__(self):
        """Return arrays and plain values, from which the transformer is made again."""
        return to_state(snapshot(self))

    def __setstate__(self, state):
        attributes, versions = from_state(state, type(self))
        warn_of_versions(versions, type(self).__name__)
        self.__dict__ = attributes

    def _fit(self, X, X_val):
        self._check_parameters()
        check_validation_rows(X_val, self.early_stopping)
        random_state = check_random_state(self.random_state)
        previous = getattr(self, "_model", None) if self.warm_start else None
        codec, table = self._learn_table(X, random_state, previous)
        noises = self._resolve_noises(codec.layout)
        train, valid = None, None
        if X_val is not None:
            valid = self._read_val(X_val, codec)
        elif self.early_stopping:
            train, valid = self._split(np.arange(len(table)), random_state)
        data = encode_training_data(codec, table, train, valid)
        # Free the numbers in the table's own units before training.
        del table, valid
        parameters = self._training_parameters(data.train.n_rows, _seed(random_state))
        model, history, _ = fit_model(codec, data, noises, parameters, previous)
        self._keep(model, history, previous)
        if history.interrupted:
            warn_user(
                f"Training interrupted by user after {len(history.losses)} epochs; the "
                f"weights so far are kept.",
                ConvergenceWarning,
            )

    def _partial_fit(self, X):
        # scikit-learn validates parameters at the first call only.
        self._validate_params()
        self._check_parameters()
        previous = getattr(self, "_model", None)
        progress = getattr(self, "_progress", None)
        check_partial_fit(self.loss, previous.loss if previous else self.loss)
        # Later calls draw from the generator of the first one.
        random_state = None if progress else check_random_state(self.random_state)
        codec, table = self._learn_table(X, random_state, previous, min_rows=1)
        noises = self._resolve_noises(codec.layout)
        data = encode_training_data(codec, table, incremental=True)
        del table
        seed = 0 if progress else _seed(random_state)
        n_rows = data.train.n_rows
        parameters = self._training_parameters(n_rows, seed, incremental=True)
        model, history, progress = fit_model(
            codec, data, noises, parameters, previous, progress
        )
        if history.interrupted:
            raise KeyboardInterrupt
        self._keep(model, history, previous, progress)

    def _check_parameters(self):
        """Check parameters as far as possible without data, also several together."""
        positive_integers(
            "'hidden_layer_sizes'", self.hidden_layer_sizes, allow_empty=True
        )
        check_loss(self.loss, self.scaling)
        check_callbacks(self.callbacks, self.early_stopping)
        check_device(self.device)

    def _learn_table(self, X, random_state, previous, min_rows=2):
        """Return a codec and the Table of `X`.

        The codec is that of the model `previous`, and `X` needs at least `min_rows`
        rows. If there is no such model, the codec is fitted on `X`.
        """
        if previous is not None:
            codec, (_, table) = previous.codec, self._read(X, min_samples=min_rows)
        else:
            validated, is_categorical = read_columns(self, X, self.categorical_features)
            layout = Layout(self.min_frequency, self.max_categories)
            table = layout.fit(validated, is_categorical, X)
            codec = Codec(layout, self.scaling).fit(table, random_state)
            bounds = resolve_bounds(
                self.min_value,
                self.max_value,
                layout.n_features,
                names_of(layout),
                numbers_held(layout),
            )
            codec.set_bounds(*bounds)
        if self.loss == "log_loss":
            codec.check_unit_range(table if previous else None)
        return codec, table

    def _resolve_noises(self, layout):
        return resolve_noises(
            self.noise,
            self.noise_factor,
            self.emphasis,
            layout.n_features,
            names_of(layout),
        )

    def _split(self, rows, random_state):
        """Divide the positions of rows into those of training and of validation."""
        check_validation_fraction(self.validation_fraction, len(rows))
        return train_test_split(
            rows, test_size=self.validation_fraction, random_state=random_state
        )

    def _read(self, X, min_samples=1):
        """Return the fitted Model, and the validated Table of a user's `X`."""
        check_is_fitted(self)
        # Another thread may fit the transformer during the validation.
        fitted = snapshot(self)
        model = fitted._model
        return model, read_table(fitted, model.layout, X, min_samples)

    def _read_val(self, X_val, codec):
        """Return the validated Table of the validation rows."""
        try:
            table = read_table(self, codec.layout, X_val)
            if self.loss == "log_loss":
                codec.check_unit_range(table)
        except (TypeError, ValueError) as error:
            # The message says X, as messages about all other tables do.
            raise type(error)(f"X_val cannot be used: {error}") from error
        return table

    def _training_parameters(self, n_rows, seed, incremental=False):
        """Return the parameters of training, with "auto" resolved for `n_rows`."""
        # The parameters of an object can be changed after `fit`.
        is_estimator = isinstance(self.network, BaseEstimator)
        network = clone(self.network) if is_estimator else self.network
        batch_size = resolve_batch_size(self.batch_size, n_rows)
        max_iter = resolve_max_iter(self.max_iter, n_rows, batch_size)
        return TrainingParameters(
            n_components=int(self.n_components),
            network=network,
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

    def _keep(self, model, history, previous, progress=None):
        """Set the fitted attributes. Do not change the lists of previous calls."""
        self._model, self._progress = model, progress
        self.net_ = model.net
        losses, validation_losses = history.losses, history.validation_losses
        if previous is not None:
            none_before = [np.nan] * len(self.loss_curve_)
            before = self.validation_loss_curve_ or none_before
            losses = self.loss_curve_ + losses
            validation_losses = before + validation_losses
        taken = [loss for loss in validation_losses if not np.isnan(loss)]
        self.loss_curve_ = losses
        self.validation_loss_curve_ = validation_losses if taken else []
        self.n_iter_ = len(losses)
        # Losses on other validation rows, those of previous calls, say nothing about
        # the weights.
        watched = history.validation_losses if self.early_stopping else losses
        self.best_loss_ = float(np.nanmin([*watched, np.inf]))

    @property
    def _n_features_out(self):
        """Number of features, which `set_output` needs."""
        return self._model.n_features_out

    def _describe(self, X):
        """Describe the repaired cells of `X` for displays, as an array of objects."""
        model, table = self._read(X)
        return model.layout.describe(model.expected(table))

    def _explain(self, X):
        """Return what displays show of odd cells: see `Model.explain`."""
        model, table = self._read(X)
        return model.explain(table)


def _seed(random_state):
    """Draw the seed of the generator of a training."""
    return int(random_state.randint(np.iinfo(np.int32).max))
