"""One tagger in many threads, several taggers, and other processes give scores identical to serial use, to the bit."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import ssmi
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.online import OnlineFeatures
from ssmi.pipeline.readers import read_sentences
from ssmi.predict.packing import pack

UNSEEN_TEXTS = ["熊猫在南京市长江大桥", "这个词有整整十一个汉字", "𠮷野家吃饭", "测试集里的长江大桥和熊猫"]
"""Texts with words that were not seen in training."""

Entities = list[list[ssmi.Entity]]


def run_of(project: Any) -> Path:
    return project.root / "artifacts" / "train" / "tiny"


@pytest.fixture(scope="module")
def texts(repository: Path) -> list[str]:
    """Sentences of the sample, each followed by words that were not seen in training."""
    sentences = islice(read_sentences(repository / "pipeline" / "readers" / "sample" / "test.txt")[0], 12)
    return [
        "".join(sentence.characters) + UNSEEN_TEXTS[index % len(UNSEEN_TEXTS)]
        for index, sentence in enumerate(sentences)
    ]


@pytest.fixture
def frequent_switching() -> Iterator[None]:
    """Switch between threads hundreds of times as often as by default."""
    before, threads = sys.getswitchinterval(), torch.get_num_threads()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
    torch.set_num_threads(threads)


def tag_in_threads(taggers: Sequence[ssmi.Tagger], texts: Sequence[str], *, n_threads: int) -> list[Entities]:
    """Return each tagger's entities of each text; every thread starts at a different text and takes every n-th."""
    results: list[Entities] = [[[] for _ in texts] for _ in taggers]

    def work(first: int) -> None:
        for position in range(first, len(texts) * len(taggers), n_threads):
            tagger_index, text_index = position % len(taggers), position // len(taggers)
            results[tagger_index][text_index] = taggers[tagger_index](texts[text_index])

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(work, range(n_threads)))
    return results


@pytest.fixture(scope="module")
def run_with_few_boundaries(tagging_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose checkpoint has only two boundaries, so that every text adds new ones."""
    run = tmp_path_factory.mktemp("strange") / "run"
    shutil.copytree(run_of(tagging_project), run)
    weights, files = run / "checkpoint" / "model.safetensors", run / "checkpoint" / "files.json"
    tensors = load_file(weights)
    tensors["boundary_ids"] = tensors["boundary_ids"][:2].clone()
    tensors["boundary.table.weight"] = tensors["boundary.table.weight"][:3].clone()
    save_file(tensors, weights)
    digests = json.loads(files.read_text())
    files.write_text(json.dumps(digests | {weights.name: manifests.digest_file(weights)}))
    return run


def test_a_text_waits_while_another_adds_boundaries(
    tagging_project: Any, run_with_few_boundaries: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Boundaries get their rows in the table before their vectors are written, and no thread may read in between."""
    reference = ssmi.open_run(run_with_few_boundaries, project=tagging_project.root, device="cpu", threads=1)
    expected = reference(texts[0])
    with ThreadPoolExecutor(1) as pool:
        pending: list[Future[list[ssmi.Entity]]] = []
        original = OnlineFeatures.boundary_vectors

        def wait_before_writing(self: OnlineFeatures, ids: Any) -> Any:
            if not pending:
                pending.append(pool.submit(tagger, texts[0]))
                # Long enough to fail if the tagger does not wait; a correct tagger answers later in any case.
                wait(pending, timeout=1)
            return original(self, ids)

        monkeypatch.setattr(OnlineFeatures, "boundary_vectors", wait_before_writing)
        tagger = ssmi.open_run(run_with_few_boundaries, project=tagging_project.root, device="cpu", threads=1)
        assert tagger(texts[0]) == expected
        assert pending[0].result() == expected


@pytest.mark.parametrize(("threads", "rounds"), [(1, (2, 5, 2, 8)), (2, (3,))])
@pytest.mark.usefixtures("frequent_switching")
def test_scores_equal_those_of_one_thread(
    tagging_project: Any,
    run_with_few_boundaries: Path,
    texts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    rounds: Sequence[int],
) -> None:
    """New taggers fill their caches while all threads tag, and the caches stay correct."""
    monkeypatch.setattr(
        "ssmi.model.text_tagging.MAX_NEW_BOUNDARIES", 100
    )  # so that boundaries are forgotten repeatedly

    def open_tagger() -> ssmi.Tagger:
        return ssmi.open_run(run_with_few_boundaries, project=tagging_project.root, device="cpu", threads=threads)

    reference = open_tagger()
    expected = [reference(text) for text in texts]
    assert sum(map(len, expected)) > 5
    for n_threads in rounds:
        tagger = open_tagger()
        assert tag_in_threads([tagger], texts, n_threads=n_threads) == [expected]
        assert [tagger(text) for text in texts] == expected


@pytest.mark.usefixtures("frequent_switching")
def test_taggers_keep_their_threads_and_do_not_change_torch(tagging_project: Any, texts: list[str]) -> None:
    torch.set_num_threads(3)
    taggers = [ssmi.open_run(run_of(tagging_project), device="cpu", threads=threads) for threads in (1, 2, 4)]
    expected = [[tagger(text) for text in texts] for tagger in taggers]
    new_taggers = [ssmi.open_run(run_of(tagging_project), device="cpu", threads=threads) for threads in (1, 2, 4)]
    assert tag_in_threads(new_taggers, texts, n_threads=3) == expected
    assert torch.get_num_threads() == 3
    with ThreadPoolExecutor(1) as pool:  # a new thread takes the process's number
        assert pool.submit(torch.get_num_threads).result() == 3


def test_few_batches_on_many_threads_are_reproducible(tagging_project: Any, texts: list[str]) -> None:
    tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=4)
    expected = tagger(texts * 5)
    assert all(tagger(texts * 5) == expected for _ in range(5))


