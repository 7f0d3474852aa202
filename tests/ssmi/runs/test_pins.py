"""A run keeps the features that it needs to tag text, even if features are rebuilt later."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.runs import pins

TEXTS = "王小明毕业于北京大学，任公司董事长。\n疫苗在上海\n这个词有整整十一个汉字\n"


def run_of(project: Any) -> Path:
    return project.root / "artifacts" / "train" / "tiny"


def predicted(project: Any, *arguments: str) -> str:
    (project.root / "texts.txt").write_text(TEXTS, encoding="utf-8")
    outcome = project.ssmi("predict", *arguments, "--device", "cpu", str(project.root / "texts.txt"))
    assert outcome.code == 0, outcome.stderr
    return str(outcome.stdout)


def build_another(project: Any) -> None:
    """Build a second data set with another vocabulary, which all data sets share."""
    if not (project.root / "data" / "other").exists():
        shutil.copytree(project.root / "data" / "tiny", project.root / "data" / "other")
    project.build("--dataset", "other", "-S", "vocab.max_words=100")


def replace_vocabulary(project: Any) -> None:
    assert project.ssmi("features", "vocab", "-S", "vocab.max_words=100").code == 0


def inodes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def trained(tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path) -> Any:
    """A writable project with a run that finds entities."""
    return copy_project(tagging_project, tmp_path)


def test_a_run_predicts_the_same_after_another_vocabulary_was_built(trained: Any, tmp_path: Path) -> None:
    project = trained
    (kept,) = (run_of(project) / "pinned").iterdir()
    before = predicted(project)
    assert '"label"' in before
    contents = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    build_another(project)
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == contents
    assert predicted(project) == before
    out = tmp_path / "pack"
    assert project.ssmi("export", "--out", str(out)).code == 0
    assert predicted(project, "--run", str(out)) == before

    # Shards need no other files. Once rebuilt, they no longer match the run, which still tags text.
    assert project.ssmi("evaluate").code == 0
    project.build("-S", "vocab.max_words=100")
    outcome = project.ssmi("evaluate")
    assert outcome.code == 5 and "do not belong together: vocabulary" in outcome.stderr, outcome.stderr
    assert predicted(project) == before

    shutil.rmtree(kept)  # without pinned features, the different ones are still recognised
    outcome = project.ssmi("predict", str(project.root / "texts.txt"))
    assert outcome.code == 5 and "the shards were built with" in outcome.stderr
    assert "next: " in outcome.stderr


def test_links_take_no_room_and_go_with_the_checkpoint(project: Any) -> None:
    """Training into the same folder with other features pins those instead of the old ones."""
    assert project.ssmi("train", "-S", "train.epochs=1").code == 0
    (kept,) = (run_of(project) / "pinned").iterdir()
    artifacts = project.root / "artifacts"
    there = {name: artifacts / name / "tiny" for name in ("embed", "pmi")} | {"vocab": artifacts / "vocab"}
    for name, folder in there.items():
        links = inodes(kept / name)
        assert links and links.items() <= inodes(folder).items()
    project.build("-S", "embed.precompute_words=0")
    assert inodes(kept / "embed").items() & inodes(there["embed"]).items() == set()
    assert project.ssmi("train", "-S", "embed.precompute_words=0", "-S", "train.epochs=1").code == 0
    (new,) = (run_of(project) / "pinned").iterdir()
    assert new != kept
    project.build()
    assert predicted(project)  # embed is another again


def test_damage_to_what_was_kept_is_told(trained: Any) -> None:
    replace_vocabulary(trained)
    (kept,) = (run_of(trained) / "pinned").iterdir()
    (kept / "vocab" / "words.parquet").write_bytes(b"x")
    with pytest.raises(StaleArtifactError, match=r"words.parquet is [0-9a-f]{12}, its manifest says"):
        ssmi.open_run(run_of(trained), device="cpu")
    (kept / "vocab" / "words.parquet").unlink()
    with pytest.raises(StaleArtifactError, match=r"words.parquet is missing"):
        ssmi.open_run(run_of(trained), device="cpu")


def test_a_run_that_was_interrupted_is_kept_too(project: Any) -> None:
    with project.start("train", "-S", "train.epochs=500") as process:
        state = run_of(project) / "history.csv"
        while not state.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    before = predicted(project)
    replace_vocabulary(project)
    assert predicted(project) == before


def test_a_training_that_is_refused_leaves_nothing(project: Any) -> None:
    outcome = project.ssmi("train", "--resume")
    assert outcome.code == 4 and "no unfinished run" in outcome.stderr
    assert not run_of(project).exists()


def test_training_on_shards_whose_vocabulary_is_gone_says_so(project: Any) -> None:
    replace_vocabulary(project)
    outcome = project.ssmi("train", "-S", "train.epochs=1")
    assert outcome.code == 0
    assert "can be scored, but not used on text" in outcome.stderr and "vocabulary" in outcome.stderr
    assert not (run_of(project) / "pinned").exists()


def test_a_run_moved_away_brings_no_project(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(run_of(trained), tmp_path / "elsewhere" / "run")
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(MissingResourceError, match="no project above it"):
        ssmi.open_run("run")


def write_user_dictionary(project: Any, words: Sequence[str]) -> None:
    (project.root / "words.txt").write_text("".join(f"{word} 9999 n\n" for word in words), encoding="utf-8")


def test_a_user_dictionary_is_copied_and_symlinks_are_followed(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor may overwrite the file in place; DVC may be configured to put links to its cache into the folders."""
    write_user_dictionary(project, ["小明毕业"])
    project.set("segment", user_dict="words.txt")
    project.build()
    cache = project.root / "cache"
    shutil.move(project.root / "artifacts" / "vocab", cache)
    (project.root / "artifacts" / "vocab").mkdir()
    for path in cache.iterdir():
        (project.root / "artifacts" / "vocab" / path.name).symlink_to(path)
    assert project.ssmi("train", "-S", "train.epochs=1").code == 0
    before = predicted(project)
    write_user_dictionary(project, ["王小"])
    shutil.rmtree(cache)
    assert predicted(project) == before


def test_copies_where_links_are_not_possible(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert project.ssmi("train", "-S", "train.epochs=1").code == 0
    kept = pins.find_pinned(run_of(project))
    assert kept is not None and (kept / "vocab" / "vectors.npy").stat().st_nlink == 1
    before = predicted(project)
    replace_vocabulary(project)
    assert predicted(project) == before
