"""The figures of docs/method.md, by the package's own code on phantoms: python docs/site/figures.py [FOLDER]."""

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from llmsegnet_bundle.losses import UnifiedSegmentationLoss
from llmsegnet_bundle.mixing import cutmix, draw_cutmix
from llmsegnet_bundle.networks import VNet
from llmsegnet_bundle.ramps import poly_decay, sigmoid_ramp
from llmsegnet_bundle.tools.phantom import phantom
from llmsegnet_bundle.transforms import AffineCropd

BLUE, GRAY = "#1f5fa8", "#9aa3ad"


def network() -> Figure:
    """Channels and sides of what each level of the V-Net gives."""
    net, seen = VNet(base_filters=1).eval(), []
    for name, part in [("stem", net.stem), *((f"down {i + 1}", p) for i, p in enumerate(net.encoder))]:
        part.register_forward_hook(lambda _, __, x, name=name: seen.append((name, x.shape)))
    for i, part in enumerate(net.decoder):
        part.register_forward_hook(lambda _, __, x, name=f"up {i + 1}": seen.append((name, x.shape)))
    net.out.register_forward_hook(lambda _, __, x: seen.append(("out", x.shape)))
    with torch.no_grad():
        net(torch.zeros(1, 1, 64, 64, 48))
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for at, (name, (_, channels, *sides)) in enumerate(seen):
        axes.bar(at, sides[0], 0.15 + 0.035 * channels, color=GRAY if name == "out" else BLUE)
        told = channels if name == "out" else channels * 16
        axes.text(at, sides[0] + 2, f"{told}\n{'x'.join(map(str, sides))}", ha="center", fontsize=7)
    axes.set_xticks(range(len(seen)), [name for name, _ in seen], fontsize=8)
    axes.set_ylim(0, 84)
    axes.set_ylabel("voxels along the first side", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def crops() -> Figure:
    """A phantom, crops of it, and what CutMix makes of them."""
    torch.manual_seed(3)
    image, label = phantom(np.random.default_rng(0), (80, 80, 60), 1.25)
    item = {
        "image": torch.as_tensor(image / 255.0, dtype=torch.float32)[None],
        "label": torch.stack([torch.as_tensor(label == value, dtype=torch.float32) for value in (0, 1)]),
    }
    draw = AffineCropd(["image", "label"], (64, 64, 48)).set_random_state(1)
    two = [draw(item) for _ in range(2)]
    images, labels = (torch.stack([crop[key] for crop in two]) for key in ("image", "label"))
    mix = draw_cutmix((64, 64, 48), 2, 2)
    middle = images.shape[-1] // 2
    shown = [
        ("scan", image[..., 30]),
        ("crop", images[0, 0, ..., middle]),
        ("another", images[1, 0, ..., middle]),
        ("CutMixed", cutmix(images, mix)[0, 0, ..., middle]),
        ("its target", cutmix(labels, mix)[0, 1, ..., middle]),
    ]
    figure = Figure(figsize=(8, 2), layout="constrained")
    for axes, (title, plane) in zip(figure.subplots(1, len(shown)), shown, strict=True):
        axes.imshow(np.asarray(plane).T, cmap="gray", origin="lower")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure


def loss() -> Figure:
    """The Unified Segmentation Loss of one voxel and two classes."""
    loss_of, q = UnifiedSegmentationLoss(), torch.linspace(0.01, 0.99, 99)
    figure = Figure(figsize=(5, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for t in (0.95, 0.8, 0.6, 0.05):
        peer = torch.tensor([1 - t, t]).view(1, 2, 1, 1, 1)
        logits = torch.stack([1 - q, q], dim=1).log().view(-1, 1, 2, 1, 1, 1)
        axes.plot(q, [loss_of(one, peer) for one in logits], label=f"peer {t}")
    axes.set_xlabel("student's probability of the organ", fontsize=8)
    axes.set_ylabel("loss", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def schedules() -> Figure:
    """Learning rate and weight of a CPU's default run."""
    steps = range(3001)
    figure = Figure(figsize=(5, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(steps, [poly_decay(step, 3000) for step in steps], color=GRAY, label="learning rate / first")
    axes.plot(steps, [sigmoid_ramp(step, 300, 1.0, 1500) for step in steps], color=BLUE, label="weight / W")
    axes.set_xlabel("step", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "figures")
    folder.mkdir(exist_ok=True)
    for draw in (network, crops, loss, schedules):
        draw().savefig(folder / f"{draw.__name__}.png", dpi=110, metadata={"Software": None})
