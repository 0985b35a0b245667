"""Compute features of other packages, each in its own virtual environment.

The dependencies of the packages exclude each other. So each package runs in a process
of its own environment and gets its arrays as files:

    python benchmarks/peers.py --install
    python benchmarks/quality.py --peers dfencoder ts3l

The script makes the environments in .peers, or in the folder that SKLEARN_DAE_PEERS
names. The noise, the learning rate and all other settings are the defaults of the
package, with these exceptions:

- The features are as many as those of the transformer of sklearn_dae. Each of the three
  layers of the encoder has a third of them, or each of the three decision steps of
  pytorch_tabnet.
- The number of updates and the batch size are those of sklearn_dae.
- There are no validation rows and no early stopping.
- Tables are scaled, and one-hot codes are numeric columns. The package does not scale.
- The decoder is only the output layer, as in sklearn_dae, where the package allows it.

`quality.py --check --peers dfencoder` compares sklearn_dae with a package on small
tables.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

# The arguments of pip after the installation of torch, one text for each command.
REQUIREMENTS = {
    "dfencoder": ["dfencoder"],
    "pytorch_tabnet": ["pytorch-tabnet pandas"],
    # It imports requests, which its metadata do not name.
    "pytorch_tabular": ["pytorch-tabular requests"],
    # It always imports packages for texts and images, and its metadata name more
    # packages than it needs.
    "pytorch_widedeep": [
        "--no-deps pytorch-widedeep torchvision==0.28.0",
        "numpy<2 pandas<3 scipy scikit-learn tqdm einops wrapt torchmetrics pyarrow "
        "fastparquet gensim opencv-python-headless transformers spacy pillow",
    ],
    "ts3l": ["ts3l"],
}
PEERS = tuple(REQUIREMENTS)
TORCH = "torch==2.13.0"
ENVS = Path(os.environ.get("SKLEARN_DAE_PEERS", ".peers"))
MAX_SECONDS = 900


def peer_features(name, raw_train, raw_test, **settings):
    """Return a package's features of both parts, and the seconds of its fit.

    `settings` are width, seed, n_epochs and batch_size.

    Raises RuntimeError if the package fails or takes more than 15 minutes.
    """
    # Some packages divide by the standard deviation of a column.
    varies = np.ptp(raw_train, axis=0) > 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        np.save(folder / "train.npy", raw_train[:, varies].astype(np.float32))
        np.save(folder / "test.npy", raw_test[:, varies].astype(np.float32))
        (folder / "settings.json").write_text(json.dumps(settings))
        run_in_environment(name, folder)
        Z, Z_test = np.load(folder / "Z_train.npy"), np.load(folder / "Z_test.npy")
        seconds = json.loads((folder / "seconds.json").read_text())
    if not (np.isfinite(Z).all() and np.isfinite(Z_test).all()):
        raise RuntimeError(f"Features of {name} are not finite.")
    return Z, Z_test, seconds


def run_in_environment(name, folder):
    """Fit a package by the Python of its environment, on the arrays in a folder."""
    python = python_of(name, ENVS)
    if not python.exists():
        raise RuntimeError(f"{python} is missing: peers.py --install {name} makes it.")
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        # With -P, packages do not import the scripts of this folder by mistake. Some
        # packages write files into the current folder, so it is the temporary one.
        subprocess.run(
            [python, "-P", Path(__file__).resolve(), "--run", name, "--dir", folder],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=os.environ | threads,
            text=True,
            timeout=MAX_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        last = "\n".join(error.stderr.splitlines()[-5:])
        status = f"exit status {error.returncode}"
        raise RuntimeError(f"{name} failed, {status}: {last}") from error
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{name} took more than {MAX_SECONDS} seconds.") from error


def python_of(name, envs):
    """Return the path of the Python of a package's environment."""
    return (envs / name / "bin" / "python").absolute()


def install(names, envs):
    """Make a virtual environment for each package."""
    for name in names:
        subprocess.run([sys.executable, "-m", "venv", envs / name], check=True)
        for requirements in [TORCH, *REQUIREMENTS[name]]:
            pip = [python_of(name, envs), "-m", "pip", "install"]
            subprocess.run([*pip, *requirements.split()], check=True)


# The functions below run in the environment of a package. Each fit returns a function
# that computes features of rows.


