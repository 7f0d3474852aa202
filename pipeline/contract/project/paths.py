"""Where everything lies in a project: the only module that joins the names of folders and files below its root."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from ssmi.pipeline.contract.project.stages import STAGES

PARAMS_NAME = "params.yaml"
ARTIFACTS = "artifacts"
"""The folder, and the first part of the names that manifests give to stages."""
SELECTIONS = "selections"
"""The folder of the selection stage's answers, in parts like those of a split; the shards stage reads them."""
BOUNDARIES_FILE = "boundaries.parquet"
"""The boundaries that shards name, with their vectors."""
LABELS_FILE = "labels.json"
"""The label set, in shards and in checkpoints."""


@dataclass(frozen=True, slots=True)
class ArtifactPaths:
    """The folders of a project.

    Attributes:
        root: The folder that holds params.yaml.
    """

    root: Path

    @property
    def params(self) -> Path:
        """The parameters' file."""
        return self.root / PARAMS_NAME

    @property
    def folder(self) -> Path:
        """What stages, training and ablations write."""
        return self.root / ARTIFACTS

    @property
    def private(self) -> Path:
        """What belongs to this machine and is not tracked: scratch files."""
        return self.root / ".ssmi"

    @property
    def scratch(self) -> Path:
        """Long work that can be resumed, outside every output."""
        return self.private / "scratch"

    def lock(self, name: str) -> Path:
        """The lock of what one process does at a time: ``features``, ``dvc``."""
        return self.private / "locks" / f"{name}.lock"

    def lock_of(self, folder: Path) -> Path:
        """The lock of a folder that one process writes at a time, wherever it lies."""
        digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()
        return self.lock(f"folder-{digest[:16]}")

    @property
    def unfinished(self) -> Path:
        """Stages under way, with the parts of them that are finished."""
        return self.scratch / "stages"

    def stage(self, name: str, dataset: str, *, base: Path | None = None) -> Path:
        """The output of a stage: ``artifacts/NAME/DATASET``, without the data set where all share it.

        Args:
            name: The stage.
            dataset: The data set.
            base: A folder instead of ``artifacts``, for stages that are built once more beside it.
        """
        folder = (base or self.folder) / name
        return folder / dataset if STAGES[name].per_dataset else folder

    def built_names(self) -> set[str]:
        """The data sets and corpora of which a stage is built or a run is there."""
        folders = [self.folder / name for name, stage in STAGES.items() if stage.per_dataset]
        below = [one for folder in (*folders, self.runs) if folder.is_dir() for one in folder.iterdir()]
        return {one.name for one in below if one.is_dir() and not one.name.startswith(".")}

    def is_built(self, name: str) -> bool:
        """Whether a stage of a data set or corpus is built, or a run on it is there."""
        stages = (stage for stage, about in STAGES.items() if about.per_dataset)
        return self.run(name).is_dir() or any(self.stage(stage, name).is_dir() for stage in stages)

    def shards(self, dataset: str) -> Path:
        """The trainer's input."""
        return self.stage("shards", dataset)

    @property
    def vocabulary(self) -> Path:
        """The vocabulary that all data sets share."""
        return self.folder / "vocab"

    def run(self, dataset: str, *, configuration: str | None = None) -> Path:
        """Where ``train`` writes by default."""
        # No data set's name holds a plus sign, as one may hold a dash: `a-b` may be a data set beside `a`.
        return self.folder / "train" / (f"{dataset}+{configuration}" if configuration else dataset)

    @property
    def runs(self) -> Path:
        """Holds the runs of ``train``."""
        return self.folder / "train"

    def predictions(self, run: str, corpus: str) -> Path:
        """What a run of this name finds in a corpus."""
        return self.folder / "predict" / run / corpus

    def ablation(self, dataset: str, *, n_folds: int | None = None) -> Path:
        """The table of an ablation, its runs, and the features that some of them need; with folds a folder in it."""
        folder = self.folder / "ablate" / dataset
        return folder if n_folds is None else folder / f"folds-{n_folds}"

    @property
    def run_times(self) -> Path:
        """How long runs took on this machine."""
        return self.private / "run-times.json"

    def paper(self, encoder: str) -> Path:
        """The page of the paper's tables with an encoder of this name."""
        return self.folder / "paper" / encoder

    def ablation_features(self, dataset: str, configuration: str) -> Path:
        """The stages of a configuration that changes features: ``STAGE/DATASET`` below it."""
        return self.ablation(dataset) / "features" / configuration

    def ablation_shards(self, dataset: str) -> list[Path]:
        """The shards of all configurations that change features."""
        return sorted(self.ablation(dataset).glob(f"features/*/shards/{escape(dataset)}"))
