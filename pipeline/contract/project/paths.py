"""Paths of a project: the only module that joins the names of folders and files below the project's root."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from ssmi.pipeline.contract.project.stages import STAGES

PARAMS_NAME = "params.yaml"
ARTIFACTS = "artifacts"
"""Name of the output folder, and first component of the names that manifests give to stages."""
SELECTIONS = "selections"
"""Folder of the selection stage's selections, in parts like those of a split; the shards stage reads it."""
BOUNDARIES_FILE = "boundaries.parquet"
"""File of the boundaries that shards refer to, with their vectors."""
LABELS_FILE = "labels.json"
"""File of the label set, in shards and in checkpoints."""


@dataclass(frozen=True, slots=True)
class ArtifactPaths:
    """The folders and files of a project.

    Attributes:
        root: The folder that holds params.yaml.
    """

    root: Path

    @property
    def params(self) -> Path:
        """File of the parameters."""
        return self.root / PARAMS_NAME

    @property
    def folder(self) -> Path:
        """Folder of everything that stages, trainings and ablations write."""
        return self.root / ARTIFACTS

    @property
    def private(self) -> Path:
        """Folder of files that belong to this machine and are not tracked, such as scratch files and locks."""
        return self.root / ".ssmi"

    @property
    def scratch(self) -> Path:
        """Folder of unfinished work that can be resumed, outside every output."""
        return self.private / "scratch"

    def lock(self, name: str) -> Path:
        """Lock file of an activity that one process performs at a time, such as ``features`` or ``dvc``."""
        return self.private / "locks" / f"{name}.lock"

    def lock_of(self, folder: Path) -> Path:
        """Lock file of a folder anywhere that one process writes at a time."""
        digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()
        return self.lock(f"folder-{digest[:16]}")

    @property
    def unfinished(self) -> Path:
        """Folder of stages in progress, with their finished parts."""
        return self.scratch / "stages"

    def stage(self, name: str, dataset: str, *, base: Path | None = None) -> Path:
        """Output folder of a stage: ``artifacts/NAME/DATASET``, or ``artifacts/NAME`` if all data sets share it.

        Args:
            name: Name of the stage.
            dataset: Name of the data set.
            base: Folder to use instead of ``artifacts``, for stages that are built a second time.
        """
        folder = (base or self.folder) / name
        return folder / dataset if STAGES[name].per_dataset else folder

    def built_names(self) -> set[str]:
        """Names of the data sets and corpora that have a built stage or a run."""
        folders = [self.folder / name for name, stage in STAGES.items() if stage.per_dataset]
        below = [one for folder in (*folders, self.runs) if folder.is_dir() for one in folder.iterdir()]
        return {one.name for one in below if one.is_dir() and not one.name.startswith(".")}

    def is_built(self, name: str) -> bool:
        """Whether a data set or corpus has a built stage or a run."""
        stages = (stage for stage, about in STAGES.items() if about.per_dataset)
        return self.run(name).is_dir() or any(self.stage(stage, name).is_dir() for stage in stages)

    def shards(self, dataset: str) -> Path:
        """Folder of the shards, which are the trainer's input."""
        return self.stage("shards", dataset)

    @property
    def vocabulary(self) -> Path:
        """Folder of the vocabulary, which all data sets share."""
        return self.folder / "vocab"

    def run(self, dataset: str, *, configuration: str | None = None) -> Path:
        """Folder to which ``train`` writes by default."""
        # A plus sign, because data set names cannot contain one; with a dash, `a-b` could be a data set beside `a`.
        return self.folder / "train" / (f"{dataset}+{configuration}" if configuration else dataset)

    @property
    def runs(self) -> Path:
        """Folder of the runs of ``train``."""
        return self.folder / "train"

    def predictions(self, run: str, corpus: str) -> Path:
        """Folder of the entities that a run finds in a corpus."""
        return self.folder / "predict" / run / corpus

    def ablation(self, dataset: str, *, n_folds: int | None = None) -> Path:
        """Folder of an ablation's table, runs and own features; with ``n_folds``, the subfolder for that many folds."""
        folder = self.folder / "ablate" / dataset
        return folder if n_folds is None else folder / f"folds-{n_folds}"

    @property
    def run_times(self) -> Path:
        """File of the durations of runs on this machine."""
        return self.private / "run-times.json"

    def paper(self, encoder: str) -> Path:
        """Folder of the page with the paper's tables for an encoder."""
        return self.folder / "paper" / encoder

    def ablation_features(self, dataset: str, configuration: str) -> Path:
        """Folder of the stages of a configuration that changes features; a stage is ``STAGE/DATASET`` below it."""
        return self.ablation(dataset) / "features" / configuration

    def ablation_shards(self, dataset: str) -> list[Path]:
        """Shard folders of all configurations that change features."""
        return sorted(self.ablation(dataset).glob(f"features/*/shards/{escape(dataset)}"))
