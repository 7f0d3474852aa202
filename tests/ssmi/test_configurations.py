"""Every named network is the parameters with exactly the changes that it lists."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.configurations import CONFIGURATIONS, CURVES, Configuration, choose, find
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parameters.params import Params, load

names = st.sampled_from(sorted(CONFIGURATIONS))


def _flat(params: Params) -> dict[str, object]:
    sections = params.model_dump(mode="json")
    return {
        f"{section}.{key}": value
        for section, values in sections.items()
        if isinstance(values, dict)
        for key, value in values.items()
    }


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_is_listed_is_changed_and_nothing_else(name: str, repository: Path) -> None:
    params = load(repository / "params.yaml")
    before, configuration = _flat(params), CONFIGURATIONS[name]
    after = _flat(configuration.apply(params))
    assert after == {**before, **configuration.changes}
    assert _flat(params) == before
    assert configuration.apply(configuration.apply(params)) == configuration.apply(params)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_overrides_do_the_same_on_the_command_line(name: str, repository: Path) -> None:
    configuration = CONFIGURATIONS[name]
    given = load(repository / "params.yaml", overrides=configuration.overrides)
    assert given == configuration.apply(load(repository / "params.yaml"))


def test_no_two_rows_are_the_same_network(repository: Path) -> None:
    params = load(repository / "params.yaml")
    networks = {name: configuration.apply(params) for name, configuration in CONFIGURATIONS.items()}
    assert [pair for pair in combinations(networks, 2) if networks[pair[0]] == networks[pair[1]]] == []
    assert len({configuration.title for configuration in CONFIGURATIONS.values()}) == len(CONFIGURATIONS)


def test_an_ablation_keeps_a_persons_other_parameters(repository: Path) -> None:
    params = load(repository / "params.yaml", overrides=["train.epochs=3", "model.can=false"])
    changed = find("no-gru").apply(params)
    assert (changed.train.epochs, changed.model.can, changed.model.gru) == (3, False, False)


def test_only_a_change_of_features_needs_shards() -> None:
    needs = {name for name, configuration in CONFIGURATIONS.items() if configuration.changes_features}
    assert needs == {"no-cosine"}
    assert not Configuration("x", "X", {"train.epochs": "1", "model.can": False}, "").changes_features
    assert Configuration("x", "X", {"model.can": False, "pmi.estimator": "paper"}, "").changes_features


def test_a_configuration_that_params_do_not_allow_is_named() -> None:
    with pytest.raises(ParameterError) as refused:
        Configuration("mine", "M", {"model.gmi": "nowhere"}, "").apply(Params())
    assert refused.value.message.startswith("configuration mine: model.gmi: ")


@given(st.lists(names))
def test_chosen_ones_come_once_and_in_the_tables_order(wanted: list[str]) -> None:
    chosen = [configuration.name for configuration in choose(wanted)]
    assert chosen == [name for name in CONFIGURATIONS if not wanted or name in wanted]


def test_names_that_are_not_known() -> None:
    with pytest.raises(ParameterError) as refused:
        find("no-gimi")
    assert refused.value.message == "configuration 'no-gimi': did you mean 'no-gmi'?"
    assert refused.value.next_step == f"one of {', '.join(CONFIGURATIONS)}"
    for old in ("no-places", "no-segment-positions"):
        with pytest.raises(ParameterError, match="renamed") as renamed:
            find(old)
        assert renamed.value.next_step == "write paper" and find("paper")
    with pytest.raises(ParameterError, match="known: bert-crf, "):
        find("")
    with pytest.raises(ParameterError, match="'a'"):  # the same one whatever the order
        choose(["zzz", "ssmi", "a"])
    assert [find(name).name for name in CURVES] == list(CURVES)


def test_the_papers_network_is_whole_whatever_the_parameters_leave_out() -> None:
    paper, without_parts = find("paper"), find("bert-crf").apply(Params())
    assert paper.apply(without_parts) == paper.apply(Params()) != without_parts
    decided = {name.partition(".")[2] for name in paper.changes}
    switches = {name for name, value in Params().model if isinstance(value, bool)} | {"fusion", "gmi"}
    assert decided == switches - {"train_boundaries"}, "a switch of a part that the paper says nothing of is off in it"
