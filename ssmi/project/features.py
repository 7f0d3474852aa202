"""The methods of a project for data and features: check, build, explain and query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from pydantic import NonNegativeInt

from ssmi.pipeline.contract.arguments import checked, name_or_path
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.data_check import DatasetReport
    from ssmi.explain.ask import Explanation
    from ssmi.features import FeatureBuild
    from ssmi.pipeline.contract.manifest import StageReport
    from ssmi.pipeline.stages.running.up_to_date import StageShare
    from ssmi.statistics import Statistics


@dataclass(frozen=True)
class FeatureMethods(Workspace):
    """Methods for data and features: check, build, explain and query."""

    @checked
    def check_data(
        self,
        dataset: str | None = None,
        *,
        encoding: str | None = None,
        offsets: str | None = None,
        overrides: Iterable[str] = (),
    ) -> DatasetReport:
        """Read all raw files of a data set and report their counts and irregularities.

        Args:
            dataset: The data set; None for the first one in params.yaml.
            encoding: Encoding of the raw files; None for that of ``dataset.yaml``.
            offsets: Unit of entity offsets: ``auto``, ``code-points`` or ``utf-16``; None for that of ``dataset.yaml``.
            overrides: Parameter changes, ``section.key=value`` each. The check reads ``encoder`` and ``segment``.

        Returns:
            Counts by split and type, duplicates, overlaps, repairs, unknown characters and vocabulary matches.

        Raises:
            ParameterError: An override is wrong, or of a section that the check does not read.
            MissingResourceError: The data set or the encoder does not exist.
            InputDataError: A raw file violates its format; the message gives ``file:line``.

        """
        from ssmi.data_check import check_dataset

        return check_dataset(self, dataset, encoding=encoding, offsets=offsets, overrides=overrides)

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
        """Run every feature stage that is not current. If the project uses DVC, record the result in dvc.lock.

        Args:
            dataset: The data set; None for the first one in params.yaml.
            corpus: Unlabelled text in place of a data set: a name from ``corpora`` in params.yaml or of a data folder,
                or the path or URL of a folder or file. A Path is always a path, never a name.
            like: The data set whose alignment map and pair weights the corpus uses, so that its features are those that
                a run on this data set computes for new text; None for the first one in params.yaml.
            workers: Number of local worker processes; 0 builds in this process. The output bytes are the same.
            scheduler: Address of a Dask scheduler, in place of ``workers``.
            overrides: Parameter changes, ``section.key=value`` each.
            force: Whether to run stages that are current too, and to let a corpus replace another of the same name.

        Returns:
            Each stage with its folder and whether it was ``built`` or ``current``.

        Raises:
            MissingResourceError: The data set, the corpus, the word vectors or the encoder does not exist.
            InputDataError: A raw file violates its format; the message gives ``file:line``.
            ParameterError: Another corpus was built under the same name, on this machine or in storage.
            StaleArtifactError: The features of ``like`` were built with other parameters.

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
        """Run one feature stage, whether it is current or not, or one share of its parts.

        Args:
            name: The stage: ``vocab``, ``prepare``, ``segment``, ``embed``, ``selection``, ``pmi`` or ``shards``.
            dataset: The data set; None for the first one in params.yaml.
            corpus: Unlabelled text in place of a data set, as for ``build_features``.
            like: The data set whose alignment map and pair weights the corpus uses, as for ``build_features``.
            workers: Number of local worker processes; 0 runs the stage in this process.
            scheduler: Address of a Dask scheduler, in place of ``workers``.
            overrides: Parameter changes, ``section.key=value`` each.
            part: The share of the parts to process and the number of shares, from (1, n) to (n, n). When all shares
                are processed, a call without ``part`` assembles the stage. The output bytes are the same.

        Returns:
            The stage's rows in and out, the reasons for skipped rows, and its statistics; with ``part``, the progress
            of the share.

        Raises:
            MissingResourceError: A stage that this stage reads is not built.
            ParameterError: There is no such share, or the stage does not work in parts.

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
        """Rank the words that contain a character by their cosine with its segment, and select as the features do.

        Args:
            character: A single character.
            segment: The word segment that contains the character.
            dataset: The data set whose segment vectors are used; None for the first one in params.yaml.
            overrides: Changes of ``selection`` parameters, ``selection.key=value`` each.

        Returns:
            All candidates, the nearest first, and the role in which each is selected.

        Raises:
            MissingResourceError: The stages ``vocab`` and ``embed`` are not built.
            SsmiError: No word of the vocabulary contains the character.

        """
        from ssmi.explain.ask import explain_character

        return explain_character(self, character, segment, dataset=dataset, overrides=overrides)

    @checked
    def stats(self, report: str = "overview", *, dataset: str | None = None, limit: int | None = None) -> Statistics:
        """Run a named report on a data set's artifacts.

        Args:
            report: Name of the report; ``ssmi.list_reports`` returns all of them.
            dataset: The data set; None for the first one in params.yaml.
            limit: Maximum number of rows; None for all.

        Returns:
            Columns and rows; ``.pl()`` converts them to a polars frame.

        Raises:
            MissingResourceError: A stage that the report reads is not built.

        """
        from ssmi import statistics

        return statistics.report(self, report, dataset=dataset, limit=limit)

    @checked
    def stats_sql(self, report: str = "overview", *, dataset: str | None = None) -> str:
        """Return a named report as SQL for a plain DuckDB shell: the views that it reads, then its query.

        Args:
            report: Name of the report; ``ssmi.list_reports`` returns all of them.
            dataset: The data set; None for the first one in params.yaml.

        Returns:
            The script, which reads the project's files and no others.

        Raises:
            ParameterError: There is no report of this name.
            MissingResourceError: A stage that the report reads is not built.

        """
        from ssmi import statistics

        return statistics.shell_script(self, report, dataset=dataset)

    @checked
    def sql(self, query: str, *, dataset: str | None = None, limit: int | None = None) -> Statistics:
        """Run an SQL query on the views of a data set's artifacts.

        Args:
            query: One SELECT, SHOW, DESCRIBE or SUMMARIZE statement; ``SHOW TABLES`` lists the views.
            dataset: The data set; None for the first one in params.yaml.
            limit: Maximum number of rows; None for all.

        Returns:
            Columns and rows; ``.pl()`` converts them to a polars frame.

        Raises:
            ParameterError: The statement is invalid (the message is DuckDB's) or does more than read the views.
            MissingResourceError: A stage that the query reads is not built.
            SsmiError: DuckDB fails to execute the query.

        """
        from ssmi import statistics

        return statistics.sql(self, query, dataset=dataset, limit=limit)
