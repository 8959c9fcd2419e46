"""Co-training of two networks as one MONAI engine: a step reads like docs/method.md."""

import warnings
from collections.abc import Callable, Iterable, Sequence

import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.inferers import Inferer
from monai.transforms import Compose
from torch import Tensor, nn
from torch.optim import Optimizer

from llmsegnet_bundle.losses import SupervisedLoss, UnifiedSegmentationLoss
from llmsegnet_bundle.mixing import CutMixDraw, cutmix, draw_cutmix
from llmsegnet_bundle.precision import AutocastInferer, needs_fp16


class CoTrainer(SupervisedTrainer):
    """Train alpha and beta together: both on labels, each on the other's prediction of unlabeled crops.

    Batches are {"image": (B, K, H, W, D), "label": (L, C, H, W, D)}, the L labeled crops first, labels as the fraction
    of each class in a voxel; with L = B, and while the ramp is 0, both networks learn from labels alone. With "target"
    (B - L, 2C, H, W, D) in a batch, the probabilities of alpha and beta that `handlers.ScanTargets` keeps, unlabeled
    crops are learned from these; else the peer answers on the crop, in training mode and without noise.

    Each crop is seen with one of its organ's texts, drawn anew, the same for both networks. With several organs "organ"
    (B, 1) in a batch tells which, and CutMix mixes crops of the same one.

    `state.output` is a list of one dict, as MONAI's handlers take it, with floats "loss", "alpha_supervised",
    "beta_supervised", "alpha_usl", "beta_usl" and the ramp weight "weight" of the step. `network` holds both, by the
    names of `LLMSegNetPair`, and `optimizer` is alpha's, for MONAI's federated client and handlers. On a GPU without
    bfloat16 losses are scaled for float16. Beta's forward starts after alpha's backward has freed its activations, so
    that a step needs the memory of one network.

    Args:
        device: where the networks are.
        max_epochs: epochs of `epoch_length` steps.
        train_data_loader: endless, as `loading.two_stream_loader`.
        alpha: `LLMSegNet`, or the `DistributedDataParallel` of one.
        beta: the same.
        alpha_optimizer: of alpha's parameters.
        beta_optimizer: of beta's parameters.
        ramp: steps done -> weight of the unsupervised loss; while it is 0, unlabeled crops are left out.
        noise: half-width of the uniform noise on student inputs.
        clamp_noise: keep noisy inputs in [0, 1].
        supervised_loss: (logits, label) -> scalar; None for `SupervisedLoss`.
        unsupervised_loss: (logits, peer_probs) -> scalar; None for `UnifiedSegmentationLoss`.
        inferer: calls a network; None for `AutocastInferer`.
        micro_batches: parts of a batch that pass through the networks one after the other, their gradients averaged,
            for devices with little memory; batch norm then sees a part at a time.
        strong_views: "beta" (the paper's: alpha sees unlabeled crops as they are, beta CutMixed ones) or "both".
        jitter: MONAI `Compose` for one crop (K, H, W, D), for the unlabeled crops of students; None for none.
        epoch_length: steps of an epoch.
        train_handlers: attached in their order.

    Raises:
        ValueError: when `strong_views` is another word, or at the first step when `micro_batches` divides not both
            shares of a batch.
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
        strong_views: str = "both",
        jitter: Compose | None = None,
        epoch_length: int | None = None,
        train_handlers: Sequence | None = None,
    ) -> None:
        if strong_views not in ("beta", "both"):
            raise ValueError(f"strong_views: must be beta or both, got {strong_views!r}")
        super().__init__(
            device=torch.device(device),
            max_epochs=max_epochs,
            train_data_loader=train_data_loader,
            network=nn.ModuleDict({"alpha": _unwrapped(alpha), "beta": _unwrapped(beta)}),
            optimizer=alpha_optimizer,
            loss_function=supervised_loss or SupervisedLoss(),
            epoch_length=epoch_length,
            inferer=inferer or AutocastInferer(),
            train_handlers=train_handlers,
            decollate=False,
        )
        self.alpha = alpha
        self.beta = beta
        self.alpha_optimizer = alpha_optimizer
        self.beta_optimizer = beta_optimizer
        self.ramp = ramp
        self.noise = noise
        self.clamp_noise = clamp_noise
        self.unsupervised_loss = unsupervised_loss or UnifiedSegmentationLoss()
        self.micro_batches = micro_batches
        self.strong_views = strong_views
        self.jitter = jitter
        # `scaler` is of the engine, which sets it at each run
        self.loss_scaler = torch.GradScaler(torch.device(device).type, enabled=needs_fp16(device))
        if self.loss_scaler.is_enabled():  # steps whose gradients overflow are left out, for schedules a mistake
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)

    def _iteration(  # type: ignore[override]  # a list, as decollating makes it of MONAI's own dict
        self, engine: "CoTrainer", batchdata: dict[str, Tensor]
    ) -> list[dict[str, float]]:
        image = batchdata["image"].to(engine.state.device, non_blocking=True)  # (B, K, H, W, D)
        label = batchdata["label"].to(engine.state.device, non_blocking=True)  # (L, C, H, W, D)
        labeled = len(label)
        weight = self.ramp(engine.state.iteration - 1) if labeled < len(image) else 0.0
        if self.micro_batches < 1 or labeled % self.micro_batches or (len(image) - labeled) % self.micro_batches:
            shares = [labeled, len(image) - labeled]
            raise ValueError(f"micro_batches: must divide both shares of batch {shares}, got {self.micro_batches}")
        used = slice(labeled, None) if weight else slice(0)  # of the unlabeled crops
        target = batchdata["target"].to(engine.state.device) if weight and "target" in batchdata else None
        text = self._draw_text(batchdata, len(image))  # (B, 2)
        self.alpha.train()
        self.beta.train()
        self.alpha_optimizer.zero_grad()
        self.beta_optimizer.zero_grad()

        streams = (image[:labeled], image[used], label, target, text[:labeled], text[used])
        parts = [[None] * self.micro_batches if x is None else x.tensor_split(self.micro_batches) for x in streams]
        terms = [self._learn(x_l, x_u, y, t, e_l, e_u, weight) for x_l, x_u, y, t, e_l, e_u in zip(*parts, strict=True)]
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        self.loss_scaler.step(self.alpha_optimizer)
        self.loss_scaler.step(self.beta_optimizer)
        self.loss_scaler.update()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        means = torch.stack([torch.stack([part[name] for part in terms]).mean() for name in terms[0]])
        return [{"weight": weight} | dict(zip(terms[0], means.tolist(), strict=True))]  # a GPU is waited for once

    def _learn(
        self,
        labeled: Tensor,
        unlabeled: Tensor,
        label: Tensor,
        target: Tensor | None,
        labeled_text: Tensor,
        unlabeled_text: Tensor,
        weight: float,
    ) -> dict[str, Tensor]:
        """Add the gradients of one micro batch, and return its loss terms."""
        text = torch.cat([labeled_text, unlabeled_text])
        t_alpha = t_beta = None
        if target is not None:
            t_alpha, t_beta = target.chunk(2, dim=1)  # (B - L, C, H, W, D) each
        elif len(unlabeled):
            t_alpha = self._target(self.alpha, unlabeled, unlabeled_text)
            t_beta = self._target(self.beta, unlabeled, unlabeled_text)
        students = [("alpha", self.alpha, t_beta), ("beta", self.beta, t_alpha)]
        views = [self._view(name, labeled, unlabeled, label, peer_probs, text) for name, _, peer_probs in students]
        terms: dict[str, Tensor] = {}
        for (name, network, _), (image, peer_probs) in zip(students, views, strict=True):
            logits = self.inferer(self._noisy(image), network, text)  # (B, C, H, W, D)
            own = self._backward(logits, label, peer_probs, weight)
            terms |= {f"{name}_{term}": value for term, value in own.items()}
        return terms | {"loss": terms.pop("alpha_loss") + terms.pop("beta_loss")}

    def _view(
        self,
        student: str,
        labeled: Tensor,
        unlabeled: Tensor,
        label: Tensor,
        peer_probs: Tensor | None,
        text: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the crops (B, K, H, W, D) that a student sees, and their target (B - L, C, H, W, D)."""
        image = torch.cat([labeled, unlabeled])
        if peer_probs is None or (student == "alpha" and self.strong_views == "beta"):
            return image, peer_probs
        draw = self._draw_mix(image, len(labeled), text)
        mixed = self._jittered(cutmix(image, draw))
        return torch.cat([labeled, mixed]), cutmix(torch.cat([label.to(peer_probs.dtype), peer_probs]), draw)

    def _draw_mix(self, image: Tensor, labeled: int, text: Tensor) -> CutMixDraw:
        """Return what is pasted where, into the unlabeled crops of (B, K, H, W, D), which follow the labeled ones."""
        return draw_cutmix(image.shape[2:], len(image), len(image) - labeled, tasks=text[:, 0].tolist())

    def _backward(self, logits: Tensor, label: Tensor, target: Tensor | None, weight: float) -> dict[str, Tensor]:
        labeled = len(label)
        terms = {"supervised": self.loss_function(logits[:labeled], label)}
        loss = terms["supervised"]
        if target is not None:
            terms["usl"] = self.unsupervised_loss(logits[labeled:], target)
            loss = loss + weight * terms["usl"]
        self.loss_scaler.scale(loss / self.micro_batches).backward()
        return {name: value.detach() for name, value in (terms | {"loss": loss}).items()}

    def _draw_text(self, batchdata: dict[str, Tensor], crops: int) -> Tensor:
        organ = batchdata["organ"] if "organ" in batchdata else torch.zeros(crops, 1, dtype=torch.long)
        texts = getattr(_unwrapped(self.alpha), "texts", 0)
        return torch.cat([organ.cpu(), torch.randint(max(texts, 1), (crops, 1))], dim=1)

    @torch.no_grad()
    def _target(self, network: nn.Module, unlabeled: Tensor, text: Tensor) -> Tensor:
        logits = self.inferer(unlabeled, _unwrapped(network), text)
        return logits.float().softmax(dim=1)

    def _jittered(self, unlabeled: Tensor) -> Tensor:
        if self.jitter is None:
            return unlabeled
        self.jitter.set_random_state(seed=int(torch.randint(2**31, ())))  # so that a continued run draws the same
        return torch.stack([torch.as_tensor(self.jitter(crop)) for crop in unlabeled])

    def _noisy(self, image: Tensor) -> Tensor:
        noisy = image + torch.empty_like(image).uniform_(-self.noise, self.noise)
        return noisy.clamp_(0.0, 1.0) if self.clamp_noise else noisy


def _unwrapped(network: nn.Module) -> nn.Module:
    # past DistributedDataParallel: a forward without gradient has nothing to synchronize
    return getattr(network, "module", network)
