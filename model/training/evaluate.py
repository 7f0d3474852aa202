"""Score the network on a split during training: the first process scores, and all processes get the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from ssmi.model.data.split import Split
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.model.network.network import Network
from ssmi.model.split_tagging import predict
from ssmi.model.training.context import TrainContext
from ssmi.model.training.interrupts import Stopped
from ssmi.pipeline.contract.labels import Span

_SCORES = TypeAdapter(Scores)
"""Converts scores to and from the text exchanged between processes."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's scores and predictions on a split."""

    scores: Scores
    spans: Sequence[Sequence[Span]]
    """The predicted entities of each sentence; empty in all processes except the first."""


def evaluate(network: Network, split: Split, context: TrainContext, *, title: str) -> Evaluation | None:
    """Score a network on a split.

    The first process scores and broadcasts the result, so that all processes agree on the best epoch.

    Args:
        network: The network, on its device.
        split: The split to score on.
        context: The context of the training.
        title: The title under which progress is reported.

    Returns:
        Scores and predictions; None in all processes if the first received a signal to stop.

    """
    # Stays empty after a signal; the other processes wait for a text in any case.
    answer = ""
    spans: Sequence[Sequence[Span]] = ()
    if context.workers.is_main:
        try:
            predicted = predict(
                network,
                split,
                labels=context.shards.labels,
                precision=context.params.train.precision,
                reporter=context.interrupts.watch(context.reporter),
                title=title,
            )
            spans = predicted.spans
            scores = score(
                split.gold,
                predicted.spans,
                groups=context.shards.statistics.label_groups,
                ill_formed=predicted.ill_formed,
            )
            answer = _SCORES.dump_json(scores).decode()
        except Stopped:
            pass
    answer = context.workers.broadcast(answer)
    return Evaluation(_SCORES.validate_json(answer), spans) if answer else None
