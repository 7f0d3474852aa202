"""Pooling of the runs of all folds of a seed into one run, in which every sentence of train and dev is scored once.

F1 is computed from the pooled counts, not as a mean over folds, because folds differ in their number of entities.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ssmi.ablation.table import FOLDS, FinishedRun
from ssmi.model.evaluation.scoring import pooled
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.runs.results.metrics_file import RunMetrics

_DEV = "dev"
"""The name of the split under which a run scores its fold."""


def pool(runs: Mapping[int, FinishedRun]) -> FinishedRun:
    """Pool the runs of a seed's folds, given by fold number, into one run; there must be at least one."""
    ordered = [runs[fold] for fold in sorted(runs)]
    epochs = {run.best_epoch for run in ordered}
    counted = [run.counted[_DEV] for run in ordered if _DEV in run.counted]
    return FinishedRun(
        ordered[0].seed,
        epochs.pop() if len(epochs) == 1 else None,
        pool_metrics([run.metrics for run in ordered]),
        # strict=False: with train.patience, folds may end after different numbers of epochs.
        [statistics.fmean(of_epoch) for of_epoch in zip(*(run.dev_f1 for run in ordered), strict=False)],
        {FOLDS: _joined(counted)} if len(counted) == len(ordered) else {},
        {fold: runs[fold].metrics.by_split[_DEV].overall.f1 for fold in sorted(runs)},
    )


def pool_metrics(metrics: Sequence[RunMetrics]) -> RunMetrics:
    """Pool the scores of several folds."""
    return RunMetrics({FOLDS: pooled([of_run.by_split[_DEV] for of_run in metrics])})


def _joined(counted: Sequence[SentenceCounts]) -> SentenceCounts:
    return SentenceCounts(
        [sentence for one in counted for sentence in one.sentences],
        [counts for one in counted for counts in one.counts],
    )
