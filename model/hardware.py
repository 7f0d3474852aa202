"""Where and how torch computes: device, threads, precision. Set on purpose, never left to chance."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import torch

from pipeline.contract.errors import MissingResourceError, ParameterError

_TOPOLOGY = Path("/sys/devices/system/cpu")
_CPU_FLAGS = Path("/proc/cpuinfo")


def choose_device(name: str) -> torch.device:
    """``auto`` takes a GPU where there is one.

    Raises ParameterError for a name that torch does not know, MissingResourceError for a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ParameterError(f"train.device: {name!r} is no device", next_step="auto, cpu, cuda or cuda:0") from error
    if device.type not in ("cpu", "cuda"):
        raise ParameterError(f"train.device: {name!r} is not supported", next_step="auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise MissingResourceError(
            f"train.device: {name}: torch sees {torch.cuda.device_count()} GPUs", next_step="-S train.device=auto"
        )
    return device


def set_threads(count: int) -> int:
    """Let torch use ``count`` CPU threads, 0 for one a physical core; returns how many."""
    threads = count or physical_cores()
    torch.set_num_threads(threads)
    return threads


def physical_cores() -> int:
    """Physical cores that this process may use; logical ones where the system does not tell them apart."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = set()
    for cpu in allowed:
        try:
            siblings.add((_TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="ascii"))
        except OSError:
            return len(allowed)
    return len(siblings)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context for a forward pass: bfloat16 where that is safe, or plain float32.

    ``auto`` takes bfloat16 where matrix units multiply it: without them a training step took 1.34 times the CPU time
    of float32 (12 layers of width 384, AVX-512 with its bf16 instructions).
    """
    half = _multiplies_bf16(device) if precision == "auto" else precision == "bf16"
    return torch.autocast(device_type=device.type, dtype=torch.bfloat16, enabled=half)


@lru_cache(maxsize=4)
def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        return "amx_bf16" in _CPU_FLAGS.read_text(encoding="ascii").split()
    except OSError:
        return False
