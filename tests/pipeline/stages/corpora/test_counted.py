"""PMI counted on unlabelled text: files, folders and prepared corpora give the same counts as their sentences."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssmi.pipeline.contract.parquet import schema, tables

TEXTS = ["南京市长江大桥", "", "公司董事长在北京😀 熊猫"]


def counts(project: Any) -> dict[tuple[str, int], int]:
    rows = tables.read_rows(project.root / "artifacts" / "pmi" / "tiny" / "pairs.parquet", schema.PMI_PAIRS)
    return {(row["character"], row["boundary_id"]): row["n_events"] for row in rows}


def inputs(project: Any) -> dict[str, str]:
    path = project.root / "artifacts" / "pmi" / "tiny" / "manifest.json"
    digests: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["inputs"]
    return {name: digest for name, digest in digests.items() if name.startswith("unlabelled/")}


def test_the_same_texts_give_the_same_counts_in_every_form(project: Any) -> None:
    without = counts(project)
    folder = project.root / "data" / "more"
    folder.mkdir()
    (folder / "a.txt.gz").write_bytes(gzip.compress(TEXTS[0].encode()))
    (folder / "b.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS[1:]))
    (project.root / "more.txt.zst").write_bytes(pa.compress("\n".join(TEXTS).encode(), codec="zstd", asbytes=True))
    pq.write_table(pa.table({"text": TEXTS}), project.root / "more.parquet")
    assert project.ssmi("features", "prepare", "--corpus", "more", "-S", "prepare.sentences_per_part=1").code == 0
    found = {}
    for name in ("data/more", "more.txt.zst", "more.parquet", "more"):
        project.set("pmi", unlabelled=[name])
        assert project.build().built == {"pmi", "shards"}
        found[name] = counts(project), set(inputs(project))
        assert project.build().built == set()
    assert all(one == found["more"][0] for one, _ in found.values())
    assert sum(found["more"][0].values()) > sum(without.values())
    assert found["data/more"][1] == {"unlabelled/0/a.txt.gz", "unlabelled/0/b.jsonl", "unlabelled/0/text_field"}
    assert found["more"][1] == {"unlabelled/0/more"}


def test_half_a_surrogate_pair_is_counted_as_a_corpus_counts_it(project: Any) -> None:
    folder = project.root / "data" / "more"
    folder.mkdir()
    (folder / "a.jsonl").write_text(json.dumps({"text": "南京\ud800长江大桥"}) + "\n")
    assert project.ssmi("features", "prepare", "--corpus", "more").code == 0
    found = []
    for name in ("data/more", "more"):
        project.set("pmi", unlabelled=[name])
        assert project.build().built == {"pmi", "shards"}
        found.append(counts(project))
    assert found[0] == found[1]


def test_a_corpus_that_was_prepared_again_is_counted_again(project: Any) -> None:
    text = project.root / "data" / "more" / "a.txt"
    text.parent.mkdir()
    text.write_text("长江大桥\n", encoding="utf-8")
    assert project.ssmi("features", "prepare", "--corpus", "more").code == 0
    project.set("pmi", unlabelled=["more"])
    assert project.build().built == {"pmi", "shards"}
    text.write_text("长江大桥\n南京市\n", encoding="utf-8")
    assert project.build().built == set()  # the prepared corpus is counted, not the raw file
    assert project.ssmi("features", "prepare", "--corpus", "more").code == 0
    assert project.build().built == {"pmi", "shards"}
    part = project.root / "artifacts" / "prepare" / "more" / "text" / "part-00000.parquet"
    part.unlink()
    outcome = project.ssmi("features", "build")
    assert outcome.code in (4, 5) and "Traceback" not in outcome.stderr


@pytest.mark.parametrize("name", ["nowhere", "nowhere/at/all.txt"])
def test_a_missing_text_is_reported_with_the_command_that_prepares_one(project: Any, name: str) -> None:
    project.set("pmi", unlabelled=[name])
    outcome = project.ssmi("features", "build")
    assert outcome.code == 4
    assert f"{name}: no such text, and no prepared corpus" in outcome.stderr
    assert "pmi.unlabelled" in outcome.stderr and "features prepare --corpus" in outcome.stderr
