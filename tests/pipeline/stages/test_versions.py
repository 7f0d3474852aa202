"""The output of every stage, compared with a golden file: changed output requires a new ``Stage.version``.

Three variants of the tiny project are built: one with the defaults of params.yaml, one with other options, and
one with random choices. Values that are equal on every processor (words, ids, counts, texts) are compared by digest,
floats by a few sums with a tolerance. `make golden` rewrites the file; it refuses if a version was not raised.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parquet.schema import SCHEMA_VERSION
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.features.alignment import ENCODING_VERSION
from ssmi.pipeline.stages.running.registry import STAGE_NAMES, get_stage

GOLDEN = Path(__file__).parents[2] / "golden" / "stages.json"
SAMPLE = Path(__file__).parents[3] / "pipeline" / "readers" / "sample"
SWITCHED = (
    "vocab.extra_words=extra.txt",
    "vocab.max_words=400",
    "prepare.sentences_per_part=25",
    "segment.engine=rjieba",
    "embed.context=sentence",
    "embed.space=bert",
    "selection.scope=sentence",
    "selection.exclude_segment=true",
    "pmi.estimator=paper",
    "shards.tag_scheme=BIO",
    "shards.hidden=true",
    "shards.matches=true",
    "shards.max_window=20",
)
RANDOM = ("selection.choice=random", "shards.tag_scheme=BIOES", "segment.hmm=false")
VARIANTS: Mapping[str, tuple[str, ...]] = {"defaults": (), "switched": SWITCHED, "random": RANDOM}
FROM_FLOATS = {"selection/cosines.parquet"}
"""Files of counts that another processor may shift from one bin to the next."""
ENCODING = "encoding"
"""Name of the one output that belongs to no stage: the cached word vectors."""

Output = dict[str, dict[str, Any]]
"""File → digest of its exact content, and sums of each of its float columns."""


# --- output of a stage ----------------------------------------------------------------------------------------------


def _sums(values: np.ndarray[Any, np.dtype[Any]]) -> list[float]:
    """Return the number of values, and sums that change with any swap or change of sign."""
    flat = values.astype(np.float64).ravel()
    weights = np.cos(np.arange(flat.size))
    return [flat.size, float(np.abs(flat).sum()), float((flat * weights).sum())]


def _column(column: pa.ChunkedArray) -> list[float] | None:
    """Sums of a column of floats or of lists of floats; None for any other column."""
    flat = column.combine_chunks()
    while pa.types.is_list(flat.type) or pa.types.is_fixed_size_list(flat.type):
        flat = flat.flatten()
    return _sums(flat.drop_null().to_numpy(zero_copy_only=False)) if pa.types.is_floating(flat.type) else None


def _table(path: Path, *, exact: bool) -> dict[str, Any]:
    table = pq.read_table(path)
    digests: dict[str, Any] = {"floats": {}}
    exact_values: dict[str, Any] = {"schema": str(table.schema.remove_metadata())}
    for name in table.column_names:
        sums = _column(table[name])
        if sums is not None:
            digests["floats"][name] = sums
        elif exact:
            exact_values[name] = table[name].to_pylist()
        else:
            digests["floats"][name] = [float(sum(table[name].to_pylist()))]
    return {**digests, "exact": _digest(exact_values)}


def _array(path: Path) -> dict[str, Any]:
    array = np.load(path)
    kind = [str(array.dtype), list(array.shape)]
    if np.issubdtype(array.dtype, np.floating):
        return {"floats": {"values": _sums(array)}, "exact": _digest(kind)}
    return {"floats": {}, "exact": _digest([*kind, array.tolist()])}


def _manifest(path: Path) -> dict[str, Any]:
    """Only the report: the build itself compares parameters, and digests of floats differ between processors."""
    floats: dict[str, list[float]] = {}

    def without_floats(value: Any, name: str) -> Any:
        if isinstance(value, float):
            floats[name] = [value]
            return None
        if isinstance(value, dict):
            stable = {key: each for key, each in value.items() if not key.endswith(("_digest", "feature_parameters"))}
            return {key: without_floats(each, f"{name}.{key}") for key, each in stable.items()}
        return value

    exact = without_floats(json.loads(path.read_text(encoding="utf-8"))["report"], "report")
    return {"floats": floats, "exact": _digest(exact)}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True, sort_keys=True).encode()).hexdigest()[:32]


def _file(path: Path, *, exact: bool) -> dict[str, Any]:
    if path.name == "manifest.json":
        return _manifest(path)
    if path.suffix == ".parquet":
        return _table(path, exact=exact)
    if path.suffix == ".npy":
        return _array(path)
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        tensors = load_file(path)
        kinds = {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()}
        return {"floats": {name: _sums(tensor) for name, tensor in tensors.items()}, "exact": _digest(kinds)}
    return {"floats": {}, "exact": hashlib.sha256(path.read_bytes()).hexdigest()[:32]}


def _output(folder: Path, stage: str) -> Output:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    return {
        name: _file(path, exact=f"{stage}/{name}" not in FROM_FLOATS) for name, path in zip(names, paths, strict=True)
    }


def _encoding(project: Any) -> Output:
    """All cached word vectors under one fixed name, as the name of their file depends on the encoder's bytes."""
    (path,) = (Path(project.environment["SSMI_CACHE"]) / "word-vectors").glob("*.sqlite")
    with closing(sqlite3.connect(path)) as database:
        vectors = np.array(
            [np.frombuffer(row, np.float32) for (row,) in database.execute("SELECT vector FROM vectors")]
        )
    squares = np.sort(np.square(vectors.astype(np.float64)).sum(axis=1))
    return {"vectors": {"floats": {"squares": _sums(squares)}, "exact": _digest(list(vectors.shape))}}


