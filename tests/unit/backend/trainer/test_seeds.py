"""Random numbers depend on (seed, step, micro-batch, module) and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.trainer.seeds import DropoutStream, adapter_generator, micro_batch_key


def test_micro_batch_key_differs_for_every_part() -> None:
    keys = {micro_batch_key(seed, step, index) for seed in range(4) for step in range(4) for index in range(4)}
    assert len(keys) == 64


def test_micro_batch_key_is_the_one_that_was_published() -> None:
    assert micro_batch_key(42, 1, 0) == 0xBB982BCED1AF390CE91DA00E88F02E2F


def test_dropout_stream_repeats_itself_when_asked_again() -> None:
    stream = DropoutStream()
    stream.begin(micro_batch_key(1, 2, 3))
    first = stream.indices(5, 0.1, 1000)
    stream.indices(6, 0.1, 1000)
    assert torch.equal(first, stream.indices(5, 0.1, 1000))


def test_dropout_stream_gives_every_module_its_own_positions() -> None:
    stream = DropoutStream()
    stream.begin(1)
    assert not torch.equal(stream.indices(0, 0.1, 1000), stream.indices(1, 0.1, 1000))


@pytest.mark.parametrize("probability", [0.001, 0.02, 0.1, 0.5, 0.9])
def test_dropout_stream_drops_each_position_with_the_probability(probability: float) -> None:
    stream = DropoutStream()
    size, draws = 500, 400
    counts = np.zeros(size)
    for key in range(draws):
        stream.begin(key)
        dropped = stream.indices(key % 5, probability, size).numpy()
        assert np.all(np.diff(dropped) > 0)
        counts[dropped] += 1
    deviation = (counts - draws * probability) / np.sqrt(draws * probability * (1 - probability))
    assert abs(deviation.mean()) < 5 / np.sqrt(size)  # the whole
    assert 0.7 < deviation.std() < 1.3  # independent positions, none favoured


@pytest.mark.parametrize("probability", [0.02, 0.3])
def test_dropout_mask_drops_the_right_share(probability: float) -> None:
    stream = DropoutStream()
    stream.begin(9)
    like = torch.empty(400, 500)
    share = stream.mask(3, probability, like).double().mean().item()
    assert abs(share - probability) < 5 * (probability / like.numel()) ** 0.5
    assert torch.equal(stream.mask(3, probability, like), stream.mask(3, probability, like))
    assert not torch.equal(stream.mask(3, probability, like), stream.mask(4, probability, like))


def test_adapter_generator_is_its_own_stream() -> None:
    torch.manual_seed(5)
    first = torch.rand(3, generator=adapter_generator(1))
    torch.rand(7)
    assert torch.equal(first, torch.rand(3, generator=adapter_generator(1)))
    assert not torch.equal(first, torch.rand(3, generator=adapter_generator(2)))
