"""From an encoder's name to the page: features and runs of every data set of the paper that is there, by ``ablate``."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssmi import features
from ssmi.ablation.ablate import AblationRequest, ablate
from ssmi.ablation.table import Table
from ssmi.configurations import CONFIGURATIONS, choose
from ssmi.paper.figures import DATASETS, TITLES, paper_figures
from ssmi.paper.page import markdown
from ssmi.pipeline.assets.resolve import list_assets
from ssmi.pipeline.contract.errors import DivergedError, MissingResourceError, ParameterError
from ssmi.pipeline.contract.parameters.params import check_dataset_name, override_list
from ssmi.pipeline.contract.tables import writing
from ssmi.workspace import Workspace

ROWS = ("bert-crf", "ssmi", "paper", "segment-only", "softlexicon", "lebert", "w2ner", "bilstm-crf", "char-crf")
"""What is compared unless other rows are named: the baseline, SSMI, and peers, those of them that there are."""


@dataclass(frozen=True, slots=True)
class PaperResult:
    """What the tables came to.

    Attributes:
        page: The file with the tables; ``paper.json`` beside it holds the same for machines.
        tables: Data set → its table, as ``ablate`` makes it, for those of which a run has finished.
        missing: A line for each of the paper's data sets that was not found.
        diverged: A line for each run whose loss stopped being a number.

    """

    page: Path
    tables: Mapping[str, Table]
    missing: tuple[str, ...]
    diverged: tuple[str, ...]

    def raise_if_diverged(self) -> None:
        """Raise DivergedError where a run diverged."""
        if self.diverged:
            raise DivergedError(
                f"{len(self.diverged)} runs failed: {'; '.join(self.diverged)}",
                next_step="lower the learning rates of train with -S",
            )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done, and the page of what is done."""

    workspace: Workspace
    encoder: str
    datasets: tuple[str, ...]
    missing: tuple[str, ...]
    rows: tuple[str, ...]
    n_seeds: int
    overrides: tuple[str, ...]
    device: str | None
    command: str
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.workspace.paths.paper(re.sub(r"[^\w.-]+", "-", self.encoder).strip("-."))

    def write(self) -> None:
        """Write page and JSON of the tables so far, so that hours of runs are never without one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        body = {
            "encoder": self.encoder,
            "command": self.command,
            "tables": {name: table.to_json() for name, table in self.tables.items()},
            "missing": list(self.missing),
            "paper": paper_figures().model_dump(mode="json"),
        }
        texts = {
            "paper.json": json.dumps(body, ensure_ascii=False, indent=1) + "\n",
            "paper.md": markdown(self.tables, encoder=self.encoder, command=self.command, missing=self.missing),
        }
        for name, text in texts.items():
            with writing(self.folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")


def reproduce(
    workspace: Workspace,
    *,
    encoder: str | None,
    datasets: Iterable[str],
    only: Iterable[str],
    n_seeds: int,
    overrides: Iterable[str],
    device: str | None,
) -> PaperResult:
    """Train the paper's rows on its data sets, and write one page; see ``Project.paper``."""
    plan = _plan(
        workspace,
        encoder=encoder,
        datasets=tuple(datasets),
        only=tuple(only),
        n_seeds=n_seeds,
        overrides=override_list(overrides),
        device=device,
    )
    for line in plan.missing:
        workspace.reporter.note(f"not found: {line}")
    for name in plan.datasets:  # all of them first: what is wrong with one is better known before hours of training
        features.build(workspace, name, workers=0, scheduler=None, overrides=plan.overrides, force=False)
    diverged: list[str] = []
    for number, name in enumerate(plan.datasets, start=1):
        workspace.reporter.note(f"data set {number} of {len(plan.datasets)}: {name}")
        request = AblationRequest(only=plan.rows, n_seeds=n_seeds, overrides=plan.overrides, device=plan.device)
        result = ablate(workspace, name, request)
        diverged += [f"{name}: {line}" for line in result.diverged]
        if result.table is not None:
            plan.tables[name] = result.table
            plan.write()
    return PaperResult(plan.folder / "paper.md", plan.tables, plan.missing, tuple(diverged))


def _plan(
    workspace: Workspace,
    *,
    encoder: str | None,
    datasets: tuple[str, ...],
    only: tuple[str, ...],
    n_seeds: int,
    overrides: tuple[str, ...],
    device: str | None,
) -> _Plan:
    if n_seeds < 1:
        raise ParameterError(f"n_seeds {n_seeds}: at least one run of each is needed", next_step="give 1 or more")
    rows = tuple(each.name for each in choose(only or [name for name in ROWS if name in CONFIGURATIONS]))
    chosen = () if encoder is None else (f"encoder.name={json.dumps(encoder, ensure_ascii=False)}",)
    name = workspace.params((*overrides, *chosen), device=device).encoder.name
    present, missing = (_check_names(datasets), ()) if datasets else _find_datasets(workspace.root)
    if not present:
        raise MissingResourceError(
            f"none of the paper's data sets is here: {', '.join(DATASETS)}",
            next_step="put one into $SSMI_DATA/NAME/ or data/NAME/, or name data sets with --dataset",
        )
    return _Plan(
        workspace=workspace,
        encoder=name,
        datasets=present,
        missing=missing,
        rows=rows,
        n_seeds=n_seeds,
        overrides=(*overrides, *chosen),
        device=device,
        command=_command(name, datasets, rows if only else (), n_seeds=n_seeds, overrides=overrides),
    )


def _command(
    encoder: str, datasets: Sequence[str], only: Sequence[str], *, n_seeds: int, overrides: Sequence[str]
) -> str:
    """The command that makes the page where there is none yet."""
    words = ["ssmi-cli", "paper", "--encoder", encoder]
    words += [word for dataset in datasets for word in ("--dataset", dataset)]
    words += ["--only", ",".join(only)] if only else []
    words += ["--seeds", str(n_seeds)]
    words += [word for change in overrides for word in ("-S", change)]
    return shlex.join(words)


def _check_names(datasets: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check_dataset_name(name) for name in datasets))


def _find_datasets(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paper's data sets on this machine, in its order, and a line for each that is not there."""
    assets = {asset.name: asset for asset in list_assets(root=root) if asset.kind == "dataset"}
    present, missing = [], []
    for paper_name, names in DATASETS.items():
        here = [name for name in names if name in assets and assets[name].available]
        if here:
            present.append(here[0])
        else:
            missing.append(f"{TITLES[paper_name]} ({assets[paper_name].found}): {assets[paper_name].source}")
    return tuple(present), tuple(missing)