def _inputs_digest(project: Any, overrides: tuple[str, ...]) -> str:
    """Digest of the tiny project's inputs: raw files, word vectors, extra words and feature parameters."""
    files = [*sorted((project.root / "data").rglob("*.*")), project.root / "vectors.txt", project.root / "extra.txt"]
    params = parameters.load(project.root / "params.yaml", overrides=overrides)
    sections = {name: params.section(name) for name in ("encoder", *STAGE_NAMES)}
    return _digest([*(hashlib.sha256(path.read_bytes()).hexdigest() for path in files), sections])


# --- golden and current output --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def current(pristine_project: Any, copy_project: Callable[..., Any], tmp_path_factory: Any) -> dict[str, Any]:
    """The current output, in the form of the golden file."""
    written: dict[str, Any] = {
        "versions": {**{name: get_stage(name).version for name in STAGE_NAMES}, ENCODING: ENCODING_VERSION},
        "schema_version": SCHEMA_VERSION,
        "sample": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(SAMPLE.iterdir())},
        "variants": {},
    }
    for variant, overrides in VARIANTS.items():
        project = copy_project(pristine_project, tmp_path_factory.mktemp(variant))
        # A separate cache, so that it holds only the vectors of this build.
        project = replace(project, environment={**project.environment, "SSMI_CACHE": str(project.root / "cache")})
        (project.root / "extra.txt").write_text("只有测试集见过\n上海人民\n", encoding="utf-8")
        project.build(*(word for override in overrides for word in ("-S", override)))
        paths = ArtifactPaths(project.root)
        outputs = {name: _output(paths.stage(name, "tiny"), name) for name in STAGE_NAMES}
        inputs_digest = _inputs_digest(project, overrides)
        written["variants"][variant] = {"given": inputs_digest, "outputs": {**outputs, ENCODING: _encoding(project)}}
    return written


def _is_same(golden: Output, written: Output) -> bool:
    """Compare two outputs; floats may differ by as much as they do between processors."""
    if golden.keys() != written.keys():
        return False
    return all(
        golden[name]["exact"] == written[name]["exact"]
        and golden[name]["floats"].keys() == written[name]["floats"].keys()
        and all(
            written[name]["floats"][column] == pytest.approx(sums, rel=1e-3, abs=2e-2)
            for column, sums in golden[name]["floats"].items()
        )
        for name in golden
    )


def _upstream(stage: str) -> set[str]:
    """All stages on whose output a stage depends, directly or indirectly."""
    direct = () if stage == ENCODING else get_stage(stage).upstream
    return {*direct, *(name for each in direct for name in _upstream(each))}


