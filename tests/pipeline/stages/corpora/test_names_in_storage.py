"""A corpus that was built on another machine and exists only in the storage owns its name like a local corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError

Machine = Callable[[str], ssmi.Project]


@pytest.fixture
def machine(pristine_project: Any, copy_project: Any, tmp_path: Path) -> Machine:
    """A function that makes a project with nothing built; all projects share one storage."""

    def machine(name: str) -> ssmi.Project:
        root = copy_project(pristine_project, tmp_path / name).root
        return ssmi.open_project(root, storage=(tmp_path / "storage").as_uri())

    return machine


def _write(project: ssmi.Project, place: str, text: str) -> None:
    (project.root / place).mkdir(parents=True, exist_ok=True)
    (project.root / place / "a.txt").write_text(text, encoding="utf-8")


def _stored(project: ssmi.Project) -> dict[str, bytes]:
    folder = project.root.parents[1] / "storage" / "prepare"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def first(machine: Machine) -> ssmi.Project:
    """The machine that has built the corpus ``laws`` and sent it to the storage."""
    project = machine("one")
    _write(project, "data/laws", "吴重阳先生毕业于北京大学。\n")
    project.run_stage("prepare", corpus="laws")
    return project


@pytest.mark.parametrize("place", ["data/laws", "texts/laws"])
def test_other_texts_of_the_same_name_are_refused_without_force(
    first: ssmi.Project, machine: Machine, place: str
) -> None:
    """This also applies to an equal path, which on another machine is a different folder."""
    before, second = _stored(first), machine("two")
    _write(second, place, "陈思远任公司董事长。\n")
    for build in (
        lambda: second.run_stage("prepare", corpus=f"./{place}"),
        lambda: second.build_features(corpus=f"./{place}"),
        lambda: second.run_stage("segment", corpus=f"./{place}", part=(1, 2)),
    ):
        with pytest.raises(ParameterError) as refused:
            build()
        message = f"/storage/prepare/laws were built from data/laws, and {place} holds other texts"
        assert message in refused.value.message and "--force" in refused.value.next_step
    assert _stored(first) == before and not second.paths.stage("prepare", "laws").exists()
    # With force the name is accepted; then the features of the data set to build like are missing.
    with pytest.raises(MissingResourceError, match="not built"):
        second.build_features(corpus=f"./{place}", force=True)


def test_the_same_texts_are_accepted_from_another_path(first: ssmi.Project, machine: Machine) -> None:
    before, second = _stored(first), machine("two")
    _write(second, "texts/laws", "吴重阳先生毕业于北京大学。\n")
    second.run_stage("prepare", corpus="texts/laws")
    assert _stored(first) != before, "sent, with its own source"


def test_changed_texts_of_the_same_corpus_are_sent(first: ssmi.Project) -> None:
    before = _stored(first)
    _write(first, "data/laws", "王小明在北京。\n")
    first.run_stage("prepare", corpus="laws")
    assert _stored(first) != before


def test_a_data_set_and_a_corpus_do_not_replace_each_other(first: ssmi.Project, machine: Machine) -> None:
    second = machine("two")
    (second.root / "data" / "tiny").rename(second.root / "data" / "laws")
    for build in (lambda: second.run_stage("prepare", "laws"), lambda: second.build_features("laws", force=True)):
        with pytest.raises(ParameterError, match=r"data set laws: the features of this name in file:.* are those of a"):
            build()
    with pytest.raises(ParameterError, match="data set laws: the features of this name in file:"):
        second.ablate("laws", only=["bert-crf"], n_seeds=1, dry_run=True)
    first.run_stage("prepare", "tiny")
    third = machine("three")
    (third.root / "data" / "tiny").rename(third.root / "data" / "others")
    third_params = third.root / "params.yaml"
    third_params.write_text(third_params.read_text(encoding="utf-8").replace("tiny", "others"), encoding="utf-8")
    _write(third, "texts/tiny", "北京\n")
    with pytest.raises(ParameterError, match="corpus tiny: a data set has this name in file:"):
        third.build_features(corpus="texts/tiny", force=True)


def test_local_features_are_not_replaced_by_those_of_another_corpus(
    first: ssmi.Project, machine: Machine, tmp_path: Path
) -> None:
    second = machine("two")
    _write(second, "texts/laws", "陈思远任公司董事长。\n")
    alone = ssmi.open_project(second.root)
    alone.run_stage("prepare", corpus="texts/laws")
    prepared = second.paths.stage("prepare", "laws") / "manifest.json"
    before = prepared.read_bytes()
    with pytest.raises(ParameterError) as refused:
        second.stats(dataset="laws")
    assert "laws: the features here are those of the corpus texts/laws, and those in file:" in refused.value.message
    assert refused.value.message.endswith("of the corpus data/laws") and prepared.read_bytes() == before
    assert "remove artifacts/prepare/laws to take what the storage holds" in refused.value.next_step
    # A corpus fetched from the storage and built again is still the same corpus.
    (second.root / "artifacts").rename(tmp_path / "artifacts")
    second.fetch_features("laws")
    _write(first, "data/laws", "王小明在北京。\n")
    first.run_stage("prepare", corpus="laws")
    second.fetch_features("laws")
    assert prepared.read_bytes() == (first.paths.stage("prepare", "laws") / "manifest.json").read_bytes()
