"""Device, threads and precision of torch."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch

from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError
from ssmi.pipeline.contract.project.process_lock import process_lock
from ssmi.pipeline.contract.text.wording import counted

_TOPOLOGY = Path("/sys/devices/system/cpu")
_CPU_FLAGS = Path("/proc/cpuinfo")
_BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
"""CPU flags of bfloat16 products; the last is for ARM."""
# From the C library of the process; only glibc has it.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
_DEVICES = "one of auto, cpu, cuda, cuda:0 ... (train.device, or --device)"


def choose_device(name: str) -> torch.device:
    """Return the device with a name.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for a GPU if there is one, else the CPU.

    Returns:
        The device.

    Raises:
        ParameterError: torch has no device of this name, or the device is not supported.
        MissingResourceError: The GPU does not exist.

    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ParameterError(f"device {name!r}: torch has no such device", next_step=_DEVICES) from error
    if device.type not in ("cpu", "cuda"):
        raise ParameterError(f"device {name!r}: not supported", next_step=_DEVICES)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise MissingResourceError(
            f"device {name!r}: torch sees {counted(torch.cuda.device_count(), 'GPU')}",
            next_step="use auto, which chooses an available device",
        )
    return device


def set_threads(count: int) -> int:
    """Set torch's number of CPU threads, 0 for one per physical core, and return the number."""
    threads = count or physical_cores()
    torch.set_num_threads(threads)
    return threads


@contextmanager
def threads_restored() -> Iterator[None]:
    """Give torch the number of CPU threads back that it had before the block, or before a decorated function."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def locked_threads(threads: int) -> Iterator[None]:
    """Hold ``contract.project.process_lock`` with ``threads`` CPU threads for torch, then restore their number.

    torch's number of threads is read only while holding the lock: a thread that reads it for the first time gets the
    number of the process, which another tagger may have set temporarily.
    """
    with process_lock():
        before = torch.get_num_threads()
        if before != threads:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            if torch.get_num_threads() != before:
                torch.set_num_threads(before)


def physical_cores() -> int:
    """Return the number of physical cores that this process may use, or of logical cores if unknown."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = set()
    for cpu in allowed:
        try:
            siblings.add((_TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="ascii"))
        except OSError:
            return len(allowed)
    return len(siblings)


def give_back_memory() -> None:
    """Return the memory of freed CPU tensors to the system; glibc would keep more of it with every batch."""
    if _trim is not None:
        _trim(0)


def precision(device: torch.device, setting: str) -> str:
    """Return ``bf16`` or ``fp32``: the value of ``train.precision`` on a device.

    ``auto`` selects bfloat16 if the device multiplies it in matrix units. Without these a training step took 1.34 times
    the CPU time of float32 (12 layers of width 384, AVX-512 with its bf16 instructions).
    """
    if setting != "auto":
        return setting
    return "bf16" if _multiplies_bf16(device) else "fp32"


def autocast(device: torch.device, setting: str) -> torch.autocast:
    """Return the context for a forward pass in the precision of ``train.precision``; parameters stay in float32."""
    return torch.autocast(device_type=device.type, dtype=torch.bfloat16, enabled=precision(device, setting) == "bf16")


def slow_bf16(device: torch.device, setting: str) -> str:
    """Return a warning if ``train.precision: bf16`` is set on a CPU without bfloat16 products, else an empty string."""
    if setting != "bf16" or device.type != "cpu" or has_bf16_products() is not False:
        return ""
    return (
        "train.precision bf16: this CPU has no instructions for bfloat16 products (AVX512-BF16, AMX), so a step may "
        "take ten times as long as in float32; -S train.precision=auto chooses the faster"
    )


def has_bf16_products(cpu_flags: Path = _CPU_FLAGS) -> bool | None:
    """Return whether this CPU has instructions for bfloat16 products; None if unknown.

    Linux lists the flags of x86 and ARM CPUs. Elsewhere oneDNN's answer is used only if it is no, because some of its
    kernels only convert the numbers.
    """
    try:
        words = set(cpu_flags.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        words = set()
    if not words.isdisjoint(_BF16_FLAGS):
        return True
    if not words.isdisjoint(("flags", "Features")):
        return False
    try:
        return None if torch.ops.mkldnn._is_mkldnn_bf16_supported() else False
    except (AttributeError, RuntimeError):  # a build without oneDNN
        return None


@lru_cache(maxsize=4)
def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        # Without emulation, which torch also supports on GPUs whose matrix units do not multiply bfloat16.
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        # Not avx512_bf16, which is slower than float32 without matrix units (see `precision`).
        return "amx_bf16" in _CPU_FLAGS.read_text(encoding="ascii").split()
    except OSError:
        return False
