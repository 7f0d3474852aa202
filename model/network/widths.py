"""The width of a character's state after each part of the network."""

from __future__ import annotations

from dataclasses import dataclass

from ssmi.model.data.features.matches import ROLES
from ssmi.pipeline.contract.parameters.params import ModelParams


@dataclass(frozen=True, slots=True)
class Widths:
    """The width of a character's state after each part of the network."""

    encoder: int
    inputs: int
    """Width of the encoder's input E_c, which may be narrower than its states."""
    boundary: int
    local: int
    """Width of H1 ⊕ E_l, including SoftLexicon's word sets."""
    after_mlp1: int
    enhanced: int
    """Width of H2 and H2'."""
    global_: int
    """Width of H2' ⊕ E_g."""
    after_mlp2: int
    tagged: int
    """Width of H3."""

    @classmethod
    def of(cls, params: ModelParams, *, encoder: int, inputs: int, boundary: int) -> Widths:
        """Return the widths for the given widths of encoder states, encoder inputs and boundary embeddings."""
        words = len(ROLES) * boundary if params.lexicon == "softlexicon" else 0
        local = encoder + words + (boundary if params.lmi else 0)
        after_mlp1 = params.hidden_width if params.mlp1 else local
        enhanced = params.hidden_width if params.gru else after_mlp1
        global_ = enhanced + (boundary if params.gmi != "none" else 0)
        after_mlp2 = params.hidden_width if params.mlp2 else global_
        tagged = after_mlp2 + (params.biaffine_width if params.biaffine else 0)
        return cls(encoder, inputs, boundary, local, after_mlp1, enhanced, global_, after_mlp2, tagged)
