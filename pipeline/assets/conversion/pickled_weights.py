"""``pytorch_model.bin`` → safetensors in the cache, once; only tensors are ever unpickled."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssmi.pipeline.assets import cache
from ssmi.pipeline.assets.encoder_files import INDEX, PICKLE, SAFETENSORS, part_names, weight_files
from ssmi.pipeline.contract.encoders.types import CONFIG, encoder_shape
from ssmi.pipeline.contract.encoders.vocabulary import vocabulary_file
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.manifest import digest_json
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage.digests import digest_once
from ssmi.pipeline.contract.storage.tensor_files import saving_tensors

VERSION = 1
"""Version of the conversion; raise it to have cached copies made again."""


def with_safetensors(folder: Path, *, name: str, reporter: Reporter) -> Path:
    """Convert an encoder that has its weights only in ``pytorch_model.bin``, once, into the cache.

    The copy is keyed by the content of the folder, not by its path.

    Args:
        folder: The encoder's folder.
        name: Name of the encoder in messages.
        reporter: Receives a note about the conversion.

    Returns:
        The folder itself if it has safetensors, else the converted copy.

    Raises:
        InputDataError: The weights hold more than tensors, or the folder is not that of a supported encoder.
    """
    pickles = [] if weight_files(folder) else weight_files(folder, PICKLE)
    if not pickles:
        return folder
    # Called only for its errors: an unsupported encoder is refused before anything is unpickled.
    encoder_shape(folder)
    others = (folder / CONFIG, vocabulary_file(folder))
    recipe = digest_json({"converter": str(VERSION), **{path.name: digest_once(path) for path in (*others, *pickles)}})

    def make(fresh: Path) -> None:
        reporter.note(f"{name}: {pickles[0].name} is converted to safetensors in the cache, once")
        for path in others:
            (fresh / path.name).write_bytes(path.read_bytes())
        _convert(pickles, fresh)

    return cache.obtain("converted", recipe[:16], recipe, make, reporter=reporter)


def _convert(pickles: list[Path], fresh: Path) -> None:
    if len(pickles) == 1:
        _convert_file(pickles[0], fresh / SAFETENSORS)
        return
    index, *parts = pickles
    renamed = {path.name: f"model-{number:05}.safetensors" for number, path in enumerate(parts, start=1)}
    for path in parts:
        _convert_file(path, fresh / renamed[path.name])
    weight_map = {weight: renamed[part] for weight, part in sorted(part_names(index).items())}
    index_body = json.dumps({"metadata": {}, "weight_map": weight_map})
    (fresh / f"{SAFETENSORS}{INDEX}").write_text(index_body, encoding="utf-8")


def _convert_file(path: Path, target: Path) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    written: set[int] = set()
    for name, tensor in read_pickled(path).items():
        whole, memory = tensor.detach().contiguous(), tensor.untyped_storage()
        if memory.data_ptr() in written or whole.nbytes != memory.nbytes():
            whole = whole.clone()  # tied, or part of a larger tensor: safetensors writes no shared memory
        written.add(memory.data_ptr())
        tensors[name] = whole
    with saving_tensors(target):
        save_file(tensors, target, metadata={"format": "pt"})


def read_pickled(path: Path) -> Mapping[str, Any]:
    """Read the named tensors of a pickle with torch's restricted unpickler.

    Raises:
        InputDataError: The file holds anything other than named tensors.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about pickles that are refused below, or read anyway
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler may raise anything for malformed bytes
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        reason = next((line for line in lines if "Unsupported" in line or "GLOBAL" in line), lines[0])
        raise InputDataError(
            f"{path}: cannot be read as a pickle that contains tensors only ({reason[:200]})",
            next_step="fetch it again, or have its owner convert it to model.safetensors",
        ) from error
    if not isinstance(loaded, Mapping) or not loaded:
        raise InputDataError(f"{path}: holds no named weights", next_step="fetch the encoder again")
    others = [str(name) for name, value in loaded.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise InputDataError(
            f"{path}: not a model's weights: {others[0]!r} is not a tensor", next_step="fetch the encoder again"
        )
    return {str(name): value for name, value in loaded.items()}
