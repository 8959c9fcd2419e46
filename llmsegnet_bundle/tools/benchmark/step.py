"""A training step of the pair, as the package does it and as its peers do."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from llmsegnet_bundle.losses import SupervisedLoss, UnifiedSegmentationLoss
from llmsegnet_bundle.mixing import cutmix, draw_cutmix
from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, VNet
from llmsegnet_bundle.precision import autocast, fast_layout, fold_batch_norm, keep_freed_memory
from llmsegnet_bundle.tools.benchmark.measure import Cost, cost, seconds
from llmsegnet_bundle.trainer import CoTrainer


def fast_step(
    crop: Sequence[int],
    batch: Sequence[int],
    repeats: int,
    wrap: Callable[[nn.Module], nn.Module] = lambda network: network,
) -> Cost:
    """Return the cost of a step of `CoTrainer`: bfloat16, channels last, freed memory kept, a network at a time.

    Args:
        crop: (H, W, D).
        batch: labeled and unlabeled crops.
        repeats: turns measured.
        wrap: what a network trains in.
    """
    keep_freed_memory()
    pair = _pair()
    fast_layout(pair, "cpu")
    trainer = CoTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=[_batch(crop, batch)],
        alpha=wrap(pair.alpha),
        beta=wrap(pair.beta),
        alpha_optimizer=_sgd(pair.alpha),
        beta_optimizer=_sgd(pair.beta),
        ramp=lambda step: 0.3,
        strong_views="beta",
    )
    return cost(trainer.run, repeats)


def network_passes(crop: Sequence[int], batch: Sequence[int], repeats: int) -> Cost:
    """Return the cost of the network passes of `fast_step` alone."""
    keep_freed_memory()
    pair = _pair()
    fast_layout(pair, "cpu")
    image = _batch(crop, batch)["image"]

    def passes() -> None:
        for network in (pair.alpha.train(), pair.beta.train()):
            with autocast("cpu"):
                with torch.no_grad():
                    network(image[batch[0] :], torch.zeros(batch[1], 2, dtype=torch.long))
                logits = network(image)
            logits.backward(torch.full_like(logits, 1e-6))

    return cost(passes, repeats)


def plain_step(crop: Sequence[int], batch: Sequence[int], repeats: int, kept: bool = False) -> Cost:
    """Return the cost of the same step as a short script does it: float32, contiguous, both graphs at once.

    Args:
        crop: (H, W, D).
        batch: labeled and unlabeled crops.
        repeats: turns measured.
        kept: let this side too reuse freed memory.
    """
    if kept:
        keep_freed_memory()
    pair = _pair().train()
    optimizers = [_sgd(pair.alpha), _sgd(pair.beta)]
    data = _batch(crop, batch)
    image, label, labeled = data["image"], data["label"], batch[0]
    supervised, usl = SupervisedLoss(), UnifiedSegmentationLoss()

    def step() -> None:
        with torch.no_grad():
            t_alpha, t_beta = (network(image[labeled:]).softmax(dim=1) for network in (pair.alpha, pair.beta))
        draw = draw_cutmix(crop, sum(batch), batch[1])
        mixed = torch.cat([image[:labeled], cutmix(image, draw)])
        t_alpha = cutmix(torch.cat([label, t_alpha]), draw)
        alpha_logits, beta_logits = pair.alpha(_noisy(image)), pair.beta(_noisy(mixed))
        loss = supervised(alpha_logits[:labeled], label) + 0.3 * usl(alpha_logits[labeled:], t_beta)
        loss = loss + supervised(beta_logits[:labeled], label) + 0.3 * usl(beta_logits[labeled:], t_alpha)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()

    return cost(step, repeats)


def arithmetic(crop: Sequence[int], repeats: int) -> tuple[float, float]:
    """Return GFLOP/s of a bfloat16 matrix product of 2048^3 and of V-Net's forward pass over one crop.

    The pass is inference's: evaluation mode, batch norm folded. The counts are multiplications and additions of
    convolutions alone, as `torch.utils.flop_counter` counts them. Turns alternate; each figure is the best of them.
    """
    keep_freed_memory()
    network = fast_layout(fold_batch_norm(VNet().eval()), "cpu")
    image = torch.rand(1, 1, *crop)
    left, right = torch.rand(2, 2048, 2048).bfloat16()
    with torch.inference_mode(), autocast("cpu"):
        with FlopCounterMode(display=False) as counter:
            network(image)
        flops = counter.get_total_flops()
        products, passes = [], []
        for _ in range(3 * repeats):
            products += [seconds(lambda: left @ right) for _ in range(5)]
            passes.append(seconds(lambda: network(image)))
    return 2 * 2048**3 / min(products) / 1e9, flops / min(passes) / 1e9


def _pair() -> LLMSegNetPair:
    torch.manual_seed(0)
    text = torch.randn(9, 384)
    return LLMSegNetPair(LLMSegNet(VNet(), text), LLMSegNet(VNet(), text))


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)


def _batch(crop: Sequence[int], batch: Sequence[int]) -> dict[str, Tensor]:
    organ = torch.randint(2, (batch[0], 1, *crop)).float()
    return {"image": torch.rand(sum(batch), 1, *crop), "label": torch.cat([1 - organ, organ], dim=1)}


def _noisy(image: Tensor) -> Tensor:
    return image + (torch.rand_like(image) * 0.4 - 0.2)
