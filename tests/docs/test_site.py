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
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=REPOSITORY,
        env={**environment, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def _page(site: Path, name: str) -> str:
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_no_page_loads_anything_from_a_network(site: Path) -> None:
    loads = re.compile(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="?(?:https?:)?//[^">]+')
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text(encoding="utf-8")), page


def test_no_piece_was_left_out(site: Path) -> None:
    assert not [page for page in site.rglob("*.html") if "generated: " in page.read_text(encoding="utf-8")]


def test_the_reference_holds_every_command_parameter_table_and_name(site: Path) -> None:
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


def test_the_tree_holds_every_module_with_what_it_is_for(site: Path) -> None:
    tree = _page(site, "architecture")
    for path in [*REPOSITORY.glob("pipeline/*/*.py"), *REPOSITORY.glob("model/*.py"), *REPOSITORY.glob("cli/*.py")]:
        if path.name != "__init__.py":
            assert re.search(rf"<code>{path.name}</code></td>\s*<td>(<code>)?\w", tree), path


def test_the_page_of_the_architecture_names_what_is_there() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:pipeline|model|ssmi|cli|tests)/[\w/.]*)`", text)
    assert len(named) > 30
    assert not [name for name in named if not (REPOSITORY / name).exists()]
