from __future__ import annotations

import torch

from tasks.base import generator
from tasks.glyphs.lines import BESIDE, columns_of, render, set_line
from tasks.glyphs.shapes import EASTERN, LATIN, ROWS, WIDEST


def test_glyphs_differ_but_for_two_that_both_scripts_have() -> None:
    for script in (LATIN, EASTERN):
        assert script.bitmaps.shape == (10, WIDEST, ROWS)
        assert len({tuple(bitmap.flatten().tolist()) for bitmap in script.bitmaps}) == len(script.letters) == 10
        inked = script.bitmaps.any(2)
        for number, width in enumerate(script.widths.tolist()):
            assert inked[number, :width].any()
            assert not inked[number, width:].any()
            assert inked[number, 0] or script.letters[number] in "aeolsDFH"
    same = (LATIN.bitmaps[:, None] == EASTERN.bitmaps).flatten(2).all(2).nonzero().tolist()
    assert [(LATIN.letters[a], EASTERN.letters[b]) for a, b in same] == [("l", "A"), ("o", "H")]


def test_a_line_by_hand() -> None:
    gaps, widths = torch.tensor([[1, 2, 1, 1]]), torch.tensor([[2, 3, 1, 4]])
    setting = set_line(gaps, widths, 11)
    assert setting.glyph.tolist() == [[-1, 0, 0, -1, -1, 1, 1, 1, -1, 2, -1]]
    assert setting.place.tolist() == [[0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0]]
    assert setting.held.tolist() == [3]
    assert set_line(gaps, widths, 10).held.tolist() == [2]
    bitmaps = torch.arange(4 * 4 * ROWS).view(1, 4, 4, ROWS).float()
    upright = columns_of(setting, bitmaps)
    assert torch.equal(upright[0, 6], bitmaps[0, 1, 1])
    assert not upright[0, 8].any()


def test_rendering_moves_rows_and_keeps_all_ink() -> None:
    upright = torch.zeros(60, 9, ROWS)
    upright[:, 4] = 1
    lines = render(upright, 0.0, generator(0, "lines"))
    assert lines.shape == (60, 9, ROWS + BESIDE)
    ink = lines.amax((1, 2))
    assert 0.6 <= float(ink.min()) < 0.65 < 0.95 < float(ink.max()) <= 1
    torch.testing.assert_close(lines.sum((1, 2)), ROWS * ink)
    columns = {tuple(line.argmax(0)[line.any(0)].tolist()) for line in lines}
    tops = {int(line.any(0).int().argmax()) for line in lines}
    assert tops == {0, 1, 2}
    assert all(max(c) - min(c) == 2 or set(c) == {4} for c in columns)
    assert {c[0] for c in columns} == {3, 4, 5}


def test_noise_is_of_the_deviation_asked_for() -> None:
    lines = render(torch.zeros(50, 40, ROWS), 0.3, generator(0, "noise"))
    assert abs(float(lines.std()) - 0.3) < 0.01
    assert abs(float(lines.mean())) < 0.01
