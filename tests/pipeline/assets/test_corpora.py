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


def test_files_are_in_the_order_of_their_names_and_others_are_told(root: Path) -> None:
    found = find_corpus("texts/news", root=root, listed=())
    assert found.name == "news" and list(found.files) == ["a/a.txt.zst", "a/z.jsonl", "b.txt"]
    assert found.files["b.txt"] == root / "texts" / "news" / "b.txt"
    assert found.notes == (f"{root / 'texts' / 'news'}: not read: README.md",)


def test_a_listed_corpus_is_found_by_name_and_a_file_is_one(root: Path) -> None:
    listed = ("texts/news", "texts/laws.txt.gz")
    assert find_corpus("news", root=root, listed=listed) == find_corpus("texts/news", root=root, listed=())
    laws = find_corpus("laws", root=root, listed=listed)
    assert (laws.name, dict(laws.files)) == ("laws", {"laws.txt.gz": root / "texts" / "laws.txt.gz"})
    assert find_corpus(str(root / "texts" / "laws.txt.gz"), root=root, listed=()) == laws
    # A file given explicitly is read, whatever its name.
    assert open_corpus(root / "texts" / "news" / "README.md", name="readme").files


def test_a_folder_of_data_is_found_as_data_sets_are(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(root / "data" / "own" / "a.txt")
    assert list(find_corpus("own", root=root, listed=()).files) == ["a.txt"]
    other = _write(tmp_path / "elsewhere" / "own" / "b.txt")
    monkeypatch.setenv("SSMI_DATA", str(tmp_path / "elsewhere"))
    assert dict(find_corpus("own", root=root, listed=()).files) == {"b.txt": other}


def test_what_is_not_there_is_told_with_the_nearest_name(root: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"corpus 'lows': neither listed .* did you mean 'laws'"):
        find_corpus("lows", root=root, listed=("texts/laws.txt.gz",))
    _write(root / "empty" / "a.md")
    with pytest.raises(MissingResourceError, match="no file of text in it") as caught:
        find_corpus("empty", root=root, listed=())
    assert ".jsonl" in caught.value.next_step
    _write(root / "texts" / "a$b.txt")
    with pytest.raises(ParameterError, match=r"corpus 'a\$b': not a plain name") as odd:
        find_corpus("texts/a$b.txt", root=root, listed=())
    assert "--dataset" not in odd.value.next_step and "rename its folder or file" in odd.value.next_step


def test_a_path_stands_for_the_name_that_was_built(root: Path) -> None:
    assert corpus_name("news", root=root) == corpus_name("texts/news", root=root) == "news"
    assert corpus_name("texts/laws.txt.gz", root=root) == "laws"
    assert corpus_name("elsewhere", root=root) == "elsewhere"  # its files may be gone; the built corpus is read
    with pytest.raises(MissingResourceError, match=r"gone/elsewhere\.txt: no such file or folder"):
        corpus_name("gone/elsewhere.txt", root=root)
    with pytest.raises(ParameterError, match="not a plain name"):
        corpus_name("a$b", root=root)


def test_two_listed_corpora_of_one_name_are_refused_when_it_is_asked_for(root: Path) -> None:
    listed = ("texts/laws.txt.gz", "more/laws", "texts/news")
    _write(root / "more" / "laws" / "a.txt")
    assert find_corpus("news", root=root, listed=listed).name == "news"
    with pytest.raises(ParameterError, match=r"lists texts/laws\.txt\.gz and more/laws, all of this name") as caught:
        find_corpus("laws", root=root, listed=listed)
    assert "rename" in caught.value.next_step


def test_where_a_corpus_lies_is_said_without_the_machine(
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
    given = str(tmp_path / "elsewhere" / "own")
    assert find_corpus(given, root=root, listed=()).source == given
    assert source_path("$SSMI_DATA/own", root=root) == source_path(given, root=root) == Path(given).resolve()
    assert source_path("data/own", root=root) == (root / "data" / "own").resolve()


def test_a_name_of_two_places_is_refused_and_a_path_means_one(root: Path) -> None:
    _write(root / "data" / "own" / "a.txt")
    here = _write(root / "own" / "b.txt")
    with pytest.raises(ParameterError, match="ambiguous: both") as refused:
        find_corpus("own", root=root, listed=())
    assert str(root / "data" / "own") in refused.value.next_step and "./own" in refused.value.next_step
    assert dict(find_corpus("./own", root=root, listed=()).files) == {"b.txt": here}
    assert find_corpus("data/own", root=root, listed=()).source == "data/own"
    assert find_corpus("own", root=root, listed=("own",)).source == "own"  # the corpus in params.yaml is preferred


def test_without_listed_corpora_none_is_proposed(root: Path) -> None:
    with pytest.raises(MissingResourceError) as refused:
        find_corpus("nope", root=root, listed=())
    assert refused.value.message.endswith("nor a folder of data, a file or a folder")