def test_a_paused_stream_does_not_block_other_calls(tagging_project: Any, texts: list[str]) -> None:
    tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
    stream = tagger.stream(texts, batch_characters=1)
    first = next(stream)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(tagger, texts[0]).result() == first
        assert pool.submit(ssmi.open_run, run_of(tagging_project), device="cpu").result()(texts[0])
    assert len(list(stream)) == len(texts) - 1


@pytest.mark.skipif("SSMI_DATA" not in os.environ, reason="needs the data sets named by SSMI_DATA")
@pytest.mark.usefixtures("frequent_switching")
def test_weibo_gives_the_same_scores_in_threads(tagging_project: Any) -> None:
    sentences = read_sentences(Path(os.environ["SSMI_DATA"]) / "weibo" / "test.bmes")[0]
    texts = ["".join(sentence.characters) for sentence in islice(sentences, 40)]
    reference = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
    expected = [reference(text) for text in texts]
    for _ in range(3):
        tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
        assert tag_in_threads([tagger], texts, n_threads=2) == [expected]
        assert [tagger(text) for text in texts] == expected


# --- other processes --------------------------------------------------------------------------------------------------


def pickled_copy(tagger: ssmi.Tagger) -> ssmi.Tagger:
    copied: ssmi.Tagger = pickle.loads(pickle.dumps(tagger))  # noqa: S301
    return copied


def test_a_tagger_can_be_sent_to_a_process_pool(
    tagging_project: Any, texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is found from any working folder, and opened once per process."""
    monkeypatch.chdir(run_of(tagging_project))
    tagger = ssmi.open_run(".", device="cpu", threads=1)
    monkeypatch.chdir(tmp_path)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(tagger, texts[:3])) == [tagger(text) for text in texts[:3]]


def test_the_tagger_of_a_pack_can_be_pickled(tagging_project: Any, texts: list[str], tmp_path: Path) -> None:
    pack(run_of(tagging_project), tmp_path / "pack", project=tagging_project.root)
    tagger = ssmi.open_run(tmp_path / "pack", device="cpu", threads=1)
    copied = pickled_copy(tagger)
    assert copied(texts[0]) == tagger(texts[0])
    assert list(copied.stream(texts[:2])) == tagger(texts[:2])
    assert copied.labels == tagger.labels and copied.features.n_boundaries == tagger.features.n_boundaries


def test_a_pickled_tagger_refuses_a_retrained_run(tagging_project: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_of(tagging_project), run)
    tagger = ssmi.open_run(run, project=tagging_project.root, device="cpu", threads=1)
    copied = pickled_copy(tagger)
    (run / "checkpoint" / "files.json").write_text("{}")
    with pytest.raises(StaleArtifactError, match=r"checkpoint [0-9a-f]{12}, but the tagger was pickled with") as raised:
        copied("北京")
    assert "ssmi.open_run" in raised.value.next_step
    shutil.rmtree(run)
    with pytest.raises(MissingResourceError, match="no such folder"):
        copied("北京")


def test_copying_returns_the_tagger_itself(tagging_project: Any) -> None:
    tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
    assert copy.deepcopy({"tagger": tagger})["tagger"] is tagger and copy.copy(tagger) is tagger
