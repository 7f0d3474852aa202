"""Tag the shards of a corpus (unlabelled text) with a trained network, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from ssmi.model import hardware
from ssmi.model.data.shards import Shards, open_shards, read_parts
from ssmi.model.network.requirements import check_encoder, required_features
from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.checkpoint import Checkpoint
from ssmi.model.runs.checkpoint.fit import check_fit
from ssmi.model.runs.files import CHECKPOINT, SHARDS, require_checkpoint
from ssmi.model.split_tagging import Predicted, predict
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.storage.digests import short_digest


@dataclass(frozen=True, slots=True)
class PartTagger:
    """Tags the shards of a corpus with the checkpoint of a run, one part at a time."""

    checkpoint: Checkpoint
    shards: Shards

    @classmethod
    def open(cls, *, run: Path, shards: Path, device: str) -> PartTagger:
        """Load a run's checkpoint for a corpus.

        Args:
            run: The run folder.
            shards: The shard folder of the corpus; parts that are not tagged may be missing.
            device: A device name for ``hardware.choose_device``.

        Raises:
            ParameterError: The shards are those of a data set, or no device has this name.
            MissingResourceError: The run, the shards or the device does not exist.
            StaleArtifactError: Run and shards do not belong together, or are of another version.

        """
        opened = check_text_fit(run=run, shards=shards, whole=False)
        checkpoint = checkpoints.load(run / CHECKPOINT, shards=opened)
        checkpoint.network.to(hardware.choose_device(device))
        return cls(checkpoint, opened)

    def tag(self, part: Path) -> Predicted:
        """Return the entities of every sentence of a part, with their probabilities."""
        checkpoint = self.checkpoint
        needed = required_features(checkpoint.params.model)
        split = read_parts(self.shards, [part], boundaries=checkpoint.boundaries, required=needed)
        if checkpoint.network.encoder is not None:
            check_encoder(checkpoint.network.encoder, self.shards, largest_token_id=int(split.token_ids.max(initial=0)))
        return predict(
            checkpoint.network,
            split,
            labels=checkpoint.labels,
            precision=checkpoint.params.train.precision,
            reporter=Silent(),  # progress is counted in parts
            title=part.stem,
            probabilities=True,
        )


def check_text_fit(*, run: Path, shards: Path, whole: bool = True) -> Shards:
    """Open the shards of a corpus and check that a run would tag them like the same text online; reads no weights.

    Args:
        run: The run folder.
        shards: The shard folder of the corpus.
        whole: Whether all files of the shards must be present.

    Raises:
        MissingResourceError: The run or the shards do not exist.
        StaleArtifactError: The features differ from those that the run computes for text; the error names every
            difference.
        ParameterError: The shards are those of a data set.

    """
    require_checkpoint(run)
    folder = run / CHECKPOINT
    opened = open_shards(shards, labels_of_text=checkpoint_files.read_labels(folder), whole=whole)
    if not opened.is_text:
        raise ParameterError(
            f"{shards}: a data set, with labels",
            next_step=f"ssmi-cli evaluate --run {quote(str(run))} --dataset {quote(shards.name)} tags and scores it",
        )
    check_fit(folder, opened)
    then, now = manifests.load(folder / SHARDS), opened.manifest
    trained, built = ShardsStatistics.of(then), opened.statistics
    pairs = {
        "map and segment vectors": (trained.embed_digest, now.inputs.get("like/embed")),
        "PMI pairs": (then.inputs.get("artifacts/pmi"), now.inputs.get("like/pmi")),
        "user dictionary": (trained.user_dict_digest, built.user_dict_digest),
        "longest window": (str(trained.max_window), str(built.max_window)),
    }
    problems = [
        f"{what} {_short(of_run)} in the run, {_short(of_shards)} in the shards"
        for what, (of_run, of_shards) in pairs.items()
        if of_run != of_shards
    ]
    if problems:
        raise StaleArtifactError(
            f"{run} and {shards} do not belong together: {'; '.join(problems)}",
            next_step=f"ssmi-cli features build --corpus {quote(shards.name)} --like DATASET, where DATASET is the data"
            " set that the run was trained on, with the features of that time",
        )
    return opened


def _short(digest: str | None) -> str:
    return short_digest(digest) if digest else "none"
