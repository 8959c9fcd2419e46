"""A pair that sees labeled crops alone pasted into unlabeled ones, as BCP has it (Bai et al., CVPR 2023): for `ablate`.

Give `train#trainer#_target_: docs.experiments.copy_paste.PasteLabeled`, from the root of a checkout.
"""

import torch
from torch import Tensor

from llmsegnet_bundle.mixing import CutMixDraw
from llmsegnet_bundle.trainer import CoTrainer


class PasteLabeled(CoTrainer):
    """`CoTrainer` whose boxes come from labeled crops of the step, drawn anew for each unlabeled one; for one organ."""

    def _draw_mix(self, image: Tensor, labeled: int, text: Tensor) -> CutMixDraw:
        boxes = super()._draw_mix(image, labeled, text).boxes
        return CutMixDraw(tuple(torch.randint(labeled, (len(boxes),)).tolist()), boxes)
