"""The files that turn text into rows online, and the check that the shards were built from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.assets.encoder_files import check_encoder_folder, encoder_digest, encoder_files
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.pipeline.contract.storage.digests import digest_once, short_digest
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE

USER_DICT = "user_dict.txt"


@dataclass(frozen=True)
class FeatureStore:
    """The locations of the vocabulary, segment vectors, PMI pairs, encoder and user dictionary.

    The files do not depend on their location: copies of ``files`` under the same names can be opened by ``packed``.
    """

    vocab: Path
    embed: Path
    pmi: Path
    encoder: Path
    user_dict: Path | None = None

    @classmethod
    def packed(cls, folder: Path) -> FeatureStore:
        """Locate the copies of ``files`` below a folder."""
        user_dict = folder / USER_DICT
        folders = {name: folder / name for name in ("vocab", "embed", "pmi", "encoder")}
        return cls(**folders, user_dict=user_dict if user_dict.is_file() else None)

    def files(self) -> dict[str, Path]:
        """Return every file that is read, by its name in a pack.

        Raises:
            MissingResourceError: A folder was not built, or the encoder's folder holds no encoder.
        """
        check_encoder_folder(self.encoder)
        files = {f"encoder/{path.name}": path for path in encoder_files(self.encoder)}
        for part, folder in (("vocab", self.vocab), ("embed", self.embed), ("pmi", self.pmi)):
            # Only the pairs of pmi: its other tables concern sentences of the data set, not new text.
            names = [PAIRS_FILE] if part == "pmi" else list(manifests.load(folder).files)
            files |= {f"{part}/{name}": folder / name for name in (*names, manifests.MANIFEST_NAME)}
        if self.user_dict is not None:
            files[USER_DICT] = self.user_dict
        return dict(sorted(files.items()))


@dataclass(frozen=True)
class FeatureSpec:
    """How the rows of the shards were made, as recorded in the shards."""

    params: Params
    """Sections ``segment``, ``embed`` and ``selection`` as used for the shards; other sections have their defaults."""
    max_window: int
    hidden_layers: int | None
    """Number of first layers of the encoder that made the states in the shards; None if the shards hold no states."""
    hidden_norm: bool
    """Whether a norm after the encoder's last layer was applied to the states."""
    matches: bool
    """Whether the rows of the shards hold their matches."""
    vocabulary_digest: str
    embed_digest: str
    user_dict_digest: str


def check_feature_store(store: FeatureStore, shards: Manifest) -> FeatureSpec:
    """Check that a tagger's shards were built from the given folders.

    Args:
        store: The files of the features.
        shards: The manifest of the shards.

    Returns:
        How the rows of the shards were made.

    Raises:
        MissingResourceError: A folder or file does not exist.
        StaleArtifactError: A folder is of another build, or a file differs from its manifest. The message names both
            digests of every difference.
    """
    made_with = ShardsStatistics.of(shards)
    # Files are hashed only if the manifests match: hashing gigabytes would not make the first message clearer.
    problems = _of_another_build(store, shards, made_with) or _damaged(store)
    if problems:
        raise StaleArtifactError(
            f"online features would differ from the shards: {'; '.join(problems)}",
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
        hidden_norm=made_with.hidden_norm,
        matches=made_with.matches,
        vocabulary_digest=made_with.vocabulary_digest,
        embed_digest=made_with.embed_digest,
        user_dict_digest=made_with.user_dict_digest or "",
    )


def _of_another_build(store: FeatureStore, shards: Manifest, made_with: ShardsStatistics) -> list[str]:
    needed = {
        "vocabulary": (store.vocab, made_with.vocabulary_digest),
        "segment vectors": (store.embed, made_with.embed_digest),
        "PMI pairs": (store.pmi, shards.inputs.get("artifacts/pmi")),
        "encoder": (store.encoder, made_with.encoder_digest),
        "user dictionary": (store.user_dict, made_with.user_dict_digest),
    }
    digests = _digests(store)
    return [
        f"{what} {path or 'none'} is {_brief(digests[what])}, the shards were built with {_brief(wanted)}"
        for what, (path, wanted) in needed.items()
        if digests[what] != wanted
    ]


def manifests_match(store: FeatureStore, shards: Manifest) -> bool:
    """Whether the shards were built from the folders, by their manifests only.

    ``check_feature_store`` also verifies the files.
    """
    made_with = ShardsStatistics.of(shards)
    if (store.user_dict is None) != (made_with.user_dict_digest is None):
        return False
    wanted = {
        store.vocab: made_with.vocabulary_digest,
        store.embed: made_with.embed_digest,
        store.pmi: shards.inputs.get("artifacts/pmi"),
    }
    files = {folder / manifests.MANIFEST_NAME: digest for folder, digest in wanted.items()}
    if store.user_dict is not None:
        files[store.user_dict] = made_with.user_dict_digest
    return all(path.is_file() and manifests.digest_file(path) == digest for path, digest in files.items())


def _digests(store: FeatureStore) -> dict[str, str | None]:
    check_encoder_folder(store.encoder)
    if store.user_dict is not None and not store.user_dict.is_file():
        raise MissingResourceError(f"{store.user_dict}: no such user dictionary", next_step="put it back")
    folders = {"vocabulary": store.vocab, "segment vectors": store.embed, "PMI pairs": store.pmi}
    for folder in folders.values():
        manifests.load(folder)
    return {
        **{what: manifests.digest_file(folder / manifests.MANIFEST_NAME) for what, folder in folders.items()},
        "encoder": encoder_digest(store.encoder),
        "user dictionary": manifests.digest_file(store.user_dict) if store.user_dict is not None else None,
    }


def _damaged(store: FeatureStore) -> list[str]:
    """Describe each file that is read and is missing or differs from its manifest."""
    problems = []
    for folder in (store.vocab, store.embed, store.pmi):
        entries = manifests.load(folder).files
        for name in [PAIRS_FILE] if folder == store.pmi else entries:
            path = folder / name
            if not path.is_file():
                problems.append(f"{path} is missing")
                continue
            digest = digest_once(path)
            if digest != entries[name].sha256:
                problems.append(f"{path} is {_brief(digest)}, its manifest says {_brief(entries[name].sha256)}")
    return problems


def _brief(digest: str | None) -> str:
    return short_digest(digest) if digest else "none"
