"""Online features equal the rows of the shards bit for bit, wherever the files are stored."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.assets.resolve import find_encoder
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.features.text.blanks import visible_stretches
from ssmi.pipeline.online import FeatureStore, OnlineFeatures

Row = dict[str, Any]
REPOSITORY = Path(__file__).parents[3]
GOLD = {"sentence_id", "tag_ids", "entities", "hidden_start"}

PIECES = [
    *("公司董事长", "南京市长江大桥", "𠮷野家吃饭", "研究员", "在北京", "我来到", "人民", "的", "㐀㐁", "々〇"),
    *("COVID-19", "Ａｂ１２", "3.14%", "e-mail", "abc def", "C++", "http://a.b/c?d=e"),
    *(" ", "   ", "\u3000", "\t", "\n", "\r\n", "\u2028", "\x85", "\u00a0"),
    *("😀", "👨\u200d👩\u200d👧", "🇨🇳", "e\u0301", "\ufeff", "\ue000", "\U000f0000", "\x00", "\x1b", "\x7f", "\ufffd"),
    *("。", "，", "……", "《", "》", "#", "_", "·"),
]
CHARACTER = st.sampled_from(sorted({c for piece in PIECES for c in piece})) | st.characters(exclude_categories=["Cs"])
TEXT = st.lists(st.sampled_from(PIECES) | CHARACTER, min_size=1, max_size=20).map("".join)
ANY_TEXT = st.lists(
    st.sampled_from([*PIECES, "\ud800", "\udfff"]) | CHARACTER | st.characters(categories=["Cs"]), max_size=20
).map("".join)


def folders_of(root: Path, dataset: str = "tiny", *, encoder: Path | None = None) -> FeatureStore:
    built = root / "artifacts"
    user_dict = root / "words.txt"
    return FeatureStore(
        built / "vocab",
        built / "embed" / dataset,
        built / "pmi" / dataset,
        encoder or root / "encoder",
        user_dict if user_dict.exists() else None,
    )


def manifest_of(root: Path, dataset: str = "tiny") -> manifests.Manifest:
    return manifests.load(root / "artifacts" / "shards" / dataset)


def opened(root: Path, dataset: str = "tiny", **options: Any) -> OnlineFeatures:
    return OnlineFeatures(folders_of(root, dataset), shards=manifest_of(root, dataset), **options)


def shard_rows(root: Path, dataset: str = "tiny", *, splits: Iterable[str] = tables.SPLITS) -> list[Row]:
    """Return the rows of the shards without the gold columns."""
    parts = [path for split in splits for path in tables.list_parts(root / "artifacts" / "shards" / dataset, split)]
    rows = [row for path in parts for row in tables.read_rows(path, schema.SHARDS)]
    return [{name: value for name, value in row.items() if name not in GOLD} for row in rows]


def assert_equal(computed: Sequence[Row], expected: Sequence[Row]) -> None:
    """Compare row by row and field by field, floats exactly."""
    for one, other in zip(computed, expected, strict=True):
        assert one.keys() == other.keys() == set(schema.SHARDS.names) - GOLD
        for name, value in other.items():
            assert one[name] == value, (name, "".join(other["characters"]))


@pytest.fixture(scope="module")
def features(built_once: Any) -> OnlineFeatures:
    return opened(built_once.root)


# --- the rows of the shards -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [True, False])
def test_rows_equal_those_of_the_shards(built_once: Any, stored: bool) -> None:
    expected = shard_rows(built_once.root)
    sentences = [row["characters"] for row in expected]
    features = opened(built_once.root, stored_segments=stored)
    assert_equal(features.rows_of_characters(sentences), expected)
    assert (features.statistics().embedded > 100) is not stored
    assert all(len(character) == 1 for characters in sentences for character in characters)
    assert max(len(row["window_starts"]) for row in expected) > 5
    assert_equal(features.rows(["".join(characters) for characters in sentences]), expected)


SWITCHES = [
    ("selection.scope=sentence",),
    ("selection.exclude_segment=true", "selection.threshold=0.1", "pmi.estimator=paper"),
    ("selection.choice=random",),
    ("selection.choice=segment", "shards.matches=true"),
    ("shards.matches=true", "embed.context=sentence"),
    ("embed.space=bert",),
    ("embed.space=bert", "embed.context=sentence", "selection.scope=sentence"),
    ("segment.engine=rjieba", "segment.hmm=false", "shards.max_window=20"),
]


@pytest.mark.parametrize("switches", SWITCHES, ids=" ".join)
def test_rows_equal_those_of_the_shards_with_every_option(project: Any, switches: tuple[str, ...]) -> None:
    project.build(*(part for switch in switches for part in ("-S", switch)))
    expected = shard_rows(project.root)
    sentences = [row["characters"] for row in expected]
    assert_equal(opened(project.root).rows_of_characters(sentences), expected)
    assert any(row["match_ids"] for row in expected) is ("shards.matches=true" in switches)
    if "embed.context=sentence" not in switches:
        assert_equal(opened(project.root, stored_segments=False).rows_of_characters(sentences), expected)


def test_sentence_context_embeds_new_segments_in_their_sentence(project: Any) -> None:
    """The stage does the same if a segment occurs in only one sentence of the data set."""
    sentences = ["熊，在公司。熊", "猫，南京市", "在北京。桥"]
    lone = "熊猫桥"
    blocks = ["".join(f"{character} O\n" for character in text) for text in sentences]
    project.raw("test").write_text("\n".join(blocks), encoding="utf-8")
    project.build("-S", "embed.context=sentence")
    table = tables.read_rows(
        project.root / "artifacts" / "embed" / "tiny" / "segments.parquet", schema.DISTINCT_SEGMENTS
    )
    counts = {row["segment"]: (row["boundary_id"], row["n_train"] + row["n_dev"], row["n_test"]) for row in table}
    assert [counts[segment] for segment in lone] == [(0, 0, 2), (0, 0, 1), (0, 0, 1)]
    expected = shard_rows(project.root, splits=["test"])
    stored = opened(project.root)
    assert_equal(stored.rows(sentences), expected)
    assert stored.statistics().embedded == 0
    fresh = opened(project.root, stored_segments=False)
    for _ in range(2):
        for row, other in zip(fresh.rows(sentences), expected, strict=True):
            for place, character in enumerate(other["characters"]):
                if character in lone:
                    assert other["best_ids"][place]
                    for name in ("best_ids", "best_cosines", "set_ids", "negative_ids"):
                        assert row[name][place] == other[name][place]
    assert fresh.statistics().encoder_calls == 2  # one per call, for all three sentences
    # another sentence gives another vector: nothing carries over between sentences
    assert fresh.rows(["猫，在北京"])[0]["best_cosines"][0] != expected[1]["best_cosines"][0]


@pytest.fixture(scope="module")
def random_project(pristine_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A separate project for data sets of random text."""
    return copy_project(pristine_project, tmp_path_factory.mktemp("mixed"))


