"""Where a corpus is searched for, how it is named, and which of its files are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.assets.corpora import corpus_name, find_corpus, open_corpus, source_path
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError


def _write(path: Path, text: str = "北京\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SSMI_DATA", raising=False)
    root = tmp_path / "project"
    for name in ("b.txt", "a/z.jsonl", "a/a.txt.zst", "README.md", ".hidden.txt", ".git/c.txt"):
        _write(root / "texts" / "news" / name)
    _write(root / "texts" / "laws.txt.gz")
    return root


def test_files_are_ordered_by_name_and_other_files_are_noted(root: Path) -> None:
    found = find_corpus("texts/news", root=root, listed=())
    assert found.name == "news" and list(found.files) == ["a/a.txt.zst", "a/z.jsonl", "b.txt"]
    assert found.files["b.txt"] == root / "texts" / "news" / "b.txt"
    assert found.notes == (f"{root / 'texts' / 'news'}: not read: README.md",)


def test_a_listed_corpus_is_found_by_name_and_may_be_a_file(root: Path) -> None:
    listed = ("texts/news", "texts/laws.txt.gz")
    assert find_corpus("news", root=root, listed=listed) == find_corpus("texts/news", root=root, listed=())
    laws = find_corpus("laws", root=root, listed=listed)
    assert (laws.name, dict(laws.files)) == ("laws", {"laws.txt.gz": root / "texts" / "laws.txt.gz"})
    assert find_corpus(str(root / "texts" / "laws.txt.gz"), root=root, listed=()) == laws
    # A file given explicitly is read, whatever its name.
    assert open_corpus(root / "texts" / "news" / "README.md", name="readme").files


def test_a_corpus_is_found_in_the_data_folders(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(root / "data" / "own" / "a.txt")
    assert list(find_corpus("own", root=root, listed=()).files) == ["a.txt"]
    other = _write(tmp_path / "elsewhere" / "own" / "b.txt")
    monkeypatch.setenv("SSMI_DATA", str(tmp_path / "elsewhere"))
    assert dict(find_corpus("own", root=root, listed=()).files) == {"b.txt": other}


def test_unknown_corpora_are_refused_with_the_nearest_name(root: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"corpus 'lows': neither listed .* did you mean 'laws'"):
        find_corpus("lows", root=root, listed=("texts/laws.txt.gz",))
    _write(root / "empty" / "a.md")
    with pytest.raises(MissingResourceError, match="no file of text in it") as caught:
        find_corpus("empty", root=root, listed=())
    assert ".jsonl" in caught.value.next_step
    _write(root / "texts" / "a$b.txt")
    with pytest.raises(ParameterError, match=r"corpus 'a\$b': not a plain name") as refusal:
        find_corpus("texts/a$b.txt", root=root, listed=())
    assert "--dataset" not in refusal.value.next_step and "rename its folder or file" in refusal.value.next_step


def test_a_path_is_resolved_to_the_name_of_its_corpus(root: Path) -> None:
    assert corpus_name("news", root=root) == corpus_name("texts/news", root=root) == "news"
    assert corpus_name("texts/laws.txt.gz", root=root) == "laws"
    assert corpus_name("elsewhere", root=root) == "elsewhere"  # its files may be gone; the built corpus is read
    with pytest.raises(MissingResourceError, match=r"gone/elsewhere\.txt: no such file or folder"):
        corpus_name("gone/elsewhere.txt", root=root)
    with pytest.raises(ParameterError, match="not a plain name"):
        corpus_name("a$b", root=root)


def test_a_name_listed_twice_is_refused(root: Path) -> None:
    listed = ("texts/laws.txt.gz", "more/laws", "texts/news")
    _write(root / "more" / "laws" / "a.txt")
    assert find_corpus("news", root=root, listed=listed).name == "news"
    with pytest.raises(ParameterError, match=r"lists texts/laws\.txt\.gz and more/laws, all of this name") as caught:
        find_corpus("laws", root=root, listed=listed)
    assert "rename" in caught.value.next_step


def test_the_source_of_a_corpus_does_not_depend_on_the_machine(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_corpus(str(root / "texts" / "news"), root=root, listed=()).source == "texts/news"
    assert find_corpus("laws", root=root, listed=("texts/laws.txt.gz",)).source == "texts/laws.txt.gz"
    _write(root / "data" / "own" / "a.txt")
    assert find_corpus("own", root=root, listed=()).source == "data/own"
    _write(tmp_path / "elsewhere" / "own" / "b.txt")
    monkeypatch.setenv("SSMI_DATA", str(tmp_path / "elsewhere"))
    assert find_corpus("own", root=root, listed=()).source == "$SSMI_DATA/own"
    # A corpus given by an absolute path keeps that path as its source.
    absolute = str(tmp_path / "elsewhere" / "own")
    assert find_corpus(absolute, root=root, listed=()).source == absolute
    assert source_path("$SSMI_DATA/own", root=root) == source_path(absolute, root=root) == Path(absolute).resolve()
    assert source_path("data/own", root=root) == (root / "data" / "own").resolve()


def test_an_ambiguous_name_is_refused_and_a_path_is_not(root: Path) -> None:
    _write(root / "data" / "own" / "a.txt")
    file = _write(root / "own" / "b.txt")
    with pytest.raises(ParameterError, match="ambiguous: both") as caught:
        find_corpus("own", root=root, listed=())
    assert str(root / "data" / "own") in caught.value.next_step and "./own" in caught.value.next_step
    assert dict(find_corpus("./own", root=root, listed=()).files) == {"b.txt": file}
    assert find_corpus("data/own", root=root, listed=()).source == "data/own"
    assert find_corpus("own", root=root, listed=("own",)).source == "own"  # the corpus in params.yaml is preferred


def test_without_listed_corpora_none_is_suggested(root: Path) -> None:
    with pytest.raises(MissingResourceError) as caught:
        find_corpus("nope", root=root, listed=())
    assert caught.value.message.endswith("nor a folder of data, a file or a folder")
