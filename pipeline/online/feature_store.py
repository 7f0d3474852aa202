"""The files that turn text into rows on line, and the check that the shards were built from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.assets.cache import remembered_digest
from ssmi.pipeline.assets.encoder_files import check_encoder_folder, encoder_digest, encoder_files
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.statistics import ShardsStatistics
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE

USER_DICT = "user_dict.txt"
_SHORT = 12


@dataclass(frozen=True)
class FeatureStore:
    """Where the vocabulary, the segments' vectors, the PMI pairs, the encoder and the user dictionary lie.

    Nothing inside them knows where it lies: ``files`` copied elsewhere under their names open with ``packed``.
    """

    vocab: Path
    embed: Path
    pmi: Path
    encoder: Path
    user_dict: Path | None = None

    @classmethod
    def packed(cls, folder: Path) -> FeatureStore:
        """The folders below one that holds copies of ``files``."""
        user_dict = folder / USER_DICT
        rooms = {name: folder / name for name in ("vocab", "embed", "pmi", "encoder")}
        return cls(**rooms, user_dict=user_dict if user_dict.is_file() else None)

    def files(self) -> dict[str, Path]:
        """Every file that is read, by its name in a pack.

        Raises:
            MissingResourceError: A folder was not built or holds no encoder.
        """
        check_encoder_folder(self.encoder)
        files = {f"encoder/{path.name}": path for path in encoder_files(self.encoder)}
        for room, folder in (("vocab", self.vocab), ("embed", self.embed), ("pmi", self.pmi)):
            names = [PAIRS_FILE] if room == "pmi" else list(manifests.load(folder).files)
            files |= {f"{room}/{name}": folder / name for name in (*names, manifests.MANIFEST_NAME)}
        if self.user_dict is not None:
            files[USER_DICT] = self.user_dict
        return dict(sorted(files.items()))


@dataclass(frozen=True)
class FeatureSpec:
    """What the shards say about how their rows were made."""

    params: Params
    """Sections ``segment``, ``embed`` and ``selection`` are those of the shards; the others have their defaults."""
    max_window: int
    hidden_layers: int | None
    """Of the encoder, whose states the shards hold; None where they hold none."""
    vocabulary_digest: str
    embed_digest: str
    user_dict_digest: str


def check(folders: FeatureStore, shards: Manifest) -> FeatureSpec:
    """Check that the folders are those that the shards of a tagger were built from.

    Args:
        folders: The files of the features.
        shards: The manifest of the shards.

    Returns:
        How the rows of the shards were made.

    Raises:
        MissingResourceError: A folder or file does not exist.
        StaleArtifactError: A folder is of another build, or a file is not what its manifest says. The message names
            both digests of every difference.
    """
    made_with = ShardsStatistics.of(shards)
    needed = {
        "vocabulary": (folders.vocab, made_with.vocabulary_digest),
        "segment vectors": (folders.embed, made_with.embed_digest),
        "PMI pairs": (folders.pmi, shards.inputs.get("artifacts/pmi")),
        "encoder": (folders.encoder, made_with.encoder_digest),
        "user dictionary": (folders.user_dict, made_with.user_dict_digest),
    }
    digests = _digests(folders)
    problems = [
        f"{what} {path or 'none'} is {_brief(digests[what])}, the shards were built with {_brief(wanted)}"
        for what, (path, wanted) in needed.items()
        if digests[what] != wanted
    ]
    problems = problems or _damaged(folders)
    if problems:
        raise StaleArtifactError(
            f"features on line would not be those of the shards: {'; '.join(problems)}",
            next_step="name the folders that the shards were built from, or build the shards again and train on them",
        )
    return FeatureSpec(
        params=Params(
            segment=made_with.feature_parameters.segment,
            embed=made_with.feature_parameters.embed,
            selection=made_with.feature_parameters.selection,
        ),
        max_window=made_with.max_window,
        hidden_layers=made_with.hidden_layers,
        vocabulary_digest=made_with.vocabulary_digest,
        embed_digest=made_with.embed_digest,
        user_dict_digest=made_with.user_dict_digest or "",
    )


def belong(folders: FeatureStore, shards: Manifest) -> bool:
    """Whether the folders say of themselves that the shards were built from them; ``check`` looks into the files."""
    made_with = ShardsStatistics.of(shards)
    if (folders.user_dict is None) != (made_with.user_dict_digest is None):
        return False
    wanted = {
        folders.vocab: made_with.vocabulary_digest,
        folders.embed: made_with.embed_digest,
        folders.pmi: shards.inputs.get("artifacts/pmi"),
    }
    files = {folder / manifests.MANIFEST_NAME: digest for folder, digest in wanted.items()}
    if folders.user_dict is not None:
        files[folders.user_dict] = made_with.user_dict_digest
    return all(path.is_file() and manifests.digest_file(path) == digest for path, digest in files.items())


def _digests(folders: FeatureStore) -> dict[str, str | None]:
    check_encoder_folder(folders.encoder)
    if folders.user_dict is not None and not folders.user_dict.is_file():
        raise MissingResourceError(f"{folders.user_dict}: no such user dictionary", next_step="put it back")
    rooms = {"vocabulary": folders.vocab, "segment vectors": folders.embed, "PMI pairs": folders.pmi}
    for folder in rooms.values():
        manifests.load(folder)
    return {
        **{what: manifests.digest_file(folder / manifests.MANIFEST_NAME) for what, folder in rooms.items()},
        "encoder": encoder_digest(folders.encoder),
        "user dictionary": manifests.digest_file(folders.user_dict) if folders.user_dict is not None else None,
    }


def _damaged(folders: FeatureStore) -> list[str]:
    """What is not as its manifest says, of the files that are read."""
    problems = []
    for folder in (folders.vocab, folders.embed, folders.pmi):
        entries = manifests.load(folder).files
        for name in [PAIRS_FILE] if folder == folders.pmi else entries:
            path = folder / name
            if not path.is_file():
                problems.append(f"{path} is missing")
                continue
            digest = remembered_digest(path)
            if digest != entries[name].sha256:
                problems.append(f"{path} is {_brief(digest)}, its manifest says {_brief(entries[name].sha256)}")
    return problems


def _brief(digest: str | None) -> str:
    return digest[:_SHORT] if digest else "none"
