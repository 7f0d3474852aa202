"""Readers of files from other sources, each with good files to mutate."""

from __future__ import annotations

from tests.fuzz.targets.arguments import arguments
from tests.fuzz.targets.labelled import labelled
from tests.fuzz.targets.outside import outside
from tests.fuzz.targets.own import own
from tests.fuzz.targets.stored import stored
from tests.fuzz.targets.target import Target
from tests.fuzz.targets.texts import texts

__all__ = ["TARGETS", "Target"]

TARGETS = {one.name: one for one in (*labelled(), *outside(), *texts(), *own(), *stored(), *arguments())}
