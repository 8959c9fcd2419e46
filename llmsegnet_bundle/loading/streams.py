"""Two-stream loading: batches with fixed shares of labeled and unlabeled crops, the same for the same seed."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from monai.transforms import Compose, Transform
from monai.transforms.traits import RandomizableTrait
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm

from llmsegnet_bundle.cases import Item
from llmsegnet_bundle.loading.cache import ScanCache, making_threads, prepare
from llmsegnet_bundle.loading.scratch import ScratchTensors
from llmsegnet_bundle.parallel import ignore_interrupt, in_threads
from llmsegnet_bundle.precision import free_bytes

CACHE_MODES = ("auto", "memory", "disk")


class TwoStreamDataset(Dataset):
    """Scans, labeled ones first; an item is asked for with the seed of its random transforms.

    What the transforms make of a scan before the first random one is made once and kept, as plain tensors. No random
    transform may write into it: the first one cuts from it.

    Args:
        data: labeled items, `{"image": path, "label": path}`.
        unlabeled: items without a label key.
        transform: MONAI `Compose`.
        cache_dir: keeps that on disk, as a `ScanCache`, for crops or for the next start; None keeps nothing.
        cache_mode: "memory" cuts crops from memory, "disk" from the files in `cache_dir`, which may then be larger than
            memory; "auto" from memory when half of what is free holds the scans and their targets, else from disk.
        target_classes: of the targets, two networks' each, that unlabeled scans may get, counted for "auto".
        device: where what is kept in memory lies, and where crops are drawn from it.
        progress: show a bar while scans are made.

    Raises:
        ValueError: when `cache_mode` is another word, or "disk" without `cache_dir`.
    """

    def __init__(
        self,
        data: Sequence[Item],
        transform: Compose,
        unlabeled: Sequence[Item] = (),
        cache_dir: str | Path | None = None,
        cache_mode: str = "auto",
        target_classes: int = 0,
        device: torch.device | str = "cpu",
        progress: bool = True,
    ) -> None:
        if cache_mode not in CACHE_MODES:
            raise ValueError(f"cache_mode: must be {', '.join(CACHE_MODES)}, got {cache_mode!r}")
        if cache_mode == "disk" and cache_dir is None:
            raise ValueError("cache_mode: disk needs a folder; give a --cache_dir that is not none")
        self.data = [*data, *unlabeled]
        self.labeled = len(data)
        self.trusted: Sequence[int] = range(self.labeled, len(self.data))
        self.transform = transform
        self.device = torch.device(device)
        self.first_random = transform.get_index_of_first(
            lambda t: isinstance(t, RandomizableTrait) or not isinstance(t, Transform)
        )
        kept = Compose(transform.transforms[: self.first_random])
        items = [*data, *unlabeled]
        self.scans: Sequence[dict[str, Tensor]] | ScanCache
        self.targets: dict[int, Tensor] | ScratchTensors = {}
        if cache_dir is None:
            made = in_threads(partial(prepare, transform=kept), items, making_threads(items))
            bar = tqdm(made, total=len(items), desc="preprocessing", unit="scan", disable=not progress)
            self.scans = [self._placed(scan) for scan in bar]
            return
        cache = ScanCache(items, kept, cache_dir, progress)
        needed = cache.size_bytes() + _target_bytes(cache, range(self.labeled, len(items)), 2 * target_classes)
        room = free_bytes(self.device) // 2 // (_processes() if self.device.type == "cpu" else 1)
        if cache_mode == "memory" or (cache_mode == "auto" and needed <= room):
            self.scans = [self._placed(cache.load(scan)) for scan in range(len(items))]
            return
        self.device = torch.device("cpu")
        self.scans, self.targets = cache, ScratchTensors(cache_dir)
        if progress:
            told = f"scans and targets take {needed / 1e9:.1f} GB, memory has {room / 1e9:.1f} GB for them"
            print(f"crops are cut from the files in {cache.folder}: {told}")

    @property
    def in_memory(self) -> bool:
        """Whether crops are cut from memory."""
        return not isinstance(self.scans, ScanCache)

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, index: tuple[int, int]) -> dict[str, Tensor]:
        scan, seed = index
        if scan >= self.labeled and scan not in self.trusted:
            scan = self.trusted[seed % len(self.trusted)]
        self.transform.set_random_state(seed=seed)
        target = {"target": self.targets[scan]} if scan in self.targets else {}
        item: Any = self.scans[scan] | target
        return item if self.first_random is None else self.transform(item, start=self.first_random)

    def image(self, scan: int) -> Tensor:
        """Return the image (K, H, W, D) of a scan, as it is kept."""
        return self.scans[scan]["image"]

    def organ(self, scan: int) -> Tensor | None:
        """Return which of several organs a scan is asked for, (1,); None where there is one."""
        return self.scans[scan].get("organ")

    def set_target(self, scan: int, probs: Tensor) -> None:
        """Keep probabilities (2C, H, W, D) with a scan, so that its crops have them too, under "target"."""
        self.targets[scan] = probs.to(self.device, torch.float16)

    def trust(self, scans: Sequence[int]) -> None:
        """Draw the unlabeled crops from these scans alone; they take the turns of the others, by chance."""
        self.trusted = scans

    def _placed(self, scan: dict[str, Tensor]) -> dict[str, Tensor]:
        return {key: tensor.to(self.device) for key, tensor in scan.items()}


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _target_bytes(cache: ScanCache, scans: Iterable[int], channels: int) -> int:
    return sum(2 * channels * cache[scan]["image"][0].numel() for scan in scans) if channels else 0


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
        whole = isinstance(batch, list | tuple) and len(batch) == 2 and all(type(share) is int for share in batch)
        if not whole or batch[0] < 1 or batch[1] < 0:
            raise ValueError(f"batch: must be [labeled, unlabeled] crops, labeled at least 1, got {batch}")
        if labeled < 1:
            raise ValueError(f"labeled scans must be at least 1, got {labeled}")
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
    """Return the endless loader of a `TwoStreamDataset`; arguments as in `TwoStreamBatchSampler`.

    Raises:
        ValueError: with workers for crops that are drawn on a GPU, which other processes cannot use.
    """
    if workers and dataset.device.type != "cpu":
        raise ValueError(f"workers: must be 0 where scans are kept on {dataset.device}, or give --cache_device cpu")
    sampler = TwoStreamBatchSampler(dataset.labeled, len(dataset), batch, seed, rank, ranks)
    # its own generator: a new iterator would draw from the global one, and a continued run then differ
    own = torch.Generator()
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        worker_init_fn=ignore_interrupt,
        collate_fn=collate,
        generator=own,
        pin_memory=torch.cuda.is_available() and dataset.device.type == "cpu",
    )
