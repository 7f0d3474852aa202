"""A linear-chain CRF (Lafferty et al. 2001) that can only write well-formed tag sequences.

pytorch-crf does the work. Its share of a training step was measured before it was kept (12 layers, width 384, batch 16,
60 characters, 33 tags, CPU): 1 % with one thread or two, 3 % beside a busy core, up to 10 % at twice the load.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torchcrf import CRF

from pipeline.contract.labels import LabelSet

FORBIDDEN = -10_000.0
"""Score of a transition that the tag scheme forbids: its probability is 0 in float32, and so is its gradient."""


class ConstrainedCrf(nn.Module):
    """Scores of tag sequences, in float32, under a label set's rules.

    Emissions have the shape (batch, length, n_tags); the mask is bool, (batch, length), right-padded and true at every
    sentence's first character, else ValueError.
    """

    forbidden_start: Tensor
    forbidden_end: Tensor
    forbidden_between: Tensor

    def __init__(self, labels: LabelSet) -> None:
        super().__init__()
        self.crf = CRF(len(labels.tags), batch_first=True)
        tags = labels.tags
        self._register("start", torch.tensor([not labels.allows(None, tag) for tag in tags]))
        self._register("end", torch.tensor([not labels.allows(tag, None) for tag in tags]))
        self._register("between", torch.tensor([[not labels.allows(left, right) for right in tags] for left in tags]))
        self.forbid()

    def _register(self, name: str, forbidden: Tensor) -> None:
        self.register_buffer(f"forbidden_{name}", forbidden, persistent=False)

    @torch.no_grad()
    def forbid(self) -> None:
        """Set what the scheme forbids to FORBIDDEN, whatever an optimiser or a file put there."""
        for parameter, forbidden in (
            (self.crf.start_transitions, self.forbidden_start),
            (self.crf.end_transitions, self.forbidden_end),
            (self.crf.transitions, self.forbidden_between),
        ):
            parameter.masked_fill_(forbidden, FORBIDDEN)

    def forward(self, emissions: Tensor, tag_ids: Tensor, *, mask: Tensor) -> Tensor:
        """Negative log-likelihood of each sentence's tag_ids, of shape (batch, length). Returns shape: (batch,)."""
        _check(mask)
        self.forbid()
        with torch.autocast(device_type=emissions.device.type, enabled=False):
            likelihoods: Tensor = self.crf(emissions.float(), tag_ids, mask=mask, reduction="none")
        return -likelihoods

    @torch.no_grad()
    def decode(self, emissions: Tensor, *, mask: Tensor) -> list[list[int]]:
        """The best well-formed tag ids of each sentence (Viterbi), without padding."""
        _check(mask)
        self.forbid()
        # On the CPU wherever the network is: the trace back asks for one number at a time.
        paths: list[list[int]] = copy.deepcopy(self.crf).cpu().decode(emissions.float().cpu(), mask=mask.cpu())
        return paths


def _check(mask: Tensor) -> None:
    if mask.dtype != torch.bool:
        raise ValueError(f"a bool mask is needed, not {mask.dtype}")
    if not bool(mask[:, 0].all()) or bool((mask[:, 1:] & ~mask[:, :-1]).any()):
        raise ValueError("a mask must be right-padded and hold a character in every row")
