"""Entities of any text, in three lines.

::

import ssmi
tagger = ssmi.open_run("artifacts/train/resume")
tagger("王小明在北京大学任教授。")
"""

from __future__ import annotations

from pipeline.writers import convert
from ssmi.entity import Entity
from ssmi.tagger import Tagger

__all__ = ["Entity", "Tagger", "convert", "open_run"]

open_run = Tagger.open
