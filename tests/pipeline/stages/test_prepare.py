"""How dev is cut from a train file that comes without one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.readers import Sentence
from ssmi.pipeline.stages.prepare import choose_dev

TEXTS = st.lists(st.text("甲乙丙丁", min_size=1, max_size=3), min_size=1, max_size=60)


def _sentences(texts: list[str]) -> list[Sentence]:
    return [Sentence(tuple(text), (), line) for line, text in enumerate(texts, start=1)]


@given(TEXTS, st.integers(0, 9))
def test_equal_texts_stay_together_and_train_keeps_the_most(texts: list[str], seed: int) -> None:
    chosen = choose_dev(_sentences(texts), fraction=0.1, seed=seed)
    dev = {texts[index] for index in chosen}
    assert not dev & {text for index, text in enumerate(texts) if index not in chosen}
    assert len(chosen) <= max(1, round(len(texts) / 10))
    assert len(chosen) < len(texts)


def test_the_order_of_the_file_does_not_matter() -> None:
    texts = [f"第{number}句" for number in range(200)]
    chosen = {texts[index] for index in choose_dev(_sentences(texts), fraction=0.1, seed=13)}
    backwards = texts[::-1]
    assert {backwards[index] for index in choose_dev(_sentences(backwards), fraction=0.1, seed=13)} == chosen
    assert len(chosen) == 20
    other = {texts[index] for index in choose_dev(_sentences(texts), fraction=0.1, seed=14)}
    assert other != chosen


def test_one_text_many_times_is_train() -> None:
    assert choose_dev(_sentences(["甲"] * 40), fraction=0.1, seed=13) == set()
