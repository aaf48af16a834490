"""Reads as a value, and batches: what is picked, selected, answered and joined."""

from __future__ import annotations

import pytest
import torch

from tasks.base import Batch, Reads, first_sequences, joined
from tests.support.batches import same_batch

MASK = torch.tensor([[0, 0, 1, 0, 1, 0], [0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 1, 0]], dtype=torch.bool)
STATES = torch.arange(3 * 6 * 2.0).view(3, 6, 2)


def ragged(lengths: bool = False) -> Batch:
    """Three sequences of six steps with five reads; targets tell which read they belong to."""
    if lengths:
        return Batch(STATES, torch.arange(9).view(3, 3), MASK, torch.tensor([1, 3, 2]))
    return Batch(STATES, torch.arange(5), MASK)


def test_reads_say_where_a_batch_is_read() -> None:
    reads = Reads(MASK)
    assert (reads.span, reads.counts.tolist()) == (slice(1, 5), [2, 2, 1])
    assert reads.rows is not None
    assert reads.rows.tolist() == [1, 3, 4, 7, 11]
    assert reads.sequences.tolist() == [0, 0, 1, 1, 2]


def test_picked_states_are_those_under_the_mask_and_unpick_puts_them_back() -> None:
    reads = Reads(MASK)
    assert torch.equal(reads.pick(STATES), STATES[MASK])
    assert torch.equal(reads.pick(STATES[:, reads.span]), STATES[MASK])
    assert torch.equal(reads.unpick(STATES[MASK]), STATES * MASK[..., None])


def test_where_the_whole_span_is_read_nothing_is_indexed() -> None:
    reads = Reads((torch.arange(6) >= 4).expand(3, 6))
    assert reads.rows is None
    assert torch.equal(reads.pick(STATES), STATES[:, 4:].flatten(0, 1))


def test_a_span_is_the_shortest_run_of_steps_that_holds_every_read() -> None:
    spans = ((MASK, slice(1, 5)), ((torch.arange(6) == 5).expand(3, 6), slice(5, 6)), (MASK & False, slice(0, 0)))
    for mask, span in spans:
        assert Reads(mask).span == span
    assert Reads(MASK & False).pick(STATES).shape == (0, 2)


def test_reads_made_in_inference_serve_in_training() -> None:
    with torch.inference_mode():
        reads = Reads(MASK.clone())
    states = STATES.clone().requires_grad_()
    reads.pick(states).sum().backward()
    assert states.grad is not None
    assert torch.equal(states.grad, MASK[..., None].expand(3, 6, 2).float())


@pytest.mark.parametrize("given", ["reads", "read", "third"])
def test_a_mask_becomes_reads_however_it_is_given(given: str) -> None:
    targets = torch.arange(5)
    batch = Batch(STATES, targets, MASK) if given == "third" else Batch(STATES, targets, **{given: MASK})
    assert isinstance(batch.reads, Reads)
    assert torch.equal(batch.reads.mask, MASK)


def test_a_batch_without_reads_is_refused() -> None:
    with pytest.raises(TypeError, match="a Batch needs reads: the positions at which an answer is read"):
        Batch(STATES, torch.arange(5))


@pytest.mark.parametrize("chosen", [slice(2), torch.tensor([True, False, True])])
def test_selected_sequences_keep_their_targets(chosen: slice | torch.Tensor) -> None:
    some = ragged().select(chosen)
    assert torch.equal(some.reads.mask, MASK[chosen])
    assert some.targets.tolist() == ([0, 1, 2, 3] if isinstance(chosen, slice) else [0, 1, 4])
    with_lengths = ragged(lengths=True).select(chosen)
    assert with_lengths.lengths is not None
    assert torch.equal(with_lengths.targets, ragged(lengths=True).targets[chosen])
    assert with_lengths.lengths.tolist() == ([1, 3] if isinstance(chosen, slice) else [1, 2])


def test_an_answered_batch_reads_one_step_of_each_sequence() -> None:
    asked = ragged().answered(torch.tensor([2, 4, 4]))
    assert asked.targets.tolist() == [0, 3, 4]
    assert asked.reads.mask.nonzero().tolist() == [[0, 2], [1, 4], [2, 4]]
    whole = ragged(lengths=True)
    assert whole.answered(torch.tensor([4, 4, 4])) is whole


def test_joined_batches_are_the_sequences_of_each() -> None:
    both = joined([ragged(), ragged().select(slice(1))])
    assert len(both) == 4
    assert both.targets.tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert same_batch(both.select(slice(3)), ragged())
    assert joined([ragged(lengths=True)] * 2).lengths is not None


def test_the_first_sequences_are_of_one_length() -> None:
    shorter = Batch(STATES[:, :4], torch.arange(5), torch.ones(3, 4, dtype=torch.bool))
    some = first_sequences([ragged(), shorter, ragged()], 5)
    assert (len(some), some.steps) == (5, 6)
    assert some.targets.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3]


def test_real_numbers_become_double_and_ids_stay() -> None:
    batch = Batch(torch.ones(1, 2, 1), torch.tensor([1]), torch.tensor([[False, True]])).double()
    assert (batch.inputs.dtype, batch.targets.dtype) == (torch.float64, torch.long)
