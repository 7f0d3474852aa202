"""Tagging a corpus through its shards: the rows that ``predict`` gives for the raw text, resumable and reproducible."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ssmi
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.predict.corpus.parts import PartTask, is_finished

SENTENCE = "吴重阳先生毕业于北京大学，任公司董事长。"
LINES = [
    SENTENCE,
    "",
    "　　陈思远，男，任东海\u200b科技公司 经理。",
    "我 在𠮷野家吃饭😀，真好 吃！ COVID-19疫苗的研究员在北京",
    "\u3000 \ufeff",
    "陈 思 远 ， 男 ，任 东海科技公司 经理。\u2029吴重阳先生毕业于北京大学",
    "中国国籍，无境外永久居留权，" * 400,
]
ROWS = ["李明在北京\n\n王小明在公司任董事长", "半个\ud800代理", "公司董事长在上海\x00的办公室"]
SMALL_PARTS = ("-S", "prepare.sentences_per_part=4")


def write_corpus(folder: Path) -> None:
    """Write lines, JSON lines and a table, with blanks, marks, blank lines, a long text, a lone surrogate and a NUL."""
    folder.mkdir()
    (folder / "a.txt").write_bytes("\n".join(LINES).encode())
    (folder / "b.jsonl").write_text("".join(json.dumps({"id": 1, "text": row}) + "\n" for row in ROWS))
    table = pa.table({"text": [SENTENCE, "在北京", "  "], "n": [1, 2, 3]})
    pq.write_table(table, folder / "c.parquet")


TEXTS = [*LINES, *ROWS, SENTENCE, "在北京", "  "]


@pytest.fixture(scope="module")
def built(tagging_project: Any, copy_project: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a run and a corpus whose features are built. Read-only."""
    project = copy_project(tagging_project, tmp_path_factory.mktemp("corpus"))
    write_corpus(project.root / "news")
    project.build("--corpus", "news", *SMALL_PARTS)
    return project


def predictions(folder: Path) -> list[tuple[int, int, int, str, float]]:
    rows = [row for path in sorted(folder.glob("part-*")) for row in tables.read_rows(path, schema.PREDICTIONS)]
    return [(row["text_id"], row["start"], row["end"], row["label"], row["score"]) for row in rows]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def writable_project(built: Any, copy_project: Callable[..., Any], tmp_path: Path) -> Any:
    """A writable copy of ``built``."""
    return copy_project(built, tmp_path)


@pytest.fixture
def opened(writable_project: Any) -> ssmi.Project:
    """The writable copy, opened from Python."""
    return ssmi.open_project(writable_project.root)


def test_rows_equal_those_of_the_raw_text(writable_project: Any) -> None:
    outcome = writable_project.ssmi("predict", "--shards", "news", "--device", "cpu")
    folder = writable_project.root / "artifacts" / "predict" / "tiny" / "news"
    assert outcome.code == 0, outcome.stderr
    tagger = ssmi.open_run(writable_project.root / "artifacts" / "train" / "tiny", device="cpu", threads=1)
    expected = [(number, entity) for number, text in enumerate(TEXTS) for entity in tagger(text)]
    found = predictions(folder)
    assert [row[:4] for row in found] == [
        (number, entity.start, entity.end, entity.label) for number, entity in expected
    ]
    assert [row[4] for row in found] == pytest.approx([entity.score for _, entity in expected], abs=2e-5)
    assert len(found) > 20 and {row[0] for row in found} > {0, 2, 5, 6, 7, 10}
    assert outcome.stdout == f"{len(found)} entities in {_n_sentences(writable_project.root)} sentences: {folder}\n"


def _n_sentences(root: Path) -> int:
    return tables.count_rows(tables.list_parts(root / "artifacts" / "prepare" / "news", "text"))


def test_entities_below_min_score_are_omitted(opened: ssmi.Project) -> None:
    every_prediction = predictions(opened.predict_shards("news", device="cpu").folder)
    probable = predictions(opened.predict_shards("news", min_score=0.9, device="cpu").folder)
    assert probable == [row for row in every_prediction if row[4] >= 0.9]
    assert 0 < len(probable) < len(every_prediction)


