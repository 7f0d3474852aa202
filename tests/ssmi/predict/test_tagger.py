"""Tagging text with an opened run: the entities that evaluation scores, at positions in the given text."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ssmi
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.network.requirements import required_features
from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.split_tagging import predict
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent

SENTENCE = "吴重阳先生毕业于北京大学，任公司董事长。"
PIECES = [
    *("公司董事长", "吴重阳", "男，汉族", "中国国籍", "大学本科", "在北京", "𠮷野家吃饭", "的"),
    *("COVID-19", "Ａ１", "abc def", " ", "\u3000", "\t", "\n", "\r\n", "\u2028", "\x85", "\x00", "\x1b", "\x7f"),
    *("😀", "👨\u200d👩\u200d👧", "e\u0301", "\ufeff", "\ud800", "\udfff", "\ue000", "Привет", "مرحبا", "。", "，"),
]
TEXT = st.lists(
    st.sampled_from(PIECES) | st.characters() | st.characters(categories=["Cs", "Cc", "Mn", "Lo"]), max_size=25
).map("".join)


def run_of(project: Any) -> Path:
    return project.root / "artifacts" / "train" / "tiny"


def texts_of(project: Any, split: str = "test") -> list[str]:
    parts = tables.list_parts(project.root / "artifacts" / "shards" / "tiny", split)
    rows = chain.from_iterable(tables.read_rows(path, schema.SHARDS, columns=["characters"]) for path in parts)
    return ["".join(row["characters"]) for row in rows]


@pytest.fixture(scope="module")
def tagger(tagging_project: Any) -> ssmi.Tagger:
    return ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)


def test_repr_is_one_line(tagging_project: Any, tagger: ssmi.Tagger) -> None:
    types = tagger.labels.entity_types
    shown = repr(tagger)
    assert str(run_of(tagging_project)) in shown and f"{len(types)} entity types" in shown and "on cpu" in shown
    assert types[0] in shown and "\n" not in shown and len(shown) < 400
    with_entities = ssmi.open_run(
        run_of(tagging_project), device="cpu", threads=1, entities={"北京大学": "ORG", "公司": "ORG"}
    )
    assert "with 2 entities of your own" in repr(with_entities)
    unpickled = pickle.loads(pickle.dumps(tagger))  # noqa: S301  # its own bytes
    assert "to be opened by its first text" in repr(unpickled)
    assert unpickled(SENTENCE) and repr(unpickled) == shown


def test_torch_keeps_its_number_of_threads(tagging_project: Any) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        for threads in (None, 1, 3):
            assert ssmi.open_run(run_of(tagging_project), device="cpu", threads=threads)(SENTENCE)
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (b"\xe4\xb8\xad", "bytes"),
        (bytearray(b"a"), "bytearray"),
        (None, "NoneType"),
        (3, "int"),
        ([b"abc"], "bytes"),
        (["中国", None], "NoneType"),
    ],
)
def test_non_text_is_refused(tagger: ssmi.Tagger, texts: Any, kind: str) -> None:
    for call in (lambda: tagger(texts), lambda: list(tagger.stream(texts))):
        with pytest.raises(ParameterError) as caught:
            call()
        assert caught.value.message == f"a text is a str, not {kind}"


def test_invalid_streams_are_refused(tagger: ssmi.Tagger) -> None:
    with pytest.raises(ParameterError, match="call the tagger itself"):
        next(tagger.stream("中国"))
    with pytest.raises(ParameterError, match="batch_characters=0"):
        next(tagger.stream(["中国"], batch_characters=0))


def assert_well_formed(text: str, entities: list[ssmi.Entity]) -> None:
    for entity in entities:
        assert 0 <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == entity.text
        assert 0.0 <= entity.score <= 1.0
    assert all(left.end <= right.start for left, right in pairwise(entities))


EXTRA_PARTS = ("fusion=layer", "boundary_roles=true", "cosine_gate=true", "gmi=infonce-batch")
"""Options of the network that are not in the paper and are off by default."""


@pytest.mark.parametrize(("switches", "min_entities"), [((), 11), (EXTRA_PARTS, 11), (("head=span",), 1)])
def test_entities_equal_those_of_evaluation(
    tagging_project: Any, copy_project: Any, tmp_path: Path, switches: tuple[str, ...], min_entities: int
) -> None:
    project = tagging_project
    if switches:
        project = copy_project(tagging_project, tmp_path)
        schedule = checkpoint_files.read_params(run_of(project) / "checkpoint").train
        training_overrides = [
            f"train.{name}={getattr(schedule, name)}" for name in ("epochs", "lr_encoder", "lr_boundaries")
        ]
        training_overrides += [f"train.{name}={getattr(schedule, name)}" for name in ("lr_crf", "lr_new")]
        overrides = [*training_overrides, *(f"model.{switch}" for switch in switches)]
        outcome = project.ssmi("train", *(word for override in overrides for word in ("-S", override)))
        assert outcome.code == 0, outcome.stderr
    tagger = ssmi.open_run(run_of(project), device="cpu", threads=1)
    shards = open_shards(project.root / "artifacts" / "shards" / "tiny")
    trained = checkpoints.load(run_of(project) / "checkpoint", shards=shards)
    split = read_split(shards, "test", boundaries=trained.boundaries, required=required_features(trained.params.model))
    predicted = predict(
        trained.network, split, labels=trained.labels, precision="fp32", reporter=Silent(), title="test"
    )
    expected = predicted.spans
    texts = texts_of(project)
    assert [len(text) for text in texts] == split.lengths.tolist()
    tagged = tagger(texts)
    assert [[(entity.start, entity.end, entity.label) for entity in entities] for entities in tagged] == [
        [(span.start, span.end, span.label) for span in entities] for entities in expected
    ]
    assert sum(map(len, tagged)) >= min_entities
    for text, entities in zip(texts, tagged, strict=True):
        assert_well_formed(text, entities)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(TEXT, max_size=4))
def test_positions_index_the_original_text(tagger: ssmi.Tagger, texts: list[str]) -> None:
    for text, entities in zip(texts, tagger(texts), strict=True):
        assert_well_formed(text, entities)


def test_a_string_a_list_and_a_stream_give_the_same_entities(tagger: ssmi.Tagger, tagging_project: Any) -> None:
    texts = ["", *texts_of(tagging_project), "", " ", SENTENCE]
    tagged = tagger(texts)
    assert tagged[0] == [] and sum(map(len, tagged)) > 10

    def without_scores(entities: list[ssmi.Entity]) -> list[Any]:
        return [(entity.start, entity.end, entity.label, entity.text) for entity in entities]

    for size in (1, 50):
        streamed = list(tagger.stream(iter(texts), batch_characters=size))
        assert [without_scores(text_entities) for text_entities in streamed] == [
            without_scores(text_entities) for text_entities in tagged
        ]
        scores = zip(chain.from_iterable(streamed), chain.from_iterable(tagged), strict=True)
        assert all(first.score == pytest.approx(second.score, abs=1e-3) for first, second in scores)
    assert without_scores(tagger(SENTENCE)) == without_scores(tagged[-1])
    assert tagger([]) == [] and tagger("") == []


def test_parallel_batches_give_the_same_entities_and_restore_threads(tagging_project: Any) -> None:
    """Each of several batches is tagged on one thread, whatever their number, so scores are identical to the bit."""
    texts = [*texts_of(tagging_project, "train"), *texts_of(tagging_project), "熊猫在南京市长江大桥"]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = ssmi.open_run(run_of(tagging_project), device="cpu")(texts)
        for threads in (2, 3):
            torch.set_num_threads(threads)
            tagger = ssmi.open_run(run_of(tagging_project), device="cpu")
            progress: list[int] = []
            assert list(tagger.stream(texts, advance=progress.append)) == expected
            assert torch.get_num_threads() == threads
            assert len(progress) > threads and sum(progress) == sum(map(len, texts))
    finally:
        torch.set_num_threads(before)
    assert sum(map(len, expected)) > 50


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_batch_is_raised_and_the_tagger_stays_usable(
    tagging_project: Any, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    texts = texts_of(tagging_project, "train")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        tagger = ssmi.open_run(run_of(tagging_project), device="cpu")
        expected = tagger(texts)
        with monkeypatch.context() as patch:
            patch.setattr(tagger.network.crf, "decode", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                tagger(texts)
        assert torch.get_num_threads() == threads
        assert tagger(texts) == expected
    finally:
        torch.set_num_threads(before)


def test_entities_are_found_in_all_pieces_of_a_long_text(tagger: ssmi.Tagger, tagging_project: Any) -> None:
    block = "".join(texts_of(tagging_project, "train")[:10])
    text = block * (9000 // len(block) + 1)
    (entities,) = tagger.stream([text])
    assert_well_formed(text, entities)
    assert {entity.start // 1000 for entity in entities} == set(range(len(text) // 1000 + bool(len(text) % 1000)))


@pytest.mark.parametrize("text", [SENTENCE, ""])
def test_a_stream_reads_no_further_than_batch_characters(tagger: ssmi.Tagger, text: str) -> None:
    """Holds for any number of texts, including empty ones."""
    n_read = max_ahead = 0

    def endless_texts() -> Iterator[str]:
        nonlocal n_read
        yield SENTENCE
        while True:
            n_read += 1
            yield text

    for n_tagged, _ in enumerate(tagger.stream(endless_texts(), batch_characters=200), start=1):
        max_ahead = max(max_ahead, n_read - n_tagged)
        if n_tagged > 500:
            break
    assert max_ahead <= 200 // max(1, len(text)) + 1


def test_boundaries_unknown_to_training_are_added_again(tagging_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boundaries not seen in training give the same results after they were forgotten and are added again."""
    texts = ["熊猫在南京市长江大桥", "这个词有整整十一个汉字", *texts_of(tagging_project)]
    expected = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)(texts)
    monkeypatch.setattr("ssmi.model.text_tagging.MAX_NEW_BOUNDARIES", 1)
    tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
    for _ in range(2):
        one_by_one = [tagger(text) for text in texts]
        assert [[(e.start, e.end, e.label) for e in entities] for entities in one_by_one] == [
            [(e.start, e.end, e.label) for e in entities] for entities in expected
        ]


