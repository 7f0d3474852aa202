"""Create a project folder with parameters, the stages for DVC, and data, completely or not at all."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from shlex import quote

from ssmi.dvc.pipeline_file import write_pipeline
from ssmi.pipeline.assets.folders import DESCRIPTION, SPLIT_WORDS, DataFolder, open_folder
from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError, SsmiError
from ssmi.pipeline.contract.parameters.help import render
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.contract.project.paths import PARAMS_NAME
from ssmi.pipeline.contract.storage.replacing import temporary_folder
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.contract.user_files import require_file
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.readers.registry import files_of
from ssmi.project import Project
from ssmi.scaffold.version_control import init_dvc

KEPT = ".git"
"""The only entry that the folder may contain already: a repository just created or cloned."""


@checked
def init_project(
    folder: str | Path,
    *,
    data: Iterable[str | Path] = (),
    name: str | None = None,
    reporter: Reporter | None = None,
) -> Project:
    """Create a project folder for your own data.

    The project needs only the installed package. The files of ``data`` are copied into ``data/NAME/`` and read
    completely, so that errors in them appear at once. If DVC is installed, the project is put under DVC.

    Args:
        folder: A new or empty folder; it may contain ``.git``.
        data: Labelled files in any supported format, named after their splits (``train.bmes``, ``dev.jsonl``). A single
            file is the train split, whatever its name. A ``dataset.yaml`` among the files sets how they are read.
        name: Name of the data set; None for the name of the folder.
        reporter: Receives a note on each split that was read; None for silence.

    Returns:
        The new project.

    Raises:
        ParameterError: The folder is not empty or cannot be created, the name is invalid, or ``data`` is a single path
            in place of a list.
        MissingResourceError: A file does not exist, or there is no train split.
        InputDataError: A file cannot be read (the message gives file and line), or its split is not clear.

    """
    root, reporter = Path(folder).resolve(), reporter or Silent()
    files = [Path(path) for path in data]
    _check_empty(root)
    name = check_dataset_name(name or root.name)
    with ExitStack() as stack:
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            staged = stack.enter_context(temporary_folder(root))
        except (FileNotFoundError, NotADirectoryError, FileExistsError) as error:
            raise ParameterError(
                f"{root}: cannot be made ({error.strerror})", next_step="name another folder"
            ) from None
        _write_files(staged, name)
        _copy_data(files, staged / "data" / name, name, reporter)
        write_pipeline(staged)
        _move_into(staged, root)
    return Project(root, reporter)


def _check_empty(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise ParameterError(f"{root} is a file", next_step="name a new folder")
    there = sorted(path.name for path in root.iterdir() if path.name != KEPT) if root.is_dir() else []
    if there:
        named = ", ".join(there[:3]) + (" ..." if len(there) > 3 else "")
        raise ParameterError(f"{root} is not empty: {named}", next_step="name a new folder")


def _write_files(root: Path, name: str) -> None:
    """Write all files of a project except the data and the stages."""
    templates = files("ssmi.scaffold") / "templates"

    def write(path: str, text: str) -> None:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text, encoding="utf-8", newline="\n")

    def template(path: str) -> str:
        return (templates / path).read_text(encoding="utf-8")

    write(PARAMS_NAME, render([name]))
    write("README.md", template("README.md").format(name=name, run=quote(f"artifacts/train/{name}")))
    write(".gitignore", template("gitignore"))
    write(".dvcignore", template("dvcignore"))
    write("artifacts/.gitignore", template("artifacts-gitignore"))


# --- data -----------------------------------------------------------------------------------------------------------


def _copy_data(data: Sequence[Path], folder: Path, name: str, reporter: Reporter) -> None:
    """Copy the files, determine the split of each, and read each completely."""
    folder.mkdir(parents=True)
    for path in data:
        _copy(path, folder)
    if not data:
        return
    data_folder = _open(folder, data, name)
    originals = {path.name: path for path in data}
    for split, copy in data_folder.splits.items():
        _read(originals.get(copy.name, copy), split, data_folder, reporter)


def _copy(path: Path, folder: Path) -> None:
    if not path.is_dir():
        require_file(path)
    elif files_of(path) == [path]:  # no format whose data are folders
        raise InputDataError(
            f"{path} is a folder", next_step=f"name the files in it, for example {quote(str(path / 'train.jsonl'))}"
        )
    if (folder / path.name).exists():
        raise InputDataError(f"{path}: another file has the same name", next_step="rename one of them")
    if path.is_file():
        shutil.copyfile(path, folder / path.name)
    else:
        shutil.copytree(path, folder / path.name)


def _open(folder: Path, data: Sequence[Path], name: str) -> DataFolder:
    """Open the copies as a data set with a train split; reject files that are not a split."""
    labelled = [path.name for path in data if path.name != DESCRIPTION]
    try:
        data_folder = open_folder(folder)
        if not data_folder.splits and len(labelled) == 1:
            _describe_as_train(folder, labelled[0])
            data_folder = open_folder(folder)
    except SsmiError as error:
        # The copies are in a temporary folder, which is removed before the message is read.
        shown = error.message.replace(str(folder), f"data/{name}")
        raise type(error)(shown, next_step=error.next_step) from error
    used = {path.name for path in data_folder.splits.values()}
    unused = [each for each in labelled if each not in used]
    if unused:
        words = ", ".join(words[0] for words in SPLIT_WORDS.values())
        raise InputDataError(
            f"{', '.join(unused)}: not clear which split it is",
            next_step=f"name each file after its split ({words}), or give a {DESCRIPTION} that says so",
        )
    if "train" not in data_folder.splits:
        raise MissingResourceError(
            f"no file for train among {', '.join(labelled)}", next_step="give one named train, with any ending"
        )
    return data_folder


def _describe_as_train(folder: Path, file: str) -> None:
    """Add to dataset.yaml that the only file is the train split."""
    # A JSON string is valid YAML too, whatever characters the name contains.
    line = f"splits: {{train: {json.dumps(file, ensure_ascii=False)}}}\n"
    # Append, to keep the content of a dataset.yaml that came with the data.
    with (folder / DESCRIPTION).open("a", encoding="utf-8") as stream:
        stream.write(line)


def _read(path: Path, split: str, data_folder: DataFolder, reporter: Reporter) -> None:
    """Read a split completely, as a build will, and report its content."""
    sentences, report = read_sentences(path, options=data_folder.options)
    labels = Counter(entity.label for sentence in sentences for entity in sentence.entities)
    types = f" of {', '.join(sorted(labels))}" if labels else ""
    counts = f"{counted(report.n_sentences, 'sentence')}, {counted(labels.total(), 'entity')}"
    reporter.note(f"{split}: {path.name} ({report.format}), {counts}{types}")


# --- into place -----------------------------------------------------------------------------------------------------


def _move_into(staged: Path, root: Path) -> None:
    """Move the staged entries into the folder, which may be the working folder, one by one; undo it on failure.

    DVC is initialised last, in the final folder.
    """
    is_new = not root.exists()
    root.mkdir(exist_ok=True)
    moved: list[Path] = []
    try:
        for path in sorted(staged.iterdir()):
            moved.append(path.rename(root / path.name))
        init_dvc(root)
    # On Ctrl-C too: the folder is created completely or not at all.
    except BaseException:
        _remove([*moved, root / ".dvc"], root if is_new else None)
        raise


def _remove(paths: Iterable[Path], root: Path | None) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if root is not None:
        shutil.rmtree(root, ignore_errors=True)
