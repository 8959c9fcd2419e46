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
from llmsegnet_bundle.precision import AutocastInferer


class CoTrainer(Trainer):
    """Train alpha and beta together: both on labels, each on the other's prediction of unlabeled crops.

    Batches are {"image": (B, K, H, W, D), "label": (L, 1, H, W, D)}, the L labeled crops first; with L = B both
    networks learn from labels alone. `state.output` holds the detached "loss", "alpha_supervised", "beta_supervised",
    "alpha_usl", "beta_usl" and the ramp weight "weight" of the step. Beta's forward starts after alpha's backward has
    freed its activations, so that a step needs the memory of one network.

    Args:
        device: where the networks are.
        max_epochs: epochs of `epoch_length` steps.
        train_data_loader: endless, as `loading.two_stream_loader`.
        alpha: `LLMSegNet` that sees the crops as they are, or the `DistributedDataParallel` of one.
        beta: the same for CutMixed crops.
        alpha_optimizer: of alpha's parameters.
        beta_optimizer: of beta's parameters.
        ramp: steps done -> weight of the unsupervised loss.
        noise: half-width of the uniform noise on student inputs.
        clamp_noise: keep noisy inputs in [0, 1].
        supervised_loss: (logits, label) -> scalar; None for `SupervisedLoss`.
        unsupervised_loss: (logits, peer_probs) -> scalar; None for `UnifiedSegmentationLoss`.
        inferer: calls a network; None for `AutocastInferer`.
        micro_batches: parts of a batch that pass through the networks one after the other, their gradients averaged,
            for devices with little memory; batch norm then sees a part at a time.
        reuse_alpha: take beta's target from alpha's student pass, which saves half of the passes without
            gradient. That target has seen noise and the batch statistics of the labeled crops too (not the paper's).
        epoch_length: steps of an epoch.
        train_handlers: attached in their order.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable,
        alpha: nn.Module,
        beta: nn.Module,
        alpha_optimizer: Optimizer,
        beta_optimizer: Optimizer,
        ramp: Callable[[int], float],
        noise: float = 0.2,
        clamp_noise: bool = False,
        supervised_loss: nn.Module | None = None,
        unsupervised_loss: nn.Module | None = None,
        inferer: Inferer | None = None,
        micro_batches: int = 1,
        reuse_alpha: bool = False,
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
        self.alpha = alpha
        self.beta = beta
        self.alpha_optimizer = alpha_optimizer
        self.beta_optimizer = beta_optimizer
        self.inferer = inferer or AutocastInferer()
        self.ramp = ramp
        self.noise = noise
        self.clamp_noise = clamp_noise
        self.supervised_loss = supervised_loss or SupervisedLoss()
        self.unsupervised_loss = unsupervised_loss or UnifiedSegmentationLoss()
        self.micro_batches = micro_batches
        self.reuse_alpha = reuse_alpha

    def _iteration(self, engine: "CoTrainer", batchdata: dict[str, Tensor]) -> dict[str, Tensor | float]:
        image = batchdata["image"].to(engine.state.device, non_blocking=True)  # (B, K, H, W, D)
        label = batchdata["label"].to(engine.state.device, non_blocking=True)  # (L, 1, H, W, D)
        labeled = len(label)
        weight = self.ramp(engine.state.iteration - 1) if labeled < len(image) else 0.0
        text_index = self._draw_text()
        self.alpha.train()
        self.beta.train()
        self.alpha_optimizer.zero_grad()
        self.beta_optimizer.zero_grad()

        parts = [stream.tensor_split(self.micro_batches) for stream in (image[:labeled], image[labeled:], label)]
        terms = [self._learn(x_l, x_u, y, weight, text_index) for x_l, x_u, y in zip(*parts, strict=True)]
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        self.alpha_optimizer.step()
        self.beta_optimizer.step()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return {"weight": weight} | {name: torch.stack([part[name] for part in terms]).mean() for name in terms[0]}

    def _learn(
        self, labeled: Tensor, unlabeled: Tensor, label: Tensor, weight: float, text_index: int | None
    ) -> dict[str, Tensor]:
        """Add the gradients of one micro batch, and return its loss terms."""
        image = torch.cat([labeled, unlabeled])  # (B, K, H, W, D)
        t_alpha = t_beta = None
        if len(unlabeled):
            t_alpha = None if self.reuse_alpha else self._target(self.alpha, unlabeled, text_index)
            t_beta = self._target(self.beta, unlabeled, text_index)  # (B - L, C, H, W, D)
            draw = draw_cutmix(image.shape[2:], len(image), len(unlabeled))
        alpha_logits = self.inferer(self._noisy(image), self.alpha, text_index)  # (B, C, H, W, D)
        alpha_terms = self._backward(alpha_logits, label, t_beta, weight)

        if len(unlabeled):
            t_alpha = alpha_logits[len(labeled) :].detach().float().softmax(dim=1) if t_alpha is None else t_alpha
            del alpha_logits
            t_alpha = cutmix(torch.cat([_one_hot(label, t_alpha), t_alpha]), draw)  # (B - L, C, H, W, D)
            image = torch.cat([labeled, cutmix(image, draw)])  # (B, K, H, W, D)
        beta_logits = self.inferer(self._noisy(image), self.beta, text_index)  # (B, C, H, W, D)
        beta_terms = self._backward(beta_logits, label, t_alpha, weight)

        terms = {f"alpha_{name}": value for name, value in alpha_terms.items()}
        terms |= {f"beta_{name}": value for name, value in beta_terms.items()}
        return terms | {"loss": terms.pop("alpha_loss") + terms.pop("beta_loss")}

    def _backward(self, logits: Tensor, label: Tensor, target: Tensor | None, weight: float) -> dict[str, Tensor]:
        labeled = len(label)
        terms = {"supervised": self.supervised_loss(logits[:labeled], label)}
        loss = terms["supervised"]
        if target is not None:
            terms["usl"] = self.unsupervised_loss(logits[labeled:], target)
            loss = loss + weight * terms["usl"]
        (loss / self.micro_batches).backward()
        return {name: value.detach() for name, value in (terms | {"loss": loss}).items()}

    def _draw_text(self) -> int | None:
        texts = getattr(_unwrapped(self.alpha), "texts", 0)
        return int(torch.randint(texts, ())) if texts else None

    @torch.no_grad()
    def _target(self, network: nn.Module, unlabeled: Tensor, text_index: int | None) -> Tensor:
        logits = self.inferer(unlabeled, _unwrapped(network), text_index)
        return logits.float().softmax(dim=1)

    def _noisy(self, image: Tensor) -> Tensor:
        noisy = image + torch.empty_like(image).uniform_(-self.noise, self.noise)
        return noisy.clamp_(0.0, 1.0) if self.clamp_noise else noisy


def _unwrapped(network: nn.Module) -> nn.Module:
    # past DistributedDataParallel: a forward without gradient has nothing to synchronize
    return getattr(network, "module", network)


def _one_hot(label: Tensor, like: Tensor) -> Tensor:
    one_hot = F.one_hot(label.squeeze(1).long(), like.shape[1]).movedim(-1, 1)
    return one_hot.to(like.dtype)
