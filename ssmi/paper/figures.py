"""The scores printed in the paper: ``figures.json`` beside this file contains Tables 1 to 3 digit by digit.

They are percentages on the test splits. Some are inconsistent in the paper itself: SSMI's F1 on MSRA is 96.32 in
Table 1 and 96.27 in Table 3, and 13 F1 scores of Table 1 do not follow from the precision and recall beside them
(BERT's on OntoNotes is 79.95, but precision and recall give 80.20).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ssmi.configurations import CONFIGURATIONS

FILE = Path(__file__).with_name("figures.json")
DATASETS: Mapping[str, tuple[str, ...]] = {
    "ontonotes4": ("ontonotes4", "ontonotes"),
    "msra": ("msra",),
    "weibo": ("weibo",),
    "resume": ("resume",),
}
"""The paper's data sets in the paper's order → possible names of the data set's folder."""
TITLES: Mapping[str, str] = {"ontonotes4": "OntoNotes 4.0", "msra": "MSRA", "weibo": "Weibo", "resume": "Resume"}

_ROWS: Mapping[str, str] = {
    "bert-crf": "BERT",
    "ssmi": "SSMI",
    "paper": "SSMI",
    "softlexicon": "SoftLexicon+BERT",
    "softlexicon-no-encoder": "SoftLexicon",
    "lebert": "LEBERT",
}
"""Configuration → its row in Table 1. The rows of Tables 2 and 3 have the titles of the configurations."""

_Rows = Mapping[str, Mapping[str, Mapping[str, float]]]


class PaperFigures(BaseModel):
    """The tables as row → data set → figure → percent; figures have the names that they have in ablation tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    table_1: _Rows
    """All systems: precision, recall and F1; for Weibo, F1 of named, nominal and all entities."""
    table_2: _Rows
    """Span F1 and type accuracy; the paper's -Eloc and -Eglb are the rows -LMI and -GMI."""
    table_3: _Rows
    """F1 of the ablations, each without a part of the network."""

    def row_of(self, configuration: str) -> str | None:
        """Return the paper's name for a configuration; None if the paper has no such row."""
        known = CONFIGURATIONS.get(configuration)
        row = _ROWS.get(configuration, known.title if known is not None else "")
        return row if any(row in table for table in (self.table_1, self.table_2, self.table_3)) else None

    def of(self, configuration: str, dataset: str) -> dict[str, float]:
        """Return the paper's figures for a configuration on a data set, if any; Table 1 takes precedence."""
        row = self.row_of(configuration)
        if row is None:
            return {}
        tables = (self.table_3, self.table_2, self.table_1)
        return {name: value for table in tables for name, value in table.get(row, {}).get(dataset, {}).items()}

    def gain(self, configuration: str, dataset: str) -> float | None:
        """Return the gain in F1 over BERT according to the paper; None for BERT itself and if a score is missing."""
        f1, base = (self.of(name, dataset).get("f1") for name in (configuration, "bert-crf"))
        return None if f1 is None or base is None or configuration == "bert-crf" else f1 - base


@cache
def paper_figures() -> PaperFigures:
    """Return the paper's figures; the file is read once."""
    return PaperFigures.model_validate_json(FILE.read_bytes())


def paper_name(dataset: str) -> str:
    """Return the paper's name of a data set, or the given name if the paper does not use the data set."""
    return next((name for name, others in DATASETS.items() if dataset in others), dataset)
