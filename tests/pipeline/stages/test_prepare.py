"""Output of the prepare stage for a data set without a dev file."""

from __future__ import annotations

from typing import Any

from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.features.text.blanks import visible_sentences
from ssmi.pipeline.readers import read_sentences


def test_a_dev_split_cut_from_train_is_written_like_a_separate_file(project: Any) -> None:
    project.raw("dev").unlink()
    sentences = list(visible_sentences(*read_sentences(project.raw("train"))))
    outcome = project.ssmi(
        "features", "prepare", "-S", "prepare.sentences_per_part=4", "-S", "prepare.dev_fraction=0.3"
    )
    assert outcome.code == 0, outcome.stderr
    folder = ArtifactPaths(project.root).stage("prepare", "tiny")
    lines = {}
    for split in ("train", "dev"):
        parts = [tables.read_rows(path, schema.SENTENCES) for path in tables.list_parts(folder, split)]
        assert len(parts) > 1 and all(len(part) == 4 for part in parts[:-1])
        rows = [row for part in parts for row in part]
        assert [row["sentence_id"] for row in rows] == list(range(len(rows)))
        lines[split] = [row["line"] for row in rows]
        by_line = {sentence.line: sentence for sentence in sentences}
        for row in rows:
            assert tuple(row["characters"]) == by_line[row["line"]].characters
            entities = [(one["start"], one["end"], one["label"]) for one in row["entities"]]
            assert entities == [(one.start, one.end, one.label) for one in by_line[row["line"]].entities]
    assert len(lines["dev"]) <= round(len(sentences) * 0.3)
    assert lines["train"] == sorted(lines["train"]) and lines["dev"] == sorted(lines["dev"])
    assert sorted(lines["train"] + lines["dev"]) == [sentence.line for sentence in sentences]
    # Temporary files were removed.
    assert {path.name for path in folder.iterdir()} == {"train", "dev", "test", "manifest.json"}
