"""Who may import what, from the import graph: each heavy library has one door."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import grimp
import pytest

DOORS = {
    "jieba": {"pipeline.features.segmentation"},
    "rjieba": {"pipeline.features.segmentation"},
    "gensim": {"pipeline.features.word_vectors.fasttext"},
    "dask": {"pipeline.executor"},
    "distributed": {"pipeline.executor"},
    "duckdb": {"pipeline.warehouse"},
    "daachorse": {"pipeline.features.trie"},
    "transformers": {"pipeline.features.encoder", "model.encoder"},
    "torchcrf": {"model.layers.crf"},
    "prompt_toolkit": {"cli.live"},
    "matplotlib": {"cli.drawing", "cli.ablation_plot", "cli.explain_plot"},
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("pipeline", "model", "ssmi", "cli", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_heavy_library_has_one_door(graph: grimp.ImportGraph, library: str) -> None:
    importers = graph.find_modules_that_directly_import(library) if library in graph.modules else set()
    assert importers <= DOORS[library]


@pytest.mark.parametrize(
    "library", ["jieba", "rjieba", "daachorse", "duckdb", "gensim", "distributed", "transformers", "matplotlib"]
)
def test_the_doors_are_really_in_the_graph(graph: grimp.ImportGraph, library: str) -> None:
    """Imports inside functions count too, so an empty answer above would mean that nobody looked."""
    assert graph.find_modules_that_directly_import(library)


def test_only_assets_talk_to_the_hub(graph: grimp.ImportGraph) -> None:
    importers = graph.find_modules_that_directly_import("huggingface_hub")
    assert importers
    assert all(name.startswith("pipeline.assets.") for name in importers)


def test_the_two_halves_meet_only_in_the_command_line(graph: grimp.ImportGraph) -> None:
    def halves(name: str) -> set[str]:
        roots = {module.partition(".")[0] for module in graph.find_modules_directly_imported_by(name)}
        return roots & {"pipeline", "model", "cli"}

    for module in graph.modules:
        root = module.partition(".")[0]
        if root in ("pipeline", "model"):
            assert halves(module) <= ({"pipeline"} if root == "pipeline" else {"pipeline", "model"}), module
    for module in graph.modules:
        if module.startswith("model"):
            ours = {name for name in graph.find_modules_directly_imported_by(module) if name.startswith("pipeline")}
            assert all(name.startswith("pipeline.contract") for name in ours), module


def test_no_tracked_file_holds_a_path_of_somebodys_machine(repository: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    home = re.compile(rb"(?<![\w.])/(?:home|Users)/[a-z]|(?<![\w.])/root/[\w.]|[A-Z]:\\Users\\")
    files = [repository / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 50
    found = [str(path) for path in files if path.is_file() and home.search(path.read_bytes())]
    assert found == []
