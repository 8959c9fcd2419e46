"""Two-stream loading: batches with fixed shares of labeled and unlabeled crops, the same for the same seed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import CacheDataset, PersistentDataset
from monai.data.utils import pickle_hashing
from monai.transforms import Compose
from monai.transforms.traits import RandomizableTrait
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from llmsegnet_bundle.cases import fingerprint


class TwoStreamDataset(CacheDataset):
    """Scans in memory, labeled ones first; an item is asked for with the seed of its random transforms.

    Args:
        data: labeled items, `{"image": path, "label": path}`.
        unlabeled: items without a label key.
        transform: MONAI `Compose`; what stands before its first random transform is done once and kept.
        cache_dir: keep that on disk too, for the next start: a file for each version of a scan (its path, size and
            time of change) and of the transforms; None keeps nothing.
        device: where what is kept in memory lies, and where crops are drawn.
        num_workers: threads that fill the cache.
        progress: show a bar while the cache fills.
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Compose,
        unlabeled: Sequence[dict[str, Any]] = (),
        cache_dir: str | Path | None = None,
        device: torch.device | str = "cpu",
        num_workers: int = 2,
        progress: bool = True,
    ) -> None:
        items = [*data, *unlabeled]
        self.labeled = len(data)
        self.device = torch.device(device)
        self.disk: PersistentDataset | None = None
        if cache_dir is not None:
            first_random = transform.get_index_of_first(lambda t: isinstance(t, RandomizableTrait))
            kept = Compose(transform.transforms[:first_random])
            self.disk = PersistentDataset(items, kept, cache_dir, fingerprint, hash_transform=pickle_hashing)
        # not copied for each crop: the first random transform cuts from a scan and leaves it as it is
        super().__init__(items, transform, num_workers=num_workers, progress=progress, copy_cache=False)

    def _load_cache_item(self, idx: int) -> Any:
        item = super()._load_cache_item(idx) if self.disk is None else self.disk[idx]
        return {key: value.to(self.device) if isinstance(value, Tensor) else value for key, value in item.items()}

    def image(self, scan: int) -> Tensor:
        """Return the image (K, H, W, D) of a scan, as it is kept."""
        return self._cache[scan]["image"]

    def organ(self, scan: int) -> Tensor | None:
        """Return which of several organs a scan is asked for, (1,); None where there is one."""
        return self._cache[scan].get("organ")

    def set_target(self, scan: int, probs: Tensor) -> None:
        """Keep probabilities (2C, H, W, D) with a scan, so that its crops have them too, under "target"."""
        self._cache[scan]["target"] = probs.to(self.device, torch.float16)

    def __getitem__(self, index: tuple[int, int]) -> dict[str, Tensor]:  # type: ignore[override]
        scan, seed = index
        self.transform.set_random_state(seed=seed)
        return super().__getitem__(scan)


class TwoStreamBatchSampler(Sampler):
    """Batches of (scan, seed): first the labeled share, then the unlabeled one, each stream passed over in turn.

    Each pass over a stream is a new permutation, a function of the seed and of the pass alone: a run that starts at
    `start_step` draws what a run from step 0 draws there. The unlabeled share is empty without unlabeled scans.

    Args:
        labeled: labeled scans, indices 0 to labeled - 1.
        total: all scans; those from `labeled` on are unlabeled.
        batch: (labeled share, unlabeled share) of each batch.
        seed: of permutations and of random transforms.
        rank: of this process; each process draws its own part of the stream.
        ranks: number of processes.

    Raises:
        ValueError: when there is no labeled scan or no labeled share.
    """

    def __init__(
        self, labeled: int, total: int, batch: Sequence[int], seed: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        if labeled < 1 or batch[0] < 1:
            raise ValueError(f"labeled scans and share must be at least 1, got {labeled} and {batch[0]}")
        unlabeled = total - labeled
        self.streams = [(0, labeled, batch[0])]
        if unlabeled > 0 and batch[1] > 0:
            self.streams.append((labeled, unlabeled, batch[1]))
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self.start_step = 0

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self.start_step
        while True:
            yield self.batch(step)
            step += 1

    def batch(self, step: int) -> list[tuple[int, int]]:
        """Return the (scan, seed) items of one step of this process."""
        turn = step * self.ranks + self.rank
        scans = [
            first + self._permutation(first, count, place // count)[place % count]
            for first, count, share in self.streams
            for place in range(turn * share, (turn + 1) * share)
        ]
        seeds = torch.randint(2**31, (len(scans),), generator=_generator(self.seed, turn, 1)).tolist()
        return list(zip(scans, seeds, strict=True))

    def _permutation(self, first: int, count: int, passes: int) -> list[int]:
        return torch.randperm(count, generator=_generator(self.seed, passes, 2 + min(first, 1))).tolist()


def _generator(seed: int, position: int, purpose: int) -> torch.Generator:
    # a prime apart per purpose, so that the streams do not repeat one another
    return torch.Generator().manual_seed(seed * 1_000_003 + position * 7 + purpose)


def collate(items: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack a batch whose first L items have a label: "image" (B, K, H, W, D), "label" (L, C, H, W, D).

    "target" (B - L, 2C, H, W, D) too, where the unlabeled ones have it, and "organ" (B, 1) where all have it.
    """
    # plain tensors: each operation on MONAI's MetaTensor takes a detour
    streams = {key: [item[key] for item in items if key in item] for key in ("image", "label", "target", "organ")}
    return {key: convert_to_tensor(torch.stack(values)) for key, values in streams.items() if values}


def two_stream_loader(
    dataset: TwoStreamDataset,
    batch: Sequence[int],
    seed: int = 0,
    workers: int = 0,
    rank: int = 0,
    ranks: int = 1,
) -> DataLoader:
    """Return the endless loader of a `TwoStreamDataset`; arguments as in `TwoStreamBatchSampler`."""
    sampler = TwoStreamBatchSampler(dataset.labeled, len(dataset), batch, seed, rank, ranks)
    # its own generator: a new iterator would draw from the global one, and a continued run then differ
    own = torch.Generator()
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        generator=own,
        pin_memory=torch.cuda.is_available() and dataset.device.type == "cpu",
    )
