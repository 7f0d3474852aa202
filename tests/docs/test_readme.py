"""The README in both languages is short, has the same commands in both, and has no broken link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]

READMES = ("README.md", "README.zh-CN.md")
_COMMENT = re.compile(r"\s*#.*$", re.M)


@pytest.mark.parametrize("name", READMES)
def test_readmes_have_at_most_150_lines(name: str) -> None:
    assert len((REPOSITORY / name).read_text(encoding="utf-8").splitlines()) <= 150


def test_both_languages_have_the_same_code_and_figures() -> None:
    def code(name: str) -> list[str]:
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        return [_COMMENT.sub("", block) for block in re.findall(r"^```\w+\n(.*?)^```$", text, re.M | re.S)]

    def figures(name: str) -> list[str]:
        return re.findall(r"\d\d\.\d\d", (REPOSITORY / name).read_text(encoding="utf-8"))

    english, chinese = READMES
    assert code(english) == code(chinese)
    assert figures(english) == figures(chinese)


def test_figures_occur_in_the_results() -> None:
    results = (REPOSITORY / "docs" / "results" / "index.md").read_text(encoding="utf-8")
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Results$.*?(?=^## )", readme, re.M | re.S)
    assert len(re.findall(r"^\| (?:Weibo|Resume|MSRA)\b.*$", section, re.M)) == 3
    figures = re.findall(r"\d\d\.\d\d", section)
    assert len(figures) >= 9
    for figure in figures:
        assert figure in results


@pytest.mark.parametrize("name", [*READMES, "CONTRIBUTING.md"])
def test_linked_files_exist(name: str) -> None:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (REPOSITORY / target).is_file(), target


def test_the_citation_agrees_with_the_readme() -> None:
    citation = YAML(typ="safe").load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["preferred-citation"]
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8").replace("{", "").replace("}", "")
    assert paper["title"] in readme
    for author in paper["authors"]:
        assert f"{author['family-names']}, {author['given-names']}" in readme
