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


def predict(project: Any, *arguments: str) -> str:
    (project.root / "texts.txt").write_text(TEXTS, encoding="utf-8")
    outcome = project.ssmi("predict", *arguments, "--device", "cpu", str(project.root / "texts.txt"))
    assert outcome.code == 0, outcome.stderr
    return str(outcome.stdout)


def build_second_dataset(project: Any) -> None:
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


def test_predictions_do_not_change_when_another_vocabulary_is_built(trained: Any, tmp_path: Path) -> None:
    project = trained
    (pinned,) = (run_of(project) / "pinned").iterdir()
    before = predict(project)
    assert '"label"' in before
    contents = {path: path.read_bytes() for path in pinned.rglob("*") if path.is_file()}
    build_second_dataset(project)
    assert {path: path.read_bytes() for path in pinned.rglob("*") if path.is_file()} == contents
    assert predict(project) == before
    out = tmp_path / "pack"
    assert project.ssmi("export", "--out", str(out)).code == 0
    assert predict(project, "--run", str(out)) == before

    # Shards need no other files. Once rebuilt, they no longer match the run, which still tags text.
    assert project.ssmi("evaluate").code == 0
    project.build("-S", "vocab.max_words=100")
    outcome = project.ssmi("evaluate")
    assert outcome.code == 5 and "do not belong together: vocabulary" in outcome.stderr, outcome.stderr
    assert predict(project) == before

    shutil.rmtree(pinned)  # without pinned features, the different ones are still recognised
    outcome = project.ssmi("predict", str(project.root / "texts.txt"))
    assert outcome.code == 5 and "the shards were built with" in outcome.stderr
    assert "next: " in outcome.stderr


def test_pinned_files_are_links_and_belong_to_the_checkpoint(project: Any) -> None:
    """Training into the same folder with other features pins those instead of the old ones."""
    assert project.ssmi("train", "-S", "train.epochs=1").code == 0
    (pinned,) = (run_of(project) / "pinned").iterdir()
    artifacts = project.root / "artifacts"
    folders = {name: artifacts / name / "tiny" for name in ("embed", "pmi")} | {"vocab": artifacts / "vocab"}
    for name, folder in folders.items():
        links = inodes(pinned / name)
        assert links and links.items() <= inodes(folder).items()
    project.build("-S", "embed.precompute_words=0")
    assert inodes(pinned / "embed").items() & inodes(folders["embed"]).items() == set()
    assert project.ssmi("train", "-S", "embed.precompute_words=0", "-S", "train.epochs=1").code == 0
    (new,) = (run_of(project) / "pinned").iterdir()
    assert new != pinned
    project.build()
    assert predict(project)  # embed has changed again


def test_damage_to_pinned_files_is_reported(trained: Any) -> None:
    replace_vocabulary(trained)
    (pinned,) = (run_of(trained) / "pinned").iterdir()
    (pinned / "vocab" / "words.parquet").write_bytes(b"x")
    with pytest.raises(StaleArtifactError, match=r"words.parquet is [0-9a-f]{12}, its manifest says"):
        ssmi.open_run(run_of(trained), device="cpu")
    (pinned / "vocab" / "words.parquet").unlink()
    with pytest.raises(StaleArtifactError, match=r"words.parquet is missing"):
        ssmi.open_run(run_of(trained), device="cpu")


def test_an_interrupted_run_has_pinned_features(project: Any) -> None:
    with project.start("train", "-S", "train.epochs=500") as process:
        state = run_of(project) / "history.csv"
        while not state.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    before = predict(project)
    replace_vocabulary(project)
    assert predict(project) == before


def test_refused_training_leaves_no_folder(project: Any) -> None:
    outcome = project.ssmi("train", "--resume")
    assert outcome.code == 4 and "no unfinished run" in outcome.stderr
    assert not run_of(project).exists()


def test_training_without_the_vocabulary_of_the_shards_is_reported(project: Any) -> None:
    replace_vocabulary(project)
    outcome = project.ssmi("train", "-S", "train.epochs=1")
    assert outcome.code == 0
    assert "can be scored, but not used on text" in outcome.stderr and "vocabulary" in outcome.stderr
    assert not (run_of(project) / "pinned").exists()


def test_a_moved_run_does_not_find_its_project(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    before = predict(project)
    write_user_dictionary(project, ["王小"])
    shutil.rmtree(cache)
    assert predict(project) == before


def test_files_are_copied_if_links_are_not_possible(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert project.ssmi("train", "-S", "train.epochs=1").code == 0
    pinned = pins.find_pinned(run_of(project))
    assert pinned is not None and (pinned / "vocab" / "vectors.npy").stat().st_nlink == 1
    before = predict(project)
    replace_vocabulary(project)
    assert predict(project) == before
