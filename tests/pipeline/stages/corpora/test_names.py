"""One name, one corpus: other texts under the same name are refused; moved or changed texts are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import ParameterError


def write_text(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.txt").write_text(text, encoding="utf-8")


@pytest.fixture
def project(pristine_project: Any, copy_project: Any, tmp_path: Path) -> ssmi.Project:
    """A project with two corpora of one name, the first of which is prepared."""
    root = copy_project(pristine_project, tmp_path).root
    write_text(root / "a" / "laws", "吴重阳先生毕业于北京大学。\n")
    write_text(root / "b" / "laws", "陈思远任公司董事长。\n")
    project = ssmi.open_project(root)
    project.run_stage("prepare", corpus="a/laws")
    return project


def _contents(project: ssmi.Project) -> dict[str, bytes]:
    folder = project.paths.stage("prepare", "laws")
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_corpus_of_the_same_name_is_refused(project: ssmi.Project) -> None:
    before = _contents(project)
    for build in (
        lambda: project.run_stage("prepare", corpus="b/laws"),
        lambda: project.run_stage("segment", corpus="b/laws"),
        lambda: project.build_features(corpus=str(project.root / "b" / "laws")),
    ):
        with pytest.raises(ParameterError) as refused:
            build()
        expected = "corpus laws: the features in artifacts/prepare/laws were built from a/laws, and b/laws holds other"
        assert expected in refused.value.message
        assert refused.value.next_step.startswith("rename one of the two, or give --force to `features build`")
    assert _contents(project) == before


def test_renaming_the_corpus_helps_as_the_message_suggests(project: ssmi.Project) -> None:
    (project.root / "b" / "laws").rename(project.root / "b" / "statutes")
    project.run_stage("prepare", corpus="b/statutes")


def test_force_replaces_a_corpus_but_never_a_data_set(built_once: Any, tmp_path: Path) -> None:
    project = ssmi.open_project(shutil.copytree(built_once.root, tmp_path / "project"))
    write_text(project.root / "a" / "laws", "吴重阳先生毕业于北京大学。\n")
    write_text(project.root / "b" / "laws", "陈思远任公司董事长。\n")
    write_text(project.root / "b" / "tiny", "陈思远任公司董事长。\n")
    project.run_stage("prepare", corpus="a/laws")
    before = _contents(project)
    built = project.build_features(corpus="b/laws", like="tiny", force=True)
    assert {one.state for one in built.stages} == {"built"} and _contents(project) != before
    with pytest.raises(ParameterError, match="built from b/laws, and a/laws holds other texts"):
        project.build_features(corpus="a/laws", like="tiny")
    with pytest.raises(ParameterError, match="corpus tiny: a data set has this name"):
        project.build_features(corpus="b/tiny", like="tiny", force=True)


def test_a_changed_or_moved_corpus_keeps_its_name(project: ssmi.Project) -> None:
    (project.root / "a" / "laws").rename(project.root / "a" / "old")
    (project.root / "c").mkdir()
    (project.root / "a" / "old").rename(project.root / "c" / "laws")
    before = _contents(project)
    project.run_stage("prepare", corpus="c/laws")
    write_text(project.root / "c" / "laws", "王小明在北京。\n")
    project.run_stage("prepare", corpus="c/laws")
    assert _contents(project) != before


def test_only_the_manifest_of_a_corpus_contains_its_source(project: ssmi.Project) -> None:
    project.run_stage("prepare", "tiny")
    sources = {}
    for name in ("tiny", "laws"):
        text = (project.paths.stage("prepare", name) / "manifest.json").read_text(encoding="utf-8")
        assert str(project.root) not in text
        sources[name] = json.loads(text)["report"]["statistics"].get("source", "none")
    assert sources == {"tiny": "none", "laws": "a/laws"}


def test_features_without_a_recorded_source_are_accepted(project: ssmi.Project) -> None:
    """Version 0.1 did not record the source of a corpus, so nothing is refused."""
    from ssmi.pipeline.contract import manifest as manifests

    folder = project.paths.stage("prepare", "laws")
    stored = manifests.load(folder)
    statistics = {key: value for key, value in stored.report.statistics.items() if key != "source"}
    report = manifests.StageReport(stored.report.rows_in, stored.report.rows_out, stored.report.skipped, statistics)
    without_source = manifests.Manifest(
        stored.stage,
        stored.dataset,
        stored.parameters,
        stored.inputs,
        report,
        stored.files,
        stored.version,
        stored.schema_version,
    )
    manifests.save(without_source, folder)
    project.run_stage("prepare", corpus="b/laws")


def test_a_data_set_does_not_replace_a_corpus(project: ssmi.Project) -> None:
    """The data set's folder is added after the corpus, under the same name."""
    before = _contents(project)
    train = project.root / "data" / "laws" / "train.bmes"
    train.parent.mkdir(parents=True)
    train.write_text("北 B-LOC\n京 E-LOC\n", encoding="utf-8")
    for build in (
        lambda: project.run_stage("prepare", "laws"),
        lambda: project.run_stage("segment", "laws", part=(1, 2)),
        lambda: project.build_features("laws"),
    ):
        with pytest.raises(ParameterError, match="data set laws: the features of this name are those of a") as refused:
            build()
        assert "remove artifacts/prepare/laws" in refused.value.next_step
    assert _contents(project) == before


@pytest.mark.parametrize("name", ["own", "weibo"])
def test_the_name_of_an_unbuilt_data_set_is_refused_for_a_corpus(project: ssmi.Project, name: str) -> None:
    """The data set is in a data folder or listed by the program, but not named in params.yaml."""
    train = project.root / "data" / "own" / "train.bmes"
    train.parent.mkdir(parents=True)
    train.write_text("北 B-LOC\n京 E-LOC\n", encoding="utf-8")
    write_text(project.root / "texts" / name, "北京\n")
    with pytest.raises(ParameterError, match=f"corpus {name}: a data set has this name"):
        project.build_features(corpus=f"texts/{name}")
    assert not project.paths.stage("prepare", name).exists()
