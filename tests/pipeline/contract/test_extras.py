"""Packages of the extras are declared in pyproject.toml; a missing one is named with the command that installs it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from gensim.models import FastText
from gensim.models.fasttext import save_facebook_model

from ssmi.pipeline.contract import extras
from ssmi.pipeline.contract.errors import MissingResourceError

REQUIRED_PACKAGES = (
    "pyarrow", "polars", "dask", "gensim", "transformers", "torch", "jieba", "pytorch-crf", "click", "duckdb",
)  # fmt: skip


@pytest.fixture(scope="module")
def declared(repository: Path) -> dict[str, set[str]]:
    """Map each extra (and ``base``) to the packages that pyproject.toml declares for it."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"base": project["dependencies"], **project["optional-dependencies"]}
    return {name: {re.split(r"[<>=\[]", line)[0] for line in lines} for name, lines in groups.items()}


def test_the_extras_agree_with_pyproject(declared: dict[str, set[str]]) -> None:
    assert {name: set(modules) for name, modules in extras.MODULES.items()} == {
        name: packages for name, packages in declared.items() if name in extras.MODULES
    }
    assert all(not declared["base"] & set(modules) for modules in extras.MODULES.values())


def test_all_and_dev_install_every_extra(repository: Path, declared: dict[str, set[str]]) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (everything,) = project["optional-dependencies"]["all"]
    assert everything == f"ssmi[{','.join(sorted(extras.MODULES))}]"
    assert "ssmi[all]" in project["optional-dependencies"]["dev"]
    assert set(REQUIRED_PACKAGES) <= set().union(*declared.values())


def test_a_module_outside_the_extra_is_an_ordinary_import_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), extras.needs("plots", "a picture"):
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401


def test_installed_packages_are_detected_without_importing_them() -> None:
    code = "import sys; from ssmi.pipeline.contract import extras; print(extras.installed('dvc'), 'dvc' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["True", "False"]
    assert isinstance(extras.missing("dvc", "dvc repro"), MissingResourceError)


COMMANDS = {
    "cluster": (
        ("features", "build", "--scheduler", "tcp://127.0.0.1:9"),
        "error: scheduler tcp://127.0.0.1:9 needs d",
    ),
    "dvc": (("demo",), "dvc repro needs dvc"),
    "plots": (("explain", "长", "--segment", "长江", "--plot", "picture.svg"), "drawing charts needs matplotlib"),
    "s3": (("--storage", "s3://bucket/folder", "features", "build"), "error: storage s3://bucket/folder needs s3fs"),
    "stats": (("stats", "overview"), "SQL over the artifacts (stats and report) needs duckdb"),
    "vectors": (("features", "vocab"), "words.bin: a fastText .bin needs gensim"),
}


@pytest.mark.parametrize("extra", sorted(extras.MODULES))
def test_a_missing_package_is_named_with_the_line_that_installs_it(project: Any, extra: Any) -> None:
    arguments, message = COMMANDS[extra]
    if extra == "vectors":
        model = FastText([["北京", "上海"]], vector_size=8, min_count=1, bucket=50, epochs=1, seed=1, workers=1)
        save_facebook_model(model, str(project.root / "words.bin"))
        project.set("vocab", vectors="words.bin")
    hidden = "".join(f"sys.modules[{module!r}] = None; " for module in extras.MODULES[extra])
    code = f"import sys; {hidden}sys.argv = ['ssmi-cli', *sys.argv[1:]]; from ssmi.cli.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=project.root, env=project.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 4, result.stderr
    assert message in result.stderr
    assert result.stderr.rstrip().endswith(f"next: pip install 'ssmi[{extra}]'")


def test_the_base_builds_trains_evaluates_and_predicts(fresh_project: Any, tmp_path: Path) -> None:
    """Hide all modules of the extras: building, training, evaluating and predicting still work."""
    hidden = [module for modules in extras.MODULES.values() for module in modules]
    (tmp_path / "texts.txt").write_text("王小明在北京大学。\n", encoding="utf-8")
    code = f"""
import sys
for name in {hidden!r}:
    sys.modules[name] = None
import ssmi.cli.main as program
for arguments in (["features", "build", "--workers", "1"], ["train", "-S", "train.max_steps=2"], ["evaluate"],
                  ["predict", "--run", "artifacts/train/tiny", {str(tmp_path / "texts.txt")!r}]):
    sys.argv = ["ssmi-cli", *arguments]
    try:
        program.main()
    except SystemExit as stop:
        assert not stop.code, (arguments, stop.code)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=fresh_project.root, env=fresh_project.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert '"text": "王小明在北京大学。"' in result.stdout
