"""Every module has a test file of its name, or tests/covered_by.toml names the tests that cover it."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("pipeline", "model", "ssmi", "cli")


def _modules() -> list[Path]:
    """Return the files with code, relative to the repository; the links in ``ssmi`` lead to files already listed."""
    files = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    without_links = (path.relative_to(ROOT) for path in files if path.resolve() == path)
    return [path for path in without_links if path.name != "__init__.py" or _defines_something(path)]


def _defines_something(path: Path) -> bool:
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body)


def _test_of(module: Path) -> Path:
    """Return ``tests/PATH/test_NAME.py``; ``tests/PATH/test_init.py`` for a package's ``__init__``."""
    name = "init" if module.name == "__init__.py" else module.stem
    return Path("tests") / module.parent / f"test_{name}.py"


def _covered_by() -> dict[str, list[str]]:
    tables = tomllib.loads((ROOT / "tests" / "covered_by.toml").read_text(encoding="utf-8"))
    return {module: tests for table in tables.values() for module, tests in table.items()}


def test_every_module_has_tests() -> None:
    covered = _covered_by()
    modules = _modules()
    assert len(modules) > 150
    missing = [str(path) for path in modules if not (ROOT / _test_of(path)).is_file() and str(path) not in covered]
    assert not missing, f"modules without a test file that tests/covered_by.toml does not list: {missing}"


def test_covered_by_lists_only_modules_without_a_test_file() -> None:
    modules = {str(path): path for path in _modules()}
    for module, tests in _covered_by().items():
        assert module in modules, f"{module}: listed in tests/covered_by.toml, but does not exist"
        assert not (ROOT / _test_of(modules[module])).is_file(), (
            f"{module}: listed in tests/covered_by.toml, but has a test file"
        )
        assert tests, module
        assert not [test for test in tests if not (ROOT / test).is_file()], f"{module}: {tests}"
