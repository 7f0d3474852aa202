"""SoftLexicon's four sets against its formula."""

from __future__ import annotations

import pytest
import torch

from ssmi.model.network.layers.lexicon.softlexicon import SoftLexicon

WIDTH, N_ROWS = 3, 9
COUNTS = torch.tensor([7, 0, 3, 1, 0, 12, 2, 2, 5])  # row 0 is no word: its count is ignored


def _given(n_words: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(n_words)
    rows = torch.randint(0, N_ROWS + 3, (2, 5, n_words))  # some rows are words unseen in training
    rows[0, 1] = 0
    vectors = torch.randn(N_ROWS + 3, WIDTH)
    vectors[0] = 0
    return vectors[rows], rows, torch.randint(0, 4, rows.shape)


@pytest.mark.parametrize("n_words", [1, 4, 7])
def test_it_equals_its_formula(n_words: int) -> None:
    words, rows, roles = _given(n_words)
    got = SoftLexicon(COUNTS)(words, rows, roles)
    for sentence in range(2):
        for place in range(5):
            own = list(
                zip(rows[sentence, place].tolist(), roles[sentence, place].tolist(), range(n_words), strict=True)
            )
            z = {index: (int(COUNTS[row]) if row < N_ROWS else 0) + 1.0 for row, _, index in own if row}
            total = sum(z.values())
            expected: list[float] = []
            for role in range(4):
                chosen = [index for row, own_role, index in own if row and own_role == role]
                for unit in range(WIDTH):
                    value = sum(z[index] * words[sentence, place, index, unit].item() for index in chosen)
                    expected.append(4 / total * value if chosen else 0.0)
            torch.testing.assert_close(got[sentence, place], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_a_character_without_words_has_zeros_and_all_sets_have_their_place() -> None:
    words, rows, roles = _given()
    layer = SoftLexicon(COUNTS)
    got = layer(words, rows, roles)
    assert got.shape == (2, 5, 12)
    assert not got[0, 1].any() and got[1].any()
    alone = layer(torch.ones(1, 1, 1, WIDTH), torch.ones(1, 1, 1, dtype=torch.long), torch.full((1, 1, 1), 2))
    assert alone.tolist() == [[[0.0] * 6 + [4.0] * 3 + [0.0] * 3]]
    none = torch.zeros(2, 3, 0, dtype=torch.long)
    assert layer(torch.zeros(2, 3, 0, WIDTH), none, none).tolist() == [[[0.0] * 12] * 3] * 2


def test_more_places_for_words_change_nothing() -> None:
    words, rows, roles = _given()
    layer = SoftLexicon(COUNTS)
    wider = [torch.cat((own, torch.zeros_like(own)), dim=2) for own in (words, rows, roles)]
    torch.testing.assert_close(layer(*wider), layer(words, rows, roles), atol=1e-6, rtol=1e-6)


def test_the_counts_are_kept_with_the_weights_and_not_trained() -> None:
    layer = SoftLexicon(COUNTS)
    assert dict(layer.state_dict())["counts"].tolist() == COUNTS.tolist()
    assert list(layer.parameters()) == []


def test_the_words_learn() -> None:
    words, rows, roles = _given()
    words.requires_grad_()
    SoftLexicon(COUNTS)(words, rows, roles).square().sum().backward()
    assert words.grad is not None
    assert torch.equal(words.grad.any(-1), (rows > 0) & words.any(-1))


def test_it_runs_under_bf16_autocast() -> None:
    words, rows, roles = _given()
    layer = SoftLexicon(COUNTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = layer(words.bfloat16(), rows, roles)
    torch.testing.assert_close(rough.float(), layer(words, rows, roles), atol=0.05, rtol=0.05)
