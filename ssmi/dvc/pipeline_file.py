"""Generation of dvc.yaml from the stages: their versions, dependencies, parameters and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ssmi.model.runs.files import CHECKPOINT, COUNTS, HEADLINE, HISTORY, METRICS, RESULT_FILES
from ssmi.model.runs.revision import REVISION
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.pipeline.contract.text.yaml_text import NOT_YAML, commented_yaml, not_yaml, yaml_step
from ssmi.pipeline.stages.running.registry import STAGE_NAMES, get_stage
from ssmi.workspace import Workspace

NAME = "dvc.yaml"
TRAIN = "train"
DATA = "data"
"""Project folder with the raw files of its own data sets."""
_HEADER = """\
The stages are written by `ssmi-cli dvc write`; run it again after an upgrade of the program. `--stage-version` is the
version of what a stage computes: DVC runs a stage again when it is another. Keys and stages of your own stay."""
_VERSION = re.compile(r"--stage-version (\d+)")

Entry = dict[str, Any]


def write_pipeline(root: Path) -> Path:
    """Write the stages of this program into a project's dvc.yaml.

    All other content of the file, including stages of other names, is kept. DVC does not need to be installed.

    Args:
        root: The project folder, which contains params.yaml.

    Returns:
        The path of the file.

    Raises:
        ParameterError: params.yaml or an existing dvc.yaml cannot be read.

    """
    path = root / NAME
    document = _read(path)
    if not document:
        document.yaml_set_start_comment(_HEADER)
    stages = document.setdefault("stages", {})
    stages.update(pipeline_stages(root))
    with writing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        _yaml().dump(document, stream)
    return path


def update_pipeline(root: Path, *, check: bool) -> list[str]:
    """Write the stages that are out of date; see ``Project.write_dvc``."""
    names = outdated(root)
    if names and check:
        raise StaleArtifactError(f"{NAME} is out of date: {', '.join(names)}", next_step="ssmi-cli dvc write")
    if names:
        write_pipeline(root)
    return names


def outdated(root: Path) -> list[str]:
    """Return the stages that ``write_pipeline`` would change, in order; errors are those of ``write_pipeline``."""
    stages = _read(root / NAME).get("stages") or {}
    return [name for name, entry in pipeline_stages(root).items() if stages.get(name) != entry]


def outdated_versions(root: Path, names: Iterable[str]) -> list[str]:
    """Return those of the named stages whose version in the project's dvc.yaml is not that of this program."""
    stages = _read(root / NAME).get("stages") or {}
    versions = {name: _VERSION.search(str((stages.get(name) or {}).get("cmd", ""))) for name in names}
    return [name for name, version in versions.items() if version and int(version[1]) != version_of(name)]


def version_of(name: str) -> int:
    """Return the version of a stage, including ``train``; raise ParameterError for an unknown name."""
    return REVISION if name == TRAIN else get_stage(name).version


def check_version(name: str, version: int | None) -> None:
    """Check the version of a stage that dvc.yaml asks for; None asks for no particular version.

    Raises:
        StaleArtifactError: This program has another version, so DVC would record a wrong version for the output.

    """
    if version is not None and version != version_of(name):
        raise StaleArtifactError(
            f"{NAME} asks for version {version} of {name}, this program has {version_of(name)}",
            next_step="ssmi-cli dvc write, then run the same command again",
        )


def pipeline_stages(root: Path) -> dict[str, Entry]:
    """Return the entry of each stage in a project's dvc.yaml; raise ParameterError for an invalid params.yaml."""
    # All data sets of a matrix share their deps, so one data set with a folder adds the dependency for all.
    has_raw_files = any((root / DATA / name).is_dir() for name in Workspace(root).params().datasets)
    stages = {name: _stage(name, raw_files=has_raw_files and name == "prepare") for name in STAGE_NAMES}
    return {**stages, TRAIN: _train()}


def _stage(name: str, *, raw_files: bool) -> Entry:
    stage = get_stage(name)
    entry: Entry = {"desc": stage.summary}
    item = ""
    if stage.per_dataset:
        entry["matrix"] = {"dataset": "${datasets}"}
        item = " ${item}"  # DVC expands it to `--dataset NAME`, with the name quoted for the shell
    entry["cmd"] = f"ssmi-cli features {name} --stage-version {stage.version}{item}"
    if deps := [*map(_output, stage.upstream), *([DATA] if raw_files else [])]:
        entry["deps"] = deps
    return {**entry, "params": [*stage.sections, *stage.watched], "outs": [_output(name)]}


def _train() -> Entry:
    run = f"artifacts/{TRAIN}/${{item.dataset}}"
    return {
        "desc": "train a tagger on the shards; dev picks the epoch, test is read once",
        "matrix": {"dataset": "${datasets}"},
        "cmd": f"ssmi-cli train --stage-version {REVISION} ${{item}}",
        "deps": [_output("shards")],
        "params": ["encoder", "model", "train"],
        "outs": [
            f"{run}/{CHECKPOINT}",
            f"{run}/{COUNTS}",
            *({f"{run}/{name}": {"cache": False}} for name in (METRICS, RESULT_FILES)),
        ],
        "metrics": [{f"{run}/{HEADLINE}": {"cache": False}}],
        "plots": [{f"{run}/{HISTORY}": {"cache": False, "x": "epoch", "y": "dev_f1"}}],
    }


def _output(stage: str) -> str:
    return f"artifacts/{stage}/${{item.dataset}}" if STAGES[stage].per_dataset else f"artifacts/{stage}"


def _yaml() -> YAML:
    yaml = commented_yaml()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    return yaml


def _read(path: Path) -> Any:
    """Read the file with its comments; return an empty document if there is no file."""
    yaml = _yaml()
    try:
        document = yaml.load(path.read_text(encoding="utf-8")) if path.is_file() else None
    except NOT_YAML as error:
        raise ParameterError(not_yaml(path, error), next_step=yaml_step(error, usual="correct it")) from None
    if document is None:
        document = yaml.map()
    if not isinstance(document, Mapping) or not isinstance(document.get("stages") or {}, Mapping):
        raise ParameterError(f"{path}: holds no stages", next_step="move it away, then ssmi-cli dvc write")
    return document
