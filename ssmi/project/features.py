"""What is done with data and features: checking, building, asking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from pydantic import NonNegativeInt

from ssmi.pipeline.contract.arguments import checked, name_or_path
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.data import DatasetReport
    from ssmi.explain.ask import Explanation
    from ssmi.features import FeatureBuild
    from ssmi.pipeline.contract.manifest import StageReport
    from ssmi.pipeline.stages.up_to_date import StageShare
    from ssmi.statistics import Statistics


@dataclass(frozen=True)
class FeatureMethods(Workspace):
    """What is done with data and features: checking, building, asking."""

    @checked
    def check_data(
        self, dataset: str | None = None, *, encoding: str | None = None, offsets: str | None = None
    ) -> DatasetReport:
        """Read a data set's raw files from start to end and say what is odd in them.

        Args:
            dataset: The data set.
            encoding: Of the raw files; None as ``dataset.yaml`` says.
            offsets: ``auto``, ``code-points`` or ``utf-16``; None as ``dataset.yaml`` says.

        Returns:
            Counts by split and type, duplicates, overlaps, repairs, unknown characters, vocabulary matches.

        Raises:
            MissingResourceError: The data set or the encoder is not there.
            InputDataError: A raw file breaks its format, with ``file:line``.

        """
        from ssmi import data

        return data.check_dataset(self, dataset, encoding=encoding, offsets=offsets)

    @checked
    def build_features(
        self,
        dataset: str | None = None,
        *,
        corpus: str | Path | None = None,
        like: str | None = None,
        workers: NonNegativeInt = 0,
        scheduler: str | None = None,
        overrides: Iterable[str] = (),
        force: bool = False,
    ) -> FeatureBuild:
        """Run every feature stage that is not current; where the project uses DVC, record the result in dvc.lock.

        Args:
            dataset: The data set.
            corpus: In its place text without labels: a name of ``corpora`` in params.yaml or of a folder of data, or
                the path or URL of a folder or file; a Path is a path and no name.
            like: The data set whose map and pairs' weights a corpus gets, as a run on it reads new text; None for the
                first of params.yaml.
            workers: Local worker processes; 0 builds in this process. The bytes are the same.
            scheduler: The address of a Dask scheduler, in place of ``workers``.
            overrides: Changes of parameters.
            force: Run every stage, current or not; a corpus may take the place of another of its name.

        Returns:
            Each stage with its folder, ``built`` or ``current``.

        Raises:
            MissingResourceError: The data set, the corpus, vectors or encoder are not there.
            InputDataError: A raw file breaks its format, with ``file:line``.
            ParameterError: Another corpus was built under the name of this one, here or in the storage.
            StaleArtifactError: The features of ``like`` are not of these parameters.

        """
        from ssmi import features

        subject = features.Subject(dataset, name_or_path(corpus), like)
        return features.build(self, subject, workers=workers, scheduler=scheduler, overrides=overrides, force=force)

    @overload
    def run_stage(
        self,
        name: str,
        dataset: str | None = None,
        *,
        corpus: str | Path | None = None,
        like: str | None = None,
        workers: NonNegativeInt = 0,
        scheduler: str | None = None,
        overrides: Iterable[str] = (),
        part: None = None,
    ) -> StageReport: ...

    @overload
    def run_stage(
        self,
        name: str,
        dataset: str | None = None,
        *,
        corpus: str | Path | None = None,
        like: str | None = None,
        workers: NonNegativeInt = 0,
        scheduler: str | None = None,
        overrides: Iterable[str] = (),
        part: tuple[int, int],
    ) -> StageShare: ...

    @checked
    def run_stage(
        self,
        name: str,
        dataset: str | None = None,
        *,
        corpus: str | Path | None = None,
        like: str | None = None,
        workers: NonNegativeInt = 0,
        scheduler: str | None = None,
        overrides: Iterable[str] = (),
        part: tuple[int, int] | None = None,
    ) -> StageReport | StageShare:
        """Run one feature stage whether it is current or not, or one share of its parts.

        Args:
            name: The stage: ``vocab``, ``prepare``, ``segment``, ``embed``, ``selection``, ``pmi`` or ``shards``.
            dataset: The data set.
            corpus: As for ``build_features``.
            like: As for ``build_features``.
            workers: As for ``build_features``.
            scheduler: As for ``build_features``.
            overrides: Changes of parameters.
            part: Which share of how many to do, from (1, n) to (n, n). When all are done, a call without it puts them
                together; the bytes are the same.

        Returns:
            Its rows in and out, what was left out and why, and its statistics; of a share, how far it came.

        Raises:
            MissingResourceError: A stage that it reads is not built.
            ParameterError: There is no such part, or the stage does not work in parts.

        """
        from ssmi import features

        subject = features.Subject(dataset, name_or_path(corpus), like)
        if part is not None:
            return features.run_share(
                self, name, subject, part=part, workers=workers, scheduler=scheduler, overrides=overrides
            )
        return features.run_stage(self, name, subject, workers=workers, scheduler=scheduler, overrides=overrides)

    @checked
    def explain(
        self, character: str, segment: str, *, dataset: str | None = None, overrides: Iterable[str] = ()
    ) -> Explanation:
        """Rank the words that hold a character by their cosine with its segment, and choose as the features do.

        Args:
            character: One character.
            segment: The word that it stands in.
            dataset: The data set whose segment vectors are read.
            overrides: Changes of ``selection.*``.

        Returns:
            All candidates, the nearest first, with what each is chosen as.

        Raises:
            MissingResourceError: The stages vocab and embed are not built.
            SsmiError: No word holds the character.

        """
        from ssmi.explain.ask import explain_character

        return explain_character(self, character, segment, dataset=dataset, overrides=overrides)

    @checked
    def stats(self, report: str = "overview", *, dataset: str | None = None, limit: int | None = None) -> Statistics:
        """Answer a named report about a data set's artifacts.

        Args:
            report: Its name; ``ssmi.statistics.list_reports`` lists them.
            dataset: The data set.
            limit: Most rows; None for all.

        Returns:
            Columns and rows; ``.pl()`` makes a polars frame of them.

        Raises:
            MissingResourceError: A stage that it reads is not built.

        """
        from ssmi import statistics

        return statistics.report(self, report, dataset=dataset, limit=limit)

    @checked
    def sql(self, query: str, *, dataset: str | None = None, limit: int | None = None) -> Statistics:
        """Answer a SELECT over the views of a data set's artifacts.

        Args:
            query: One SELECT, SHOW, DESCRIBE or SUMMARIZE; ``SHOW TABLES`` lists the views.
            dataset: The data set.
            limit: Most rows; None for all.

        Returns:
            Columns and rows; ``.pl()`` makes a polars frame of them.

        Raises:
            ParameterError: The statement is wrong, in DuckDB's words, or would do more than read the views.
            MissingResourceError: A stage that it reads is not built.
            SsmiError: DuckDB fails at it.

        """
        from ssmi import statistics

        return statistics.sql(self, query, dataset=dataset, limit=limit)
