"""The dvc.yaml of a new project: what each stage reads, which parameters it depends on, what it leaves.

Deliberately without source files: a project has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ssmi.pipeline.stages.registry import STAGE_NAMES, get_stage

_ITEM = "${item.dataset}"


def write_pipeline(root: Path) -> Path:
    """Write a project's dvc.yaml; returns it."""
    path = root / "dvc.yaml"
    stages = {name: _feature_stage(name) for name in STAGE_NAMES} | {"train": _training()}
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump({"stages": stages}, stream)
    return path


def _feature_stage(name: str) -> dict[str, Any]:
    stage = get_stage(name)
    matrix = {"matrix": {"dataset": "${datasets}"}} if stage.per_dataset else {}
    raw = ["data"] if name == "prepare" else []
    deps = [*raw, *map(_artifact, stage.upstream)]
    return {
        "desc": stage.summary,
        **matrix,
        "cmd": f"ssmi-cli features {name}{' ${item}' if stage.per_dataset else ''}",
        **({"deps": deps} if deps else {}),
        "params": [*stage.sections, *stage.watched],
        "outs": [_artifact(name)],
    }


def _training() -> dict[str, Any]:
    run = f"artifacts/train/{_ITEM}"
    return {
        "desc": "train a tagger on the shards; dev picks the epoch, test is read once",
        "matrix": {"dataset": "${datasets}"},
        "cmd": "ssmi-cli train ${item}",
        "deps": [_artifact("shards")],
        "params": ["encoder", "model", "train"],
        "outs": [f"{run}/checkpoint", f"{run}/counts", {f"{run}/metrics.json": {"cache": False}}],
        "metrics": [{f"{run}/headline.json": {"cache": False}}],
        "plots": [{f"{run}/history.csv": {"cache": False, "x": "epoch", "y": "dev_f1"}}],
    }


def _artifact(stage: str) -> str:
    return f"artifacts/{stage}/{_ITEM}" if get_stage(stage).per_dataset else f"artifacts/{stage}"
