"""The measurements agree with the files and the text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.parameters.params import SegmentParams
from ssmi.pipeline.lexicon.segmenter import open_segmenter
from tests.bench.scale import costs, figures

TEXTS = ["南京市长江大桥研究员在北京", "北京大学任教授", "北京市长江大桥"]


def test_the_law_behind_a_count_is_recovered() -> None:
    law = costs.fit({n: round(30 * n**0.6) for n in (1000, 4000, 16_000, 64_000)})
    assert law.factor == pytest.approx(30, rel=0.01) and law.power == pytest.approx(0.6, abs=0.001)
    assert law.at(10**8) == pytest.approx(30 * 10**4.8, rel=0.02)


def test_distinct_segments_are_counted_at_each_size() -> None:
    params = SegmentParams()
    cut = open_segmenter(params.engine, hmm=params.hmm, user_dict=None)
    known = frozenset({"北京", "长江大桥"})
    growth = costs.grow(iter(TEXTS), sizes=[1, 3], known=known)
    for n in (1, 3):
        segments = {segment for text in TEXTS[:n] for segment in cut(text)}
        assert growth["segments"].counted[n] == len(segments)
        assert growth["new_words"].counted[n] == len(segments - known) < len(segments)
        assert growth["queries"].counted[n] == len({(c, segment) for segment in segments for c in segment})


def test_blank_texts_of_a_corpus_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("一\n\n二\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "三"}\n{"text": " "}\n', encoding="utf-8")
    assert list(costs.lines_of(tmp_path)) == ["一", "二", "三"]


@pytest.mark.heavy
def test_a_small_corpus_is_measured_and_simulated(built_once: Any, tmp_path: Path, repository: Path) -> None:
    (tmp_path / "corpus").mkdir()
    lines = "".join(f"第{n}届会议在北京大学召开，{TEXTS[n % 3]}。\n" for n in range(48))
    (tmp_path / "corpus" / "a.txt").write_text(lines, encoding="utf-8")
    before = built_once.artifacts()
    figures_file = tmp_path / "figures.json"
    module = [sys.executable, "-m", "tests.bench.scale"]
    options = ["--project", str(built_once.root), "--corpus", str(tmp_path / "corpus"), "--like", "tiny"]
    options += [
        "--also",
        "tiny",
        "--sizes",
        "8",
        "48",
        "--tasks",
        "60",
        "--files",
        "300",
        "--figures",
        str(figures_file),
    ]
    environment = {**built_once.environment, "PYTHONPATH": str(repository)}
    subprocess.run([*module, "measure", *options], cwd=repository, env=environment, check=True)
    assert built_once.artifacts() == before
    measured = figures.load(figures_file)
    assert set(measured.stages) == set(costs.STAGES) and measured.encode > 0
    assert all(stage.bytes_out > 0 and stage.files_a_part > 0 for name, stage in measured.stages.items()
               if name != "embed")  # fmt: skip
    assert measured.stages["prepare"].files_a_part == 2 and measured.stages["shards"].files_a_part == 1
    assert {name: max(law.counted) for name, law in measured.segments.items()}["corpus"] == 48
    rates = measured.rates
    assert rates.driver > rates.look > 0 and rates.worker > 0 and 50 < rates.manifest_bytes < 500
    completed = subprocess.run(
        [*module, "simulate", "--figures", str(figures_file)],
        cwd=repository,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "| 2,048 | 48,829 | 1,000 |" in completed.stdout
