"""From the name of an encoder to its folder on this machine, converted to safetensors where needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.assets import cache
from ssmi.pipeline.assets.conversion import e5_small_zh
from ssmi.pipeline.assets.conversion.pickled_weights import with_safetensors
from ssmi.pipeline.assets.encoder_files import check_encoder_folder, encoder_digest
from ssmi.pipeline.assets.names import OWN_LICENCE, is_path, path_below
from ssmi.pipeline.assets.registry import ASSETS, Asset, Registry, known, names
from ssmi.pipeline.assets.sources.hub import fetch_hub
from ssmi.pipeline.assets.sources.package_index import fetch_member
from ssmi.pipeline.contract.encoders.types import EncoderShape, encoder_shape
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, name_hint
from ssmi.pipeline.contract.manifest import digest_json
from ssmi.pipeline.contract.progress import Reporter


@dataclass(frozen=True, slots=True)
class EncoderFolder:
    """An encoder's folder; ``digest`` covers config, weights and vocabulary."""

    path: Path
    """Folder with weights in safetensors; in the cache if they were converted."""
    name: str
    digest: str
    licence: str
    shape: EncoderShape

    @property
    def description(self) -> str:
        """Description of the encoder, for people."""
        return _describe(self.shape)


def find_encoder(
    name: str, *, revision: str | None, root: Path, reporter: Reporter, registry: Registry = ASSETS
) -> EncoderFolder:
    """Find an encoder; fetch or convert it into the cache if needed.

    Args:
        name: A listed encoder, a folder relative to ``root``, or the name of a hub model.
        revision: Revision of the hub model; None takes the newest.
        root: The project's folder.
        reporter: Receives the progress of downloads and conversions.
        registry: The named assets.

    Returns:
        The folder with its digest and sizes. If ``pytorch_model.bin`` is the only form of the weights, it is the
        converted copy in the cache.

    Raises:
        MissingResourceError: The folder does not exist or lacks config, weights or vocabulary, or the hub does not
            provide the model.
        InputDataError: The encoder's type is not supported, or its files do not fit together.
    """
    asset = known(name, "encoder", registry)
    folder = path_below(root, name)
    if asset is not None:
        path, licence = _registered_encoder(asset, reporter), asset.licence
    elif folder.is_dir():
        # Resolved, since a path such as `.` has no name.
        path, licence, name = folder, OWN_LICENCE, folder.resolve().name
    elif is_path(name) or folder.exists():
        raise _no_folder(name, folder, registry)
    else:
        path = fetch_hub(name, revision=revision, reporter=reporter)
        licence = "see the model's card on the hub"
    check_encoder_folder(path, name=str(path) if folder.is_dir() else name, pickled=True)
    path = with_safetensors(path, name=name, reporter=reporter)
    shape = encoder_shape(path)
    return EncoderFolder(path, name, encoder_digest(path), licence, shape)


def _no_folder(name: str, folder: Path, registry: Registry) -> MissingResourceError:
    return MissingResourceError(
        f"encoder {name!r}: {'is a file' if folder.exists() else 'no such folder'}; "
        f"{name_hint(name, names('encoder', registry))}",
        next_step="name a folder with config.json, model.safetensors (or pytorch_model.bin) and vocab.txt, "
        "a listed encoder, or a hub model",
    )


def describe_encoder(name: str, *, root: Path, registry: Registry = ASSETS) -> str:
    """Describe in words what ``find_encoder`` would return, or what is wrong. Fetches and converts nothing."""
    asset = known(name, "encoder", registry)
    folder = cache.cached("encoder", asset.name, encoder_recipe(asset)) if asset is not None else path_below(root, name)
    if folder is None:
        return "not fetched"
    if asset is None and not folder.is_dir():
        return "no such folder" if is_path(name) else "a model of the hub, asked for when features are built"
    try:
        check_encoder_folder(folder, pickled=True)
        return _describe(encoder_shape(folder))
    except (InputDataError, MissingResourceError) as error:
        return error.message


def encoder_recipe(asset: Asset) -> str:
    """Digest of what a listed encoder's folder in the cache depends on: its source and the converter's version."""
    return digest_json({"converter": e5_small_zh.VERSION, "source": asset.recipe})


def _registered_encoder(asset: Asset, reporter: Reporter) -> Path:
    def make(fresh: Path) -> None:
        binary = fresh / "source.bin"
        fetch_member(asset, binary, reporter=reporter)
        e5_small_zh.convert(binary, fresh, reporter=reporter)
        binary.unlink()

    return cache.obtain("encoder", asset.name, encoder_recipe(asset), make, reporter=reporter)


def _describe(shape: EncoderShape) -> str:
    return f"{shape.type}, {shape.n_layers} layers of width {shape.width}, up to {shape.max_window} characters at once"
