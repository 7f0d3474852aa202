"""Opening the segmenters: with user dictionaries, without jieba's cache, and without rjieba."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError
from ssmi.pipeline.features.text.segmentation import segment_sentence
from ssmi.pipeline.lexicon.segmenter import open_both_segmenters, open_segmenter
from ssmi.pipeline.readers import read_sentences

SAMPLE = Path(__file__).parents[3] / "pipeline" / "readers" / "sample" / "dev.txt"


@pytest.fixture
def fresh_segmenters() -> Iterator[None]:
    yield
    open_segmenter.cache_clear()


@pytest.mark.usefixtures("fresh_segmenters")
def test_a_user_dictionary_affects_only_its_own_segmenter(tmp_path: Path) -> None:
    user_dict = tmp_path / "user.txt"
    user_dict.write_text("陈思远先生 1000 n\n", encoding="utf-8")
    text = list("陈思远先生来到北京")
    with_dictionary = open_segmenter("jieba", hmm=True, user_dict=user_dict)
    assert segment_sentence(text, with_dictionary)[0] == ["陈思远先生", "来到", "北京"]
    assert "陈思远先生" not in segment_sentence(text, open_segmenter("jieba", hmm=True, user_dict=None))[0]


@pytest.mark.usefixtures("fresh_segmenters")
def test_unusable_user_dictionaries_are_refused(tmp_path: Path) -> None:
    user_dict = tmp_path / "user.txt"
    with pytest.raises(MissingResourceError, match=r"user\.txt"):
        open_segmenter("jieba", hmm=True, user_dict=user_dict)
    user_dict.write_bytes("云计算\n".encode("gb18030"))
    with pytest.raises(InputDataError, match=r"user\.txt:1: not UTF-8"):
        open_segmenter("jieba", hmm=True, user_dict=user_dict)
    with pytest.raises(ParameterError, match=r"segment\.user_dict.*rjieba"):
        open_segmenter("rjieba", hmm=True, user_dict=user_dict)


def test_jieba_prints_nothing_and_neither_reads_nor_writes_a_cache(tmp_path: Path) -> None:
    """A cache at jieba's usual paths, with a dictionary that would not cut the text, is not read."""
    temporary, home = tmp_path / "shared", tmp_path / "home"
    places = [temporary / "jieba.cache", home / "jieba.cache", home / "ssmi" / "jieba" / "jieba.cache"]
    planted = marshal.dumps(({"来到北京": 1_000_000}, 1_000_000))
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(planted)
    program = (
        "from ssmi.pipeline.features.text.segmentation import segment_sentence\n"
        "from ssmi.pipeline.lexicon.segmenter import open_segmenter\n"
        "cut = open_segmenter('jieba', hmm=True, user_dict=None)\n"
        "assert segment_sentence(list('来到北京'), cut)[0] == ['来到', '北京']\n"
    )
    environment = os.environ | {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home), "LOCALAPPDATA": str(home)}
    # compiling jieba's old regular expressions to bytecode warns once; that warning is not jieba's own output
    command = [sys.executable, "-W", "ignore", "-c", program]
    root = Path(__file__).parents[3]
    completed = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(places)
    assert {place.read_bytes() for place in places} == {planted}


@pytest.mark.usefixtures("fresh_segmenters")
def test_the_default_dictionary_is_that_of_jieba(tmp_path: Path) -> None:
    import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = str(tmp_path)
    jieba.setLogLevel("CRITICAL")
    text = "".join(sentence.text for sentence in read_sentences(SAMPLE)[0])
    cut = open_segmenter("jieba", hmm=True, user_dict=None)
    assert list(cut(text)) == list(tokenizer.cut(text, HMM=True))


@pytest.mark.usefixtures("fresh_segmenters")
def test_both_segmenters_are_opened_or_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = open_both_segmenters(hmm=True)
    assert pair is not None
    assert [segment_sentence(list("来到北京"), cut)[0] for cut in pair] == [["来到", "北京"]] * 2
    open_segmenter.cache_clear()
    monkeypatch.setitem(sys.modules, "rjieba", None)  # simulates a missing rjieba
    assert open_both_segmenters(hmm=True) is None
