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

STRANGERS = ["熊猫在南京市长江大桥", "这个词有整整十一个汉字", "𠮷野家吃饭", "测试集里的长江大桥和熊猫"]
"""Texts with words that were not seen in training."""

Found = list[list[ssmi.Entity]]


def run_of(project: Any) -> Path:
    return project.root / "artifacts" / "train" / "tiny"


@pytest.fixture(scope="module")
def texts(repository: Path) -> list[str]:
    """Sentences of the sample, each followed by words that were not seen in training."""
    sentences = islice(read_sentences(repository / "pipeline" / "readers" / "sample" / "test.txt")[0], 12)
    return ["".join(one.characters) + STRANGERS[place % len(STRANGERS)] for place, one in enumerate(sentences)]


@pytest.fixture
def hurried() -> Iterator[None]:
    """Switch between threads hundreds of times as often as by default."""
    before, threads = sys.getswitchinterval(), torch.get_num_threads()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
    torch.set_num_threads(threads)


def by_threads(taggers: Sequence[ssmi.Tagger], texts: Sequence[str], *, n_threads: int) -> list[Found]:
    """Return each tagger's entities of each text; every thread starts at a different text and takes every n-th."""
    answers: list[Found] = [[[] for _ in texts] for _ in taggers]

    def work(first: int) -> None:
        for step in range(first, len(texts) * len(taggers), n_threads):
            which, place = step % len(taggers), step // len(taggers)
            answers[which][place] = taggers[which](texts[place])

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(work, range(n_threads)))
    return answers


