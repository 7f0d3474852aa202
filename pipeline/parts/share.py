"""One share of a stage's parts, for schedulers that start the same command many times with a number."""

from __future__ import annotations

from dataclasses import dataclass

from ssmi.pipeline.contract.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Share:
    """Share ``index`` of ``n``: every n-th part, so that shares are of about the same size.

    Raises ParameterError for a share that there is not.

    Attributes:
        index: From 1.
        n: How many shares there are.

    """

    index: int
    n: int

    def __post_init__(self) -> None:
        """Refuse a share that there is not."""
        if type(self.index) is not int or type(self.n) is not int:  # and not isinstance, which takes True for 1
            raise ParameterError(f"share {self}: not two whole numbers", next_step="give part=(1, 2) for 1/2")
        if self.n < 1:
            raise ParameterError(f"share {self}: of less than 1 share", next_step="give I/N, as 1/2 and 2/2")
        if not 1 <= self.index <= self.n:
            shares = f"1/{self.n} to {self.n}/{self.n}" if self.n > 1 else "1/1 alone"
            raise ParameterError(f"share {self}: there is none", next_step=f"shares of {self.n} are {shares}")

    def __str__(self) -> str:
        """As the command line takes it."""
        return f"{self.index}/{self.n}"

    def takes(self, position: int) -> bool:
        """Whether the part at a position, counted from 0, belongs to this share."""
        return position % self.n == self.index - 1


class OthersMissingError(Exception):
    """A share can go no further before other shares have done theirs: ``n_parts`` of ``label`` are missing."""

    def __init__(self, label: str, n_parts: int) -> None:
        super().__init__(label, n_parts)
        self.label = label
        self.n_parts = n_parts
