"""Names of data sets contain nothing that a shell, a path or a reader could misinterpret."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.project.dataset_names import LONGEST_NAME, check_dataset_name


@given(st.text(max_size=12) | st.text("ab数-_. ;&|$`'\"\n/\\\\#", max_size=12))
def test_a_name_is_one_folder_and_one_shell_word_or_is_refused(name: str) -> None:
    try:
        check_dataset_name(name)
    except ParameterError as error:
        assert error.message.startswith("data set ") and error.next_step
        return
    assert PurePosixPath("artifacts", name).parts == ("artifacts", name) and name not in (".", "..")
    assert name.isprintable() and not name.startswith("-")
    assert shlex.split(f'say "{name}"', comments=True) == ["say", name]
    assert name.replace(" ", "") == "".join(shlex.split(name, comments=True))


def test_a_name_fits_into_a_file_system() -> None:
    assert check_dataset_name("数" * 66) and check_dataset_name("a" * LONGEST_NAME)
    for name in ("数" * 67, "a" * (LONGEST_NAME + 1)):
        with pytest.raises(ParameterError, match="over 200 bytes"):
            check_dataset_name(name)


@pytest.mark.parametrize("name", ["a\u3164", "\u115fa", "a\ufe0f", "a\u202eb", "a\u200db", "a\u00a0b"])
def test_invisible_characters_are_reported_by_code_point(name: str) -> None:
    with pytest.raises(ParameterError, match=r"not a plain name \('\\[ux]"):
        check_dataset_name(name)
