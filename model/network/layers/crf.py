"""A linear-chain CRF (Lafferty et al. 2001) that decodes only well-formed tag sequences.

The three parameters are held by pytorch-crf, against whose results the tests verify this module. Sums and search are in
``forward_backward.py``, because those of pytorch-crf took several times longer. Ratio of its CPU time to ours, measured
alternately in one run (pytorch-crf 0.7.2, one thread, a busy machine, batches of 16 and 32, random lengths up to 50 and
178; higher for longer and larger batches): loss and gradients 3.8 to 9.7 with 29 and 33 BMES tags and 2.9 to 6.0 with
29 BIO tags; decoding 1.3 to 3.0. Nothing was measured on a GPU.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchcrf import CRF

from ssmi.model.network.layers.forward_backward import (
    Posterior,
    Predecessors,
    Transitions,
    best_path,
    log_partition,
    path_score,
)
from ssmi.model.network.layers.threads import one_thread
from ssmi.pipeline.contract.labels import INSIDE_ROLE, LabelSet, Span, spans_to_tags

FORBIDDEN = -10_000.0
"""Score of a forbidden transition in a given sequence; finite, so that ill-formed gold has a finite loss.

Sums and search exclude forbidden transitions, so that no decoded sequence has one.
"""


class ConstrainedCrf(nn.Module):
    """A CRF constrained by a label set's rules, computed in the precision of its parameters (float32 by default).

    Parameters of forbidden transitions are never read and get no gradient. They start as FORBIDDEN, so that pytorch-crf
    by itself gives the same scores.

    Emissions have the shape (batch, length, n_tags). The mask is bool, (batch, length), right-padded and True on the
    first character of every sentence, else ValueError.
    """

    forbidden_start: Tensor
    forbidden_end: Tensor
    forbidden_between: Tensor

    def __init__(self, labels: LabelSet) -> None:
        super().__init__()
        self.labels = labels
        self._tag_ids = labels.tag_ids()
        self.crf = CRF(len(labels.tags), batch_first=True)
        tags = labels.tags
        self._register("start", torch.tensor([not labels.allows(None, tag) for tag in tags]))
        self._register("end", torch.tensor([not labels.allows(tag, None) for tag in tags]))
        self._register("between", torch.tensor([[not labels.allows(left, right) for right in tags] for left in tags]))
        self.predecessors = Predecessors(~self.forbidden_between)
        with torch.no_grad():
            for parameter, scores in zip(self._parameters_of_crf(), self._transitions(FORBIDDEN), strict=True):
                parameter.copy_(scores)

    def _register(self, name: str, forbidden: Tensor) -> None:
        # Not saved with the weights, because they follow from the label set.
        self.register_buffer(f"forbidden_{name}", forbidden, persistent=False)

    def _parameters_of_crf(self) -> Transitions:
        return Transitions(self.crf.start_transitions, self.crf.end_transitions, self.crf.transitions)

    def _transitions(self, forbidden: float) -> Transitions:
        """Return the parameters, with ``forbidden`` in place of transitions that the scheme forbids."""
        masks = (self.forbidden_start, self.forbidden_end, self.forbidden_between)
        pairs = zip(self._parameters_of_crf(), masks, strict=True)
        return Transitions(*(parameter.masked_fill(mask, forbidden) for parameter, mask in pairs))

    def _prepare(self, emissions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Check both and return them with the length first; emissions in the precision of the parameters."""
        if mask.dtype != torch.bool:
            raise ValueError(f"a bool mask is needed, not {mask.dtype}")
        if not bool(mask[:, 0].all()) or bool((mask[:, 1:] & ~mask[:, :-1]).any()):
            raise ValueError("a mask must be right-padded and hold a character in every row")
        if emissions.shape != (*mask.shape, len(self.labels.tags)):
            raise ValueError(f"emissions of {tuple(emissions.shape)} do not fit a mask of {tuple(mask.shape)}")
        return emissions.to(self.crf.transitions.dtype).transpose(0, 1).contiguous(), mask.T.contiguous()

    def forward(self, emissions: Tensor, tag_ids: Tensor, *, mask: Tensor) -> Tensor:
        """Compute the negative log-likelihood of each sentence's tags.

        Args:
            emissions: A score for each tag. Shape: (batch, length, n_tags)
            tag_ids: int64; values at padding are ignored. Shape: (batch, length)
            mask: bool, True on characters, right-padded. Shape: (batch, length)

        Returns:
            The losses. Shape: (batch,)

        Raises:
            ValueError: The mask is invalid or does not fit the emissions.

        """
        emissions, mask = self._prepare(emissions, mask)
        # Autocast is off, because the sums are matrix products, which it would compute in bfloat16.
        with one_thread(emissions.device), torch.autocast(device_type=emissions.device.type, enabled=False):
            emissions = _centred(emissions)
            total = log_partition(emissions, mask, self._transitions(-math.inf), self.predecessors)
            return total - path_score(emissions, mask, self._transitions(FORBIDDEN), tag_ids.T)

    @torch.no_grad()
    def decode(self, emissions: Tensor, *, mask: Tensor) -> list[list[int]]:
        """Return the best well-formed tag ids of each sentence (Viterbi), without padding; see ``forward``."""
        emissions, mask = self._prepare(emissions, mask)
        # Autocast need not be off, because the search has only sums and maxima. Emissions are not centred, which would
        # change rounding and break ties differently from pytorch-crf. One transfer from the device fetches all paths.
        with one_thread(emissions.device):
            paths = best_path(emissions, mask, self._transitions(-math.inf)).T.tolist()
        return [path[:length] for path, length in zip(paths, mask.sum(0).tolist(), strict=True)]

    @torch.no_grad()
    def span_probabilities(
        self, emissions: Tensor, *, mask: Tensor, spans: Sequence[Sequence[Span]]
    ) -> list[list[float]]:
        """Compute the probability, over all tag sequences, that each span is exactly an entity of its type.

        This is P(its last tag, and the entity ends there) times P(its other tags, given the last). Its beginning needs
        no factor, because a B or S always begins an entity.

        Args:
            emissions: A score for each tag. Shape: (batch, length, n_tags)
            mask: bool, True on characters, right-padded. Shape: (batch, length)
            spans: The spans of each sentence, which need not be decoded ones and may overlap.

        Returns:
            The probability of each span, from 0 to 1, by sentence.

        Raises:
            ValueError: The mask or the number of sentences does not fit, a span lies outside its sentence, or its type
                is not in the label set.

        """
        if len(spans) != len(emissions):
            raise ValueError(f"spans of {len(spans)} sentences, emissions of {len(emissions)}")
        emissions, mask = self._prepare(emissions, mask)
        # Sentences without a span, which are the majority in many texts, need no pass.
        rows = [row for row, of_sentence in enumerate(spans) if of_sentence]
        if not rows:
            return [[] for _ in spans]
        emissions, mask = emissions[:, rows], mask[:, rows]
        lengths = mask.sum(0).tolist()
        queries = [(index, span) for index, row in enumerate(rows) for span in spans[row]]
        paths = [self._path(span, n_characters=lengths[index]) for index, span in queries]
        with one_thread(emissions.device), torch.autocast(device_type=emissions.device.type, enabled=False):
            posterior = Posterior.of(_centred(emissions), mask, self._transitions(-math.inf), self.predecessors)
            endings = self._endings(posterior, queries, paths, lengths)
            scores = (endings * _inside(posterior, queries, paths)).clamp(0.0, 1.0)  # rounding may leave [0, 1]
        probabilities = iter(scores.tolist())
        return [[next(probabilities) for _ in sentence] for sentence in spans]

    def _endings(
        self, posterior: Posterior, queries: Sequence[_Query], paths: Sequence[list[int]], lengths: Sequence[int]
    ) -> Tensor:
        """Compute P(the entity's last tag is at its last character and it ends there | x). Shape: (n_queries,)."""
        ids = self._tag_ids
        inside = INSIDE_ROLE[self.labels.scheme]
        rows = [
            (row, span.end - 1, path[-1], ids[f"{inside}-{span.label}"], span.end == lengths[row])
            for (row, span), path in zip(queries, paths, strict=True)
        ]
        sentence, position, last, inner, closes = torch.tensor(rows, device=posterior.marginals.device).T
        ending = posterior.marginals[position, sentence, last]
        # Otherwise a character follows. In BIO the entity continues if that character has the I of its type.
        # At the end of a sentence `closes` ignores this side; the clamp only keeps the index valid.
        step = (position + 1).clamp(max=len(posterior.marginals) - 1)
        tags = torch.arange(len(ids), device=step.device)
        before = posterior.before(last[:, None], tags, step=step[:, None], sentence=sentence[:, None])
        joint = before * posterior.marginals[step, sentence]
        return torch.where(closes.bool(), ending, joint.masked_fill(tags == inner[:, None], 0.0).sum(1))

    def _path(self, span: Span, *, n_characters: int) -> list[int]:
        """Return the tag ids of an entity; ValueError for an invalid span."""
        if not 0 <= span.start < span.end <= n_characters or span.label not in self.labels.entity_types:
            raise ValueError(f"{span} in a sentence of {n_characters} characters, types {self.labels.entity_types}")
        length = span.end - span.start
        tags = spans_to_tags([Span(0, length, span.label)], n_characters=length, scheme=self.labels.scheme)
        return [self._tag_ids[tag] for tag in tags]


_Query = tuple[int, Span]
"""The index of a sentence, counted among those with spans, and a span in it."""


def _inside(posterior: Posterior, queries: Sequence[_Query], paths: Sequence[list[int]]) -> Tensor:
    """Compute P(all tags of an entity except the last | its last tag, x). Shape: (n_queries,)."""
    rows = [
        (index, row, step, left, right)
        for index, ((row, span), path) in enumerate(zip(queries, paths, strict=True))
        for step, (left, right) in enumerate(itertools.pairwise(path), start=span.start + 1)
    ]
    logs = posterior.marginals.new_zeros(len(queries))
    if rows:
        index, sentence, step, left, right = torch.tensor(rows, device=logs.device).T
        # An entity's product as a sum of logs, which can be accumulated for all entities at once.
        logs.index_add_(0, index, posterior.before(left, right, step=step, sentence=sentence).log())
    return logs.exp()


def _centred(emissions: Tensor) -> Tensor:
    """Subtract one number per character, which changes no probability but keeps sums small and thus more precise."""
    return emissions - emissions.detach().logsumexp(2, keepdim=True)
