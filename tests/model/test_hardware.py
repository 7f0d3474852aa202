"""Device, threads and precision."""

from __future__ import annotations

import pytest
import torch

from ssmi.model import hardware
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert hardware.choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert hardware.choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "mps"])
def test_unknown_devices(name: str) -> None:
    with pytest.raises(ParameterError, match="cuda:0"):
        hardware.choose_device(name)


def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(MissingResourceError, match=f"torch sees {torch.cuda.device_count()} GPUs"):
        hardware.choose_device("cuda:64")


def test_threads() -> None:
    assert hardware.set_threads(2) == torch.get_num_threads() == 2
    assert hardware.set_threads(0) == torch.get_num_threads() == hardware.physical_cores() >= 1


def test_precision() -> None:
    matrix = torch.ones(2, 2)
    with hardware.autocast(torch.device("cpu"), "bf16"):
        assert (matrix @ matrix).dtype == torch.bfloat16
    with hardware.autocast(torch.device("cpu"), "fp32"):
        assert (matrix @ matrix).dtype == torch.float32
