"""Explanation of a character with a project's built features, parameters and encoder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ssmi.explain.explanation import Candidate, Explanation, Source, explain
from ssmi.pipeline.assets.resolve import find_encoder
from ssmi.pipeline.contract.arguments import checked, list_of
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parameters.params import other_sections
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.predict.user_entities import UserEntity

__all__ = ["Candidate", "Explanation", "Source", "explain_character", "find_user_entity"]

_SECTIONS = ("selection", "encoder", "datasets")
"""Sections of params.yaml that may be overridden; all others are fixed by the built features."""


def explain_character(
    workspace: Workspace, character: str, segment: str, *, dataset: str | None, overrides: Iterable[str]
) -> Explanation:
    """Rank all words that contain a character; see ``Project.explain``."""
    overrides = list_of("overrides", overrides)
    params = workspace.params(overrides)
    if unread := other_sections(overrides, read=_SECTIONS):
        raise ParameterError(
            f"{unread[0]}: explain reads selection.* alone; the rest is in the features as built",
            next_step="build the features with it, then ask again",
        )

    name = workspace.dataset(dataset, params=params)
    workspace.fetch_features(name)

    def encoder() -> Path:
        named = params.encoder
        return find_encoder(named.name, revision=named.revision, root=workspace.root, reporter=workspace.reporter).path

    return explain(
        character,
        segment,
        vocab=workspace.paths.vocabulary,
        embed=workspace.paths.stage("embed", name),
        params=params.selection,
        find_encoder=encoder,
    )


@checked
def find_user_entity(segment: str, entities: str | Path) -> UserEntity | None:
    """Look up a segment in a file of words and labels, as ``ssmi.open_run`` reads it.

    Args:
        segment: The segment.
        entities: The file.

    Returns:
        The segment's label, mode and line; None if the file does not list it.

    Raises:
        InputDataError: A line of the file is malformed; the message gives ``file:line``.

    """
    from ssmi.predict.user_entities import UserEntities  # imports torch

    return UserEntities.read(Path(entities)).get(segment)
