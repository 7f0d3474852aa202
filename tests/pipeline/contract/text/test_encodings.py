"""Which codecs are text encodings: one rule for data sets, new text and word vectors."""

from __future__ import annotations

import pytest

from ssmi.pipeline.contract.errors import InputDataError, ParameterError
from ssmi.pipeline.contract.parameters.params import VocabParams
from ssmi.pipeline.contract.text.encodings import replace_surrogates, text_encoding
from ssmi.pipeline.readers.options import options_from
from ssmi.predict.input.text_decoding import check_encoding

OTHER_CODECS = [
    *("unicode_escape", "raw_unicode_escape", "idna", "punycode", "rot13", "base64", "hex", "zip", "uu", "quopri"),
    *("undefined", "cp037", "gb18031", "", "a\0b"),
]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        *(("GBK", "gbk"), ("gb18030", "gb18030"), ("big5-hkscs", "big5hkscs"), ("shift_jis", "shift_jis")),
        *(("shift_jisx0213", "shift_jisx0213"), ("johab", "johab"), ("hz", "hz"), ("latin-1", "iso8859-1")),
        *(("utf-8-sig", "utf-8"), ("UTF16", "utf-16"), ("utf-32-be", "utf-32-be"), ("ascii", "ascii")),
    ],
)
def test_text_encodings_are_accepted(name: str, canonical: str) -> None:
    assert text_encoding(name) == canonical
    assert check_encoding(name) == canonical
    assert options_from({"encoding": name}, source="x").encoding == name


@pytest.mark.parametrize("name", OTHER_CODECS)
def test_other_codecs_are_refused_everywhere(name: str) -> None:
    assert text_encoding(name) is None
    with pytest.raises(InputDataError, match="is not known"):
        options_from({"encoding": name}, source="x")
    with pytest.raises(ParameterError, match="unknown, or not a text encoding"):
        check_encoding(name)
    with pytest.raises(ValueError, match="encoding"):
        VocabParams(encoding=name)


def test_only_halves_of_surrogate_pairs_are_replaced() -> None:
    assert replace_surrogates("a\ud800\udfffb\ud83d") == "a\ufffd\ufffdb\ufffd"
    assert replace_surrogates("😀\ufffd\ud7ff\ue000") == "😀\ufffd\ud7ff\ue000"