def fit_dfencoder(X, size, seed, n_epochs, batch_size):
    """Fit DFEncoder's autoencoder."""
    from dfencoder import AutoEncoder

    model = AutoEncoder(
        encoder_layers=3 * [size],
        decoder_layers=[],
        batch_size=batch_size,
        scaler="none",
        device="cpu",
        logger=None,
        progress_bar=False,
    )
    # It ignores columns of float32.
    model.fit(frame(X, float), epochs=n_epochs)
    return lambda X: model.get_deep_stack_features(frame(X, float)).numpy()


def fit_pytorch_tabnet(X, size, seed, n_epochs, batch_size):
    """Fit TabNet's pretraining."""
    from pytorch_tabnet.pretraining import TabNetPretrainer

    model = TabNetPretrainer(
        n_d=size, n_a=size, seed=seed, verbose=0, device_name="cpu"
    )
    model.fit(
        X,
        max_epochs=n_epochs,
        batch_size=batch_size,
        # By default it does not use the last rows of an epoch.
        drop_last=False,
    )
    # Its classifier uses the sum of the steps. Here the steps stand side by side, and
    # the features are as many as those of the other packages. With steps of the whole
    # width a fit would take more than an hour.
    network = model.network.eval()
    return lambda X: np.hstack(network.encoder(network.embedder(tensor(X)))[0])


def fit_pytorch_tabular(X, size, seed, n_epochs, batch_size):
    """Fit PyTorch Tabular's denoising autoencoder."""
    from pytorch_tabular import TabularModel
    from pytorch_tabular.config import DataConfig, OptimizerConfig
    from pytorch_tabular.feature_extractor import DeepFeatureExtractor
    from pytorch_tabular.models import CategoryEmbeddingModelConfig
    from pytorch_tabular.ssl_models import DenoisingAutoEncoderConfig
    from torch.nn import ReLU

    layers = CategoryEmbeddingModelConfig(
        task="backbone", layers=f"{size}-{size}-{size}"
    )
    columns = list(frame(X))
    model = TabularModel(
        data_config=DataConfig(
            continuous_cols=columns, normalize_continuous_features=False
        ),
        # Its batch normalisation would scale the targets as well.
        model_config=DenoisingAutoEncoderConfig(
            encoder_config=layers, batch_norm_continuous_input=False
        ),
        optimizer_config=OptimizerConfig(),
        trainer_config=pytorch_tabular_trainer(n_epochs, batch_size),
        verbose=False,
    )
    # It ignores seed 0. Validation rows are obligatory, but it does not use them.
    model.pretrain(frame(X), frame(X[:2]), seed=seed + 1)
    hidden = [m for m in model.model.encoder.linear_layers if isinstance(m, ReLU)]
    transform = DeepFeatureExtractor(model).transform
    return lambda X: outputs(hidden, transform, frame(X))


def pytorch_tabular_trainer(n_epochs, batch_size):
    """Return a training configuration without validation and without early stopping."""
    from pytorch_tabular.config import TrainerConfig

    return TrainerConfig(
        batch_size=batch_size,
        max_epochs=n_epochs,
        accelerator="cpu",
        early_stopping=None,
        checkpoints=None,
        load_best=False,
        progress_bar="none",
        trainer_kwargs={"limit_val_batches": 0, "num_sanity_val_steps": 0},
    )


def fit_pytorch_widedeep(X, size, seed, n_epochs, batch_size):
    """Fit pytorch-widedeep's encoder and decoder."""
    skip_operators_of_torchvision()
    from pytorch_widedeep.models import TabMlp
    from pytorch_widedeep.self_supervised_training import EncoderDecoderTrainer

    # The decoder has the layers of the encoder in reverse order, with an activation in
    # the output layer. The mask does not change the input of the encoder. So the only
    # noise is the dropout of hidden units.
    columns = list(frame(X))
    encoder = TabMlp(
        column_idx={name: i for i, name in enumerate(columns)},
        continuous_cols=columns,
        mlp_hidden_dims=3 * [size],
    )
    trainer = EncoderDecoderTrainer(encoder, verbose=0, num_workers=0, device="cpu")
    trainer.pretrain(X, n_epochs=n_epochs, batch_size=batch_size)
    encoder.eval()
    return lambda X: outputs(encoder.encoder.mlp, encoder, tensor(X))


