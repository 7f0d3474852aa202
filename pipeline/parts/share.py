"""A share of a stage's parts, for schedulers that start the same command many times with a different index."""

from __future__ import annotations

from dataclasses import dataclass

from ssmi.pipeline.contract.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Share:
    """Share ``index`` of ``n``: every n-th part, so that shares have about the same size.

    Attributes:
        index: Number of the share, from 1 to ``n``.
        n: Number of shares.

    Raises:
        ParameterError: The numbers are not whole or do not denote a share.

    """

    index: int
    n: int

    def __post_init__(self) -> None:
        """Refuse numbers that do not denote a share."""
        if type(self.index) is not int or type(self.n) is not int:  # not isinstance, which accepts True as 1
            raise ParameterError(f"share {self}: not two whole numbers", next_step="give part=(1, 2) for 1/2")
        if self.n < 1:
            raise ParameterError(f"share {self}: of less than 1 share", next_step="give I/N, as 1/2 and 2/2")
        if not 1 <= self.index <= self.n:
            shares = f"1/{self.n} to {self.n}/{self.n}" if self.n > 1 else "1/1 alone"
            raise ParameterError(f"share {self}: out of range", next_step=f"shares of {self.n} are {shares}")

    def __str__(self) -> str:
        """Format the share as the command line takes it: ``index/n``."""
        return f"{self.index}/{self.n}"

    def takes(self, position: int) -> bool:
        """Whether the part at a position, counted from 0, belongs to this share."""
        return position % self.n == self.index - 1


class OthersMissingError(Exception):
    """A share must wait for other shares: ``n_parts`` parts of the work ``label`` are missing."""

    def __init__(self, label: str, n_parts: int) -> None:
        super().__init__(label, n_parts)
        self.label = label
        self.n_parts = n_parts
