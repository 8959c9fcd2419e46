"""Transforms around a network: a label on its scan, uncertainty, files that are whole."""

import math
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import FolderLayoutBase, MetaTensor
from monai.transforms import MapTransform, SaveImaged
from torch import Tensor

from llmsegnet_bundle.scans import case_name
from llmsegnet_bundle.scans.labels import whole_numbers
from llmsegnet_bundle.scans.writing import WholeWriter, case_file


class AlignLabeld(MapTransform):
    """Lay a label, whose voxels are those of its scan, on the scan's affine, and make its numbers whole.

    Programs save labels with one of the two coordinate systems that a scan's header may hold; `cases.check_scans`
    finds that it is one of them.

    Args:
        keys: of labels.
        source: of the scan, loaded before.
        allow_missing_keys: pass over what has no label.

    Shape:
        (1, H, W, D), unchanged.

    Raises:
        ValueError: when a label has another shape than its scan, or holds anything but whole numbers.
    """

    def __init__(self, keys: KeysCollection, source: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.source = source

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        scan = result[self.source].meta
        for key in self.key_iterator(result):
            whole, is_whole = whole_numbers(result[key].numpy())
            shape = tuple(int(side) for side in scan["spatial_shape"])
            if not is_whole or whole.shape[1:] != shape:
                raise ValueError(f"{key} must hold whole numbers in the scan's shape {shape}, got {whole.shape[1:]}")
            affine = torch.as_tensor(scan["original_affine"])
            numbers = torch.as_tensor(whole)
            if whole.min() >= 0 and whole.max() <= 255:
                numbers = numbers.to(torch.uint8)  # of a large CT half a gigabyte less
            result[key] = MetaTensor(numbers, meta=result[key].meta | {"affine": affine})
        return result


class FillBackgroundd(MapTransform):
    """Make background of voxels that no probability was computed for, as outside a box that was cut out.

    Args:
        keys: probabilities of one network, or of several one after the other.
        classes: C, the background first.

    Shape:
        (C or M * C, H, W, D), of the same shape.
    """

    def __init__(self, keys: KeysCollection, classes: int) -> None:
        super().__init__(keys)
        self.classes = classes

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        result = dict(data)
        for key in self.key_iterator(result):
            outside = result[key].sum(dim=0, keepdim=True) == 0  # (1, H, W, D)
            probs = result[key].clone()
            probs[:: self.classes] += outside
            result[key] = probs
        return result


class Uncertaintyd(MapTransform):
    """Split the probabilities of alpha and beta into what is deployed and two maps of where to doubt it.

    `entropy` = H(m) / ln C of the mean m of both networks' probabilities, where H(p) = -sum_c p_c ln p_c: 0 where the
    mean is sure, 1 where all classes are alike. `disagreement` = (H(m) - (H(alpha) + H(beta)) / 2) / ln 2, the
    Jensen-Shannon divergence: 0 where both answer alike, 1 where each is sure of another class.

    Args:
        keys: the probabilities, of `ProbabilityInferer` with `members`; without them they stay as they are.
        classes: C.
        deploy: "mean", "alpha" or "beta": what stays under the key.

    Shape:
        (2C, H, W, D) -> (C, H, W, D), `entropy` and `disagreement` (1, H, W, D).
    """

    def __init__(self, keys: KeysCollection, classes: int, deploy: str = "mean") -> None:
        super().__init__(keys)
        self.classes = classes
        self.deploy = deploy

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            if len(result[key]) == self.classes:
                continue
            alpha, beta = result[key].chunk(2, dim=0)
            mean, result["entropy"], result["disagreement"] = mean_and_doubt(alpha, beta)
            result[key] = {"mean": mean, "alpha": alpha, "beta": beta}[self.deploy]
        return result


class SplitMapsd(MapTransform):
    """Put each of several maps of an answer under its own key; a single one stays as it is.

    Args:
        keys: answers of `MapInferer`.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            if isinstance(result[key], Mapping):
                result |= result[key]
        return result


class MarkUncertaind(MapTransform):
    """Make one more class of the voxels whose entropy is large: where a person should look.

    Args:
        keys: class maps.
        classes: C; the mark is class C.
        active: False leaves the maps as they are.
        source: the entropy, of `Uncertaintyd`.
        above: what is large, as a part of the largest entropy that there is; of two classes half of it is reached
            where the smaller probability is 0.11.

    Shape:
        (1, H, W, D), of the same shape.
    """

    def __init__(
        self, keys: KeysCollection, classes: int, active: bool = True, source: str = "entropy", above: float = 0.5
    ) -> None:
        super().__init__(keys)
        self.classes = classes
        self.active = active
        self.source = source
        self.above = above

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result) if self.active else ():
            marked = result[key].clone()
            marked[torch.as_tensor(result[self.source]) > self.above] = self.classes
            result[key] = marked
        return result


def mean_and_doubt(alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean of two networks' probabilities, its entropy and their disagreement, as of `Uncertaintyd`.

    Shape:
        alpha and beta (C, H, W, D) -> (C, H, W, D), (1, H, W, D), (1, H, W, D).
    """
    mean = (alpha + beta) / 2
    entropy = _entropy(mean)
    disagreement = (entropy - (_entropy(alpha) + _entropy(beta)) / 2).clamp(min=0) / math.log(2)
    return mean, entropy / math.log(len(mean)), disagreement


def _entropy(probs: Tensor) -> Tensor:
    return torch.special.entr(probs).sum(dim=0, keepdim=True)  # (1, H, W, D)


class SaveCased(SaveImaged):
    """Save a map of a scan, on its grid, as `<output_dir>/<case>_<postfix>.nii.gz`: whole or not at all.

    Args:
        keys: of the map (1 or C, H, W, D); several channels become the fourth axis of the file. The data's `name` is
            that of the case; without one it is the file name of the scan.
        output_dir: made when missing.
        output_postfix: what the map is.
        output_dtype: of the voxels.
        allow_missing_keys: pass over a map that was not made.

    Raises:
        ValueError: when the system does not let it be written.
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | Path,
        output_postfix: str,
        output_dtype: Any = torch.float32,
        allow_missing_keys: bool = False,
    ) -> None:
        self.cases = _CaseLayout(output_dir, output_postfix)
        self.submit: Callable[[Callable[[], Any]], None] | None = None  # takes the writing, for another thread
        super().__init__(
            keys,
            output_dtype=output_dtype,
            resample=False,
            print_log=False,
            writer=WholeWriter,
            folder_layout=self.cases,
            allow_missing_keys=allow_missing_keys,
        )
        self.failures: list[Exception] = []
        self.set_options(init_kwargs={"failures": self.failures})

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if self.submit is None:
            return self._save(data)
        self.submit(partial(self._save, dict(data)))
        return dict(data)

    def _save(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        self.cases.name = data.get("name")
        self.failures.clear()
        try:
            return super().__call__(data)
        except RuntimeError:
            if self.failures:
                raise self.failures[-1] from None
            raise


class _CaseLayout(FolderLayoutBase):
    # MONAI's own takes what follows a dot for a suffix, and DICOM series are often named 1.2.840
    def __init__(self, output_dir: str | Path, postfix: str) -> None:
        self.output_dir, self.postfix = output_dir, postfix
        self.name: str | None = None  # of the case, where it is not that of the file

    def filename(self, subject: str = "subject", **kwargs: Any) -> Path:
        return case_file(self.output_dir, self.name or case_name(subject), self.postfix)