@pytest.fixture(scope="module")
def strange_run(tagging_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def test_a_text_waits_while_another_brings_boundaries(
    tagging_project: Any, strange_run: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Boundaries get their rows in the table before their vectors are written, and no thread may read in between."""
    alone = ssmi.open_run(strange_run, project=tagging_project.root, device="cpu", threads=1)
    expected = alone(texts[0])
    with ThreadPoolExecutor(1) as pool:
        others: list[Future[list[ssmi.Entity]]] = []
        vectors = OnlineFeatures.boundary_vectors

        def interrupted(self: OnlineFeatures, ids: Any) -> Any:
            if not others:
                others.append(pool.submit(tagger, texts[0]))
                wait(
                    others, timeout=1
                )  # long enough to fail if it does not wait; a correct tagger answers later in any case
            return vectors(self, ids)

        monkeypatch.setattr(OnlineFeatures, "boundary_vectors", interrupted)
        tagger = ssmi.open_run(strange_run, project=tagging_project.root, device="cpu", threads=1)
        assert tagger(texts[0]) == expected
        assert others[0].result() == expected


@pytest.mark.parametrize(("threads", "rounds"), [(1, (2, 5, 2, 8)), (2, (3,))])
@pytest.mark.usefixtures("hurried")
def test_every_score_is_the_one_of_one_thread(
    tagging_project: Any,
    strange_run: Path,
    texts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    rounds: Sequence[int],
) -> None:
    """New taggers fill their caches while all threads tag, and the caches stay correct."""
    monkeypatch.setattr("ssmi.model.inference.MAX_NEW_BOUNDARIES", 100)  # so that boundaries are forgotten repeatedly

    def fresh() -> ssmi.Tagger:
        return ssmi.open_run(strange_run, project=tagging_project.root, device="cpu", threads=threads)

    alone = fresh()
    expected = [alone(text) for text in texts]
    assert sum(map(len, expected)) > 5
    for n_threads in rounds:
        tagger = fresh()
        assert by_threads([tagger], texts, n_threads=n_threads) == [expected]
        assert [tagger(text) for text in texts] == expected


@pytest.mark.usefixtures("hurried")
def test_two_taggers_keep_their_threads_and_leave_torch_its_own(tagging_project: Any, texts: list[str]) -> None:
    torch.set_num_threads(3)
    taggers = [ssmi.open_run(run_of(tagging_project), device="cpu", threads=threads) for threads in (1, 2, 4)]
    expected = [[tagger(text) for text in texts] for tagger in taggers]
    fresh = [ssmi.open_run(run_of(tagging_project), device="cpu", threads=threads) for threads in (1, 2, 4)]
    assert by_threads(fresh, texts, n_threads=3) == expected
    assert torch.get_num_threads() == 3
    with ThreadPoolExecutor(1) as pool:  # a new thread takes the process's number
        assert pool.submit(torch.get_num_threads).result() == 3


def test_a_few_batches_on_many_threads_say_the_same_every_time(tagging_project: Any, texts: list[str]) -> None:
    tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=4)
    expected = tagger(texts * 5)
    assert all(tagger(texts * 5) == expected for _ in range(5))


def test_a_stream_that_waits_for_its_reader_keeps_nobody_waiting(tagging_project: Any, texts: list[str]) -> None:
    tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
    stream = tagger.stream(texts, batch_characters=1)
    first = next(stream)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(tagger, texts[0]).result() == first
        assert pool.submit(ssmi.open_run, run_of(tagging_project), device="cpu").result()(texts[0])
    assert len(list(stream)) == len(texts) - 1


@pytest.mark.skipif("SSMI_DATA" not in os.environ, reason="needs the data sets named by SSMI_DATA")
@pytest.mark.usefixtures("hurried")
def test_messages_of_weibo(tagging_project: Any) -> None:
    sentences = read_sentences(Path(os.environ["SSMI_DATA"]) / "weibo" / "test.bmes")[0]
    texts = ["".join(one.characters) for one in islice(sentences, 40)]
    alone = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
    expected = [alone(text) for text in texts]
    for _ in range(3):
        tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
        assert by_threads([tagger], texts, n_threads=2) == [expected]
        assert [tagger(text) for text in texts] == expected


# --- other processes --------------------------------------------------------------------------------------------------


def unpickled(tagger: ssmi.Tagger) -> ssmi.Tagger:
    again: ssmi.Tagger = pickle.loads(pickle.dumps(tagger))  # noqa: S301
    return again


def test_a_tagger_goes_to_the_processes_of_a_pool(
    tagging_project: Any, texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is found from any working folder, and opened once per process."""
    monkeypatch.chdir(run_of(tagging_project))
    tagger = ssmi.open_run(".", device="cpu", threads=1)
    monkeypatch.chdir(tmp_path)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(tagger, texts[:3])) == [tagger(text) for text in texts[:3]]


def test_a_packed_run_goes_too(tagging_project: Any, texts: list[str], tmp_path: Path) -> None:
    pack(run_of(tagging_project), tmp_path / "pack", project=tagging_project.root)
    tagger = ssmi.open_run(tmp_path / "pack", device="cpu", threads=1)
    again = unpickled(tagger)
    assert again(texts[0]) == tagger(texts[0])
    assert list(again.stream(texts[:2])) == tagger(texts[:2])
    assert again.labels == tagger.labels and again.features.n_boundaries == tagger.features.n_boundaries


def test_a_run_that_was_trained_anew_is_not_the_one_that_was_pickled(tagging_project: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_of(tagging_project), run)
    tagger = ssmi.open_run(run, project=tagging_project.root, device="cpu", threads=1)
    sent = unpickled(tagger)
    (run / "checkpoint" / "files.json").write_text("{}")
    with pytest.raises(StaleArtifactError, match=r"checkpoint [0-9a-f]{12}, but the tagger was pickled with") as caught:
        sent("北京")
    assert "ssmi.open_run" in caught.value.next_step
    shutil.rmtree(run)
    with pytest.raises(MissingResourceError, match="no such folder"):
        sent("北京")


def test_a_copy_is_the_tagger_itself(tagging_project: Any) -> None:
    tagger = ssmi.open_run(run_of(tagging_project), device="cpu", threads=1)
    assert copy.deepcopy({"tagger": tagger})["tagger"] is tagger and copy.copy(tagger) is tagger
