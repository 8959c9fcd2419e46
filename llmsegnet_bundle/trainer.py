"""Co-training of two networks as one MONAI engine: a step reads like METHOD.md section 6."""

from collections.abc import Callable, Iterable, Sequence

import torch
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from monai.inferers import Inferer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from llmsegnet_bundle.losses import SupervisedLoss, UnifiedSegmentationLoss
from llmsegnet_bundle.mixing import cutmix, draw_cutmix
from llmsegnet_bundle.networks import PairTraining
from llmsegnet_bundle.precision import AutocastInferer


class CoTrainer(Trainer):
    """Train alpha and beta together: both on labels, each on the other's prediction of unlabeled crops.

    Batches are {"image": (B, 1, H, W, D), "label": (L, 1, H, W, D)}, the L labeled crops first; with L = B both
    networks learn from labels alone. `state.output` holds the detached "loss", "alpha_supervised", "beta_supervised",
    "alpha_usl", "beta_usl" and the ramp weight "weight" of the step.

    Args:
        device: where the networks are.
        max_epochs: epochs of `epoch_length` steps.
        train_data_loader: endless, as `loading.two_stream_loader`.
        network: `PairTraining`, or the `DistributedDataParallel` of one.
        alpha_optimizer: of alpha's parameters.
        beta_optimizer: of beta's parameters.
        ramp: steps done -> weight of the unsupervised loss.
        noise: half-width of the uniform noise on student inputs.
        clamp_noise: keep noisy inputs in [0, 1].
        supervised_loss: (logits, label) -> scalar; None for `SupervisedLoss`.
        unsupervised_loss: (logits, peer_probs) -> scalar; None for `UnifiedSegmentationLoss`.
        inferer: calls `network`; None for `AutocastInferer`.
        epoch_length: steps of an epoch.
        train_handlers: attached in their order.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable,
        network: nn.Module,
        alpha_optimizer: Optimizer,
        beta_optimizer: Optimizer,
        ramp: Callable[[int], float],
        noise: float = 0.2,
        clamp_noise: bool = False,
        supervised_loss: nn.Module | None = None,
        unsupervised_loss: nn.Module | None = None,
        inferer: Inferer | None = None,
        epoch_length: int | None = None,
        train_handlers: Sequence | None = None,
    ) -> None:
        super().__init__(
            device=torch.device(device),
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            epoch_length=epoch_length,
            handlers=train_handlers,
            decollate=False,
        )
        self.network = network
        self.alpha_optimizer = alpha_optimizer
        self.beta_optimizer = beta_optimizer
        self.inferer = inferer or AutocastInferer()
        self.ramp = ramp
        self.noise = noise
        self.clamp_noise = clamp_noise
        self.supervised_loss = supervised_loss or SupervisedLoss()
        self.unsupervised_loss = unsupervised_loss or UnifiedSegmentationLoss()

    def _iteration(self, engine: "CoTrainer", batchdata: dict[str, Tensor]) -> dict[str, Tensor | float]:
        image = batchdata["image"].to(engine.state.device)  # (B, 1, H, W, D)
        label = batchdata["label"].to(engine.state.device)  # (L, 1, H, W, D)
        labeled = len(label)
        weight = self.ramp(engine.state.iteration - 1) if labeled < len(image) else 0.0
        self.network.train()
        text_index = self._draw_text()

        beta_image = image
        if labeled < len(image):
            t_alpha, t_beta = self._targets(image[labeled:], text_index)  # (B - L, C, H, W, D) each
            draw = draw_cutmix(image.shape[2:], len(image), len(image) - labeled)
            beta_image = torch.cat([image[:labeled], cutmix(image, draw)])  # (B, 1, H, W, D)
            t_alpha = cutmix(torch.cat([_one_hot(label, t_alpha), t_alpha]), draw)  # (B - L, C, H, W, D)
        alpha_logits, beta_logits = self.inferer(self._noisy(image), self.network, self._noisy(beta_image), text_index)

        output: dict[str, Tensor | float] = {"weight": weight}
        loss = torch.zeros((), device=image.device)
        for name, logits in (("alpha", alpha_logits), ("beta", beta_logits)):  # (B, C, H, W, D)
            supervised = self.supervised_loss(logits[:labeled], label)
            loss = loss + supervised
            output[f"{name}_supervised"] = supervised.detach()
            if labeled < len(image):
                usl = self.unsupervised_loss(logits[labeled:], t_beta if name == "alpha" else t_alpha)
                loss = loss + weight * usl
                output[f"{name}_usl"] = usl.detach()
        engine.fire_event(IterationEvents.LOSS_COMPLETED)

        self.alpha_optimizer.zero_grad()
        self.beta_optimizer.zero_grad()
        loss.backward()  # the networks share no parameter: each gets the gradient of its own terms
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        self.alpha_optimizer.step()
        self.beta_optimizer.step()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output | {"loss": loss.detach()}

    @property
    def _pair_training(self) -> PairTraining:
        return getattr(self.network, "module", self.network)  # type: ignore[arg-type]

    def _draw_text(self) -> int | None:
        texts = len(getattr(self._pair_training.pair.alpha, "text_embedding", ()))
        return int(torch.randint(texts, ())) if texts else None

    @torch.no_grad()
    def _targets(self, unlabeled: Tensor, text_index: int | None) -> tuple[Tensor, Tensor]:
        # past DistributedDataParallel: a forward without gradient has nothing to synchronize
        alpha_logits, beta_logits = self.inferer(unlabeled, self._pair_training, unlabeled, text_index)
        return alpha_logits.float().softmax(dim=1), beta_logits.float().softmax(dim=1)

    def _noisy(self, image: Tensor) -> Tensor:
        noisy = image + torch.empty_like(image).uniform_(-self.noise, self.noise)
        return noisy.clamp_(0.0, 1.0) if self.clamp_noise else noisy


def _one_hot(label: Tensor, like: Tensor) -> Tensor:
    one_hot = F.one_hot(label.squeeze(1).long(), like.shape[1]).movedim(-1, 1)
    return one_hot.to(like.dtype)