def unversioned_changes(golden: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, list[str]]:
    """Stage → its changed files, for stages with an unchanged version and unchanged upstream stages.

    A change that follows from an earlier stage is not reported, as that stage's new version rebuilds the later stages.
    A new ``SCHEMA_VERSION`` rebuilds everything.
    """
    if golden["schema_version"] != written["schema_version"]:
        return {}
    changed: dict[str, set[str]] = {}
    for variant, golden_variant in golden["variants"].items():
        of_variant = written["variants"].get(variant)
        if of_variant is None or of_variant["given"] != golden_variant["given"]:
            continue
        for stage, output in of_variant["outputs"].items():
            before = golden_variant["outputs"][stage]
            names = {name for name in output.keys() | before.keys() if not _is_same(*_only(name, before, output))}
            if names:
                changed.setdefault(stage, set()).update(names)
    if golden["sample"] != written["sample"]:
        changed.setdefault("prepare", set()).add("pipeline/readers/sample")
    return {
        stage: sorted(names)
        for stage, names in changed.items()
        if golden["versions"][stage] == written["versions"][stage] and not _upstream(stage) & changed.keys()
    }


def _only(name: str, *outputs: Output) -> Iterator[Output]:
    return ({key: each for key, each in output.items() if key == name} for output in outputs)


def _describe(stages: Mapping[str, list[str]]) -> str:
    lines = []
    for stage, names in stages.items():
        version = "ENCODING_VERSION beside isolated_vectors"
        if stage != ENCODING:
            version = f"STAGE.version in pipeline/stages/{stage}.py"
        lines.append(f"{stage}: {', '.join(names)} changed: raise {version}, then make golden")
    return "\n".join(lines)


def test_changed_output_has_a_new_version(current: dict[str, Any], request: pytest.FixtureRequest) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else None
    if golden is not None and (stages := unversioned_changes(golden, current)):
        pytest.fail(_describe(stages), pytrace=False)
    if request.config.getoption("--write-golden"):
        GOLDEN.write_text(json.dumps(current, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return
    assert golden is not None, "tests/golden/stages.json is missing: restore it from git"
    for key in ("versions", "schema_version"):
        assert golden[key] == current[key], "a version was raised: make golden"
    for variant, of_variant in current["variants"].items():
        assert golden["variants"][variant]["given"] == of_variant["given"], "the tiny project has changed: make golden"
        for stage, output in of_variant["outputs"].items():
            assert _is_same(golden["variants"][variant]["outputs"][stage], output), f"{stage}: make golden"


def _with_changed_output(current: dict[str, Any], *stages: str) -> dict[str, Any]:
    other: dict[str, Any] = json.loads(json.dumps(current))
    for stage in stages:
        other["variants"]["switched"]["outputs"][stage]["new.txt"] = {"exact": "x", "floats": {}}
    return other


def test_changes_without_a_new_version_are_found_in_the_first_stage(current: dict[str, Any]) -> None:
    assert unversioned_changes(current, current) == {}
    assert unversioned_changes(current, _with_changed_output(current, "pmi", "shards")) == {"pmi": ["new.txt"]}
    expected = {"embed": ["new.txt"], ENCODING: ["new.txt"]}
    assert unversioned_changes(current, _with_changed_output(current, ENCODING, "embed", "selection")) == expected
    with_new_version = _with_changed_output(current, "embed", "selection", "shards")
    with_new_version["versions"]["embed"] += 1
    assert unversioned_changes(current, with_new_version) == {}
    assert (
        unversioned_changes(
            current,
            {**_with_changed_output(current, "pmi"), "schema_version": current["schema_version"] + 1},
        )
        == {}
    )
    sample = {**current, "sample": {**current["sample"], "train.txt": "another"}}
    assert unversioned_changes(current, sample) == {"prepare": ["pipeline/readers/sample"]}
    assert "raise STAGE.version in pipeline/stages/pmi.py, then make golden" in _describe({"pmi": ["pairs.parquet"]})


def test_small_float_differences_are_ignored_and_larger_ones_are_not(current: dict[str, Any]) -> None:
    def scaled(relative: float) -> dict[str, Any]:
        other: dict[str, Any] = json.loads(json.dumps(current))
        floats = other["variants"]["defaults"]["outputs"]["embed"]["vectors.npy"]["floats"]
        floats["values"] = [value * (1 + relative) for value in floats["values"]]
        return other

    assert unversioned_changes(current, scaled(1e-5)) == {}
    assert unversioned_changes(current, scaled(1e-2)) == {"embed": ["vectors.npy"]}
