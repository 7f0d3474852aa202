"""The page shows its content and escapes all of it, in the document and in a browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from ssmi.model.evaluation.calibration import Bin
from ssmi.model.evaluation.error_analysis import KINDS, confusion
from ssmi.model.evaluation.scoring import score
from ssmi.pipeline.contract.labels import Span
from ssmi.report.content import (
    Fact,
    FeaturesRead,
    Figure,
    PageContent,
    Panel,
    UnknownEntities,
    UnknownRow,
    confusion_table,
)
from ssmi.report.error_list import CharacterFeatures, ErrorList, ListedError, ListedSentence
from ssmi.report.feature_statistics import Recall, SplitRecall
from ssmi.report.page import render

HOSTILE = (
    "</script><img src=x onerror=\"document.body.dataset.hacked='1'\">",
    "<!--",
    "&amp;'\"",
    "\u2028",
    "{{ data }}{% raw %}",
)
N_ERRORS = 60


def make_content(*texts: str) -> PageContent:
    """Create the content of a page, with all texts taken from ``texts``."""
    label = texts[0]
    gold, predicted = [[Span(0, 2, label)], [Span(1, 3, "ORG")]], [[Span(0, 2, "ORG")], [Span(2, 4, label)]]
    features = CharacterFeatures(0, label, label, 0.5, list(texts), "")
    errors = ErrorList(
        counts=dict.fromkeys(KINDS, N_ERRORS),
        n_sentences=N_ERRORS,
        labels=["ORG", label],
        sentences=[ListedSentence(n, list(texts), [(0, 1, 1)], [(0, 1, 0)]) for n in range(N_ERRORS)],
        errors=[ListedError(KINDS[n % 4], n, 0, 1, gold=[0], predicted=[0], rows=[features]) for n in range(N_ERRORS)],
    )
    recall = SplitRecall(Recall(4, 3), Recall(1, 0))
    return PageContent(
        title=label,
        facts=[Fact(text, text) for text in texts],
        scores=score(gold, predicted, ill_formed=2),
        calibration=Panel(why_omitted=label),
        bins=[Bin(0.2, 0.3, 1200, 0.25, 0.5)],
        epochs=Panel([Figure(label, "<svg></svg>", label)]),
        confusion=confusion_table(confusion(zip(gold, predicted, strict=True))),
        features=[Panel(why_omitted=label)],
        unknown=UnknownEntities([UnknownRow(label, recall, recall)], n_segments=1000, outside_share=0.25),
        errors=errors,
        reads=FeaturesRead(best=True, set=False, local=True),
    )


def table_rows(html: str, style: str) -> list[list[str]]:
    """Return the cells of a table's rows as text."""
    (table,) = re.findall(rf'<table class="{style}">(.*?)</table>', html, re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_tables_show_their_figures() -> None:
    gold = [[Span(0, 1, "PER"), Span(1, 2, "ORG")], [Span(0, 2, "PER")]]
    predicted = [[Span(0, 1, "PER"), Span(1, 2, "PER")], []]
    content = replace(
        make_content("PER"),
        scores=score(gold, predicted),
        confusion=confusion_table(confusion(zip(gold, predicted, strict=True))),
    )
    html = render(content)
    assert table_rows(html, "scores") == [
        ["type", "P", "R", "F1", "gold", "predicted", "correct"],
        ["ORG", "0.00", "0.00", "0.00", "1", "0", "0"],
        ["PER", "50.00", "50.00", "50.00", "2", "2", "1"],
        ["all", "50.00", "33.33", "40.00", "3", "2", "1"],
    ]
    assert table_rows(html, "confusion") == [
        ["gold \\ predicted", "ORG", "PER", "none"],
        ["ORG", "·", "1", "·"],
        ["PER", "·", "1", "1"],
        ["none", "·", "·", "·"],
    ]
    assert table_rows(html, "bins")[1:] == [["0.2 to 0.3", "25.00", "50.00", "1,200"]]
    assert table_rows(html, "unknown")[1:] == [["PER", "5", "20.00", "75.00", "0.00", "20.00", "75.00", "0.00"]]
    assert "Ill-formed" not in html


def test_sentences_show_their_numbers(read_page: Callable[[str], Any]) -> None:
    text = " ".join(read_page(render(make_content("PER"))).text.split())
    assert "Ill-formed predictions: 2." in text
    assert "Of 240 errors, the first 60 are listed here." in text
    assert "25% of the 1,000 segments are not in the vocabulary" in text


def test_an_undefined_recall_is_a_dash() -> None:
    row = UnknownRow("PER", SplitRecall(Recall(2, 1), Recall()), SplitRecall(Recall(), Recall(2, 1)))
    html = render(replace(make_content("PER"), unknown=UnknownEntities([row])))
    assert table_rows(html, "unknown")[1:] == [["PER", "2", "0.00", "50.00", "–", "100.00", "–", "50.00"]]
    assert "segments are not in the vocabulary" not in html


def test_missing_content_is_stated(read_page: Callable[[str], Any]) -> None:
    empty = confusion_table(Counter())
    html = render(replace(make_content("PER"), unknown=UnknownEntities(why_omitted="No stage."), confusion=empty))
    text = read_page(html).text
    assert "No stage." in text and "There is neither a gold nor a predicted entity." in text
    assert not re.search('<table class="(unknown|confusion)"', html)


def test_an_undefined_name_in_the_template_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="overall"):
        render(replace(make_content("PER"), scores=object()))


def test_the_page_is_reproducible() -> None:
    assert render(make_content("PER")) == render(make_content("PER"))


# --- hostile text -----------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(), max_size=4))
def test_any_text_survives_in_the_script_data(read_page: Callable[[str], Any], texts: list[str]) -> None:
    html = render(make_content("PER", *texts, *HOSTILE))
    data = html.split('<script id="data" type="application/json">')[1].split("</script>")[0]
    assert not set(data) & set("<>&\u2028\u2029")
    for document in (data, read_page(html).data):
        assert json.loads(document)["sentences"][0]["text"] == ["PER", *texts, *HOSTILE]


def test_text_of_the_content_never_becomes_a_tag(read_page: Callable[[str], Any]) -> None:
    page = read_page(render(make_content(*HOSTILE)))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert page.text.count(HOSTILE[0]) > 10 and HOSTILE[-1] in page.text


def test_only_generated_markup_is_not_escaped(repository: Path) -> None:
    templates = (repository / "ssmi" / "report" / "templates").glob("*.html")
    unescaped = [match for path in templates for match in re.findall(r"([\w.]+)\|safe", path.read_text("utf-8"))]
    assert sorted(unescaped) == ["figure.svg", "script", "style"]


def test_hostile_text_stays_text_in_a_browser(browse: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "hostile.html"
    file.write_text(render(make_content(*HOSTILE)), encoding="utf-8")
    document = browse(file)
    assert '<body data-errors="60" data-cards="40">' in document
    assert document.count('<article class="card">') == 40
    assert "data-hacked" not in document.replace("dataset.hacked", "")
    assert "<img" not in document
