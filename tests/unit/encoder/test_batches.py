import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.encoder.batches import LengthBatches, in_length_order, pad, tokenize
from components.encoder.processes import Processes
from serving.scorers.encoder import cut_middle

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=40)


@given(LENGTHS, st.integers(1, 8), st.integers(0, 5))
def test_an_epoch_holds_every_text_once_with_its_target(lengths, batch_texts, epoch):
    sequences = [torch.full((length,), row + 1) for row, length in enumerate(lengths)]
    batches = LengthBatches(sequences, np.arange(len(lengths)), batch_texts, seed=1, epoch=epoch)
    seen = []
    for ids, mask, targets in batches:
        assert len(ids) <= batch_texts
        for row, target in enumerate(targets.tolist()):
            assert ids[row][mask[row].bool()].tolist() == sequences[target].tolist()
            seen.append(target)
    assert sorted(seen) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 8), st.integers(1, 5))
def test_several_processes_share_each_batch_of_one(lengths, batch_texts, count):
    sequences = [torch.full((length,), row + 1) for row, length in enumerate(lengths)]
    arguments = (sequences, np.arange(len(lengths)), batch_texts, 1, 0)
    shared = [LengthBatches(*arguments, Processes(rank, count)) for rank in range(count)]
    for batch, *shares in zip(LengthBatches(*arguments), *shared, strict=True):
        for ids, mask, targets in shares:
            assert len(ids) == max(1, len(targets)), "who has no text of its own reads one without a target"
            for row, target in enumerate(targets.tolist()):
                assert ids[row][mask[row].bool()].tolist() == sequences[target].tolist()
        read = [target for *_, targets in shares for target in targets.tolist()]
        assert sorted(read) == sorted(batch[2].tolist())
        sizes = [len(targets) for *_, targets in shares]
        assert max(sizes) - min(sizes) <= 1


def test_the_order_follows_from_seed_and_epoch():
    sequences = [torch.ones(n % 9 + 1) for n in range(100)]

    def order(seed: int, epoch: int) -> list[int]:
        return [int(row) for *_, rows in LengthBatches(sequences, np.arange(100), 4, seed, epoch) for row in rows]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_texts_of_a_batch_are_of_like_length():
    sequences = [torch.ones(length) for length in np.random.default_rng(0).integers(1, 100, 640)]
    padding = [1 - mask.float().mean() for _, mask, _ in LengthBatches(sequences, np.arange(640), 32, 0, 0)]
    assert np.mean(padding) < 0.2


def test_vectors_are_padded_like_ids():
    padded, mask = pad([torch.ones(2, 4), torch.ones(3, 4)])
    assert padded.shape == (2, 3, 4)
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert padded[0, 2].sum() == 0


@given(LENGTHS)
def test_batches_in_length_order_cover_all_rows(lengths):
    rows = np.concatenate(list(in_length_order([torch.ones(n) for n in lengths], batch_texts=7)))
    assert sorted(rows.tolist()) == list(range(len(lengths)))


@given(st.integers(0, 300), st.integers(8, 128))
def test_a_long_text_keeps_its_beginning_and_its_end(length, max_tokens):
    ids = list(range(length))
    cut = cut_middle(ids, max_tokens)
    assert len(cut) == min(length, max_tokens)
    if length:
        assert cut[0] == ids[0]
        assert cut[-1] == ids[-1]


def test_tokenizing_shortens_as_serving_does(tiny_encoder):
    (tokens,) = tokenize(["good film " * 40], tiny_encoder / "tokenizer.json", max_tokens=16)
    assert len(tokens) == 16
    assert (tokens[0], tokens[-1]) == (2, 3)
