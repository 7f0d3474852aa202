"""Score the network on a split during a training: the first process does, all of them get to know."""

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
"""Between processes, as text."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a network came to on a split."""

    scores: Scores
    spans: Sequence[Sequence[Span]]
    """Its predictions, one item a sentence; empty in all processes but the first."""


def evaluate(network: Network, split: Split, context: TrainContext, *, title: str) -> Evaluation | None:
    """Score a network as it is.

    The first process scores and tells the others, so that all decide alike which epoch is the best.

    Args:
        network: On its device.
        split: What it is scored on.
        context: Of the training.
        title: What progress is reported under.

    Returns:
        Scores and predictions; None, in all processes, where the first one got a signal to stop.

    """
    # Stays empty after a signal: the others wait for a text, whatever happens here.
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
