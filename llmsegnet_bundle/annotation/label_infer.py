"""Segmentation in MONAI Label, as the bundle's inference.json does it."""

from typing import Any

from monailabel.tasks.infer.bundle import BundleInferTask

from llmsegnet_bundle.precision import fast_layout

UNCERTAIN = "uncertain"  # the segment of voxels to look at


class InferTask(BundleInferTask):
    """Answer with a mask; with the option `mark_uncertain` it has one more segment, named in the answer.

    Args:
        path: folder of the bundle.
        conf: of the app.
    """

    def __init__(self, path: str, conf: dict[str, str]) -> None:
        super().__init__(path, conf, type="segmentation")

    def __call__(self, request: dict[str, Any], callbacks: Any = None) -> Any:
        file, told = super().__call__(request, callbacks)
        if request.get("mark_uncertain"):
            told["label_names"] = told["label_names"] | {UNCERTAIN: max(told["label_names"].values()) + 1}
        return file, told

    def _get_network(self, device: str, data: Any) -> Any:
        # as inference.json has it: in another order sums round otherwise, and 0.3 % of an unsure mask's voxels differed
        return fast_layout(super()._get_network(device, data), device)