def fit_ts3l(X, size, seed, n_epochs, batch_size):
    """Fit TS3L's denoising autoencoder."""
    from pytorch_lightning import Trainer
    from torch.nn import ReLU
    from ts3l.pl_modules import DAELightning
    from ts3l.utils import TS3LDataModule
    from ts3l.utils.dae_utils import DAECollateFN, DAEDataset

    columns = list(frame(X))
    config = ts3l_config(len(columns), size, seed)
    module = DAELightning(config)
    module.set_first_phase()
    # Validation rows are obligatory, but it does not use them.
    data = TS3LDataModule(
        DAEDataset(frame(X), continuous_cols=columns, category_cols=[]),
        DAEDataset(frame(X[:2]), continuous_cols=columns, category_cols=[]),
        batch_size=batch_size,
        train_sampler="random",
        train_collate_fn=DAECollateFN(config),
        n_jobs=0,
    )
    Trainer(
        max_epochs=n_epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
    ).fit(module, data)
    module.eval()
    encoder = module.model.encoder
    *hidden, latent = encoder.backbone
    layers = [*(m for m in hidden if isinstance(m, ReLU)), latent]
    return lambda X: outputs(layers, encoder, tensor(X))


def ts3l_config(n_columns, size, seed):
    """Return the configuration of a network with three hidden layers."""
    from ts3l.utils.backbone_utils import MLPBackboneConfig
    from ts3l.utils.dae_utils import DAEConfig
    from ts3l.utils.embedding_utils import IdentityEmbeddingConfig

    return DAEConfig(
        task="regression",
        loss_fn="MSELoss",
        output_dim=1,
        num_continuous=n_columns,
        embedding_config=IdentityEmbeddingConfig(input_dim=n_columns),
        backbone_config=MLPBackboneConfig(
            input_dim=n_columns, hidden_dims=size, output_dim=size, n_hiddens=3
        ),
        random_seed=seed,
    )


def frame(X, dtype=np.float32):
    """Return an array as a DataFrame."""
    import pandas as pd

    return pd.DataFrame(X.astype(dtype)).add_prefix("x")


def tensor(X):
    """Return an array as a tensor."""
    import torch

    return torch.from_numpy(X)


def outputs(layers, function, argument):
    """Call a function and return the outputs of layers side by side."""
    batches = [[] for _ in layers]
    hooks = [
        layer.register_forward_hook(lambda *call, kept=kept: kept.append(call[-1]))
        for layer, kept in zip(layers, batches, strict=True)
    ]
    function(argument)
    for hook in hooks:
        hook.remove()
    return np.hstack([np.concatenate(kept) for kept in batches])


def skip_operators_of_torchvision():
    """Make the CUDA build of torchvision importable with a CPU build of torch."""
    import torch

    register = torch.library.register_fake

    def register_others(name, *args, **kwargs):
        if str(name).startswith("torchvision::"):
            return lambda function: function
        return register(name, *args, **kwargs)

    torch.library.register_fake = register_others


def run(name, folder):
    """Fit a package and write its features into the folder."""
    import torch

    warnings.filterwarnings("ignore")
    X, X_test = np.load(folder / "train.npy"), np.load(folder / "test.npy")
    settings = json.loads((folder / "settings.json").read_text())
    size, seed = settings["width"] // 3, settings["seed"]
    n_epochs, batch_size = settings["n_epochs"], settings["batch_size"]
    # The last batch of an epoch must not have a single row, which has no variance.
    batch_size -= len(X) % batch_size == 1
    fit = globals()[f"fit_{name}"]
    torch.set_num_threads(1)
    # A first fit and a first update import modules. The time does not contain that.
    fit(X[:batch_size], size, seed, 1, batch_size)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    start = time.perf_counter()
    transform = fit(X, size, seed, n_epochs, batch_size)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        np.save(folder / "Z_train.npy", transform(X))
        np.save(folder / "Z_test.npy", transform(X_test))
    (folder / "seconds.json").write_text(json.dumps(seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--install", nargs="*", choices=PEERS, metavar="NAME", help="by default all")
    add("--envs", type=Path, default=ENVS, help="folder of virtual environments")
    add("--run", choices=PEERS, help="fit a peer in its environment")
    add("--dir", type=Path, help="folder of arrays, with --run")
    options = parser.parse_args()
    if options.run:
        run(options.run, options.dir)
    elif options.install is not None:
        install(options.install or PEERS, options.envs)
    else:
        parser.print_help()
