"""Pack a run, with everything that prediction needs of its project, into one folder that opens anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copyfile
from typing import Any

from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.files import CHECKPOINT, METRICS
from ssmi.pipeline.assets.registry import Kind, known
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.storage.digests import digest_once, short_digest
from ssmi.pipeline.contract.storage.relative_names import stays_below
from ssmi.pipeline.contract.storage.replacing import replacing_folder
from ssmi.pipeline.online import FeatureStore
from ssmi.pipeline.online.feature_store import check_feature_store
from ssmi.predict.run_features import FEATURES, feature_folders, is_packed

PACK, NOTICE = "pack.json", "README.txt"
FORMAT = 1
REPACK_ADVICE = "pack the run again with `ssmi-cli export`, or copy the complete folder again"


def pack(run: Path, out: Path, *, project: Path | None = None, reporter: Reporter | None = None) -> dict[str, int]:
    """Copy a run with its features into a new folder, completely or not at all.

    Returns a mapping from file name to size in bytes. Raises ParameterError if ``out`` already exists, and the errors
    of ``Tagger.open``.
    """
    if out.exists() or out.is_symlink():
        raise ParameterError(f"{out}: already exists", next_step="name a new folder, or remove this one first")
    reporter = reporter or Silent()
    # A pack may be packed again if it is unchanged.
    if is_packed(run):
        check_pack(run)
    trained = checkpoints.load_alone(run / CHECKPOINT)
    shards, params = trained.shards, trained.checkpoint.params
    folders = feature_folders(run, shards, params, project=project, reporter=reporter)
    check_feature_store(folders, shards)
    weights = run / CHECKPOINT
    files = {path.relative_to(run).as_posix(): path for path in sorted(weights.rglob("*")) if path.is_file()}
    files |= {f"{FEATURES}/{name}": path for name, path in folders.files().items()}
    if (run / METRICS).is_file():
        files[METRICS] = run / METRICS
    vectors = manifests.load(folders.vocab).parameters["vocab"]["vectors"]
    notice = _notice(dataset=shards.dataset or "", vectors=vectors, encoder=params.encoder.name)
    sizes = {name: path.stat().st_size for name, path in files.items()}
    with replacing_folder(out) as fresh, reporter.task("export", total=sum(sizes.values()), unit="bytes") as advance:
        for name, path in files.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            copyfile(path, fresh / name)
            advance(sizes[name])
        # Check the copies too: a stage may have been built again meanwhile.
        check_feature_store(FeatureStore.packed(fresh / FEATURES), shards)
        (fresh / NOTICE).write_text(notice, encoding="utf-8")
        body = {"format": FORMAT, "files": {name: manifests.digest_file(fresh / name) for name in sorted(files)}}
        (fresh / PACK).write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return sizes


def check_pack(run: Path) -> None:
    """Verify a packed run against the digests in the pack.

    Its features are verified against the shards when they are opened.

    Raises StaleArtifactError, which names each file that differs with both digests.
    """
    problems = []
    for name, packed in _read(run / PACK).items():
        path = run / name
        is_there = _is_file(path)
        if name.startswith(f"{FEATURES}/") and is_there:
            continue
        digest = digest_once(path) if is_there else "missing"
        if digest != packed:
            problems.append(f"{path} is {short_digest(digest)}, {short_digest(packed)} was packed")
    if problems:
        raise StaleArtifactError(f"not the run that was packed: {'; '.join(problems)}", next_step=REPACK_ADVICE)


def _read(path: Path) -> dict[str, str]:
    """The digests that ``pack`` wrote."""
    try:
        body: Any = json.loads(path.read_text(encoding="utf-8"))
        if body["format"] != FORMAT:
            raise ValueError(f"format {body['format']}, this program reads {FORMAT}")
        files = {str(name): str(digest) for name, digest in body["files"].items()}
        outside = next((name for name in files if not stays_below(name)), None)
        if outside is not None:
            raise ValueError(f"{outside!a} is not a file below it")
        return files
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StaleArtifactError(
            f"{path}: not a valid pack of this version ({error})", next_step=REPACK_ADVICE
        ) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # not a valid file name
        return False


def _notice(*, dataset: str, vectors: str, encoder: str) -> str:
    return f"""A tagger of Chinese named entities, packed by `ssmi-cli export`. Where ssmi is installed it opens with

    ssmi-cli predict --run FOLDER FILE
    python -c 'import ssmi; print(ssmi.open_run("FOLDER")("..."))'

It holds work made from what follows; anyone who passes it on keeps to these licences.

data set       {_licence(dataset, "dataset")}
word vectors   {_licence(vectors, "vectors")}
encoder        {_licence(encoder, "encoder")}
"""


def _licence(name: str, kind: Kind) -> str:
    asset = known(name, kind)
    if asset is None:  # only the last part of a path, so that its location is not disclosed
        return f"{Path(name).name}: a copy of one's own; its licence is not known here"
    return f"{name} ({asset.source}): {asset.licence}"
