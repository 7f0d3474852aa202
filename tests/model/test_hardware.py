"""Device, threads and precision."""

from __future__ import annotations

from pathlib import Path

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
    with pytest.raises(MissingResourceError, match=f"torch sees {torch.cuda.device_count()} GPU"):
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


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags\t\t: fpu sse2 avx2 avx512f avx512bw\n", False),
        ("flags\t\t: avx512f avx512_bf16\n", True),
        ("flags\t\t: avx512f amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd\n", False),
        ("Features\t: fp asimd bf16 i8mm\n", True),
    ],
)
def test_flags_say_whether_bfloat16_is_multiplied(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{flags}")
    assert hardware.has_bf16_products(tmp_path / "cpuinfo") is expected


def test_what_no_flags_say_is_never_a_yes(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("cpu\t\t: POWER10 (raw), altivec supported\n")
    for path in (tmp_path / "cpuinfo", tmp_path / "absent"):
        assert hardware.has_bf16_products(path) in (None, False)


def test_bfloat16_is_called_slow_where_it_was_asked_for_on_such_a_cpu() -> None:
    cpu = torch.device("cpu")
    assert bool(hardware.slow_bf16(cpu, "bf16")) == (hardware.has_bf16_products() is False)
    assert hardware.slow_bf16(cpu, "auto") == hardware.slow_bf16(cpu, "fp32") == ""
    assert hardware.slow_bf16(torch.device("cuda"), "bf16") == ""
