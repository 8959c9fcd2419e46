"""From the file of a scan to the file of its mask, as a bundle does it and as the field's test loop does it."""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type
from torch import Tensor
from torch.nn import functional as F

from llmsegnet_bundle.networks.weights import load_weights
from llmsegnet_bundle.tools.benchmark.measure import seconds


class FieldTestLoop(Inferer):
    """The test loop of the field's code: float32, one window at a time, probabilities averaged on the CPU in NumPy.

    Args:
        window: (H, W, D).
        stride_voxel: step between windows; the last window of a side ends at the image's border.
    """

    def __init__(self, window: Sequence[int], stride_voxel: Sequence[int] = (18, 18, 4)) -> None:
        self.window = window
        self.stride_voxel = stride_voxel

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
        missing = [max(w - n, 0) for w, n in zip(self.window, inputs.shape[2:], strict=True)]
        before = [m // 2 for m in missing]
        margins = [side for m in reversed(missing) for side in (m // 2, m - m // 2)]  # torch pads the last axis first
        image = F.pad(torch.as_tensor(inputs).float(), margins)
        total, count = np.zeros(image.shape[2:], np.float32), np.zeros(image.shape[2:], np.float32)
        sides = zip(image.shape[2:], self.window, self.stride_voxel, strict=True)
        for corner in product(*(window_starts(*side) for side in sides)):
            box = tuple(slice(start, start + side) for start, side in zip(corner, self.window, strict=True))
            logits = network(image[(slice(None), slice(None), *box)])
            total[box] += torch.softmax(logits, dim=1)[0, 1].cpu().numpy()
            count[box] += 1
        probs = torch.from_numpy(total / count)
        inner = tuple(slice(b, b + n) for b, n in zip(before, inputs.shape[2:], strict=True))
        answer = torch.stack([1 - probs[inner], probs[inner]])[None]
        return convert_to_dst_type(answer, inputs)[0]  # with the geometry, for the steps after


def window_starts(side: int, window: int, stride: int) -> list[int]:
    """Return where the windows of one side start by the field's rule: every stride, the last moved back to the end."""
    steps = -(-max(side - window, 0) // stride)
    return [min(i * stride, max(side - window, 0)) for i in range(steps + 1)]


def segment(bundle: str, image: str, output_dir: str, plain: bool) -> float:
    """Write the mask of `image` into `output_dir`, and return the seconds from file to file.

    Libraries and weights are loaded before. Both sides read, scale, invert and write through the bundle's transforms
    and deploy both networks.

    Args:
        bundle: folder with configs and weights.
        image: a NIfTI file.
        output_dir: gets `NAME_seg.nii.gz`.
        plain: `FieldTestLoop` in float32, contiguous, instead of the bundle's inferer, arithmetic and memory.
    """
    parser = ConfigParser(ConfigParser.load_config_file(str(Path(bundle) / "configs" / "inference.json")))
    parser["bundle_root"], parser["dataset_dir"], parser["output_dir"] = bundle, image, output_dir
    if plain:
        parser["imports"].append(f"$import {__name__}")
        parser["inferer"]["probs"] = {"_target_": f"{__name__}.FieldTestLoop", "window": "@window"}
        parser["network"] = "$@network_def.to(@device)"
    load_weights(parser.get_parsed_content("network"), Path(bundle) / "models" / "model.pt")
    evaluator = parser.get_parsed_content("evaluator")
    return seconds(evaluator.run)
