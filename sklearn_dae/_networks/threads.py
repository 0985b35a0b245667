"""How many threads PyTorch computes on: one, unless there is work for several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock, Thread

import torch

# Numbers of multiplications from which on several threads are faster: for one update of
# the weights, where on a busy machine each product waits for the slowest thread, and
# for a prediction.
MULTIPLICATIONS_OF_UPDATE = 2**28
MULTIPLICATIONS_OF_PREDICTION = 2**24

_lock = Lock()
_n_on_one_thread = 0
_n_threads_before = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread, and restore the setting afterwards.

    The setting belongs partly to the process and partly to the calling thread. So
    callers from several threads at once share one record: the first to enter notes the
    setting of before. Each one restores it for its own thread when it leaves, and the
    last one for the process.
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
                # The restored setting is also the process's, but other callers still
                # need 1 there. A helper sets it without changing this thread's own.
                helper = Thread(target=torch.set_num_threads, args=(1,))
                helper.start()
                helper.join()


def threads_for(
    n_multiplications: int, minimum: int = MULTIPLICATIONS_OF_PREDICTION
) -> AbstractContextManager[None]:
    """Use one thread, unless there are `minimum` multiplications or more."""
    return nullcontext() if n_multiplications >= minimum else one_thread()
