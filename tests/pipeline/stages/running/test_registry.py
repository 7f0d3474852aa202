"""The graph of stages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.stages.running.registry import STAGE_NAMES, affected, get_stage, stages_of
from ssmi.pipeline.stages.running.stage import StageContext, Variant

SECTIONS = sorted(set(Params.model_fields) - {"corpora", "datasets"})


@pytest.mark.parametrize("name", STAGE_NAMES)
def test_stages_read_only_earlier_stages_and_existing_sections(name: str) -> None:
    stage = get_stage(name)
    assert stage.name == name
    assert set(stage.upstream) <= set(STAGE_NAMES[: STAGE_NAMES.index(name)])
    assert set(stage.sections) <= set(SECTIONS)
    assert stage.summary and stage.version >= 1


def test_shared_stages_read_no_output_of_a_single_data_set() -> None:
    for stage in map(get_stage, STAGE_NAMES):
        if not stage.per_dataset:
            assert not [name for name in stage.upstream if get_stage(name).per_dataset]


@given(st.sets(st.sampled_from(SECTIONS)))
def test_stages_downstream_of_a_changed_section_are_affected(sections: set[str]) -> None:
    def reaches(name: str) -> bool:
        stage = get_stage(name)
        return bool(sections & set(stage.sections)) or any(map(reaches, stage.upstream))

    assert affected(sections) == {name for name in STAGE_NAMES if reaches(name)}


def test_feature_sections_affect_the_last_stage_and_training_sections_affect_none() -> None:
    assert affected(["model", "train"]) == frozenset()
    for section in set(SECTIONS) - {"model", "train"}:
        assert "shards" in affected([section]), section


def test_unknown_stages_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(ParameterError, match="unknown stage 'segmnt'") as caught:
        get_stage("segmnt")
    assert caught.value.next_step == "did you mean 'segment'?"
    with pytest.raises(ParameterError) as caught:
        get_stage("registry")  # a module next to the stages, but not a stage
    assert "known: embed, pmi, prepare" in caught.value.next_step


@given(st.sets(st.sampled_from(STAGE_NAMES)))
def test_a_variant_builds_its_stages_in_the_usual_order(names: set[str]) -> None:
    variant = Variant("cosine", Path("beside"), frozenset(names))
    context = StageContext(Path("project"), "tiny", Params(), Serial(), Silent(), variant)
    assert [stage.name for stage in stages_of(context)] == [name for name in STAGE_NAMES if name in names]
    for name in STAGE_NAMES:
        assert context.folder(name).is_relative_to("beside") == (name in names)


def test_stage_names_are_known_without_importing_the_stages() -> None:
    """The command line needs the names at every start."""
    program = (
        "import sys; from ssmi.pipeline.stages.running import registry; "
        "print(sorted(name for name in sys.modules if name.startswith('ssmi.pipeline.stages.')"
        " and name.rpartition('.')[2] in registry.STAGE_NAMES))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[4], capture_output=True, text=True, timeout=600
    )
    assert (completed.returncode, completed.stdout) == (0, "[]\n"), completed.stderr