def test_finished_parts_are_kept_and_the_others_rebuilt(opened: ssmi.Project) -> None:
    first = opened.predict_shards("news", device="cpu")
    assert (first.n_kept, first.n_parts) == (0, len(list(first.folder.glob("part-*.parquet")))) and first.n_parts > 3
    contents = files(first.folder)
    # As after an interruption: no manifest, one part missing, one part truncated.
    kept = first.folder / "part-00000.parquet"
    stamp = kept.stat().st_mtime_ns
    (first.folder / "manifest.json").unlink()
    (first.folder / "part-00001.parquet").unlink()
    (first.folder / "part-00002.parquet").write_bytes(contents["part-00002.parquet"][:40])
    second = opened.predict_shards("news", device="cpu")
    assert (second.n_kept, second.n_entities) == (first.n_parts - 2, first.n_entities)
    assert files(first.folder) == contents and kept.stat().st_mtime_ns == stamp
    assert opened.predict_shards("news", device="cpu").n_kept == first.n_parts
    # Parts with other settings are rebuilt, and extra parts of a larger corpus are removed.
    (first.folder / "part-00099.parquet").write_bytes(contents["part-00000.parquet"])
    (first.folder / ".part-00000.parquet.1a2b.tmp").write_bytes(b"half")
    assert opened.predict_shards("news", min_score=0.5, device="cpu").n_kept == 0
    assert sorted(files(first.folder)) == sorted(contents)


def test_a_changed_part_is_rebuilt_and_other_files_are_kept(opened: ssmi.Project) -> None:
    folder = opened.predict_shards("news", device="cpu").folder
    contents, part = files(folder), folder / "part-00000.parquet"
    for offset in (10, len(contents[part.name]) // 2, len(contents[part.name]) - 200):
        changed = bytearray(contents[part.name])
        changed[offset] ^= 1
        part.write_bytes(bytes(changed))
        opened.predict_shards("news", device="cpu")
        assert files(folder) == contents
    (folder / "notes.md").write_text("mine", encoding="utf-8")
    (folder / "more").mkdir()
    assert opened.predict_shards("news", device="cpu").n_kept == len(contents) - 1
    assert (folder / "notes.md").read_text(encoding="utf-8") == "mine" and (folder / "more").is_dir()


@pytest.mark.parametrize("column", [pa.array([1], pa.duration("s")), pa.array([b"\xff"]), pa.array([float("nan")])])
def test_a_table_with_other_columns_is_not_a_finished_part(tmp_path: Path, column: pa.Array) -> None:
    target = tmp_path / "part-00000.parquet"
    pq.write_table(pa.table({"score": column}), target)
    folders = {name: tmp_path for name in ("checkpoint", "boundaries", "part", "sources")}
    assert not is_finished(PartTask(**folders, arrays=(), target=target, device="cpu", min_score=0.0, made_from=""))


def test_workers_write_the_same_bytes(opened: ssmi.Project) -> None:
    serial = files(opened.predict_shards("news", device="cpu").folder)
    shutil.rmtree(opened.root / "artifacts" / "predict")
    with_workers = opened.predict_shards("news", workers=2, device="cpu")
    assert files(with_workers.folder) == serial


def test_the_manifest_describes_the_run_and_has_no_path(opened: ssmi.Project) -> None:
    result = opened.predict_shards("news", device="cpu")
    text = (result.folder / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    assert manifest["dataset"] == "news" and manifest["parameters"] == {"predict": {"min_score": 0.0}}
    assert set(manifest["inputs"]) == {"run", "artifacts/shards"}
    assert (manifest["report"]["rows_in"], manifest["report"]["rows_out"]) == (result.n_sentences, result.n_entities)
    assert str(opened.root) not in text
    assert sum(entry["rows"] for entry in manifest["files"].values()) == result.n_entities


def test_features_of_another_build_are_refused(opened: ssmi.Project) -> None:
    opened.build_features("tiny", overrides=["pmi.estimator=paper"])
    opened.build_features(corpus="news", overrides=["pmi.estimator=paper", "prepare.sentences_per_part=4"])
    with pytest.raises(StaleArtifactError, match=r"pmi\.estimator is joint in the run, paper in the shards"):
        opened.predict_shards("news")
    # The same parameters with other labels: the map and the weights differ.
    raw = opened.root / "data" / "tiny" / "train.bmes"
    raw.write_text(raw.read_text(encoding="utf-8") + "\n北 O\n京 O\n", encoding="utf-8")
    opened.build_features("tiny")
    opened.build_features(corpus="news")
    with pytest.raises(
        StaleArtifactError, match=r"map and segment vectors .* in the run, .* in the shards; PMI pairs"
    ) as raised:
        opened.predict_shards("news")
    assert "--corpus news --like" in raised.value.next_step


def test_sentences_of_another_build_are_refused(opened: ssmi.Project) -> None:
    opened.run_stage("prepare", corpus="news", overrides=["prepare.sentences_per_part=5"])
    with pytest.raises(StaleArtifactError, match="not built from the sentences in"):
        opened.predict_shards("news")


def test_invalid_corpora_are_refused_with_advice(opened: ssmi.Project) -> None:
    with pytest.raises(ParameterError, match="a data set, with labels") as raised:
        opened.predict_shards("tiny")
    assert "ssmi-cli evaluate" in raised.value.next_step
    run = opened.root / "artifacts" / "my run"
    shutil.copytree(opened.root / "artifacts" / "train" / "tiny", run)
    with pytest.raises(ParameterError, match="a data set, with labels") as raised:
        opened.predict_shards("tiny", run=run)
    assert f"--run '{run}' --dataset tiny" in raised.value.next_step
    with pytest.raises(MissingResourceError, match="not built") as missing:
        opened.predict_shards("nothing")
    assert "--corpus nothing" in missing.value.next_step
    with pytest.raises(MissingResourceError, match="no such file or folder"):
        opened.predict_shards("../news")
    with pytest.raises(ParameterError, match="not a probability"):
        opened.predict_shards("news", min_score=1.5)
    with pytest.raises(MissingResourceError, match="no such folder"):
        opened.predict_shards("news", run="nowhere")


@pytest.mark.parametrize("option", [("--format", "conll"), ("--entities", "a.txt"), ("--interactive",), ("a.txt",)])
def test_options_for_files_are_refused_for_a_corpus(built: Any, option: tuple[str, ...], tmp_path: Path) -> None:
    words = [str(tmp_path / word) if word.endswith(".txt") else word for word in option]
    (tmp_path / "a.txt").write_text("北京\tLOC\n", encoding="utf-8")
    outcome = built.ssmi("predict", "--shards", "news", *words)
    assert outcome.code == 2 and "without" in outcome.stderr
    outcome = built.ssmi("predict", "--workers", "2", str(tmp_path / "a.txt"))
    assert outcome.code == 2 and "--workers" in outcome.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("train",),
        ("evaluate",),
        ("evaluate", "--run", "artifacts/train/tiny"),
        ("report",),
        ("encoder", "adapt", "--out", "new"),
    ],
)
def test_a_corpus_as_data_set_is_refused_with_advice(built: Any, command: tuple[str, ...]) -> None:
    outcome = built.ssmi(*command, "--dataset", "news")
    assert outcome.code == 4, outcome.stderr
    assert "corpus news: text without labels" in outcome.stderr
    assert "ssmi-cli predict --shards news tags it" in outcome.stderr and "train --dataset" not in outcome.stderr