@given(texts=st.lists(TEXT, min_size=40, max_size=80))
@settings(
    max_examples=3,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_random_texts_give_the_rows_of_the_shards(random_project: Any, texts: list[str]) -> None:
    folder = random_project.root / "data" / "mixed"
    folder.mkdir(exist_ok=True)
    visible: list[str] = []
    for split, split_texts in (("train", ["陈思远", *texts[:20]]), ("test", ["陈思远", *texts[20:]])):
        visible += (stretch.text for text in split_texts for stretch in visible_stretches(text))
        lines = [json.dumps({"text": text, "entities": []}, ensure_ascii=False) for text in split_texts]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    random_project.build("--dataset", "mixed", "-S", "prepare.dev_fraction=0")
    expected = shard_rows(random_project.root, "mixed")
    assert ["".join(row["characters"]) for row in expected] == visible
    for stored in (True, False):
        assert_equal(opened(random_project.root, "mixed", stored_segments=stored).rows(visible), expected)


@given(texts=st.lists(ANY_TEXT, max_size=8), earlier_texts=st.lists(ANY_TEXT, max_size=4))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_a_row_depends_only_on_its_text(
    built_once: Any, features: OnlineFeatures, texts: list[str], earlier_texts: list[str]
) -> None:
    """The other texts of the call, earlier calls and forgotten entries have no effect."""
    small_memory = opened(built_once.root, max_pairs=2)
    small_memory.rows(earlier_texts)
    together = features.rows(texts)
    assert_equal(small_memory.rows(texts), together)
    for text, row in zip(texts, together, strict=True):
        assert features.rows([text]) == [row]
        assert all(len(row[name]) == len(text) for name in ("characters", "token_ids", "best_ids", "local_ids"))


@pytest.mark.parametrize("layers", ["null", "1"])
def test_hidden_states_equal_those_of_the_shards(project: Any, layers: str) -> None:
    overrides = ("-S", f"shards.hidden_layers={layers}")
    project.build("-S", "shards.hidden=true", "-S", "shards.max_window=30", *overrides)
    features = opened(project.root)
    for split in tables.SPLITS:
        sentences = [row["characters"] for row in shard_rows(project.root, splits=[split])]
        (file,) = (project.root / "artifacts" / "shards" / "tiny" / split).glob("*.hidden.npy")
        computed = features.hidden_states(sentences)
        assert [len(states.characters) for states in computed] == list(map(len, sentences))
        assert np.concatenate([states.characters for states in computed]).tobytes() == np.load(file).tobytes()
        stored = np.load(file.with_name(file.name.replace("hidden", "specials")))
        assert np.concatenate([states.specials for states in computed]).tobytes() == stored.tobytes()


def test_vectors_and_words_of_boundaries_equal_those_of_the_shards(built_once: Any, features: OnlineFeatures) -> None:
    table = pa.parquet.read_table(built_once.root / "artifacts" / "shards" / "tiny" / "boundaries.parquet")
    ids = table["boundary_id"].to_pylist()
    assert features.words(ids) == table["word"].to_pylist()
    vectors = features.boundary_vectors(ids)
    assert vectors.dtype == np.float32 and vectors.tolist() == table["vector"].to_pylist()
    assert features.words([0]) == [""] and not features.boundary_vectors([0]).any()
    assert features.boundary_vectors(range(features.n_boundaries + 1)).shape == (features.n_boundaries + 1, 8)
    assert features.n_boundaries > len(ids)


# --- arbitrary text ---------------------------------------------------------------------------------------------------


def test_an_empty_text_has_an_empty_row(features: OnlineFeatures) -> None:
    assert features.rows([]) == []
    empty, full, again = features.rows(["", "在北京", ""])
    assert {name: value for name, value in empty.items() if value} == {"window_starts": [0]}
    assert again == empty and full == features.rows(["在北京"])[0]


def test_a_lone_surrogate_is_replaced_by_one_character(features: OnlineFeatures) -> None:
    assert features.rows(["公司\ud800董事长\udfff", "\ud83d\ude00"]) == features.rows(
        ["公司\ufffd董事长\ufffd", "\ufffd" * 2]
    )
    assert features.hidden_states([["在", "\ud800"]])[0].characters.shape == (2, 32)


def test_rows_of_any_text_fit_the_shards_schema(features: OnlineFeatures) -> None:
    rows = features.rows([*PIECES, "", " " * 40, "\x00" * 3, "\ud800", "混合 mixed テキスト текст عربى 한국어"])
    for name in set(schema.SHARDS.names) - GOLD:
        column = [dict(row)[name] for row in rows]
        assert pa.array(column, schema.SHARDS.field(name).type).to_pylist() == column


@pytest.mark.parametrize("text", ["公司董事长", "a", " ", "\ud800", "。好"])
def test_texts_of_a_hundred_thousand_characters(features: OnlineFeatures, text: str) -> None:
    (row,) = features.rows([text * (100_000 // len(text))])
    assert len(row["best_ids"]) == 100_000
    assert len(row["window_starts"]) >= 100_000 // 62


# --- memory -----------------------------------------------------------------------------------------------------------


def test_known_queries_and_segments_are_not_computed_again(built_once: Any) -> None:
    features = opened(built_once.root)
    texts = ["公司\ue000董事长", "\ue001的\ue002\ue003", "公司\ue000董事长"]
    first = features.rows(texts)
    counts = features.statistics()
    assert (counts.characters, counts.embedded) == (16, 4)
    assert counts.answered == len(
        {"公公司", "司公司", "董董事长", "事董事长", "长董事长", "的", *"\ue000\ue001\ue002\ue003"}
    )
    assert counts.encoder_calls == 1  # all new segments at once
    assert features.rows(texts[::-1]) == first[::-1]
    again = features.statistics()
    assert (again.answered, again.embedded, again.encoder_calls) == (counts.answered, counts.embedded, 1)
    assert again.characters == 32


def test_the_memory_is_bounded(built_once: Any) -> None:
    features = opened(built_once.root, max_pairs=4)
    features.rows(["\ue000", "\ue001"])
    features.rows(["\ue000", "\ue001"])
    assert features.statistics().answered == 2
    features.rows([chr(0xE100 + index) for index in range(20)])
    features.rows(["\ue000"])
    assert features.statistics().answered == 23


def test_torch_is_not_imported_for_known_text(built_once: Any) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ssmi.pipeline.contract import manifest\n"
        "from ssmi.pipeline.online import FeatureStore, OnlineFeatures\n"
        "built = Path('artifacts')\n"
        "folders = FeatureStore(built / 'vocab', built / 'embed/tiny', built / 'pmi/tiny', Path('encoder'))\n"
        "features = OnlineFeatures(folders, shards=manifest.load(built / 'shards/tiny'))\n"
        "features.rows(['疫苗在上海'])\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'torch', 'transformers', 'pandas', 'polars', 'gensim', 'distributed', 'duckdb'}))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    environment = {**built_once.environment, "PYTHONPATH": str(REPOSITORY)}
    completed = subprocess.run(command, cwd=built_once.root, env=environment, capture_output=True, text=True)
    assert (completed.returncode, completed.stdout) == (0, "[]\n"), completed.stderr


# --- consistency of files ---------------------------------------------------------------------------------------------


def test_copied_files_give_the_same_rows(project: Any, tmp_path: Path, features: OnlineFeatures) -> None:
    project.set("segment", user_dict="words.txt")
    (project.root / "words.txt").write_text("只有测试集见过 1000000\n", encoding="utf-8")
    project.build()
    expected = shard_rows(project.root)
    pack = tmp_path / "pack"
    for name, path in opened(project.root).files().items():
        assert not Path(name).is_absolute()
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, pack / name)
    shards = manifest_of(project.root)
    shutil.rmtree(project.root)
    elsewhere = OnlineFeatures(FeatureStore.packed(pack), shards=shards)
    sentences = [row["characters"] for row in expected]
    assert_equal(elsewhere.rows_of_characters(sentences), expected)
    new = OnlineFeatures(FeatureStore.packed(pack), shards=shards, stored_segments=False)
    assert_equal(new.rows_of_characters(sentences), expected)
    assert expected[-1]["segment_starts"] != features.rows(["".join(sentences[-1])])[0]["segment_starts"]


def _short_digest(root: Path, stage: str) -> str:
    folder = root / "artifacts" / stage
    return manifests.digest_file((folder if stage == "vocab" else folder / "tiny") / "manifest.json")[:12]


@pytest.mark.parametrize(
    ("stage", "change", "name"),
    [
        ("embed", "embed.ridge=2.0", "segment vectors"),
        ("pmi", "pmi.estimator=paper", "PMI pairs"),
        ("vocab", "vocab.max_words=150", "vocabulary"),
    ],
)
def test_folders_of_another_build_are_refused_with_both_digests(
    project: Any, stage: str, change: str, name: str
) -> None:
    shards, expected = manifest_of(project.root), _short_digest(project.root, stage)
    project.build("-S", change)
    digest = _short_digest(project.root, stage)
    with pytest.raises(StaleArtifactError) as refused:
        OnlineFeatures(folders_of(project.root), shards=shards)
    message = refused.value.message
    assert f"is {digest}, the shards were built with {expected}" in message and digest != expected
    assert name in message and str(folders_of(project.root).vocab.parent) in message
    assert "build the shards again" in refused.value.next_step
    assert opened(project.root).rows(["在北京"])


def _append(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"\n")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _write_words(path: Path) -> None:
    path.write_text("长江 10\n", encoding="utf-8")


DAMAGES: dict[str, tuple[Callable[[Path], None], str, type[SsmiError], str]] = {
    "changed encoder": (_append, "encoder/vocab.txt", StaleArtifactError, "encoder .*encoder is"),
    "missing encoder": (_remove, "encoder", MissingResourceError, "lacks config.json"),
    "changed matrix": (_append, "artifacts/vocab/vectors.npy", StaleArtifactError, "npy is .* its manifest says"),
    "missing alignment": (
        _remove,
        "artifacts/embed/tiny/alignment.safetensors",
        StaleArtifactError,
        "alignment.* is missing",
    ),
    "missing PMI counts": (_remove, "artifacts/pmi/tiny", MissingResourceError, "tiny: not built"),
    "unneeded user dictionary": (
        _write_words,
        "words.txt",
        StaleArtifactError,
        "words.txt is .* shards .* with none",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_inconsistent_files_are_refused(project: Any, damage: str) -> None:
    apply_damage, place, error, message = DAMAGES[damage]
    apply_damage(project.root / place)
    with pytest.raises(error, match=message):
        opened(project.root)


def test_a_missing_or_changed_user_dictionary_is_refused(project: Any) -> None:
    project.set("segment", user_dict="words.txt")
    words = project.root / "words.txt"
    words.write_text("只有测试集见过 1000000\n", encoding="utf-8")
    project.build()
    assert opened(project.root).rows(["只有测试集见过"])[0]["segment_starts"] == [0]
    words.write_text("只有测试集 1000000\n", encoding="utf-8")
    with pytest.raises(StaleArtifactError, match="user dictionary"):
        opened(project.root)
    words.unlink()
    with pytest.raises(
        StaleArtifactError, match=r"user dictionary none is none, the shards were built with [0-9a-f]{12}"
    ):
        opened(project.root)


@pytest.mark.parametrize("missing", ["embed_digest", "feature_parameters", "max_window"])
def test_shards_of_an_older_version_are_refused(project: Any, missing: str, reseal: Callable[..., None]) -> None:
    def remove_statistic(body: dict[str, Any]) -> None:
        del body["report"]["statistics"][missing]

    reseal(project.root / "artifacts" / "shards" / "tiny", remove_statistic)
    with pytest.raises(StaleArtifactError, match=missing):
        opened(project.root)


def test_parameters_of_another_version_are_refused(project: Any, reseal: Callable[..., None]) -> None:
    def misspell_parameter(body: dict[str, Any]) -> None:
        body["report"]["statistics"]["feature_parameters"]["selection"]["treshold"] = 1

    reseal(project.root / "artifacts" / "shards" / "tiny", misspell_parameter)
    with pytest.raises(StaleArtifactError, match=r"selection\.treshold: unknown key"):
        opened(project.root)


# --- real data --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    shutil.copy(REPOSITORY / "params.yaml", folder)
    return folder


@pytest.mark.assets
@pytest.mark.heavy
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("dataset", ["sample", "resume", "weibo", "msra"])
def test_rows_of_real_test_splits_equal_those_of_the_shards(real: Path, dataset: str) -> None:
    if dataset != "sample" and not (Path(os.environ.get("SSMI_DATA", "")) / dataset).is_dir():
        pytest.skip("SSMI_DATA names no folder with this data set")
    command = [sys.executable, "-m", "ssmi.cli.main", "--project", str(real), "features", "build", "--dataset", dataset]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)
    encoder = find_encoder("e5-small-zh", revision=None, root=real, reporter=Silent()).path
    folders = folders_of(real, dataset, encoder=encoder)
    expected = shard_rows(real, dataset, splits=["test"])
    sentences = [row["characters"] for row in expected]
    for stored in (True, False):
        features = OnlineFeatures(folders, shards=manifest_of(real, dataset), stored_segments=stored)
        for start in range(0, len(sentences), 64):
            batch = slice(start, start + 64)
            assert_equal(features.rows_of_characters(sentences[batch]), expected[batch])
        assert bool(features.statistics().embedded) is not stored
