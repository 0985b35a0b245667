"""Computing on a GPU, and what can be tested without a GPU."""

import os
import pickle

import dask
import numpy as np
import pytest
import torch
from distributed import Client, Nanny, Scheduler, SpecCluster

from sklearn_dae._cells import Cells

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(),
    reason="needs a GPU that PyTorch can use: torch.cuda.is_available() is False",
)


@needs_gpu
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_scores_of_gpu_and_cpu_are_similar(small, digits, method):
    X, X_test, *_ = digits
    scores = {}
    for device in ("cpu", "cuda"):
        dae = small(max_iter=100, device=device)
        for _ in range(1 if method == "fit" else 100):
            getattr(dae, method)(X)
        scores[device] = dae.score(X_test)
    # The devices have different generators, so the weights differ.
    assert scores["cuda"] == pytest.approx(scores["cpu"], abs=0.03)


@needs_gpu
def test_features_are_equal_on_gpu_and_cpu(small, digits):
    X, X_test, *_ = digits
    dae = small(device="cuda").fit(X)
    expected = dae.transform(X_test)
    dae.net_.set_params(device="cpu")
    dae.net_.module_.cpu()
    np.testing.assert_allclose(dae.transform(X_test), expected, rtol=1e-3, atol=1e-4)


@needs_gpu
def test_partial_fit_continues_on_another_device(small, digits):
    X = digits[0]
    dae = small(device="cuda").partial_fit(X)
    dae.set_params(device="cpu").partial_fit(X).set_params(device="cuda").partial_fit(X)
    assert dae.loss_curve_[2] < dae.loss_curve_[0]
    again = small(device="cuda").partial_fit(X)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(again)).partial_fit(X).transform(X),
        again.partial_fit(X).transform(X),
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_missing_gpu_is_refused(small, table, method):
    with pytest.raises(ValueError, match=r"(?s)Got 'cuda': .* Set device='cpu', or"):
        getattr(small(device="cuda"), method)(table)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.filterwarnings("ignore::skorch.exceptions.DeviceWarning")
def test_a_transformer_fitted_on_a_gpu_works_without_one(small, table):
    dae = small().partial_fit(table)
    expected, repaired = dae.transform(table), dae.reconstruct(table)
    # As in a pickle from a machine with a GPU.
    dae.set_params(device="cuda")
    dae.net_.device = "cuda"
    dae._progress = dae._progress._replace(device="cuda")
    loaded = pickle.loads(pickle.dumps(dae))
    np.testing.assert_array_equal(loaded.transform(table), expected)
    np.testing.assert_array_equal(loaded.reconstruct(table), repaired)
    assert loaded.set_params(device="cpu").partial_fit(table).n_iter_ == 2


def tensors(value):
    """Yield all tensors in dicts and sequences."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def test_all_tensors_of_a_pickle_are_on_the_cpu(small, table):
    dae = small().partial_fit(table)
    state = dae.net_.__getstate__()
    modules = [v for v in state.values() if isinstance(v, torch.nn.Module)]
    held = [*tensors(state), *tensors([dict(m.state_dict()) for m in modules])]
    assert len(modules) == 1
    assert all(t.device.type == "cpu" for t in held)
    assert not list(tensors(vars(dae._model.codec)))
    assert all(t.device.type == "cpu" for t in tensors(dae._progress))


@pytest.mark.parametrize("max_iter", [1, 4])
def test_rows_are_moved_once(small, table, max_iter, monkeypatch):
    moved, move = [], Cells.to
    monkeypatch.setattr(
        Cells, "to", lambda cells, device: moved.append(cells) or move(cells, device)
    )
    # The sample that the usual errors of cells come from is smaller than the table.
    X = np.tile(table, (10, 1))
    small(max_iter=max_iter).fit(X)
    assert [cells.n_rows for cells in moved].count(len(X)) == 1


def test_every_worker_uses_another_gpu():
    """Test the settings that the user guide shows. No GPU is needed."""
    workers = {
        k: {
            "cls": Nanny,
            "options": {
                "host": "127.0.0.1",
                "nthreads": 1,
                "memory_limit": 0,
                "silence_logs": "CRITICAL",
                "env": {"CUDA_VISIBLE_DEVICES": str(k)},
            },
        }
        for k in range(2)
    }
    options = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    scheduler = {"cls": Scheduler, "options": options}
    # Workers ask the driver for their GPU, which fails if there is only one.
    with (
        dask.config.set({"distributed.diagnostics.nvml": False}),
        SpecCluster(workers, scheduler, silence_logs="CRITICAL") as cluster,
        Client(cluster) as client,
    ):
        seen = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
    assert sorted(seen.values()) == ["0", "1"]
