"""The runs of an ablation: the shards each configuration trains on, where its runs lie, which are done, and doing them.

Everything is below ``artifacts/ablate/DATASET``: ``runs/CONFIGURATION/SETTINGS/SEED`` are run folders as ``ssmi-cli
train`` leaves them (SETTINGS: see ``ssmi.ablation.settings``), ``features/CONFIGURATION/STAGE/DATASET`` the stages of a
configuration that changes features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ssmi import training
from ssmi.ablation import settings
from ssmi.ablation.settings import Description
from ssmi.ablation.table import FinishedRun, OtherSettings
from ssmi.configurations import CONFIGURATIONS, Configuration
from ssmi.dvc import commands
from ssmi.model.data.shards import Shards, open_shards
from ssmi.model.runs import checkpoint_files, counts_file, metrics_file
from ssmi.model.runs import history as histories
from ssmi.model.runs import state as states
from ssmi.model.runs.files import CHECKPOINT, HISTORY, METRICS
from ssmi.model.runs.fingerprint import Fingerprint, fingerprint_of
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.executor import Executor
from ssmi.pipeline.stages import registry
from ssmi.pipeline.stages.stage import StageContext, Variant
from ssmi.pipeline.stages.up_to_date import is_current
from ssmi.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PreparedRow:
    """A configuration that can be trained, or whose runs can be looked at."""

    configuration: Configuration
    params: Params
    """With its changes; the seed is each run's own."""
    shards: Shards

    def seeded(self, seed: int) -> Params:
        """The parameters of one run."""
        return self.params.model_copy(update={"train": self.params.train.model_copy(update={"seed": seed})})

    def fingerprint_of(self, seed: int) -> Fingerprint:
        """What one run is made from."""
        return fingerprint_of(self.seeded(seed), shards=self.shards)

    @property
    def settings(self) -> str:
        """The name of what its runs have in common."""
        return settings.name_of(self.fingerprint_of(self.params.train.seed))

    def describe(self) -> Description:
        """What its runs have in common, in full, as ``params.json`` holds it."""
        return settings.describe(self.params, self.fingerprint_of(self.params.train.seed))


@dataclass(frozen=True, slots=True)
class Ablation:
    """Where and from which parameters the rows of one table are made."""

    workspace: Workspace
    dataset: str
    params: Params
    _opened: dict[Path, Shards] = field(default_factory=dict, repr=False)
    """Most rows train on the same shards."""

    @property
    def folder(self) -> Path:
        """Holds the table, the runs, and the features that some of them need."""
        return self.workspace.paths.ablation(self.dataset)

    @property
    def runs(self) -> Path:
        """Holds the runs of all configurations."""
        return self.folder / "runs"

    def run_folder(self, row: PreparedRow, seed: int) -> Path:
        """Where a run lies."""
        return self.runs / row.configuration.name / row.settings / str(seed)

    def has_runs(self, configuration: Configuration) -> bool:
        """Whether there is anything to look at."""
        return (self.runs / configuration.name).is_dir()

    def others(self, rows: Mapping[str, PreparedRow]) -> list[OtherSettings]:
        """The finished runs of other settings, of all configurations."""
        others: list[OtherSettings] = []
        for name, configuration in CONFIGURATIONS.items():
            row = rows.get(name)
            if row is not None:
                present, now = row.settings, row.describe()
            else:  # its features are not those of the parameters, so no run is
                present, now = "", settings.describe(configuration.apply(self.params), None)
            others += settings.others(self.runs, configuration=name, present=present, now=now)
        return others

    def build_features(self, executor: Executor) -> None:
        """Build the stages of the parameters that are not current, as ``features build`` does."""
        context = StageContext(self.workspace.root, self.dataset, self.params, executor, self.workspace.reporter)
        built = list(registry.build(context, force=False))
        if any(one.ran for one in built):
            plain = self.workspace.params()
            sections = {section for one in built for section in one.stage.sections}
            overridden = any(self.params.section(name) != plain.section(name) for name in sections)
            commands.record(self.workspace, self.dataset, [one.stage.name for one in built], overridden=overridden)

    def prepare(self, configuration: Configuration, executor: Executor, *, build: bool) -> PreparedRow | None:
        """A row whose shards are there; without ``build``, None if they would have to be built first."""
        context = self._context(configuration, executor)
        if context.variant is not None:
            if build:
                list(registry.build(context, force=False))
            elif not all(is_current(stage, context) for stage in registry.stages_of(context)):
                return None
        folder = context.folder("shards")
        if folder not in self._opened:
            self._opened[folder] = open_shards(folder)
        return PreparedRow(configuration, context.params, self._opened[folder])

    def _context(self, configuration: Configuration, executor: Executor) -> StageContext:
        """Where the configuration's features are built: apart are the stages that its changes reach, and only those."""
        sections = {path.partition(".")[0] for path in configuration.changes}
        stages = registry.affected(sections) if configuration.changes_features else frozenset[str]()
        features = self.workspace.paths.ablation_features(self.dataset, configuration.name)
        variant = Variant(configuration.name, features, stages)
        return StageContext(
            self.workspace.root,
            self.dataset,
            configuration.apply(self.params),
            executor,
            self.workspace.reporter,
            variant if stages else None,
        )

    def find(self, row: PreparedRow, seed: int) -> FinishedRun | None:
        """The finished run of just these parameters and shards, if there is one."""
        folder = self.run_folder(row, seed)
        if not all((folder / name).is_file() for name in (METRICS, HISTORY)) or self._differences(row, seed):
            return None
        dev_f1 = [epoch.dev_f1 for epoch in histories.read(folder / HISTORY)]
        metrics = metrics_file.read(folder)
        counted = {split: one for split in metrics.by_split if (one := counts_file.read(folder, split)) is not None}
        return FinishedRun(
            seed, checkpoint_files.read_metadata(folder / CHECKPOINT).best_epoch, metrics, dev_f1, counted
        )

    def _differences(self, row: PreparedRow, seed: int) -> list[str]:
        """Why a finished run is not the one wanted."""
        folder = self.run_folder(row, seed) / CHECKPOINT
        try:
            then = checkpoint_files.read_metadata(folder).fingerprint
        except SsmiError as error:
            return [error.message]
        return then.differences(row.fingerprint_of(seed), run="the finished run")

    def train(self, row: PreparedRow, seed: int, *, count: str) -> None:
        """Do a run, or go on with it where it stopped; ``count`` says which of how many it is."""
        folder, params = self.run_folder(row, seed), row.seeded(seed)
        encoder = training.check_shards(self.workspace, params, shards=row.shards.folder, dataset=self.dataset)
        resume, state = self._standing(row, seed)
        self.workspace.reporter.note(f"{count} {row.configuration.name}, seed {seed}{state}")
        if not resume:
            states.remove(folder)
        settings.write(folder.parent, row.describe())
        training.train(
            self.workspace, shards=row.shards.folder, encoder=encoder, run=folder, params=params, resume=resume
        )

    def _standing(self, row: PreparedRow, seed: int) -> tuple[bool, str]:
        """Whether a run that is not finished can be gone on with, and what to say of what is there."""
        folder = self.run_folder(row, seed)
        try:
            unfinished = states.find(folder)
            differing = unfinished.differences(row.seeded(seed), row.shards) if unfinished else []
        except SsmiError as error:
            return False, f": again, for {error.message}"
        if unfinished and not differing:
            return True, ""
        if (folder / METRICS).is_file():
            differing = self._differences(row, seed)
        return False, f": again, for {'; '.join(differing)}" if differing else ""
