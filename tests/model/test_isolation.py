"""The trainer reads shards and must not import any code of the offline half."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

MODEL_FOLDER = Path(__file__).parents[2] / "model"
OFFLINE = (
    "jieba",
    "rjieba",
    "gensim",
    "dask",
    "distributed",
    "polars",
    "duckdb",
    "daachorse",
    "dvc",
    "seqeval",
    "click",
)


def test_importing_the_trainer_loads_no_offline_modules() -> None:
    code = "import sys, ssmi.model.training.train, ssmi.model.split_tagging; print(*sorted(sys.modules))"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=MODEL_FOLDER.parent
    )
    assert process.returncode == 0, process.stderr
    loaded = process.stdout.split()
    assert "torch" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(OFFLINE)
    project_modules = {name for name in loaded if name.startswith(("ssmi.pipeline.", "ssmi.cli", "ssmi.predict"))}
    assert all(name.startswith("ssmi.pipeline.contract") for name in project_modules), project_modules


def test_one_file_imports_transformers() -> None:
    importers = {
        path.relative_to(MODEL_FOLDER).as_posix()
        for path in MODEL_FOLDER.rglob("*.py")
        if "transformers" in _imports(path)
    }
    assert importers == {"network/encoder.py"}


def test_no_layer_imports_the_network() -> None:
    for path in (MODEL_FOLDER / "network" / "layers").rglob("*.py"):
        project_modules = {module for module in _modules(path) if module.startswith("ssmi.model.")}
        assert all(module.startswith("ssmi.model.network.layers.") for module in project_modules), path


def _imports(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in _modules(path)}


def _modules(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules
