"""What a training step costs beside its network passes, measured in one run."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch

from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, PairTraining, VNet
from llmsegnet_bundle.precision import autocast, fast_layout, has_bf16, keep_freed_memory
from llmsegnet_bundle.trainer import CoTrainer

LABELED = 2
UNLABELED = 2


def benchmark_step(crop: Sequence[int] = (112, 112, 80), repeats: int = 5, device: str = "cpu") -> float:
    """Print and return the time of one LA-8 step as a multiple of its network passes (METHOD.md section 6).

    The passes are one forward without gradient of 2 crops and one forward and backward of 4 crops, a network: 4 and 8
    crops in all. Both are medians over `repeats` turns that alternate in one process, after one warm-up turn.

    Args:
        crop: (H, W, D).
        repeats: turns measured.
        device: torch device.
    """
    keep_freed_memory()
    torch.manual_seed(0)
    text = torch.randn(9, 384)
    pair = LLMSegNetPair(LLMSegNet(VNet(), text), LLMSegNet(VNet(), text))
    fast_layout(pair, device)
    batch = {
        "image": torch.rand(LABELED + UNLABELED, 1, *crop, device=device),
        "label": torch.randint(2, (LABELED, 1, *crop), dtype=torch.uint8, device=device),
    }
    trainer = CoTrainer(
        device=device,
        max_epochs=1,
        train_data_loader=[batch],
        network=PairTraining(pair),
        alpha_optimizer=torch.optim.SGD(pair.alpha.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4),
        beta_optimizer=torch.optim.SGD(pair.beta.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4),
        ramp=lambda step: 0.3,
    )

    def passes() -> None:
        for network in (pair.alpha.train(), pair.beta.train()):
            with autocast(device):
                with torch.no_grad():
                    network(batch["image"][LABELED:], 0)
                logits = network(batch["image"], 0)
            logits.backward(torch.full_like(logits, 1e-6))

    pass_times, step_times = [], []
    for _ in range(repeats + 1):
        pass_times.append(_seconds(passes, device))
        pair.zero_grad()
        step_times.append(_seconds(trainer.run, device))
    passes_s, step_s = (statistics.median(times[1:]) for times in (pass_times, step_times))
    kind = "bfloat16" if has_bf16(device) else "float32"
    print(f"crop {'x'.join(map(str, crop))}, batch {LABELED}+{UNLABELED}, {kind}, {torch.get_num_threads()} threads")
    print(f"network passes {passes_s:.2f} s, whole step {step_s:.2f} s, ratio {step_s / passes_s:.3f} (goal 1.25)")
    return step_s / passes_s


def _seconds(work: Callable[[], object], device: str) -> float:
    start = time.perf_counter()
    work()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
