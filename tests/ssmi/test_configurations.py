"""Every named configuration is the parameters with exactly the changes that it lists."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi import describe_parameters, list_configurations
from ssmi.configurations import CONFIGURATIONS, CURVES, Configuration, find, first_with_features_of, select
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
def test_exactly_the_listed_changes_are_applied(name: str, repository: Path) -> None:
    params = load(repository / "params.yaml")
    before, configuration = _flat(params), CONFIGURATIONS[name]
    after = _flat(configuration.apply(params))
    assert after == {**before, **configuration.changes}
    assert _flat(params) == before
    assert configuration.apply(configuration.apply(params)) == configuration.apply(params)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_overrides_are_equivalent_to_the_configuration(name: str, repository: Path) -> None:
    configuration = CONFIGURATIONS[name]
    overridden = load(repository / "params.yaml", overrides=configuration.overrides)
    assert overridden == configuration.apply(load(repository / "params.yaml"))


def test_no_two_configurations_are_the_same_network(repository: Path) -> None:
    params = load(repository / "params.yaml")
    networks = {name: configuration.apply(params) for name, configuration in CONFIGURATIONS.items()}
    assert [pair for pair in combinations(networks, 2) if networks[pair[0]] == networks[pair[1]]] == []
    assert len({configuration.title for configuration in CONFIGURATIONS.values()}) == len(CONFIGURATIONS)


def test_a_configuration_keeps_other_parameters(repository: Path) -> None:
    params = load(repository / "params.yaml", overrides=["train.epochs=3", "model.can=false"])
    changed = find("no-gru").apply(params)
    assert (changed.train.epochs, changed.model.can, changed.model.gru) == (3, False, False)


def test_only_changed_features_need_separate_shards() -> None:
    params = Params()
    needs = {name: configuration.changed_sections(params) for name, configuration in CONFIGURATIONS.items()}
    assert {name: set(sections) for name, sections in needs.items() if sections} == {
        "no-cosine": {"selection"},
        "segment-only": {"selection"},
        "softlexicon": {"shards"},
        "softlexicon-no-encoder": {"shards"},
        "lebert": {"shards"},
    }
    unrelated = Configuration("x", "X", {"train.epochs": "1", "model.can": False}, "")
    assert not unrelated.changed_sections(params) and not unrelated.feature_changes
    other = Configuration("x", "X", {"model.can": False, "pmi.estimator": "paper"}, "")
    assert other.changed_sections(params) == {"pmi"} and other.feature_changes == {"pmi.estimator": "paper"}


def test_sufficient_shards_are_used_without_change() -> None:
    params = Params.model_validate({"shards": {"matches": True}})
    needs = {name for name, configuration in CONFIGURATIONS.items() if configuration.changed_sections(params)}
    assert needs == {"no-cosine", "segment-only"}


def test_configurations_with_the_same_features_share_them() -> None:
    shared = {
        name: first_with_features_of(configuration).name
        for name, configuration in CONFIGURATIONS.items()
        if configuration.feature_changes
    }
    assert shared == {
        "paper": "paper",
        "no-cosine": "no-cosine",
        "softlexicon": "softlexicon",
        "softlexicon-no-encoder": "softlexicon",
        "lebert": "softlexicon",
        "segment-only": "segment-only",
    }
    custom = Configuration("mine", "M", {"pmi.estimator": "paper"}, "")
    assert first_with_features_of(custom) is custom


def test_a_peer_has_only_its_own_parts() -> None:
    """It keeps the user's sizes, encoder and schedule, and no part of SSMI."""
    ssmi_parts = {"boundary_roles": True, "cosine_gate": True, "lexicon": "softlexicon", "head": "span"}
    params = Params.model_validate(
        {"model": {"encoder_layers": 2, "hidden_width": 64, **ssmi_parts}, "train": {"epochs": 3}}
    )
    parts = {"fusion", "can", "lmi", "mlp1", "gru", "layer_norm", "gmi", "mlp2", "biaffine", *ssmi_parts}
    peers = {
        "bert-crf": {},
        "softlexicon": {"lexicon": "softlexicon", "gru": True},
        "softlexicon-no-encoder": {"lexicon": "softlexicon", "gru": True},
        "lebert": {"lexicon": "lebert"},
        "segment-only": {"fusion": "input"},
        "span": {"gru": True, "head": "span"},
        "bilstm-crf": {"gru": True},
        "char-crf": {},
    }
    for name, expected in peers.items():
        model = find(name).apply(params).model
        present = {part: value for part in parts if (value := getattr(model, part)) not in (False, "none", "crf")}
        assert present == expected, name
        no_encoder = name in ("softlexicon-no-encoder", "bilstm-crf", "char-crf")
        assert (model.encoder, model.encoder_layers) == (("none", None) if no_encoder else ("finetune", 2)), name
        assert (model.recurrent_cell == "lstm") is ("gru" in expected), name
        assert find(name).apply(params).train.epochs == 3 and model.hidden_width == 64


def test_an_invalid_configuration_is_named() -> None:
    with pytest.raises(ParameterError) as raised:
        Configuration("mine", "M", {"model.gmi": "nowhere"}, "").apply(Params())
    assert raised.value.message.startswith("configuration mine: model.gmi: ")


@given(st.lists(names))
def test_selected_configurations_are_unique_and_in_table_order(requested: list[str]) -> None:
    selected = [configuration.name for configuration in select(requested)]
    assert selected == [name for name in CONFIGURATIONS if not requested or name in requested]


def test_all_configurations_are_listed_in_table_order() -> None:
    assert list_configurations() == list(CONFIGURATIONS.values()) == select([])


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ParameterError) as raised:
        find("no-gimi")
    assert raised.value.message == "configuration 'no-gimi': unknown, did you mean 'no-gmi'?"
    assert raised.value.next_step == f"one of {', '.join(CONFIGURATIONS)}"
    for old in ("no-places", "no-segment-positions"):
        with pytest.raises(ParameterError, match="renamed") as renamed:
            find(old)
        assert renamed.value.next_step == "write paper" and find("paper")
    with pytest.raises(ParameterError, match="one of ssmi, paper, bert-crf, "):
        find("")
    with pytest.raises(ParameterError, match="'a'"):  # the same name in any order
        select(["zzz", "ssmi", "a"])
    assert [find(name).name for name in CURVES] == list(CURVES)


def test_the_paper_configuration_decides_every_part() -> None:
    paper, without_parts = find("paper"), find("bert-crf").apply(Params())
    assert paper.apply(without_parts) == paper.apply(Params()) != without_parts
    decided = {name.removeprefix("model.") for name in paper.changes if name.startswith("model.")}
    switches = {name for name, value in Params().model if isinstance(value, bool)}
    choices = {row.key for row in describe_parameters("model") if row.choices}
    assert decided == (switches | choices) - {"train_boundaries", "encoder"}, "it decides every switch of a part"


def test_the_paper_configuration_restores_the_selection() -> None:
    params = Params.model_validate({"selection": {"scope": "sentence", "max_set": 4}})
    assert not find("paper").changed_sections(Params()), "it trains on the shards of the defaults"
    assert find("paper").changed_sections(params) == {"selection"}
    selection = find("paper").apply(params).selection
    assert (selection.scope, selection.max_set) == ("vocabulary", 4), "sizes are kept"