@pytest.mark.parametrize(
    "command", [("train", "-S", "prepare.sentences_per_part=4"), ("report", "--run", "artifacts/train/tiny")]
)
def test_training_and_scoring_on_a_corpus_are_refused(built: Any, command: tuple[str, ...]) -> None:
    outcome = built.ssmi(*command, "--dataset", "news")
    assert outcome.code == 4, outcome.stderr
    assert "news: text without labels" in outcome.stderr and "predict --shards news" in outcome.stderr


def test_runs_with_the_same_folder_name_have_separate_predictions(opened: ssmi.Project) -> None:
    run = opened.paths.run("tiny")
    elsewhere = opened.root / "elsewhere" / "tiny"
    shutil.copytree(run, elsewhere)
    original, copied = opened.predict_shards("news", device="cpu"), opened.predict_shards("news", run=elsewhere)
    digest = json.loads((copied.folder / "manifest.json").read_text(encoding="utf-8"))["inputs"]["run"]
    assert (original.folder.parent.name, copied.folder.parent.name) == ("tiny", f"tiny@{digest[:8]}")
    # A copy of the run in another place counts as the same run, and the output folder keeps its name.
    elsewhere.rename(opened.root / "tiny")
    assert opened.predict_shards("news", run=opened.root / "tiny").n_kept == copied.n_parts
    assert opened.predict_shards("news", run=run).folder == original.folder


def test_another_corpus_with_the_same_name_is_refused(opened: ssmi.Project) -> None:
    other = opened.root / "other" / "news"
    other.mkdir(parents=True)
    (other / "a.txt").write_text("别的文字\n", encoding="utf-8")
    with pytest.raises(
        ParameterError, match="features in artifacts/prepare/news were built from news, and other/news holds"
    ):
        opened.predict_shards("other/news")
    assert not (opened.root / "artifacts" / "predict").exists()
    assert opened.predict_shards(str(opened.root / "news"), device="cpu").n_parts > 3
