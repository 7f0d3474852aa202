"""The program's own file formats, as they may come from another user's project or run."""

from __future__ import annotations

import json

from ssmi.ablation import variants
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.files import CHECKPOINT_FORMAT
from ssmi.pipeline.contract import manifest
from ssmi.pipeline.contract.label_files import load_labels
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.parameters import params
from ssmi.pipeline.contract.parquet.schema import SCHEMA_VERSION
from ssmi.pipeline.contract.storage.digests import seal
from ssmi.predict.packing import check_pack
from tests.fuzz.targets.stored import with_new_seal
from tests.fuzz.targets.target import Target, target


def own() -> list[Target]:
    report = {"rows_in": 1, "rows_out": 1, "skipped": {}, "statistics": {}}
    manifest_body = {
        "stage": "segment",
        "dataset": "tiny",
        "parameters": {},
        "inputs": {"a": "0"},
        "report": report,
        "version": 1,
        "files": {"a.parquet": {"sha256": "0", "n_bytes": 1, "rows": 1}},
        "schema_version": SCHEMA_VERSION,
    }
    labels = LabelSet.of(["PER"], scheme="BIO")
    body = json.dumps({"scheme": labels.scheme, "entity_types": list(labels.entity_types), "tags": list(labels.tags)})
    checkpoint = json.dumps({"format": CHECKPOINT_FORMAT, "best_epoch": 1, "n_parameters": 5})
    pack = json.dumps({"format": 1, "files": {"a.txt": "0" * 64}})
    return [
        target(
            "params", params.load, "params.yaml", "datasets: [a]\nsegment: {hmm: true}\n", params.dump(params.Params())
        ),
        target("variants", variants.read, "v.yaml", "small: {base: bert-crf, model.encoder_layers: 2}\n"),
        target("manifest", lambda path: manifest.load(path.parent), "manifest.json", json.dumps(seal(manifest_body))),
        target(
            "manifest, sealed anew",
            with_new_seal(lambda path: manifest.load(path.parent)),
            "manifest.json",
            json.dumps(seal(manifest_body)),
        ),
        target("labels", load_labels, "labels.json", body),
        target("checkpoint", lambda path: checkpoint_files.read_metadata(path.parent), "checkpoint.json", checkpoint),
        target("pack", lambda path: check_pack(path.parent), "pack.json", pack, extra_files={"a.txt": b"a"}),
    ]
