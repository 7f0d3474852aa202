"""Device, threads and precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ssmi.model import hardware
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError


def test_auto_uses_a_gpu_if_present() -> None:
    assert hardware.choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert hardware.choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "mps"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="cuda:0"):
        hardware.choose_device(name)


def test_missing_gpu_is_refused() -> None:
    with pytest.raises(MissingResourceError, match=f"torch sees {torch.cuda.device_count()} GPU"):
        hardware.choose_device("cuda:64")


def test_thread_count_is_set() -> None:
    assert hardware.set_threads(2) == torch.get_num_threads() == 2
    assert hardware.set_threads(0) == torch.get_num_threads() == hardware.physical_cores() >= 1


def test_thread_count_is_restored_after_an_error_too() -> None:
    hardware.set_threads(2)
    with pytest.raises(ValueError, match="broken"), hardware.threads_restored():
        hardware.set_threads(1)
        raise ValueError("broken")
    assert torch.get_num_threads() == 2


def test_autocast_uses_the_precision() -> None:
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
def test_cpu_flags_show_bfloat16_support(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{flags}")
    assert hardware.has_bf16_products(tmp_path / "cpuinfo") is expected


def test_missing_cpu_flags_never_mean_support(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("cpu\t\t: POWER10 (raw), altivec supported\n")
    for path in (tmp_path / "cpuinfo", tmp_path / "absent"):
        assert hardware.has_bf16_products(path) in (None, False)


def test_requested_bfloat16_is_reported_slow_without_cpu_support() -> None:
    cpu = torch.device("cpu")
    assert bool(hardware.slow_bf16(cpu, "bf16")) == (hardware.has_bf16_products() is False)
    assert hardware.slow_bf16(cpu, "auto") == hardware.slow_bf16(cpu, "fp32") == ""
    assert hardware.slow_bf16(torch.device("cuda"), "bf16") == ""
