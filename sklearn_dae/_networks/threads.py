"""Number of threads of PyTorch: one, unless the work is large enough for several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock, Thread

import torch

# With fewer multiplications than these, one thread is faster. An update of the weights
# needs more, because each of its products waits for the slowest thread, and other
# processes slow threads down.
MULTIPLICATIONS_OF_UPDATE = 2**28
MULTIPLICATIONS_OF_PREDICTION = 2**24

_lock = Lock()
_n_on_one_thread = 0
_n_threads_before = 1


def _use_one_thread_after_fork() -> None:
    """Let a forked child process compute on one thread.

    A fork copies only the calling thread. OpenMP does not notice this, and the child
    would wait forever for the other threads. The lock may have been held by one of
    them.
    """
    global _lock, _n_on_one_thread, _n_threads_before
    _lock = Lock()
    _n_on_one_thread, _n_threads_before = 0, 1
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # Windows cannot fork.
    os.register_at_fork(after_in_child=_use_one_thread_after_fork)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread, and restore the setting afterwards.

    PyTorch stores the setting for the process and for the calling thread. So callers in
    several threads share one record. The first caller stores the previous setting. Each
    caller restores it for its own thread, and the last caller for the process.
    """
    global _n_on_one_thread, _n_threads_before
    with _lock:
        if not _n_on_one_thread:
            _n_threads_before = torch.get_num_threads()
        _n_on_one_thread += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _n_on_one_thread -= 1
            torch.set_num_threads(_n_threads_before)
            if _n_on_one_thread:
                # This also restored the setting of the process, but other callers
                # still need 1 there. Another thread sets it, because the setting of
                # this thread must not change.
                helper = Thread(target=torch.set_num_threads, args=(1,))
                helper.start()
                helper.join()


def threads_for(
    n_multiplications: int, minimum: int = MULTIPLICATIONS_OF_PREDICTION
) -> AbstractContextManager[None]:
    """Use one thread, unless there are `minimum` multiplications or more."""
    return nullcontext() if n_multiplications >= minimum else one_thread()
