"""The number of threads for layers that process one character after the other."""

from __future__ import annotations

import pytest
import torch

from ssmi.model.network.layers.threads import one_thread


def test_thread_count_is_one_inside_and_restored_after() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyError), one_thread(torch.device("cpu")):
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 2
        with one_thread(torch.device("meta")):  # a device whose work does not use CPU threads
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