# --- what cannot be opened --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [-1, "2", True, 1_025])
def test_an_invalid_number_of_threads_is_refused(tagging_project: Any, threads: Any) -> None:
    with pytest.raises(ParameterError, match="threads="):
        ssmi.open_run(run_of(tagging_project), threads=threads)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="no checkpoint"):
        ssmi.open_run(tmp_path)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "labels.json", "params.json", "checkpoint.json", "encoder/config.json"]
)
def test_a_run_with_a_changed_bit_is_refused(tagging_project: Any, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_of(tagging_project), run)
    path = run / "checkpoint" / name
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(StaleArtifactError, match=r"is [0-9a-f]{12}, [0-9a-f]{12} was saved|damaged"):
        ssmi.open_run(run, project=tagging_project.root, device="cpu")


@pytest.mark.parametrize("name", ["labels.json", "encoder/config.json"])
def test_a_run_with_a_missing_file_is_refused(tagging_project: Any, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_of(tagging_project), run)
    (run / "checkpoint" / name).unlink()
    with pytest.raises(StaleArtifactError, match=rf"{name} is missing, [0-9a-f]{{12}} was saved"):
        ssmi.open_run(run, project=tagging_project.root, device="cpu")


def test_only_a_tagger_with_one_thread_works_after_a_fork(tagging_project: Any) -> None:
    """torch's threads do not survive a fork, so a child with several would wait forever; with one thread it works."""
    for threads, code in ((1, 3), (2, 7)):
        tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=threads)
        child = os.fork()
        if not child:
            try:
                os._exit(3 if tagger(SENTENCE) else 1)
            except RuntimeError as error:
                os._exit(7 if "another process" in str(error) else 2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
        assert tagger(SENTENCE)


def test_a_fork_waits_for_other_threads(tagging_project: Any) -> None:
    """The child inherits no lock that is never released, and no unfinished work."""
    tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
    texts = texts_of(tagging_project)
    expected = tagger(SENTENCE)
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(lambda: [tagger(text) for _ in range(5) for text in texts])
        for _ in range(3):
            child = os.fork()
            if not child:
                os._exit(3 if tagger(SENTENCE) == expected else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        assert work.result()


def test_a_run_outside_its_project_needs_the_project(
    tagging_project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run_of(tagging_project), tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingResourceError, match="no project above it") as raised:
        ssmi.open_run(tmp_path / "run")
    assert "ssmi-cli export" in raised.value.next_step
    assert ssmi.open_run(tmp_path / "run", project=tagging_project.root, device="cpu")(SENTENCE)


def test_features_of_another_build_are_refused(tagging_project: Any, project: Any, tmp_path: Path) -> None:
    """The run here has no pinned features; ``test_pins`` tests runs that have."""
    project.build("-S", "vocab.max_words=100")
    run = tmp_path / "run"
    shutil.copytree(run_of(tagging_project), run, ignore=shutil.ignore_patterns("pinned"))
    with pytest.raises(
        StaleArtifactError, match=r"vocabulary .* is [0-9a-f]{12}, the shards were built with [0-9a-f]{12}"
    ):
        ssmi.open_run(run, project=project.root)


@pytest.mark.parametrize("name", ["softlexicon", "lebert"])
def test_peers_tag_text_as_evaluation_does(project: Any, name: str) -> None:
    """Includes words that match only in the text and were not seen in training."""
    project.build("-S", "shards.matches=true")
    folder = project.root / "artifacts" / "train" / name
    arguments = ("--config", name, "--run", str(folder), "-S", "train.epochs=8", "-S", "train.lr_new=0.01")
    outcome = project.ssmi("train", *arguments)
    assert outcome.code == 0, outcome.stderr
    shards = open_shards(project.root / "artifacts" / "shards" / "tiny")
    trained = checkpoints.load(folder / "checkpoint", shards=shards)
    split = read_split(shards, "test", boundaries=trained.boundaries, required=required_features(trained.params.model))
    expected = predict(
        trained.network, split, labels=trained.labels, precision="fp32", reporter=Silent(), title="test"
    ).spans
    tagger = ssmi.open_run(folder, device="cpu", threads=1)
    found = tagger(texts_of(project))
    assert [[(entity.start, entity.end, entity.label) for entity in entities] for entities in found] == [
        [(span.start, span.end, span.label) for span in spans] for spans in expected
    ]
    assert sum(map(len, found)) > 3
    for entities, text in zip(tagger([SENTENCE, "", *PIECES]), (SENTENCE, "", *PIECES), strict=True):
        alone = tagger(text)
        assert [(entity.start, entity.end, entity.label) for entity in entities] == [
            (entity.start, entity.end, entity.label) for entity in alone
        ]
        assert [entity.score for entity in entities] == pytest.approx([entity.score for entity in alone], abs=1e-5)
