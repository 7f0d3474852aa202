"""When an output is current, and what a failed run leaves behind, on small stages defined here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parameters.params import Params, check_params
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.stages.running.stage import Stage, StageContext
from ssmi.pipeline.stages.running.up_to_date import expected, is_current, run


def _raw_digest(context: StageContext) -> Mapping[str, str]:
    return {"raw": manifests.digest_file(context.root / "raw.txt")}


def _no_inputs(context: StageContext) -> Mapping[str, str]:
    return {}


def _copy_lines(context: StageContext, folder: Path) -> StageReport:
    """Write one sentence per line of raw.txt."""
    lines = (context.root / "raw.txt").read_text(encoding="utf-8").split()
    rows = [{"sentence_id": n, "line": n + 1, "characters": list(line), "entities": []} for n, line in enumerate(lines)]
    tables.write_rows(tables.part_path(folder, "train", 0), schema.SENTENCES, rows)
    return StageReport(rows_in=len(rows), rows_out=len(rows))


def _one_segment_each(context: StageContext, folder: Path) -> StageReport:
    rows = tables.read_rows(tables.part_path(context.folder("prepare"), "train", 0), schema.SENTENCES)
    segments = [
        {"sentence_id": row["sentence_id"], "segments": ["".join(row["characters"])], "segment_starts": [0]}
        for row in rows
    ]
    tables.write_rows(tables.part_path(folder, "train", 0), schema.SEGMENTS, segments)
    return StageReport(rows_in=len(rows), rows_out=len(rows))


FIRST = Stage("prepare", 1, ("prepare",), (), _raw_digest, _copy_lines)
SECOND = Stage("segment", 1, ("segment",), ("prepare",), _no_inputs, _one_segment_each)


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    (tmp_path / "raw.txt").write_text("中国\n人民\n", encoding="utf-8")
    return StageContext(tmp_path, "tiny", Params(), Serial(), Silent())


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_stage_is_current_only_after_it_ran(context: StageContext) -> None:
    assert not is_current(FIRST, context)
    manifest = run(FIRST, context)
    assert is_current(FIRST, context)
    folder = context.folder("prepare")
    assert manifests.load(folder) == manifest
    assert (manifest.parameters, manifest.inputs) == expected(FIRST, context)
    assert manifest.files.keys() == {"train/part-00000.parquet"}
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"], "no temporary folder is left"


def test_a_new_parameter_with_its_default_makes_nothing_stale(
    context: StageContext, reseal: Callable[..., None]
) -> None:
    run(FIRST, context)
    folder = context.folder("prepare")
    reseal(folder, lambda body: body["parameters"]["prepare"].pop("dev_fraction"))
    assert is_current(FIRST, context)
    assert not is_current(
        FIRST, replace(context, params=check_params({"prepare": {"dev_fraction": 0.2}}, source="test"))
    )
    reseal(folder, lambda body: body["parameters"]["prepare"].update(went=1))
    assert not is_current(FIRST, context), "a removed parameter may have had an effect"


def test_a_repeated_run_gives_the_same_bytes(context: StageContext) -> None:
    run(FIRST, context)
    before = _files(context.folder("prepare"))
    run(FIRST, context)
    assert _files(context.folder("prepare")) == before


def test_output_depends_on_version_sections_and_inputs(context: StageContext) -> None:
    run(FIRST, context)
    assert not is_current(replace(FIRST, version=2), context)
    other = replace(context, params=check_params({"prepare": {"sentences_per_part": 7}}, source="x"))
    assert not is_current(FIRST, other)
    elsewhere = replace(context, params=check_params({"segment": {"hmm": False}}, source="x"))
    assert is_current(FIRST, elsewhere)
    (context.root / "raw.txt").write_text("中国\n", encoding="utf-8")
    assert not is_current(FIRST, context)
    (context.root / "raw.txt").write_text("中国\n人民\n", encoding="utf-8")
    assert is_current(FIRST, context), "only the content of the file counts"


def test_a_stage_depends_on_the_output_of_earlier_stages(context: StageContext) -> None:
    run(FIRST, context)
    run(SECOND, context)
    assert is_current(SECOND, context)
    run(replace(FIRST, version=2), context)
    assert not is_current(SECOND, context), "the upstream manifest has changed"
    run(FIRST, context)
    assert is_current(SECOND, context), "the upstream manifest is the old one again"


def _remove(path: Path) -> None:
    path.unlink()


def _flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def _add(path: Path) -> None:
    path.with_name("more.txt").write_text("?", encoding="utf-8")


def _break_manifest(path: Path) -> None:
    (path.parents[1] / "manifest.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("damage", [_remove, _flip, _add, _break_manifest])
def test_damaged_output_is_not_current_and_a_run_repairs_it(
    context: StageContext, damage: Callable[[Path], None]
) -> None:
    run(FIRST, context)
    folder = context.folder("prepare")
    before = _files(folder)
    damage(folder / "train" / "part-00000.parquet")
    assert not is_current(FIRST, context)
    run(FIRST, context)
    assert _files(folder) == before and is_current(FIRST, context)


@pytest.mark.parametrize("error", [SsmiError("broken"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failed_or_interrupted_run_leaves_the_old_output_unchanged(
    context: StageContext, error: BaseException
) -> None:
    run(FIRST, context)
    before = _files(context.root / "artifacts")

    def fail_late(context: StageContext, folder: Path) -> StageReport:
        _copy_lines(context, folder)
        raise error

    with pytest.raises(type(error)):
        run(replace(FIRST, work=fail_late), context)
    assert _files(context.root / "artifacts") == before
    assert is_current(FIRST, context)
    assert [path.name for path in context.folder("prepare").parent.iterdir()] == ["tiny"]


def test_a_first_run_that_fails_leaves_no_output(context: StageContext) -> None:
    def fail(context: StageContext, folder: Path) -> StageReport:
        (folder / "half.txt").write_text("half", encoding="utf-8")
        raise SsmiError("broken")

    with pytest.raises(SsmiError):
        run(replace(FIRST, work=fail), context)
    assert not _files(context.root / "artifacts")


def test_missing_or_damaged_upstream_output_is_refused(context: StageContext) -> None:
    with pytest.raises(MissingResourceError, match="prepare/tiny: not built") as caught:
        run(SECOND, context)
    assert caught.value.next_step == "ssmi-cli features build --dataset tiny"
    with pytest.raises(MissingResourceError):
        is_current(SECOND, context) or expected(SECOND, context)
    run(FIRST, context)
    part = context.folder("prepare") / "train" / "part-00000.parquet"
    shutil.copy(part, part.with_name("part-00001.parquet"))
    with pytest.raises(StaleArtifactError, match=r"train/part-00001\.parquet is not one of its files"):
        run(SECOND, context)
    part.with_name("part-00001.parquet").unlink()
    tables.write_rows(part, schema.SENTENCES, [])
    with pytest.raises(StaleArtifactError, match=r"train/part-00000\.parquet has [\d,]+ bytes, not [\d,]+"):
        run(SECOND, context)
    assert not context.folder("segment").exists()


def test_the_manifest_of_a_shared_stage_names_no_data_set(context: StageContext) -> None:
    manifest = run(replace(FIRST, name="vocab"), context)
    assert manifest.dataset is None and (context.root / "artifacts" / "vocab" / "manifest.json").is_file()
    assert is_current(replace(FIRST, name="vocab"), replace(context, dataset="another"))
    body = json.loads((context.root / "artifacts" / "vocab" / "manifest.json").read_text("utf-8"))
    assert str(context.root) not in json.dumps(body)
