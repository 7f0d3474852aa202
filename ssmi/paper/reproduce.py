"""Reproduction of the paper with an encoder: the features, the runs (by ``ablate``) and the page of its data sets."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssmi import features
from ssmi.ablation.ablate import AblationRequest, AblationResult, ablate
from ssmi.ablation.table import Table
from ssmi.configurations import select
from ssmi.paper.figures import DATASETS, TITLES, paper_figures
from ssmi.paper.page import markdown
from ssmi.pipeline.assets.resolve import list_assets
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.workspace import Workspace

ROWS = (
    "ssmi",
    "paper",
    "bert-crf",
    "softlexicon",
    "softlexicon-no-encoder",
    "lebert",
    "segment-only",
    "span",
    "bilstm-crf",
    "char-crf",
)
"""The rows compared by default: SSMI, the paper's network, the baseline, and the peers."""


@dataclass(frozen=True, slots=True)
class PaperRequest:
    """Arguments of a reproduction.

    Attributes:
        encoder: A folder, a listed name, or the name of a hub model; None for the encoder of params.yaml.
        datasets: Names of data sets; empty for those of the paper that are on this machine.
        only: Names of configurations; empty for ``ROWS``.
        n_seeds: Number of runs per configuration, with the seed ``train.seed`` and the numbers after it.
        n_jobs: Number of runs at once; 0 for one per GPU, or one per physical core without a GPU.
        overrides: Parameter changes for all runs.
        device: Device to compute on; None for that of ``train.device``.

    """

    encoder: str | None = None
    datasets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    n_seeds: int = 5
    n_jobs: int = 1
    overrides: tuple[str, ...] = ()
    device: str | None = None

    def ablation_request(self) -> AblationRequest:
        """Return the request to ``ablate`` for each data set."""
        rows = select(self.only or ROWS)
        # Quoted, because -S reads YAML, where a bare name may not be a string.
        encoder = () if self.encoder is None else (f"encoder.name={json.dumps(self.encoder, ensure_ascii=False)}",)
        return AblationRequest(
            only=tuple(each.name for each in rows),
            n_seeds=self.n_seeds,
            n_jobs=self.n_jobs,
            # Last, so that it takes precedence over encoder.name among the overrides.
            overrides=(*self.overrides, *encoder),
            device=self.device,
        )

    def command(self, encoder: str, rows: Sequence[str]) -> str:
        """Return the command that makes the page from scratch."""
        words = ["ssmi-cli", "paper", "--encoder", encoder]
        words += ["--datasets", ",".join(self.datasets)] if self.datasets else []
        words += ["--only", ",".join(rows)] if self.only else []
        words += ["--seeds", str(self.n_seeds)]
        words += [word for change in self.overrides for word in ("-S", change)]
        return shlex.join(words)


@dataclass(frozen=True, slots=True)
class PaperResult:
    """Result of a reproduction.

    Attributes:
        page: The markdown file with the tables; ``paper.json`` beside it has the same content as JSON.
        tables: Data set → its table, as made by ``ablate``, for data sets with a finished run.
        missing: One line for each of the paper's data sets that was not found.
        diverged: One line per run whose loss was not finite.
        failed: One line per run that failed for another reason; only for runs in processes of their own.

    """

    page: Path
    tables: Mapping[str, Table]
    missing: tuple[str, ...]
    diverged: tuple[str, ...]
    failed: tuple[str, ...]

    def raise_if_diverged(self) -> None:
        """Raise SsmiError if a run failed, or DivergedError if runs only diverged."""
        AblationResult(self.page.parent, None, self.diverged, self.failed).raise_if_diverged()


def reproduce(workspace: Workspace, request: PaperRequest) -> PaperResult:
    """Train the paper's rows on its data sets, and write one page; see ``Project.paper``."""
    ablation = request.ablation_request()
    encoder = workspace.params(ablation.overrides, device=request.device).encoder.name
    _check_page(_page_of(workspace, encoder), encoder)
    present, missing = (_check_names(request.datasets), ()) if request.datasets else _find_datasets(workspace.root)
    if not present:
        raise MissingResourceError(
            f"none of the paper's data sets is here: {', '.join(DATASETS)}",
            next_step="put one into $SSMI_DATA/NAME/ or data/NAME/, or name data sets with --datasets",
        )
    for line in missing:
        workspace.reporter.note(f"not found: {line}")
    for name in present:  # all of them first, so that errors appear before hours of training
        features.build(
            workspace, features.Subject(name), workers=0, scheduler=None, overrides=ablation.overrides, force=False
        )
    page = _Page(workspace, encoder, request.command(encoder, ablation.only), missing)
    diverged, failed = list[str](), list[str]()
    for number, name in enumerate(present, start=1):
        workspace.reporter.note(f"data set {number} of {len(present)}: {name}")
        result = ablate(workspace, name, ablation)
        diverged += [f"{name}: {line}" for line in result.diverged]
        failed += [f"{name}: {line}" for line in result.failed]
        if result.table is not None:
            page.add(name, result.table)
    return PaperResult(page.path, page.tables, missing, tuple(diverged), tuple(failed))


@dataclass(frozen=True, slots=True)
class _Page:
    """The page with the tables made so far, written after each table, so that it exists during hours of runs."""

    workspace: Workspace
    encoder: str
    command: str
    missing: tuple[str, ...]
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return _page_of(self.workspace, self.encoder)

    def add(self, dataset: str, table: Table) -> None:
        """Add a table, and write the page and its JSON."""
        self.tables[dataset] = table
        body = {
            "encoder": self.encoder,
            "command": self.command,
            "tables": {name: one.to_json() for name, one in self.tables.items()},
            "missing": list(self.missing),
            "paper": paper_figures().model_dump(mode="json"),
        }
        texts = {
            self.path: markdown(self.tables, encoder=self.encoder, command=self.command, missing=self.missing),
            self.path.with_suffix(".json"): json.dumps(body, ensure_ascii=False, indent=1) + "\n",
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with writing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")


def _page_of(workspace: Workspace, encoder: str) -> Path:
    # Paths and names of hub models contain slashes; a leading dot would hide the folder.
    return workspace.paths.paper(re.sub(r"[^\w.-]+", "-", encoder).strip("-.")) / "paper.md"


def _check_page(page: Path, encoder: str) -> None:
    """Raise ParameterError if the page of another encoder would be replaced: ``a/b`` and ``a-b`` share a folder."""
    try:
        other = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["encoder"]
    except (OSError, ValueError, KeyError, TypeError):  # no page yet, or not written by this program
        return
    if other != encoder:
        raise ParameterError(
            f"{page.parent}: holds the page of encoder {other}, and that of {encoder} would replace it",
            next_step="move that folder away, or give the encoder's folder another name",
        )


def _check_names(datasets: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check_dataset_name(name) for name in datasets))


def _find_datasets(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the paper's data sets on this machine, in the paper's order, and one line for each missing data set."""
    assets = {asset.name: asset for asset in list_assets(root=root) if asset.kind == "dataset"}
    present, missing = [], []
    for paper_name, names in DATASETS.items():
        here = [name for name in names if name in assets and assets[name].available]
        if here:
            present.append(here[0])
        else:
            missing.append(f"{TITLES[paper_name]} ({assets[paper_name].found}): {assets[paper_name].source}")
    return tuple(present), tuple(missing)
