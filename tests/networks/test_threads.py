"""Number of threads of PyTorch during and after computations."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from sklearn_dae._networks.threads import one_thread


def test_threads_are_restored_after_an_error():
    def fail():
        with one_thread():
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_threads_are_restored_when_fits_overlap():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    first_has_left, both_have_entered = Barrier(2), Barrier(2)

    def first():
        with one_thread():
            both_have_entered.wait()
        first_has_left.wait()
        return torch.get_num_threads()

    def second():
        with one_thread():
            both_have_entered.wait()
            first_has_left.wait()
            inside = torch.get_num_threads()
            with ThreadPoolExecutor(1) as pool:
                new_thread = pool.submit(torch.get_num_threads).result()
        return inside, new_thread, torch.get_num_threads()

    try:
        with ThreadPoolExecutor(2) as pool:
            a, b = pool.submit(first), pool.submit(second)
            assert a.result() == 2
            assert b.result() == (1, 1, 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
