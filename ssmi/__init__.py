"""Entities of any text, in three lines.

::

import ssmi
tagger = ssmi.open_run("artifacts/train/resume")
tagger("王小明在北京大学任教授。")
"""

from __future__ import annotations

from pipeline.writers import convert
from ssmi.comparison import compare_runs
from ssmi.entity import Entity
from ssmi.labelled import score_file
from ssmi.tagger import Tagger

__all__ = ["Entity", "Tagger", "compare_runs", "convert", "open_run", "score_file"]

open_run = Tagger.open
