"""A corpus takes from a data set exactly what was fitted on it, and only if the parameters are equal."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import ssmi
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parquet import schema, tables


def refusal(project: Any, *words: str, code: int) -> str:
    outcome = project.ssmi("features", "build", *words)
    assert outcome.code == code, outcome.stderr
    message: str = outcome.stderr
    return message


def inputs(project: Any, stage: str) -> dict[str, str]:
    path = project.root / "artifacts" / stage / "news" / "manifest.json"
    digests: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["inputs"]
    return digests


def test_alignment_and_pmi_weights_are_those_of_the_data_set(with_corpus: Any) -> None:
    project = ssmi.open_project(with_corpus.root)
    built = project.build_features(corpus="news", like="tiny")
    assert built.dataset == "news" and {one.folder.name for one in built.stages} == {"vocab", "news"}
    artifacts = with_corpus.root / "artifacts"
    pairs = [(artifacts / "pmi" / name / "pairs.parquet").read_bytes() for name in ("tiny", "news")]
    assert pairs[0] == pairs[1]
    # A segment outside the vocabulary that occurs in both has bit-identical vectors.
    vectors: list[dict[str, bytes]] = []
    for name in ("tiny", "news"):
        table = tables.read_rows(artifacts / "embed" / name / "segments.parquet", schema.DISTINCT_SEGMENTS)
        matrix = np.load(artifacts / "embed" / name / "vectors.npy")
        vectors.append({row["segment"]: matrix[row["segment_id"]].tobytes() for row in table if not row["boundary_id"]})
    shared = vectors[0].keys() & vectors[1].keys()
    assert len(shared) > 5 and all(vectors[0][segment] == vectors[1][segment] for segment in shared)
    counts = pq.read_table(artifacts / "embed" / "news" / "segments.parquet", columns=["n_train", "n_dev", "n_test"])
    assert all(counts[name].null_count == len(counts) for name in counts.column_names)
    assert {"like/embed"} == {name for name in inputs(with_corpus, "embed") if name.startswith("like/")}
    assert inputs(with_corpus, "shards").keys() >= {"like/embed", "like/pmi"}


def test_a_changed_fit_makes_only_the_dependent_stages_stale(with_corpus: Any) -> None:
    with_corpus.build("--corpus", "news")
    with_corpus.build("-S", "pmi.estimator=paper")
    outcome = with_corpus.build("--corpus", "news", "-S", "pmi.estimator=paper")
    assert outcome.built == {"pmi", "shards"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("segment.hmm=false", "segment.hmm is true there, false here"),
        ("embed.ridge=2", "embed.ridge is 1.0 there, 2.0 here"),
        ("pmi.estimator=paper", "pmi.estimator is joint there, paper here"),
        ("vocab.max_words=200", "its embed stage was built with another vocabulary"),
    ],
)
def test_parameters_that_differ_from_the_data_set_are_refused(with_corpus: Any, change: str, expected: str) -> None:
    message = refusal(with_corpus, "--corpus", "news", "-S", change, code=5)
    assert f"corpus news like tiny: {expected}" in message
    assert "features build --dataset tiny" in message


def test_another_encoder_or_user_dictionary_is_refused(with_corpus: Any) -> None:
    shutil.copytree(with_corpus.root / "encoder", with_corpus.root / "other")
    config = json.loads((with_corpus.root / "other" / "config.json").read_text())
    (with_corpus.root / "other" / "config.json").write_text(json.dumps(config))
    message = refusal(with_corpus, "--corpus", "news", "-S", "encoder.name=other", code=5)
    assert (
        "encoder.name is encoder there, other here" in message
        and "its embed stage was built with another encoder" in message
    )
    (with_corpus.root / "words.txt").write_text("北京大学 9\n", encoding="utf-8")
    with_corpus.build("-S", "segment.user_dict=words.txt")
    (with_corpus.root / "words.txt").write_text("董事长 9\n", encoding="utf-8")
    message = refusal(with_corpus, "--corpus", "news", "-S", "segment.user_dict=words.txt", code=5)
    assert "its segment stage was built with another user dictionary" in message


def test_sentence_context_is_refused_for_a_corpus(with_corpus: Any) -> None:
    message = refusal(with_corpus, "--corpus", "news", "-S", "embed.context=sentence", code=2)
    assert "embed.context: sentence" in message and "embed.context=isolated" in message


def test_a_data_set_that_is_not_built_is_reported(with_corpus: Any) -> None:
    message = refusal(with_corpus, "--corpus", "news", "--like", "resume", code=4)
    assert "features build --dataset resume" in message
    assert not (with_corpus.root / "artifacts" / "prepare" / "news").exists(), "refused before anything is built"


def test_a_corpus_with_the_name_of_a_data_set_is_refused(with_corpus: Any) -> None:
    (with_corpus.root / "tiny.txt").write_text("北京\n", encoding="utf-8")
    assert "corpus tiny: a data set has this name" in refusal(with_corpus, "--corpus", "tiny.txt", code=2)
    shutil.copytree(with_corpus.root / "artifacts" / "prepare" / "tiny", with_corpus.root / "artifacts/prepare/news")
    assert "corpus news: a data set has this name" in refusal(with_corpus, "--corpus", "news", code=2)


def test_incompatible_options_are_refused(with_corpus: Any) -> None:
    project = ssmi.open_project(with_corpus.root)
    with pytest.raises(ParameterError, match="both data set tiny and corpus news are given"):
        project.build_features("tiny", corpus="news")
    with pytest.raises(ParameterError, match="like tiny: is for a corpus"):
        project.run_stage("prepare", like="tiny")
