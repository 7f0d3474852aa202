"""Import rules, checked on the import graph: each heavy library is imported only by its ``ALLOWED_IMPORTERS``."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import grimp
import pytest

ALLOWED_IMPORTERS = {
    "jieba": {"ssmi.pipeline.lexicon.segmenter"},
    "rjieba": {"ssmi.pipeline.lexicon.segmenter"},
    "gensim": {"ssmi.pipeline.lexicon.word_vectors.fasttext"},
    "dask": {"ssmi.pipeline.executor"},
    "distributed": {"ssmi.pipeline.executor"},
    "duckdb": {"ssmi.pipeline.inspect.warehouse"},
    "fsspec": {"ssmi.pipeline.remote.filesystem"},
    "daachorse": {"ssmi.pipeline.features.trie"},
    "transformers": {"ssmi.pipeline.frozen_encoder", "ssmi.model.network.encoder"},
    "torchcrf": {"ssmi.model.network.layers.crf"},
    "prompt_toolkit": {"ssmi.cli.terminal.live"},
    "jinja2": {"ssmi.report.page"},
    "matplotlib": {"ssmi.charts.backend"},
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("ssmi", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("library", sorted(ALLOWED_IMPORTERS))
def test_heavy_libraries_are_imported_only_by_their_modules(graph: grimp.ImportGraph, library: str) -> None:
    importers = graph.find_modules_that_directly_import(library) if library in graph.modules else set()
    assert importers <= ALLOWED_IMPORTERS[library]


@pytest.mark.parametrize(
    "library", ["jieba", "rjieba", "daachorse", "duckdb", "gensim", "distributed", "transformers", "matplotlib"]
)
def test_the_graph_contains_imports_of_heavy_libraries(graph: grimp.ImportGraph, library: str) -> None:
    """The graph includes imports inside functions, so an empty set of importers would mean that nothing was checked."""
    assert graph.find_modules_that_directly_import(library)


def test_only_assets_import_the_hub_client(graph: grimp.ImportGraph) -> None:
    importers = graph.find_modules_that_directly_import("huggingface_hub")
    assert importers
    assert all(name.startswith("ssmi.pipeline.assets.") for name in importers)


def test_pipeline_and_model_do_not_import_each_other(graph: grimp.ImportGraph) -> None:
    packages = ("ssmi.pipeline", "ssmi.model")
    modules = [module for module in graph.modules if module.startswith(packages)]
    assert len(modules) > 100
    for module in modules:
        package = next(name for name in packages if module.startswith(name))
        allowed = (package, "ssmi.pipeline.contract")
        imported = graph.find_modules_directly_imported_by(module)
        assert all(name.startswith(allowed) for name in imported if name.startswith("ssmi")), module


def test_the_feature_code_calls_no_function_that_opens_files(repository: Path) -> None:
    """The import contract covers modules; calls that open files without an import are checked here."""
    opening = {"open", "load", "save", "savez", "memmap", "fromfile", "tofile", "read_bytes", "read_text", "print"}
    files = sorted((repository / "pipeline" / "features").rglob("*.py"))
    assert len(files) > 8
    for file in files:
        calls = [node.func for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)]
        names = {func.id if isinstance(func, ast.Name) else getattr(func, "attr", "") for func in calls}
        assert not names & opening, file.name


def test_the_package_links_to_the_top_level_folders(repository: Path) -> None:
    """The installed wheel thus has one package, ``ssmi``, while the repository has three top-level folders."""
    for package in ("pipeline", "model", "cli"):
        link = repository / "ssmi" / package
        assert link.is_symlink() and link.readlink() == Path("..") / package


def test_every_module_of_the_package_is_in_the_import_contracts(graph: grimp.ImportGraph, repository: Path) -> None:
    """A module that is in no contract could import anything."""
    tool = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contracts = {contract["name"]: contract for contract in tool["importlinter"]["contracts"]}
    (layers,) = (contract["layers"] for name, contract in contracts.items() if name.startswith("One way through"))
    layered = {module for layer in layers for module in layer.split(" | ")}
    not_printing = set(contracts["Printing is the command line's"]["source_modules"])
    modules = graph.find_children("ssmi")
    assert "ssmi.statistics" in modules
    for module in modules:
        assert any(f"{name}.".startswith(f"{module}.") for name in layered), module
        assert module in not_printing or module == "ssmi.cli", module


def test_no_tracked_file_contains_a_path_of_a_personal_machine(repository: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    home_path = re.compile(rb"(?<![\w.])/(?:(?:home|Users)/[a-z]|root/[\w.])|[A-Z]:\\Users\\")
    files = [repository / name for name in tracked.stdout.split("\0") if name]
    assert len(files) > 50
    found = [str(path) for path in files if path.is_file() and home_path.search(path.read_bytes())]
    assert found == []


def test_messages_of_errors_name_no_option_of_the_command_line(repository: Path) -> None:
    """Callers in Python read the messages too; next steps may be command lines."""
    option = re.compile(r"(?<![\w-])--?[A-Za-z]")
    found, n_messages = [], 0
    for path in (path for room in ("pipeline", "model", "ssmi") for path in (repository / room).rglob("*.py")):
        if path.is_relative_to(repository / "ssmi" / "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error") and node.args:
                n_messages += 1
                pieces = [piece for piece in ast.walk(node.args[0]) if isinstance(piece, ast.Constant)]
                found += [f"{path}:{one.lineno}" for one in pieces if option.search(str(one.value))]
    assert n_messages > 300
    assert found == []
