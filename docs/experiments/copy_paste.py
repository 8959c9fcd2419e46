"""A pair that sees labeled crops alone pasted into unlabeled ones, as BCP has it (Bai et al., CVPR 2023): for `ablate`.

Give `train#trainer#_target_: docs.experiments.copy_paste.PasteLabeled`, from the root of a checkout.
"""

import torch
from torch import Tensor

from llmsegnet_bundle.mixing import CutMixDraw, cutmix, draw_cutmix
from llmsegnet_bundle.trainer import CoTrainer


class PasteLabeled(CoTrainer):
    """`CoTrainer` whose boxes come from labeled crops of the step, drawn anew for each unlabeled one; for one organ."""

    def _view(
        self,
        student: str,
        labeled: Tensor,
        unlabeled: Tensor,
        label: Tensor,
        peer_probs: Tensor | None,
        text: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        image = torch.cat([labeled, unlabeled])
        if peer_probs is None:
            return image, None
        boxes = draw_cutmix(image.shape[2:], len(image), len(unlabeled)).boxes
        draw = CutMixDraw(tuple(torch.randint(len(labeled), (len(unlabeled),)).tolist()), boxes)
        mixed = self._jittered(cutmix(image, draw))
        return torch.cat([labeled, mixed]), cutmix(torch.cat([label.to(peer_probs.dtype), peer_probs]), draw)
