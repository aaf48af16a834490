from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tasks.corpora.download import CorpusError
from tasks.ocr import OCR
from tasks.scripts import Scripts
from tests.support.batches import same_batch
from tests.support.fonts import HEBREW, bdf, character, suites_font


@pytest.mark.parametrize("alignment", ["none", "framewise"])
def test_a_font_of_this_suites_glyphs_gives_this_suites_lines(tmp_path: Path, alignment: str) -> None:
    font = str(suites_font(tmp_path / "suite.bdf"))
    own, ours = (OCR(30, alignment=alignment, font=name) for name in (font, "drawn"))  # type: ignore[arg-type]
    assert same_batch(own.training_batch(3), ours.training_batch(3))
    assert (own.chance, own.spec.outputs, own.later) == (ours.chance, ours.spec.outputs, ours.later)
    assert ours.data is None
    assert own.data is not None
    assert own.data.name == "suite.bdf"


def test_both_scripts_come_from_one_font(tmp_path: Path) -> None:
    font = str(suites_font(tmp_path / "suite.bdf"))
    own, chosen, ours = Scripts(30, font=font), Scripts(30, font=font, eastern=HEBREW), Scripts(30)
    assert own.eastern.letters == HEBREW
    for task in (own, chosen):
        assert same_batch(task.training_batch(3), ours.training_batch(3))
        assert task.chance == ours.chance


def test_glyphs_are_cut_to_their_ink_and_stand_on_one_base_line(tmp_path: Path) -> None:
    """The i of 3 rows and the g, one row of which lies below the base line, in cells that are far too large."""
    small = character("i", ["......", "..#...", "......", "..#...", "......"], descent=1)
    below = character("g", ["....", ".##.", ".##.", "...."], descent=2)
    (path := tmp_path / "two.bdf").write_text(bdf(small, below))
    task = OCR(20, font=str(path), letters="ig")
    assert task.script.widths.tolist() == [1, 2]
    rows = task.script.bitmaps.transpose(1, 2).int().tolist()
    assert rows == [[[1, 0], [0, 0], [1, 0], [0, 0]], [[0, 0], [0, 0], [1, 1], [1, 1]]]
    assert task.height == 6
    assert task.training_batch(0).inputs.shape == (32, 20, 6)


def test_scripts_may_have_different_numbers_of_letters(tmp_path: Path) -> None:
    """Each letter of the smaller script is as frequent as any other of it."""
    letters = {"a": ["#.#", "###"], "b": ["##", "##"], "ª": ["#"], "µ": ["#"], "ˇ": ["#"], "δ": ["."]}
    letters |= {"α": ["#..#"], "β": ["#", "#"], "γ": ["####"]}
    (path := tmp_path / "greek.bdf").write_text(bdf(*(character(*item) for item in letters.items())))
    task = Scripts(100, font=str(path), letters="ab", noise=0.0)
    assert task.eastern.letters == "αβγ"
    line = task._line(torch.Generator().manual_seed(0), 500)
    for kind, count, table in ((1, 2, task.latin.bitmaps), (2, 3, task.eastern.bitmaps)):
        drawn = line.bitmaps[line.kinds == kind]
        shares = (drawn[:, None] == table).flatten(2).all(2).double().mean(0)
        assert float(shares.sum()) == pytest.approx(1)
        assert shares.tolist() == pytest.approx([1 / count] * count, abs=0.02)


@pytest.mark.parametrize("task", [OCR, Scripts])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"letters": "abz"}, "expected a glyph of each of 'abz', got none of 'z'. It has abehlostvy"),
        ({"letters": "aab"}, "option 'letters' expects each letter once, got a more often"),
        ({"letters": ""}, "option 'letters' expects at least one letter, got none"),
        ({"letters": "a" + "\u00e9"}, "got none of 'é'"),
    ],
)
def test_letters_that_cannot_be_drawn(
    tmp_path: Path, task: Callable[..., OCR | Scripts], options: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        task(30, font=str(suites_font(tmp_path / "suite.bdf")), **options)
    assert said in str(caught.value)


def test_fonts_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"font 'no\.bdf': there is no file .*no\.bdf \(expected drawn, or the path of"
    ):
        OCR(30, font="no.bdf")
    with pytest.raises(CorpusError, match="python is a corpus of text files"):
        OCR(30, font="python")
    (path := tmp_path / "two.bdf").write_text(bdf(character("a", ["#"]), character("b", [".#"]), character("c", ["."])))
    with pytest.raises(CorpusError, match="'a' and 'b' have the same glyph, so that no model can tell them apart"):
        OCR(30, font=str(path), letters="ab")
    with pytest.raises(CorpusError, match="line 21: the glyph of 'c' has no ink"):
        OCR(30, font=str(path), letters="ac")
    with pytest.raises(CorpusError, match="expected letters of another script than Latin, got none in 3 glyphs"):
        Scripts(30, font=str(path), letters="ab")
    (path := tmp_path / "wide.bdf").write_text(bdf(character("a", ["#" * 20]), character("b", ["##"])))
    with pytest.raises(
        ValueError, match="OCR: length must be at least 24 columns, because the widest letter of this font"
    ):
        OCR(23, font=str(path), letters="ab")
    task = OCR(24, font=str(path), letters="ab")
    assert bool((task.training_batch(0).lengths > 0).all())  # type: ignore[operator]
    assert list(task.lengths()) == [24]


def test_letters_of_this_suite_may_be_chosen() -> None:
    assert OCR(30, letters="vel").spec.outputs == 4
    assert list(OCR(12).lengths()) == [10, 11, 12]
    with pytest.raises(ValueError, match=r"are abehlostvy, got 'z'. Others come from a font of your own: font=PATH"):
        OCR(30, letters="az")
