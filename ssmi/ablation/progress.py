"""The finished runs of an ablation, and those that can be compared in one table while others are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssmi.ablation.pooling import pool
from ssmi.ablation.table import FinishedRun

_Folds = dict[int | None, FinishedRun]


class Progress:
    """The finished runs, by row, seed and fold.

    Attributes:
        seeds: The seeds of each row.
        folds: The folds of each seed; a single None without folds.

    """

    def __init__(self, names: Sequence[str], seeds: Sequence[int], folds: Sequence[int | None]) -> None:
        """Start without finished runs; ``names`` are those of the rows."""
        self.seeds, self.folds = seeds, folds
        self._runs: dict[str, dict[int, _Folds]] = {name: {seed: {} for seed in seeds} for name in names}
        self._given_up: set[tuple[str, int]] = set()

    def __bool__(self) -> bool:
        """Return whether any run is finished."""
        return any(folds for of_row in self._runs.values() for folds in of_row.values())

    def add(self, name: str, fold: int | None, run: FinishedRun) -> None:
        """Add a finished run of a row."""
        self._runs[name][run.seed][fold] = run

    def give_up(self, name: str, seed: int) -> None:
        """Record that a run of a row failed, so that this seed of the row stays incomplete."""
        self._given_up.add((name, seed))

    def f1(self, name: str, seed: int) -> float:
        """Return F1 of a row's seed, from 0 to 1: on the finished folds, on test, or on dev if test is not read."""
        by_split = _whole(self._runs[name][seed]).metrics.by_split
        return by_split[list(by_split)[-1]].overall.f1

    def shown(self) -> tuple[dict[str, list[FinishedRun]], list[int]]:
        """Return the runs that can be compared, by row, and their folds (none without folds).

        These are the complete seeds of every row. Until every row has a complete seed, they are the first seed of all
        rows, restricted to the folds that are finished in every row that has started it; a row that failed in its
        first seed is left out.
        """
        every = [fold for fold in self.folds if fold is not None]
        whole = {
            name: [_whole(of_row[seed]) for seed in self.seeds if len(of_row[seed]) == len(self.folds)]
            for name, of_row in self._runs.items()
        }
        begun = {name: of_row[self.seeds[0]] for name, of_row in self._runs.items()}
        behind = [
            name for name in begun if begun[name] and not whole[name] and (name, self.seeds[0]) not in self._given_up
        ]
        if not every or not behind:
            return {name: runs for name, runs in whole.items() if runs}, every
        present = {name: begun[name] for name in begun if begun[name] and (name in behind or whole[name])}
        common = [fold for fold in every if all(fold in folds for folds in present.values())]
        if not common:  # for example, an earlier call finished other folds of a row
            return {name: runs for name, runs in whole.items() if runs}, every
        return {name: [_whole({fold: folds[fold] for fold in common})] for name, folds in present.items()}, common


def _whole(folds: Mapping[int | None, FinishedRun]) -> FinishedRun:
    numbered = {fold: run for fold, run in folds.items() if fold is not None}
    return pool(numbered) if numbered else folds[None]
