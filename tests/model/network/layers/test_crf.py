"""The CRF against pytorch-crf, against plain loops, and against an enumeration of all tag sequences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchcrf import CRF

from ssmi.model.network.layers.crf import FORBIDDEN, ConstrainedCrf
from ssmi.model.network.layers.forward_backward import Predecessors, Transitions, best_path, log_partition
from ssmi.pipeline.contract.labels import LabelSet, Span, TagScheme, strict_spans

SCHEMES: tuple[TagScheme, ...] = ("BIO", "BMES", "BIOES")
ragged = st.lists(st.integers(1, 12), min_size=1, max_size=5)
schemes = st.sampled_from(SCHEMES)
seeds = st.integers(0, 1000)


def _crf(
    scheme: TagScheme, *, types: tuple[str, ...] = ("A", "B"), seed: int = 0, spread: float = 1.0
) -> tuple[ConstrainedCrf, LabelSet]:
    """A CRF with allowed transitions drawn from a normal distribution with standard deviation ``spread``."""
    torch.manual_seed(seed)
    labels = LabelSet.of(types, scheme=scheme)
    crf = ConstrainedCrf(labels)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.where(parameter == FORBIDDEN, FORBIDDEN, spread * torch.randn(parameter.shape)))
    return crf, labels


def _reference(crf: ConstrainedCrf) -> CRF:
    """A pytorch-crf layer with the same scores, FORBIDDEN included."""
    plain = CRF(crf.crf.num_tags, batch_first=True).to(crf.crf.transitions.dtype)
    plain.load_state_dict(crf.crf.state_dict())
    return plain


def _mask(lengths: Sequence[int]) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def _allowed(labels: LabelSet) -> Tensor:
    return torch.tensor([[labels.allows(left, right) for right in labels.tags] for left in labels.tags])


def _well_formed(labels: LabelSet, path: Sequence[int]) -> bool:
    tags = [None, *(labels.tags[place] for place in path), None]
    return all(labels.allows(left, right) for left, right in itertools.pairwise(tags))


def _gold(labels: LabelSet, lengths: Sequence[int]) -> Tensor:
    """Random well-formed tag ids; 0 in padding."""
    rows = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, length in enumerate(lengths):
        noise = torch.randn(1, length, len(labels.tags))
        rows[row, :length] = torch.tensor(ConstrainedCrf(labels).decode(noise, mask=_mask([length]))[0])
    return rows


def _gradients(module: torch.nn.Module, losses: Tensor, emissions: Tensor) -> list[Tensor]:
    """Gradients of the weighted losses with respect to the emissions and the parameters, ordered by name."""
    weights = torch.linspace(0.5, 2.0, len(losses)).to(losses)
    parameters = [value for _, value in sorted(module.named_parameters())]
    return list(torch.autograd.grad((weights * losses).sum(), [emissions, *parameters]))


@settings(max_examples=40, deadline=None)
@given(scheme=schemes, lengths=ragged, dtype=st.sampled_from([torch.float32, torch.float64]), seed=seeds)
@example(scheme="BMES", lengths=[1], dtype=torch.float32, seed=0)
def test_losses_gradients_and_paths_equal_pytorch_crf(
    scheme: TagScheme, lengths: list[int], dtype: torch.dtype, seed: int
) -> None:
    crf, labels = _crf(scheme, seed=seed)
    crf.to(dtype)
    plain, mask, gold = _reference(crf), _mask(lengths), _gold(labels, lengths)
    emissions = (3 * torch.randn(*mask.shape, len(labels.tags), dtype=dtype)).requires_grad_()
    exact = dtype == torch.float64
    tolerance = {"rtol": 1e-10, "atol": 1e-10} if exact else {"rtol": 1e-5, "atol": 2e-5}
    losses, expected = crf(emissions, gold, mask=mask), -plain(emissions, gold, mask=mask, reduction="none")
    assert losses.dtype == dtype and losses.shape == (len(lengths),)
    torch.testing.assert_close(losses, expected, **tolerance)
    if max(lengths) > 1:  # if no sentence has a transition, pytorch-crf gives transitions no gradient
        gradients, expected_gradients = _gradients(crf, losses, emissions), _gradients(plain, expected, emissions)
        torch.testing.assert_close(gradients, expected_gradients, **tolerance)
    assert crf.decode(emissions, mask=mask) == plain.decode(emissions, mask=mask)


@settings(max_examples=40, deadline=None)
@given(n_tags=st.integers(1, 6), lengths=ragged, ties=st.sampled_from(["none", "equal", "rounded"]), seed=seeds)
@example(n_tags=6, lengths=[12] * 5, ties="equal", seed=0)
@example(n_tags=6, lengths=[12] * 5, ties="rounded", seed=0)
def test_unconstrained_chain_equals_pytorch_crf(n_tags: int, lengths: list[int], ties: str, seed: int) -> None:
    """If several sequences tie for the best score, exactly or after rounding, both decoders choose the same one."""
    torch.manual_seed(seed)
    plain, mask = CRF(n_tags), _mask(lengths).T.contiguous()
    emissions = torch.randn(*mask.shape, n_tags)
    if ties == "equal":
        emissions = emissions.round()
        for parameter in plain.parameters():
            torch.nn.init.zeros_(parameter)
    if ties == "rounded":
        emissions = emissions + 2.0**20
    transitions = Transitions(plain.start_transitions, plain.end_transitions, plain.transitions)
    predecessors = Predecessors(torch.ones(n_tags, n_tags, dtype=torch.bool))
    with torch.no_grad():
        partition = log_partition(emissions, mask, transitions, predecessors)
        torch.testing.assert_close(partition, plain._compute_normalizer(emissions, mask), rtol=1e-5, atol=1e-5)
        paths = best_path(emissions, mask, transitions).T.tolist()
    assert [path[:length] for path, length in zip(paths, lengths, strict=True)] == plain.decode(emissions, mask=mask)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_gradients_match_finite_differences(scheme: TagScheme) -> None:
    crf, labels = _crf(scheme, types=("A",))
    crf.double()
    lengths = [4, 1, 2]
    mask, gold = _mask(lengths), _gold(labels, lengths)
    names = [name for name, _ in crf.named_parameters()]

    def losses(emissions: Tensor, *values: Tensor) -> Tensor:
        loss: Tensor = torch.func.functional_call(
            crf, dict(zip(names, values, strict=True)), (emissions, gold), {"mask": mask}
        )
        return loss

    emissions = torch.randn(*mask.shape, len(labels.tags), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(losses, (emissions, *crf.parameters()))


def _plain_loss(crf: ConstrainedCrf, emissions: list[list[float]], path: list[int]) -> float:
    """The loss of one sentence, in plain loops and Python floats."""
    start, end = crf.crf.start_transitions.tolist(), crf.crf.end_transitions.tolist()
    between = crf.crf.transitions.tolist()

    def log_sum(values: list[float]) -> float:
        best = max(values)
        return best + math.log(math.fsum(math.exp(value - best) for value in values))

    sums = [first + score for first, score in zip(start, emissions[0], strict=True)]
    for row in emissions[1:]:
        sums = [
            row[tag] + log_sum([before + between[left][tag] for left, before in enumerate(sums)])
            for tag in range(len(row))
        ]
    score = start[path[0]] + end[path[-1]] + math.fsum(row[tag] for row, tag in zip(emissions, path, strict=True))
    score += math.fsum(between[left][right] for left, right in itertools.pairwise(path))
    return log_sum([before + last for before, last in zip(sums, end, strict=True)]) - score


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_losses_equal_plain_loops_in_double_precision(scheme: TagScheme, scale: float) -> None:
    """At scale 1000 the best sequences score hundreds above their neighbours: exp() of a difference is 0 in float32."""
    crf, labels = _crf(scheme, types=("A", "B", "C"))
    lengths = [60, 25, 1]
    mask, gold = _mask(lengths), _gold(labels, lengths)
    emissions = (scale * (2 * torch.rand(*mask.shape, len(labels.tags)) - 1)).requires_grad_()
    losses = crf(emissions, gold, mask=mask)
    expected = [
        _plain_loss(crf, emissions[row, :length].tolist(), gold[row, :length].tolist())
        for row, length in enumerate(lengths)
    ]
    assert losses.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-5)
    exact, _ = _crf(scheme, types=("A", "B", "C"))
    wide = emissions.detach().double().requires_grad_()
    expected_gradients = _gradients(exact.double(), exact(wide, gold, mask=mask), wide)
    for gradient, expected_gradient in zip(_gradients(crf, losses, emissions), expected_gradients, strict=True):
        torch.testing.assert_close(gradient.double(), expected_gradient, rtol=1e-4, atol=max(1e-5, 1e-6 * scale))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_transition_scores_give_finite_results(dtype: torch.dtype) -> None:
    crf, labels = _crf("BMES", spread=150.0)
    crf.to(dtype)
    lengths = [30, 7]
    mask, gold = _mask(lengths), _gold(labels, lengths)
    emissions = (150 * torch.randn(*mask.shape, len(labels.tags), dtype=dtype)).requires_grad_()
    losses = crf(emissions, gold, mask=mask)
    gradients = _gradients(crf, losses, emissions)
    assert all(bool(value.isfinite().all()) for value in (losses, *gradients))
    if dtype == torch.float64:
        plain = _reference(crf)
        with torch.no_grad():
            plain.transitions.masked_fill_(~_allowed(labels), -1e6)
        torch.testing.assert_close(losses, -plain(emissions, gold, mask=mask, reduction="none"), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_constant_added_to_all_tags_of_a_character_changes_nothing(scheme: TagScheme) -> None:
    crf, labels = _crf(scheme)
    lengths = [120, 40]
    mask, gold = _mask(lengths), _gold(labels, lengths)
    emissions = (64 * torch.randn(*mask.shape, len(labels.tags))).round() / 64  # on a 1/64 grid: the next sum is exact
    shifted = emissions + torch.randint(-1000, 1000, (*mask.shape, 1))
    torch.testing.assert_close(crf(shifted, gold, mask=mask), crf(emissions, gold, mask=mask), rtol=1e-5, atol=1e-5)


def test_low_scoring_prefix_of_the_best_sequence_is_kept() -> None:
    crf, labels = _crf("BMES", types=("A", "B"))
    ids = labels.tag_ids()
    path = [ids["B-A"], ids["M-A"], ids["E-A"]]
    emissions = torch.zeros(1, 3, len(ids))
    emissions[0, 0, path[0]] = -500.0
    emissions[0, 1, path[1]] = 700.0
    emissions[0, 2, path[2]] = 400.0
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert crf(emissions, torch.tensor([path]), mask=mask).tolist() == pytest.approx([0.0], abs=1e-4)
    assert crf.decode(emissions, mask=mask) == [path]
    assert crf.span_probabilities(emissions, mask=mask, spans=[[Span(0, 3, "A")]]) == [[pytest.approx(1.0)]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_likelihood_and_decoding_equal_enumeration(scheme: TagScheme) -> None:
    crf, labels = _crf(scheme, types=("A",))
    n_tags, mask = len(labels.tags), torch.ones(1, 4, dtype=torch.bool)
    emissions = torch.randn(1, 4, n_tags)
    paths = [path for path in itertools.product(range(n_tags), repeat=4) if _well_formed(labels, path)]
    losses = crf(emissions.expand(len(paths), -1, -1), torch.tensor(paths), mask=mask.expand(len(paths), -1)).detach()
    assert float((-losses).exp().sum()) == pytest.approx(1.0, abs=1e-5)
    assert crf.decode(emissions, mask=mask) == [list(paths[int(losses.argmin())])]


@settings(max_examples=30, deadline=None)
@given(scheme=schemes, lengths=ragged, scale=st.sampled_from([0.1, 3.0, 300.0, 1e5]), seed=seeds)
def test_decoded_sequences_are_always_well_formed(
    scheme: TagScheme, lengths: list[int], scale: float, seed: int
) -> None:
    crf, labels = _crf(scheme, seed=seed)
    mask = _mask(lengths)
    paths = crf.decode(scale * torch.randn(*mask.shape, len(labels.tags)), mask=mask)
    assert list(map(len, paths)) == lengths
    for path in paths:
        assert strict_spans([labels.tags[place] for place in path], scheme=scheme)[1] == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_values_of_forbidden_transitions_are_ignored(scheme: TagScheme) -> None:
    crf, labels = _crf(scheme)
    lengths = [9, 4, 1]
    mask, gold = _mask(lengths), _gold(labels, lengths)
    emissions = torch.randn(*mask.shape, len(labels.tags), requires_grad=True)
    requested = [[Span(0, 1, "A"), Span(2, 5, "B")], [Span(1, 4, "A")], []]

    def results() -> tuple[list[Tensor], list[list[int]], list[list[float]]]:
        losses = crf(emissions, gold, mask=mask)
        gradients = [losses.detach(), *_gradients(crf, losses, emissions)]
        return (
            gradients,
            crf.decode(emissions, mask=mask),
            crf.span_probabilities(emissions, mask=mask, spans=requested),
        )

    before = results()
    state = crf.state_dict()
    assert sorted(state) == ["crf.end_transitions", "crf.start_transitions", "crf.transitions"]
    crf.load_state_dict({name: value.masked_fill(value == FORBIDDEN, 100.0) for name, value in state.items()})
    stored = {name: value.clone() for name, value in crf.state_dict().items()}
    after = results()
    assert all(map(torch.equal, before[0], after[0]))
    assert before[1:] == after[1:]
    # the stored values are not overwritten either
    assert all(torch.equal(stored[name], value) for name, value in crf.state_dict().items())
    crf(emissions, gold, mask=mask).sum().backward()
    for parameter in crf.parameters():
        assert parameter.grad is not None
        forbidden = parameter == 100.0
        assert forbidden.any() or scheme == "BIO"  # in BIO an entity may end with the sentence
        assert not parameter.grad[forbidden].any() and parameter.grad[~forbidden].any()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_new_crf_equals_pytorch_crf_except_forbidden_transitions(scheme: TagScheme) -> None:
    labels = LabelSet.of(("A", "B"), scheme=scheme)
    torch.manual_seed(5)
    plain = CRF(len(labels.tags))
    torch.manual_seed(5)
    crf = ConstrainedCrf(labels).crf
    assert torch.equal(crf.transitions, plain.transitions.masked_fill(~_allowed(labels), FORBIDDEN))
    assert [bool(score == FORBIDDEN) for score in crf.start_transitions] == [
        not labels.allows(None, tag) for tag in labels.tags
    ]
    assert [bool(score == FORBIDDEN) for score in crf.end_transitions] == [
        not labels.allows(tag, None) for tag in labels.tags
    ]


def test_single_characters_give_every_parameter_a_gradient() -> None:
    """Without the gradient, training on several processes would wait for it."""
    crf, labels = _crf("BMES")
    crf(torch.randn(2, 1, len(labels.tags)), torch.zeros(2, 1, dtype=torch.long), mask=_mask([1, 1])).sum().backward()
    assert all(parameter.grad is not None for parameter in crf.parameters())
    assert crf.crf.transitions.grad is not None and not crf.crf.transitions.grad.any()


@settings(max_examples=30, deadline=None)
@given(scheme=schemes, length=st.integers(1, 20), padding=st.integers(1, 9), seed=seeds)
@pytest.mark.parametrize("junk", [0.0, 1e4, -1e4, math.inf, math.nan])
def test_padding_never_changes_a_score(junk: float, scheme: TagScheme, length: int, padding: int, seed: int) -> None:
    crf, labels = _crf(scheme, seed=seed)
    mask, gold = _mask([length]), _gold(labels, [length])
    emissions = torch.randn(1, length, len(labels.tags), requires_grad=True)
    loss = crf(emissions, gold, mask=mask)
    spans = [[Span(0, length, "A"), Span(length - 1, length, "B")]]
    wide = torch.cat((emissions.detach(), torch.full((1, padding, len(labels.tags)), junk)), dim=1).requires_grad_()
    wide_gold = torch.cat((gold, torch.full((1, padding), -100)), dim=1)
    wide_mask = torch.arange(length + padding)[None] < length
    wide_loss = crf(wide, wide_gold, mask=wide_mask)
    assert torch.equal(wide_loss, loss)
    assert crf.decode(wide, mask=wide_mask) == crf.decode(emissions, mask=mask)
    assert crf.span_probabilities(wide, mask=wide_mask, spans=spans) == crf.span_probabilities(
        emissions, mask=mask, spans=spans
    )
    gradient, *others = _gradients(crf, wide_loss, wide)
    expected, *expected_others = _gradients(crf, loss, emissions)
    assert not gradient[:, length:].any()
    torch.testing.assert_close([gradient[:, :length], *others], [expected, *expected_others])


@settings(max_examples=20, deadline=None)
@given(scheme=schemes, lengths=ragged, seed=seeds)
def test_sentence_scores_equally_alone_and_in_a_batch(scheme: TagScheme, lengths: list[int], seed: int) -> None:
    crf, labels = _crf(scheme, seed=seed)
    mask, gold = _mask(lengths), _gold(labels, lengths)
    emissions = torch.randn(*mask.shape, len(labels.tags))
    losses, paths = crf(emissions, gold, mask=mask), crf.decode(emissions, mask=mask)
    for row, length in enumerate(lengths):
        row_emissions = emissions[row : row + 1, :length]
        alone = crf(row_emissions, gold[row : row + 1, :length], mask=_mask([length]))
        torch.testing.assert_close(alone, losses[row : row + 1], rtol=1e-5, atol=1e-5)
        assert crf.decode(row_emissions, mask=_mask([length])) == [paths[row]]


@settings(max_examples=25, deadline=None)
@given(
    scheme=schemes,
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    types=st.sampled_from([("A",), ("A", "B")]),
    scale=st.sampled_from([1.0, 8.0]),
    seed=seeds,
)
@example(scheme="BIO", lengths=[4, 2], types=("A", "B"), scale=1.0, seed=0)
@example(scheme="BMES", lengths=[4, 1], types=("A",), scale=8.0, seed=0)
def test_span_probability_is_the_share_of_sequences_with_the_span(
    scheme: TagScheme, lengths: list[int], types: tuple[str, ...], scale: float, seed: int
) -> None:
    crf, labels = _crf(scheme, types=types, seed=seed)
    mask = _mask(lengths)
    emissions = scale * torch.randn(*mask.shape, len(labels.tags))
    requested = [
        [Span(first, last, kind) for first, last in itertools.combinations(range(length + 1), 2) for kind in types]
        for length in lengths
    ]
    probabilities = crf.span_probabilities(emissions, mask=mask, spans=requested)
    for row, length in enumerate(lengths):
        expected = dict.fromkeys(requested[row], 0.0)
        paths = [
            path for path in itertools.product(range(len(labels.tags)), repeat=length) if _well_formed(labels, path)
        ]
        row_emissions = emissions[row : row + 1, :length].expand(len(paths), -1, -1)
        shares = (
            (-crf(row_emissions, torch.tensor(paths), mask=torch.ones(len(paths), length, dtype=torch.bool)))
            .exp()
            .tolist()
        )
        for path, share in zip(paths, shares, strict=True):
            for span in strict_spans([labels.tags[tag] for tag in path], scheme=scheme)[0]:
                expected[span] += share
        assert probabilities[row] == pytest.approx([expected[span] for span in requested[row]], rel=1e-3, abs=1e-5)
        assert all(0.0 <= value <= 1.0 for value in probabilities[row])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_confident_spans_have_probability_near_one_in_long_sentences(scheme: TagScheme) -> None:
    crf, labels = _crf(scheme)
    mask = _mask([400, 150])
    emissions = 1000 * (2 * torch.rand(*mask.shape, len(labels.tags)) - 1)
    spans = [
        strict_spans([labels.tags[tag] for tag in path], scheme=scheme)[0] for path in crf.decode(emissions, mask=mask)
    ]
    assert min(map(len, spans)) > 10
    probabilities = [value for row in crf.span_probabilities(emissions, mask=mask, spans=spans) for value in row]
    # near ties between neighbouring sequences are rare
    assert sum(value > 0.999 for value in probabilities) > 0.8 * len(probabilities)
    assert all(0.0 <= value <= 1.0 for value in probabilities)


def test_empty_span_lists_give_none_and_invalid_spans_are_refused() -> None:
    crf, labels = _crf("BMES")
    mask = _mask([5, 3])
    emissions = torch.randn(*mask.shape, len(labels.tags))
    assert crf.span_probabilities(emissions, mask=mask, spans=[[], []]) == [[], []]
    for span in (Span(2, 4, "A"), Span(-1, 1, "A"), Span(1, 1, "A"), Span(0, 1, "C")):
        with pytest.raises(ValueError, match="Span"):
            crf.span_probabilities(emissions, mask=mask, spans=[[], [span]])
    with pytest.raises(ValueError):
        crf.span_probabilities(emissions, mask=mask, spans=[[]])


def test_scores_are_float32_even_under_autocast() -> None:
    crf, labels = _crf("BMES")
    emissions = torch.randn(1, 5, len(labels.tags), requires_grad=True)
    gold, mask, spans = torch.zeros(1, 5, dtype=torch.long), _mask([5]), [[Span(1, 3, "A")]]
    plain = crf(emissions, gold, mask=mask)
    gradients = _gradients(crf, plain, emissions)
    probabilities = crf.span_probabilities(emissions, mask=mask, spans=spans)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = crf(emissions, gold, mask=mask)
        assert torch.equal(mixed, plain)
        assert all(map(torch.equal, gradients, _gradients(crf, mixed, emissions)))
        assert crf.span_probabilities(emissions, mask=mask, spans=spans) == probabilities
    assert crf(emissions.bfloat16(), gold, mask=mask).dtype == torch.float32


@pytest.mark.parametrize(
    "mask",
    [
        torch.tensor([[False, True]]),
        torch.tensor([[True, False, True]]),
        torch.tensor([[True, True], [False, False]]),
        torch.ones(1, 2, dtype=torch.uint8),
    ],
)
def test_masks_with_holes_are_refused(mask: Tensor) -> None:
    crf, labels = _crf("BMES")
    emissions, gold = torch.randn(*mask.shape, len(labels.tags)), torch.zeros(*mask.shape, dtype=torch.long)
    with pytest.raises(ValueError, match="mask"):
        crf(emissions, gold, mask=mask)
    with pytest.raises(ValueError, match="mask"):
        crf.decode(emissions, mask=mask)
    with pytest.raises(ValueError, match="mask"):
        crf.span_probabilities(emissions, mask=mask, spans=[[] for _ in mask])


def test_emissions_of_the_wrong_shape_are_refused() -> None:
    crf, labels = _crf("BMES")
    with pytest.raises(ValueError, match="emissions"):
        crf.decode(torch.randn(1, 3, len(labels.tags)), mask=_mask([4]))
    with pytest.raises(ValueError, match="emissions"):
        crf.decode(torch.randn(1, 4, len(labels.tags) + 1), mask=_mask([4]))
