"""``features build`` from the command line: what is rebuilt, what is kept, and what a failure leaves behind."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssmi.pipeline.contract.parquet import schema
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.stages.running.registry import STAGE_NAMES, get_stage

EVERYTHING = set(STAGE_NAMES)
FOLDERS = {name: Path(name) / "tiny" if STAGES[name].per_dataset else Path(name) for name in STAGE_NAMES}
SCHEMAS: dict[str, pa.Schema] = {
    r"vocab/words\.parquet": schema.VOCABULARY,
    r"vocab/characters\.parquet": schema.CHARACTER_INDEX,
    r"prepare/tiny/(train|dev|test)/part-\d{5}\.parquet": schema.SENTENCES,
    r"segment/tiny/(train|dev|test)/part-\d{5}\.parquet": schema.SEGMENTS,
    r"embed/tiny/segments\.parquet": schema.DISTINCT_SEGMENTS,
    r"selection/tiny/selections/part-\d{5}\.parquet": schema.SELECTIONS,
    r"selection/tiny/cosines\.parquet": schema.COSINES,
    r"selection/tiny/(train|dev|test)/part-\d{5}\.parquet": schema.SELECTION_IDS,
    r"pmi/tiny/pairs\.parquet": schema.PMI_PAIRS,
    r"pmi/tiny/(train|dev|test)/part-\d{5}\.parquet": schema.MATCHES,
    r"shards/tiny/(train|dev|test)/part-\d{5}\.parquet": schema.SHARDS,
    r"shards/tiny/boundaries\.parquet": schema.boundaries(8),
}


def _manifest(project: Any, stage: str) -> dict[str, Any]:
    path = project.root / "artifacts" / FOLDERS[stage] / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


# --- repeated builds ----------------------------------------------------------------------------------------------


def test_a_second_build_changes_nothing(project: Any) -> None:
    before = project.artifacts()
    outcome = project.build()
    assert outcome.states == dict.fromkeys(STAGE_NAMES, "current")
    assert project.artifacts() == before


def test_a_forced_build_in_another_folder_gives_the_same_bytes(project: Any, built_once: Any) -> None:
    """No output depends on a path, the clock, the host or any processing order."""
    outcome = project.build("--force")
    assert outcome.built == EVERYTHING
    assert project.artifacts() == built_once.artifacts()


def test_every_table_matches_its_schema(built_once: Any) -> None:
    artifacts = built_once.root / "artifacts"
    matched = set()
    for path in artifacts.rglob("*.parquet"):
        name = path.relative_to(artifacts).as_posix()
        (pattern,) = [pattern for pattern in SCHEMAS if re.fullmatch(pattern, name)]
        assert pq.read_schema(path).remove_metadata().equals(SCHEMAS[pattern]), name
        matched.add(pattern)
    assert matched == set(SCHEMAS)


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_manifests_describe_inputs_and_outputs(built_once: Any, stage: str) -> None:
    manifest = _manifest(built_once, stage)
    files = {name for name in built_once.artifacts(*FOLDERS[stage].parts) if "." in name} - {"manifest.json"}
    assert set(manifest["files"]) == files
    assert manifest["schema_version"] == schema.SCHEMA_VERSION
    assert (manifest["stage"], manifest["dataset"]) == (stage, "tiny" if STAGES[stage].per_dataset else None)
    assert set(manifest["parameters"]) == set(get_stage(stage).sections)
    assert {f"artifacts/{name}" for name in get_stage(stage).upstream} <= set(manifest["inputs"])
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in manifest["inputs"].values())
    report = manifest["report"]
    assert report["rows_in"] == report["rows_out"] + sum(report["skipped"].values())
    assert report["rows_out"] > 0
    for name, entry in manifest["files"].items():
        path = built_once.root / "artifacts" / FOLDERS[stage] / name
        rows = pq.read_metadata(path).num_rows if name.endswith(".parquet") else None
        assert (entry["n_bytes"], entry["rows"]) == (path.stat().st_size, rows)


def test_dropped_words_are_counted_by_reason(built_once: Any) -> None:
    skipped = _manifest(built_once, "vocab")["report"]["skipped"]
    assert (skipped["zero-vector"], skipped["duplicate"], skipped["too-short"]) == (1, 1, 1)
    assert skipped["too-long"] and skipped["no-cjk"]


def test_no_output_contains_a_path_host_or_time(built_once: Any) -> None:
    paths = [str(folder).encode() for folder in (built_once.root, built_once.root.parents[1], Path.cwd())]
    for file in (built_once.root / "artifacts").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [path for path in paths if path in content], file
    host = re.escape(socket.gethostname())
    for stage in STAGE_NAMES:
        text = json.dumps(_manifest(built_once, stage))
        assert not re.search(rf"\b{host}\b|\d{{4}}-\d\d-\d\d[T ]|\d\d:\d\d:\d\d|created|duration", text)
        assert str(Path.home()) not in text


# --- rebuilds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("vocab.max_words=200", EVERYTHING - {"prepare", "segment"}),
        ("prepare.sentences_per_part=30", EVERYTHING - {"vocab"}),
        ("segment.hmm=false", {"segment", "embed", "selection", "shards"}),
        ("embed.ridge=2", {"embed", "selection", "shards"}),
        ("encoder.revision=other", {"embed", "selection", "shards"}),
        ("selection.threshold=0.6", {"selection", "shards"}),
        ("pmi.estimator=paper", {"pmi", "shards"}),
        ("shards.tag_scheme=BIO", {"shards"}),
        ("model.dropout=0.5", set()),
        ("train.epochs=3", set()),
    ],
)
def test_a_changed_parameter_rebuilds_only_the_stages_that_depend_on_it(
    project: Any, override: str, stages: set[str]
) -> None:
    assert project.build("-S", override).built == stages
    assert project.build("-S", override).built == set()


def test_overrides_and_params_yaml_are_equivalent(project: Any) -> None:
    project.build("-S", "selection.threshold=0.25", "-S", "pmi.estimator=paper")
    by_override = project.artifacts()
    project.set("selection", threshold=0.25)
    project.set("pmi", estimator="paper")
    assert project.build().built == set()
    assert project.artifacts() == by_override


def test_reverting_a_parameter_gives_the_old_bytes(project: Any) -> None:
    before = project.artifacts()
    project.build("-S", "selection.max_set=2")
    assert project.artifacts() != before
    assert project.build().built == {"selection", "shards"}
    assert project.artifacts() == before


@pytest.mark.parametrize("stage", STAGE_NAMES)
@pytest.mark.parametrize("damage", ["changed", "removed", "added", "unfinished"])
def test_only_a_damaged_output_is_rebuilt(project: Any, stage: str, damage: str) -> None:
    before = project.artifacts()
    folder = project.root / "artifacts" / FOLDERS[stage]
    victim = next(path for path in sorted(folder.rglob("*")) if path.suffix in (".parquet", ".npy"))
    if damage == "changed":
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    elif damage == "removed":
        victim.unlink()
    elif damage == "added":
        (folder / "stray.txt").write_text("?", encoding="utf-8")
    else:
        (folder / "manifest.json").unlink()
    assert project.build().built == {stage}
    assert project.artifacts() == before


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_output_of_another_stage_version_is_rebuilt(project: Any, stage: str) -> None:
    before = project.artifacts()
    path = project.root / "artifacts" / FOLDERS[stage] / "manifest.json"
    manifest = _manifest(project, stage)
    assert manifest["version"] == get_stage(stage).version
    path.write_text(json.dumps({**manifest, "version": manifest["version"] - 1}), encoding="utf-8")
    assert project.build().built == {stage}
    assert project.artifacts() == before


def test_a_changed_raw_file_causes_a_rebuild(project: Any) -> None:
    pairs = project.artifacts("pmi", "tiny")["pairs.parquet"]
    with project.raw("train").open("a", encoding="utf-8") as stream:
        stream.write("\n长 O\n江 O\n大 O\n桥 O\n")
    assert project.build().built == EVERYTHING - {"vocab"}
    assert _manifest(project, "prepare")["report"]["statistics"]["sentences"]["train"] == 61
    assert project.artifacts("pmi", "tiny")["pairs.parquet"] != pairs


@pytest.mark.parametrize("split", ["dev", "test"])
def test_pmi_never_counts_dev_or_test(project: Any, split: str) -> None:
    before = project.artifacts("pmi", "tiny")
    with project.raw(split).open("a", encoding="utf-8") as stream:
        stream.write("\n长 O\n江 O\n大 O\n桥 O\n公 O\n司 O\n")
    project.build()
    after = project.artifacts("pmi", "tiny")
    assert after["pairs.parquet"] == before["pairs.parquet"]
    assert after[f"{split}/part-00000.parquet"] != before[f"{split}/part-00000.parquet"]


def test_changed_vectors_cause_a_rebuild(project: Any) -> None:
    path = project.root / "vectors.txt"
    path.write_text(path.read_text(encoding="utf-8") + "新词 1 2 3 4 5 6 7 8\n", encoding="utf-8")
    assert project.build().built == EVERYTHING - {"prepare", "segment"}


def test_a_changed_unlabelled_text_causes_a_rebuild(project: Any) -> None:
    text = project.root / "more.txt"
    text.write_text("长江大桥\n", encoding="utf-8")
    project.set("pmi", unlabelled=["more.txt"])
    assert project.build().built == {"pmi", "shards"}
    text.write_text("长江大桥\n南京市\n", encoding="utf-8")
    assert project.build().built == {"pmi", "shards"}


def test_a_single_stage_always_runs(project: Any) -> None:
    before = project.artifacts()
    outcome = project.ssmi("features", "segment")
    assert (outcome.code, outcome.stdout) == (0, "segment: 84 rows in, 84 out\n")
    assert project.artifacts() == before


# --- failing ------------------------------------------------------------------------------------------------------


def _break_raw(project: Any) -> None:
    # Train and dev are written before the fault in test is found.
    with project.raw("test").open("a", encoding="utf-8") as stream:
        stream.write("\n好 X-ORG\n")


def _break_vectors(project: Any) -> None:
    (project.root / "vectors.txt").write_text("北京 1 2 3\n上海 1 2\n", encoding="utf-8")


def _break_unlabelled(project: Any) -> None:
    (project.root / "more.txt.gz").write_bytes(gzip.compress("长江\n".encode() + b"\xff\n"))
    project.set("pmi", unlabelled=["more.txt.gz"])


@pytest.mark.parametrize(
    ("damage", "location"),
    [(_break_raw, "test.bmes:"), (_break_vectors, "vectors.txt:2"), (_break_unlabelled, "more.txt.gz:2")],
)
def test_a_failing_stage_leaves_the_old_output_unchanged(
    project: Any, damage: Callable[[Any], None], location: str
) -> None:
    before = project.artifacts()
    damage(project)
    outcome = project.ssmi("features", "build")
    assert outcome.code == 3
    assert location in outcome.stderr and "next:" in outcome.stderr and "Traceback" not in outcome.stderr
    assert project.artifacts() == before


def test_a_failed_first_run_leaves_no_output(fresh_project: Any) -> None:
    _break_raw(fresh_project)
    assert fresh_project.ssmi("features", "prepare").code == 3
    assert [name for name in fresh_project.artifacts() if name != "prepare"] == []


def test_missing_inputs_are_reported_with_the_command_that_builds_them(fresh_project: Any) -> None:
    outcome = fresh_project.ssmi("features", "pmi")
    assert outcome.code == 4
    assert "artifacts/vocab: not built" in outcome.stderr
    assert "ssmi-cli features build --dataset" in outcome.stderr
