"""Number of threads of PyTorch. It changes the time of a computation, never its bits.

Two computations use several threads: the products of matrices in training steps, after
a check that their bits are the same, and the predictions of chunks of rows, each chunk
on one thread. Everything else is computed on one thread.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from threading import Lock, Thread, local
from typing import TypeVar

import torch

from .contexts import own_settings

# With fewer multiplications than the first number, one thread predicts. With fewer than
# the second, one thread computes the first steps of a training.
MULTIPLICATIONS_OF_PREDICTION = 2**26
MULTIPLICATIONS_OF_UPDATE = 2**28
# Steps on several threads, and on one, whose times are compared.
COMPARED_STEPS, STEPS_ON_ONE = 16, 3
# Steps until the other number of threads is tried again, at first and at most.
FIRST_INTERVAL, LONGEST_INTERVAL = 32, 512
# Several threads are used if their steps take less than this part of the time.
WORTHWHILE = 0.9

Item = TypeVar("Item")
Result = TypeVar("Result")

_lock = Lock()
_n_on_one_thread = 0
_n_threads_before = 1
_inside = local()


def _use_one_thread_after_fork() -> None:
    """Let a forked child process compute on one thread.

    A fork copies only the calling thread. OpenMP does not notice this, and the child
    would wait forever for the other threads. The lock may have been held by one of
    them.
    """
    global _lock, _n_on_one_thread, _n_threads_before, _inside
    _lock, _inside = Lock(), local()
    _n_on_one_thread, _n_threads_before = 0, 1
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # Windows cannot fork.
    os.register_at_fork(after_in_child=_use_one_thread_after_fork)


@contextmanager
def one_thread() -> Iterator[int]:
    """Let PyTorch compute on one thread, and restore the setting afterwards.

    PyTorch stores the setting for the process and for each thread that has computed.
    So callers in several threads share a record. The first caller stores the setting
    of the process, and the last one restores it. Each caller restores the setting of
    its own thread. A call inside this context changes nothing.

    Yields
    ------
    n_threads : int
        Number of threads that were set for the caller.
    """
    outer = getattr(_inside, "n_threads", None)
    if outer:
        yield outer
        return
    _enter()
    try:
        torch.set_num_threads(1)
        yield _inside.n_threads
    finally:
        _leave()


def _enter() -> None:
    global _n_on_one_thread, _n_threads_before
    with _lock:
        n_threads = torch.get_num_threads()
        if not _n_on_one_thread:
            _n_threads_before = n_threads
        elif n_threads == 1:
            # A new thread gets the 1 that other callers have set for the process.
            n_threads = _n_threads_before
        _inside.n_threads = n_threads
        _n_on_one_thread += 1


def _leave() -> None:
    global _n_on_one_thread
    with _lock:
        _n_on_one_thread -= 1
        n_threads, _inside.n_threads = _inside.n_threads, None
        torch.set_num_threads(n_threads)
        of_process = 1 if _n_on_one_thread else _n_threads_before
        if n_threads != of_process:
            # This also set the number of the process. Another thread corrects it,
            # because the number of this thread must not change.
            helper = Thread(target=torch.set_num_threads, args=(of_process,))
            helper.start()
            helper.join()


def map_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], n_threads: int
) -> list[Result]:
    """Call `function` for each item, on several threads. List the results in order.

    PyTorch computes each call on one thread.
    """
    # Imported here, because few calls need several threads.
    from concurrent.futures import ThreadPoolExecutor

    def call(item: Item) -> Result:
        # PyTorch's settings are those of the thread.
        with own_settings():
            return function(item)

    with ThreadPoolExecutor(
        n_threads, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        return list(pool.map(call, items))


class ThreadChoice:
    """Choose between one thread and several by the time that steps take.

    It is a context, within which PyTorch uses the current number.

    Steps that try the other number also train the network. So a trial costs little. The
    other number is tried again after some steps, because other processes may have
    started or ended. The intervals grow while the choice stays the same.

    Several threads wait for the slowest one. Beside another process, some steps on
    several threads take many times as long as others. So the mean of their times is
    compared. On one thread slow steps are rare, and the median is compared.

    Parameters
    ----------
    n_threads : int
        Number of threads to compare with one.
    starts_with_all : bool
        Whether the first steps use all threads.

    Attributes
    ----------
    current : int
        Number of threads of the next step.
    """

    def __init__(self, n_threads: int, starts_with_all: bool = False):
        self.n_threads = n_threads
        self.current = self._chosen = n_threads if starts_with_all else 1
        self._interval = FIRST_INTERVAL
        # Steps until the other number is tried.
        self._n_left = COMPARED_STEPS if starts_with_all else STEPS_ON_ONE
        self._is_trial = False
        self._one: deque[float] = deque(maxlen=STEPS_ON_ONE)
        self._several: deque[float] = deque(maxlen=COMPARED_STEPS)

    def __enter__(self) -> None:
        """Compute on the current number of threads, within `one_thread`."""
        if self.current > 1:
            torch.set_num_threads(self.current)

    def __exit__(self, *error: object) -> None:
        if self.current > 1:
            torch.set_num_threads(1)

    def record(self, seconds: float) -> None:
        """Choose the number of threads of the next step, given the time of this one."""
        if self.n_threads == 1:
            return
        self._n_left -= 1
        if self.current == 1:
            self._one.append(seconds)
            if self._n_left <= 0:
                self.current, self._is_trial = self.n_threads, True
                self._several.clear()
            return
        self._several.append(seconds)
        if sum(self._several) > self._longest():
            self._choose(1)
        elif self._is_trial and len(self._several) == COMPARED_STEPS:
            self._choose(self.n_threads)
        elif not self._is_trial and self._n_left <= 0:
            self.current, self._n_left = 1, STEPS_ON_ONE

    def _longest(self) -> float:
        """Compute the longest time for which steps on several threads are preferred."""
        if not self._one:
            return inf
        on_one = sorted(self._one)[len(self._one) // 2]
        return WORTHWHILE * COMPARED_STEPS * on_one

    def _choose(self, n_threads: int) -> None:
        longer = min(2 * self._interval, LONGEST_INTERVAL)
        self._interval = longer if n_threads == self._chosen else FIRST_INTERVAL
        self.current = self._chosen = n_threads
        self._n_left, self._is_trial = self._interval, False
