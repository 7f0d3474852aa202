"""Office files and PDFs are refused by every reader, with what to save them as."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.readers.texts import read_texts


@pytest.mark.parametrize("name", ["a.xlsx", "a.DOCX", "a.pdf", "a.rtf.gz"])
def test_documents_are_refused_by_their_names_as_texts_and_as_labelled_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("京 B-LOC\n", encoding="utf-8")
    with pytest.raises(InputDataError, match=r"by its name (Office|PDF), not plain text") as caught:
        list(read_texts(path, field="text"))
    assert "text" in caught.value.next_step
    with pytest.raises(InputDataError, match=r"by its name (Office|PDF), not a text format") as caught:
        list(read_sentences(path)[0])
    assert caught.value.next_step.startswith(f"save {name} as a.")


def test_a_spreadsheet_becomes_csv_and_a_document_plain_text(tmp_path: Path) -> None:
    for name, expected in (("t.ods", "save t.ods as t.csv"), ("t.odt", "save t.odt as t.bmes")):
        with pytest.raises(InputDataError) as caught:
            read_sentences(tmp_path / name)
        assert caught.value.next_step.startswith(expected)
