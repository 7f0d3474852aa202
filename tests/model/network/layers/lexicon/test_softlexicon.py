"""SoftLexicon's four sets against its formula."""

from __future__ import annotations

import pytest
import torch

from ssmi.model.network.layers.lexicon.softlexicon import SoftLexicon

WIDTH, N_ROWS = 3, 9
COUNTS = torch.tensor([7, 0, 3, 1, 0, 12, 2, 2, 5])  # row 0 is no word: its count is ignored


def _inputs(n_words: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(n_words)
    rows = torch.randint(0, N_ROWS + 3, (2, 5, n_words))  # some rows are words unseen in training
    rows[0, 1] = 0
    vectors = torch.randn(N_ROWS + 3, WIDTH)
    vectors[0] = 0
    return vectors[rows], rows, torch.randint(0, 4, rows.shape)


@pytest.mark.parametrize("n_words", [1, 4, 7])
def test_output_equals_the_formula(n_words: int) -> None:
    words, rows, roles = _inputs(n_words)
    got = SoftLexicon(COUNTS)(words, rows, roles)
    for sentence in range(2):
        for place in range(5):
            entries = list(
                zip(rows[sentence, place].tolist(), roles[sentence, place].tolist(), range(n_words), strict=True)
            )
            z = {index: (int(COUNTS[row]) if row < N_ROWS else 0) + 1.0 for row, _, index in entries if row}
            total = sum(z.values())
            expected: list[float] = []
            for role in range(4):
                chosen = [index for row, word_role, index in entries if row and word_role == role]
                for unit in range(WIDTH):
                    value = sum(z[index] * words[sentence, place, index, unit].item() for index in chosen)
                    expected.append(4 / total * value if chosen else 0.0)
            torch.testing.assert_close(got[sentence, place], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_character_without_words_is_zero_and_each_set_has_its_slot() -> None:
    words, rows, roles = _inputs()
    layer = SoftLexicon(COUNTS)
    got = layer(words, rows, roles)
    assert got.shape == (2, 5, 12)
    assert not got[0, 1].any() and got[1].any()
    alone = layer(torch.ones(1, 1, 1, WIDTH), torch.ones(1, 1, 1, dtype=torch.long), torch.full((1, 1, 1), 2))
    assert alone.tolist() == [[[0.0] * 6 + [4.0] * 3 + [0.0] * 3]]
    none = torch.zeros(2, 3, 0, dtype=torch.long)
    assert layer(torch.zeros(2, 3, 0, WIDTH), none, none).tolist() == [[[0.0] * 12] * 3] * 2


def test_extra_padding_changes_nothing() -> None:
    words, rows, roles = _inputs()
    layer = SoftLexicon(COUNTS)
    wider = [torch.cat((tensor, torch.zeros_like(tensor)), dim=2) for tensor in (words, rows, roles)]
    torch.testing.assert_close(layer(*wider), layer(words, rows, roles), atol=1e-6, rtol=1e-6)


def test_counts_are_saved_but_not_trained() -> None:
    layer = SoftLexicon(COUNTS)
    assert dict(layer.state_dict())["counts"].tolist() == COUNTS.tolist()
    assert list(layer.parameters()) == []


def test_words_get_gradients() -> None:
    words, rows, roles = _inputs()
    words.requires_grad_()
    SoftLexicon(COUNTS)(words, rows, roles).square().sum().backward()
    assert words.grad is not None
    assert torch.equal(words.grad.any(-1), (rows > 0) & words.any(-1))


def test_bf16_autocast_is_supported() -> None:
    words, rows, roles = _inputs()
    layer = SoftLexicon(COUNTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = layer(words.bfloat16(), rows, roles)
    torch.testing.assert_close(rough.float(), layer(words, rows, roles), atol=0.05, rtol=0.05)
