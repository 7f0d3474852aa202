"""The gains of the documentation, computed from the stored counts: adding counts, and the results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.parquet import schema, tables
from tests.bench.results import gains

FOUND = {"label": "PER", "gold": 1, "predicted": 1, "correct": 1}
MISSED = {"label": "PER", "gold": 1, "predicted": 0, "correct": 0}


def _rows(name: str, seed: int, sentences: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {"configuration": name, "seed": seed, "sentence": f"{index:016x}", "counts": list(counts)}
        for index, counts in enumerate(sentences)
    ]


def test_rows_are_added_replaced_and_compared(tmp_path: Path) -> None:
    first, second, stored = (tmp_path / name for name in ("first.parquet", "second.parquet", "kept/tiny.parquet"))
    before_sentences = [[FOUND], [MISSED], [], [MISSED]] * 10
    after_sentences = [[FOUND], [FOUND], [], [MISSED]] * 10
    tables.write_rows(
        first, schema.ABLATION_COUNTS, [*_rows("base", 13, before_sentences), *_rows("better", 13, before_sentences)]
    )
    tables.write_rows(second, schema.ABLATION_COUNTS, _rows("better", 13, after_sentences))
    gains.add(first, stored)
    systems = gains.read_systems(stored)
    assert list(systems) == ["base", "better"]
    assert gains.gain(systems, "better", "base").gain == 0
    gains.add(second, stored)
    systems = gains.read_systems(stored)
    found = gains.gain(systems, "better", "base")
    # 2 · correct / (gold + predicted): 10 of 30 found, and 20 of 30.
    assert (found.base_f1, found.f1) == (pytest.approx(20 / 40), pytest.approx(40 / 50))
    assert 0 < found.low < found.gain < found.high
    # Adding the same counts again changes nothing.
    before = stored.read_bytes()
    gains.add(second, stored)
    assert stored.read_bytes() == before


@pytest.mark.parametrize(
    ("dataset", "row", "over"),
    [
        ("weibo", "ssmi-2", "ssmi-2-random"),
        ("resume", "ssmi-2", "bert-crf-12"),
        ("resume", "ssmi-2", "bert-crf-2"),
        ("resume", "bert-crf-2", "bert-crf-12"),
        ("msra10k", "ssmi-2", "bert-crf-12"),
        ("msra10k", "ssmi-2", "bert-crf-2"),
        ("msra10k", "ssmi-2", "segment-only-2"),
        ("msra10k", "ssmi-2", "softlexicon-2"),
        ("weibo-seeds", "ssmi-4", "bert-crf-12"),
        ("weibo-seeds", "ssmi-4", "softlexicon-2"),
        ("weibo-seeds", "ssmi-4", "ssmi-2"),
        ("weibo-seeds", "ssmi-2", "bert-crf-12"),
        ("weibo-seeds", "ssmi-2", "softlexicon-2"),
        ("weibo-seeds", "ssmi-2", "segment-only-2"),
        ("weibo-seeds", "segment-only-2", "bert-crf-12"),
        ("weibo-seeds", "segment-only-2", "softlexicon-2"),
        ("weibo-seeds", "ssmi-2-ema", "ssmi-2"),
        ("weibo-seeds", "ssmi-2-long", "ssmi-2"),
        ("weibo-seeds", "ssmi-2-fgm", "ssmi-2"),
        ("weibo-seeds", "ssmi-2-infonce", "ssmi-2"),
        ("weibo-seeds", "ssmi-2-exclude", "ssmi-2"),
        ("weibo-seeds", "span-ssmi-2", "ssmi-2"),
        ("weibo-seeds", "ssmi-2-context", "ssmi-2"),
        ("weibo-seeds", "softlexicon-4", "bert-crf-12"),
        ("weibo-seeds", "softlexicon-4", "softlexicon-2"),
        ("weibo-seeds", "ssmi-4", "softlexicon-4"),
        ("weibo-seeds", "bert-crf-4", "bert-crf-12"),
        ("weibo-seeds", "bert-crf-4", "bert-crf-2"),
        ("weibo-seeds", "ssmi-4", "bert-crf-4"),
        ("weibo-seeds", "ssmi-12", "bert-crf-12"),
        ("weibo-seeds", "ssmi-4", "ssmi-12"),
        ("weibo-seeds", "ssmi-4", "ssmi-8"),
        ("weibo-seeds", "ssmi-8", "ssmi-12"),
        ("weibo-seeds", "ssmi-8", "bert-crf-12"),
        ("weibo-seeds", "lebert-4", "bert-crf-12"),
        ("weibo-seeds", "lebert-4", "bert-crf-4"),
        ("weibo-seeds", "lebert-4", "softlexicon-4"),
        ("weibo-seeds", "ssmi-4", "lebert-4"),
        ("weibo-seeds", "ssmi-2", "lebert-4"),
        ("weibo-seeds", "ssmi-1", "bert-crf-12"),
        ("weibo-seeds", "ssmi-1", "bert-crf-1"),
        ("weibo-seeds", "ssmi-2", "bert-crf-2"),
        ("weibo-seeds", "ssmi-none", "bert-crf-12"),
        ("weibo-seeds", "ssmi-none", "char-crf-none"),
        ("weibo-seeds", "ssmi-none", "softlexicon-none"),
        ("weibo-seeds", "softlexicon-none", "bert-crf-12"),
        ("weibo-seeds", "bert-crf-1", "bert-crf-12"),
        ("weibo-seeds", "bert-crf-2", "bert-crf-12"),
        ("weibo-seeds", "char-crf-none", "bert-crf-12"),
        ("resume-seeds", "ssmi-4", "bert-crf-12"),
        ("resume-seeds", "ssmi-4", "ssmi-2"),
        ("resume-seeds", "ssmi-2", "bert-crf-12"),
        ("msra10k-seeds", "ssmi-1", "bert-crf-12"),
        ("msra10k-seeds", "ssmi-1", "bert-crf-1"),
        ("msra10k-seeds", "ssmi-none", "bert-crf-12"),
        ("msra10k-seeds", "ssmi-none", "softlexicon-none"),
        ("msra10k-seeds", "softlexicon-none", "bert-crf-12"),
        ("msra10k-seeds", "bert-crf-1", "bert-crf-12"),
        ("msra10k-seeds", "ssmi-2", "bert-crf-12"),
        ("msra10k-seeds", "ssmi-2", "softlexicon-2"),
        ("msra10k-seeds", "lebert-2", "bert-crf-12"),
        ("msra10k-seeds", "ssmi-2", "lebert-2"),
        ("msra10k-seeds", "softlexicon-2", "lebert-2"),
        ("msra10k-seeds", "char-crf-none", "bert-crf-12"),
        ("msra10k-seeds", "ssmi-none", "char-crf-none"),
        ("msra10k-seeds", "softlexicon-none", "char-crf-none"),
        ("msra10k-seeds", "ssmi-4", "bert-crf-12"),
        ("msra10k-seeds", "ssmi-4", "softlexicon-2"),
        ("msra10k-seeds", "ssmi-4", "ssmi-2"),
    ],
)
def test_documented_gains_equal_those_of_the_stored_counts(repository: Path, dataset: str, row: str, over: str) -> None:
    one = gains.gain(gains.read_systems(gains.COUNTS / f"{dataset}.parquet"), row, over)
    documented = f"{100 * one.gain:+.2f} [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"
    for page in ("docs/experiments.md", "docs/results/index.md"):
        text = (repository / page).read_text(encoding="utf-8")
        assert documented in text and f"{100 * one.f1:.2f}" in text and f"{100 * one.base_f1:.2f}" in text, (
            page,
            documented,
        )


def test_a_run_without_folds_is_added(tagging_project: Any, tmp_path: Path) -> None:
    run = tagging_project.root / "artifacts" / "train" / "tiny"
    stored = tmp_path / "tiny.parquet"
    gains.add_run("tiny", run, stored)
    ((row, system),) = gains.read_systems(stored).items()
    metrics = json.loads((run / "metrics.json").read_bytes())["test"]
    counts_of_run = system.runs[13]
    correct = sum(of_type.correct for counts in counts_of_run.counts for of_type in counts.values())
    assert (row, list(system.runs), len(counts_of_run.sentences)) == ("tiny", [13], metrics["n_sentences"])
    assert correct == metrics["correct"]
