"""The figures that the paper prints, as data: ``figures.json`` beside this file holds its Tables 1 to 3 digit by digit.

They are percent, of the test splits. Some do not agree with each other in the paper either: MSRA's F1 of SSMI is 96.32
in Table 1 and 96.27 in Table 3, and 13 F1 of Table 1 are not those of the precision and recall beside them (BERT's on
OntoNotes is 79.95, where these give 80.20).
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
"""The paper's data sets in its order → the names that a folder of one may have."""
TITLES: Mapping[str, str] = {"ontonotes4": "OntoNotes 4.0", "msra": "MSRA", "weibo": "Weibo", "resume": "Resume"}

_ROWS: Mapping[str, str] = {
    "bert-crf": "BERT",
    "ssmi": "SSMI",
    "paper": "SSMI",
    "softlexicon": "SoftLexicon+BERT",
    "softlexicon-no-encoder": "SoftLexicon",
    "lebert": "LEBERT",
}
"""Configuration → its row in Table 1. Rows of Tables 2 and 3 are called as the configurations' titles."""

_Rows = Mapping[str, Mapping[str, Mapping[str, float]]]


class PaperFigures(BaseModel):
    """Each table as row → data set → figure → percent, by the names that figures have in tables of ablations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    table_1: _Rows
    """All systems: precision, recall and F1; of Weibo named, nominal and all."""
    table_2: _Rows
    """Span F1 and type accuracy; the paper's -Eloc and -Eglb are the rows -LMI and -GMI."""
    table_3: _Rows
    """F1 without parts."""

    def row_of(self, configuration: str) -> str | None:
        """How the paper calls a configuration; None where it has no such row."""
        known = CONFIGURATIONS.get(configuration)
        row = _ROWS.get(configuration, known.title if known is not None else "")
        return row if any(row in table for table in (self.table_1, self.table_2, self.table_3)) else None

    def of(self, configuration: str, dataset: str) -> dict[str, float]:
        """What the paper prints of a configuration on a data set; empty for nothing. Table 1 goes before Table 3."""
        row = self.row_of(configuration)
        if row is None:
            return {}
        tables = (self.table_3, self.table_2, self.table_1)
        return {name: value for table in tables for name, value in table.get(row, {}).get(dataset, {}).items()}

    def gain(self, configuration: str, dataset: str) -> float | None:
        """How much more F1 than BERT's the paper prints of a configuration."""
        f1, base = (self.of(name, dataset).get("f1") for name in (configuration, "bert-crf"))
        return None if f1 is None or base is None or configuration == "bert-crf" else f1 - base


@cache
def paper_figures() -> PaperFigures:
    """The figures, read once."""
    return PaperFigures.model_validate_json(FILE.read_bytes())


def paper_name(dataset: str) -> str:
    """The paper's name of a data set, that of its folder for one that the paper does not have."""
    return next((name for name, others in DATASETS.items() if dataset in others), dataset)
