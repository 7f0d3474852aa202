"""The runs of all folds of one seed as one run: every sentence of train and dev scored once.

F1 is that of the pooled counts, not a mean over folds: folds differ in how many entities they hold.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ssmi.ablation.table import FOLDS, FinishedRun
from ssmi.model.evaluation.scoring import pooled
from ssmi.model.evaluation.sentence_counts import Counted
from ssmi.model.runs.results.metrics_file import RunMetrics

_DEV = "dev"
"""What the split that a fold is scored as is called in its run."""


def pool(runs: Mapping[int, FinishedRun]) -> FinishedRun:
    """One run of a seed from those of its folds, by number; at least one."""
    ordered = [runs[fold] for fold in sorted(runs)]
    epochs = {run.best_epoch for run in ordered}
    counted = [run.counted[_DEV] for run in ordered if _DEV in run.counted]
    return FinishedRun(
        ordered[0].seed,
        epochs.pop() if len(epochs) == 1 else None,
        pool_metrics([run.metrics for run in ordered]),
        # strict=False: with train.patience folds may end after different numbers of epochs.
        [statistics.fmean(of_epoch) for of_epoch in zip(*(run.dev_f1 for run in ordered), strict=False)],
        {FOLDS: _joined(counted)} if len(counted) == len(ordered) else {},
        {fold: runs[fold].metrics.by_split[_DEV].overall.f1 for fold in sorted(runs)},
    )


def pool_metrics(metrics: Sequence[RunMetrics]) -> RunMetrics:
    """The scores of several folds together."""
    return RunMetrics({FOLDS: pooled([of_run.by_split[_DEV] for of_run in metrics])})


def _joined(counted: Sequence[Counted]) -> Counted:
    return Counted(
        [sentence for one in counted for sentence in one.sentences],
        [counts for one in counted for counts in one.counts],
    )
