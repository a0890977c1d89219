"""The same eight examples in every split of micro-batches: how far their gradients lie apart.

    python -m benchmarks.gradient_splits --model FOLDER          # SmolLM2, float32: a telling dozen of splits
    python -m benchmarks.gradient_splits --tiny                  # tiny model, float64: all 128 splits

Dropout is off. The adapter's B matrices are filled with small random numbers first, because with zeros the gradient
of every A is zero and half of the comparison would compare nothing. Prints one JSON object: the largest L2 distance
from the gradient of eight single micro-batches, over the length of that gradient.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from backend.contract.settings import TrainingSettings
from backend.formats.token_store import TokenStore
from backend.trainer import model as models
from backend.trainer.batches import pack
from backend.trainer.model import Network
from tests.fixtures.tiny_model import make_tiny_model, write_token_store

EXAMPLES = 8
TELLING = ((1,) * 8, (2,) * 4, (4, 4), (8,), (1, 7), (7, 1), (3, 5), (5, 3), (2, 6), (3, 3, 2), (1, 2, 5), (2, 1, 2, 3))


def compositions(total: int) -> Iterator[tuple[int, ...]]:
    """Every way to cut `total` examples into groups, in order."""
    if total == 0:
        yield ()
    for first in range(1, total + 1):
        for rest in compositions(total - first):
            yield (first, *rest)


def gradient(network: Network, store: TokenStore, split: tuple[int, ...]) -> torch.Tensor:
    """The adapter's whole gradient for examples 0..7 in this split, as one vector in float64."""
    network.adapter.gradient.zero_()
    starts = [sum(split[:place]) for place in range(len(split))]
    batches = [
        pack(store, range(start, start + size)).to(network.device) for start, size in zip(starts, split, strict=True)
    ]
    num_supervised = sum(len(batch.labels) for batch in batches)
    for batch in batches:
        (network.losses(batch).sum(dtype=torch.float64) / num_supervised).backward()
    return network.adapter.gradient.detach().double().clone()


def largest_difference(network: Network, store: TokenStore, splits: list[tuple[int, ...]]) -> dict[str, object]:
    """Compare every split with eight single micro-batches."""
    reference = gradient(network, store, (1,) * EXAMPLES)
    worst, where = 0.0, (1,) * EXAMPLES
    for split in splits:
        difference = float((gradient(network, store, split) - reference).norm() / reference.norm())
        print(f"{'+'.join(map(str, split)):<16} {difference:.2e}", file=sys.stderr, flush=True)
        if difference > worst:
            worst, where = difference, split
    return {"splits": len(splits), "largest_relative_difference": worst, "split": list(where)}


def prepared(folder: Path, dtype: str) -> Network:
    """A model with an adapter whose every matrix is filled."""
    settings = TrainingSettings(quantization="none", dtype=dtype, lora_r=16, lora_alpha=16.0, lora_dropout=0.0)
    device = models.pick_device()
    network = models.attach_adapter(models.load_base(folder, settings, device), settings, device)
    network.adapter.initialise(42)
    generator = torch.Generator().manual_seed(7)
    for name, view in network.adapter.named(network.adapter.flat.data).items():
        if ".lora_B." in name:
            view.copy_(torch.randn(view.shape, generator=generator, dtype=torch.float64) * 0.02)
    return network


def example_store(folder: Path, *, vocabulary: int, lengths: tuple[int, ...]) -> TokenStore:
    """Eight rows of unlike length, the second half of each supervised."""
    generator = torch.Generator().manual_seed(11)
    rows = []
    for length in lengths:
        tokens = torch.randint(3, vocabulary, (length,), generator=generator).tolist()
        rows.append((tokens, [int(place >= length // 2) for place in range(length)]))
    return TokenStore(write_token_store(folder, rows))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a base model; float32")
    parser.add_argument("--tiny", action="store_true", help="the tests' tiny model; float64, all splits")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.tiny:
            network = prepared(make_tiny_model(Path(scratch, "model"), dtype=torch.float64), "float64")
            lengths, splits = (5, 17, 9, 30, 3, 12, 21, 8), list(compositions(EXAMPLES))
        else:
            network = prepared(arguments.model, "float32")
            lengths, splits = (180, 240, 96, 310, 150, 205, 260, 120), list(TELLING)
        vocabulary = network.model.get_input_embeddings().num_embeddings
        store = example_store(Path(scratch, "store"), vocabulary=vocabulary, lengths=lengths)
        result = largest_difference(network, store, splits)
    print(
        json.dumps({"model": "tiny" if arguments.tiny else arguments.model.name, "dtype": str(network.dtype), **result})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
