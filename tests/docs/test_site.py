"""The site builds in strict mode, without network access, and agrees with the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet import schema

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """The built site. Warnings are errors: broken links and anchors, and pages that are in no menu."""
    folder = tmp_path_factory.mktemp("site")
    completed = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=REPOSITORY,
        env={**environment, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return folder


def _page(site: Path, name: str) -> str:
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_no_page_loads_external_resources(site: Path) -> None:
    external = re.compile(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="?(?:https?:)?//[^">]+')
    for page in site.rglob("*.html"):
        assert not external.search(page.read_text(encoding="utf-8")), page


def test_all_generated_parts_are_inserted(site: Path) -> None:
    assert not [page for page in site.rglob("*.html") if "generated: " in page.read_text(encoding="utf-8")]


def test_the_reference_lists_all_commands_parameters_and_names(site: Path) -> None:
    import ssmi
    from ssmi.cli.main import COMMANDS

    commands, tables = _page(site, "reference/cli"), _page(site, "reference/tables")
    assert all(f"ssmi-cli {name}" in commands for name in COMMANDS)
    parameters = _page(site, "reference/params")
    for section, field in Params.model_fields.items():
        keys = getattr(field.annotation, "model_fields", {section: field})
        assert all(f"<code>{key}</code>" in parameters for key in keys), section
    assert all(f"<code>{column}</code>" in tables for column in schema.SHARDS.names)
    python = _page(site, "reference/python")
    assert all(re.search(rf'id="[\w.]+\.{name}"', python) for name in ssmi.__all__)


def test_the_module_tree_describes_every_module(site: Path) -> None:
    tree = _page(site, "architecture")
    for path in [*REPOSITORY.glob("pipeline/*/*.py"), *REPOSITORY.glob("model/*.py"), *REPOSITORY.glob("cli/*.py")]:
        if path.name != "__init__.py":
            assert re.search(rf"<code>{path.name}</code></td>\s*<td>(<code>)?\w", tree), path


def test_paths_on_the_architecture_page_exist() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:pipeline|model|ssmi|cli|tests)/[\w/.]*)`", text)
    assert len(paths) > 30
    assert not [name for name in paths if not (REPOSITORY / name).exists()]
