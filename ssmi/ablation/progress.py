"""Which runs of an ablation are finished, and what of them can stand in one table while others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssmi.ablation.pooling import pool
from ssmi.ablation.table import FinishedRun

_Folds = dict[int | None, FinishedRun]


class Progress:
    """The finished runs, by row, seed and fold.

    Attributes:
        seeds: Those of each row.
        folds: Those of each seed; None alone without folds.

    """

    def __init__(self, names: Sequence[str], seeds: Sequence[int], folds: Sequence[int | None]) -> None:
        """``names``: of the rows."""
        self.seeds, self.folds = seeds, folds
        self._runs: dict[str, dict[int, _Folds]] = {name: {seed: {} for seed in seeds} for name in names}
        self._given_up: set[tuple[str, int]] = set()

    def __bool__(self) -> bool:
        """Whether any run is finished."""
        return any(folds for of_row in self._runs.values() for folds in of_row.values())

    def add(self, name: str, fold: int | None, run: FinishedRun) -> None:
        """A run of a row has finished."""
        self._runs[name][run.seed][fold] = run

    def give_up(self, name: str, seed: int) -> None:
        """A run of a row failed, so this seed of it will not be whole."""
        self._given_up.add((name, seed))

    def f1(self, name: str, seed: int) -> float:
        """F1 of a row's seed, from 0 to 1: of the folds that are finished, of test, of dev where test is not read."""
        by_split = _whole(self._runs[name][seed]).metrics.by_split
        return by_split[list(by_split)[-1]].overall.f1

    def shown(self) -> tuple[dict[str, list[FinishedRun]], list[int]]:
        """The runs that can stand beside each other, by row, and the folds that they are of (none without folds).

        Those are the whole seeds of every row. Until each row has one, it is the first seed of all, as far as the folds
        that are finished in every row that has begun it; a row that failed in it stands aside.
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
        if not common:  # a row of an earlier call that got no further than other folds
            return {name: runs for name, runs in whole.items() if runs}, every
        return {name: [_whole({fold: folds[fold] for fold in common})] for name, folds in present.items()}, common


def _whole(folds: Mapping[int | None, FinishedRun]) -> FinishedRun:
    numbered = {fold: run for fold, run in folds.items() if fold is not None}
    return pool(numbered) if numbered else folds[None]
