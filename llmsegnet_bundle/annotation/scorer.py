"""A bundle's networks, asked how much they doubt a scan."""

from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from torch import Tensor

from llmsegnet_bundle.inference.doubts import doubts
from llmsegnet_bundle.inference.segmenter import evaluate_parts, read_inference
from llmsegnet_bundle.scans import PathLike


class ScanScorer:
    """Ask alpha and beta of a bundle about scans, each on the working grid of inference.json.

    Args:
        bundle: name or folder, as for `sharing.find_bundle`.
        settings: ids of inference.json, such as `device="cpu"`.

    Raises:
        ValueError: when there is no such bundle or setting, no weights, or the weights hold no pair.

    Example:
        >>> ScanScorer("left_atrium")("scan.nii.gz")["dice_gap"]
        0.021
    """

    def __init__(self, bundle: str | Path, **settings: Any) -> None:
        self.config = read_inference(bundle, {"uncertainty": True, "alternate": False} | settings)
        ids = ("initialize", "preprocessing", "network", "inferer", "device")
        _, self.preprocessing, self.network, self.inferer, self.device = evaluate_parts(self.config, ids)
        self.network = self.network.to(self.device).eval()

    def __call__(self, image: PathLike) -> dict[str, float]:
        """Return the doubts about a scan, of `doubts`."""
        return doubts(self.answer(image)[1])

    def answer(self, image: PathLike) -> tuple[MetaTensor, Tensor]:
        """Return the preprocessed scan (1, K, h, w, d) and the probabilities of alpha, then of beta (2C, h, w, d)."""
        scan = self.preprocessing({"image": str(image)})["image"]
        with torch.no_grad():
            probs = self.inferer.probs(scan.as_tensor()[None].to(self.device), self.network)
        return MetaTensor(scan.as_tensor()[None]).copy_meta_from(scan), torch.as_tensor(probs)[0]
