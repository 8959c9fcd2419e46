"""The files of a new bundle: its differences from the recipe, and its model card."""

import datetime
import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from llmsegnet_bundle.cases.survey import ScanFacts
from llmsegnet_bundle.files import as_yaml
from llmsegnet_bundle.planning.propose import Plan


class Subject(NamedTuple):
    """What a bundle is about: `organ` in images of `modality`, with scans in `dataset_dir`, trained by `command`.

    The one `channel` of a scan has the name that the data set gives it.
    """

    organ: str
    modality: str
    dataset_dir: str
    command: str
    channel: str = "image"


def train_command(folder: Path, dataset_dir: str | Path) -> str:
    """Return what a person types to train the bundle in `folder`."""
    places = ["--config_file", f"{folder}/configs/train.json", "--bundle_root", str(folder)]
    return shlex.join(["python", "-m", "monai.bundle", "run", "training", *places, "--dataset_dir", str(dataset_dir)])


def dataset_yaml(subject: Subject, plan: Plan) -> str:
    """Return the text of `dataset.yaml`: each setting under the reason for it, then what describes the bundle."""
    lines = [
        f"# {subject.organ}, {subject.modality}: what differs from the recipe in llmsegnet_bundle/recipe, as",
        "# `llmsegnet_bundle new` proposed it. After a change: python -m llmsegnet_bundle assemble THIS_FOLDER",
        as_yaml({"dataset_dir": subject.dataset_dir}).rstrip(),
    ]
    for key, value in plan.settings.items():
        if key in plan.reasons:
            lines.append(f"# {plan.reasons[key]}")
        lines.append(as_yaml({key: value}).rstrip())
    about = as_yaml(_description(subject, plan))
    return "\n".join([*lines, "# what follows describes the bundle to the zoo and to MONAI Label", about])


def _description(subject: Subject, plan: Plan) -> dict[str, Any]:
    organ, modality, names = subject.organ, subject.modality, plan.settings["class_names"]
    told = ", ".join(f"{i} {name}" for i, name in enumerate(names))
    sides = [f"{2 * multiple}*n" for multiple in plan.multiples]  # instance norm takes no bottleneck of one voxel
    shared = {"type": "image", "spatial_shape": sides, "dtype": "float32", "is_patch_data": True}
    image = {"format": "hounsfield" if modality.upper() == "CT" else "magnitude", "modality": modality}
    channel = {"num_channels": "@in_channels", "value_range": [0, 1], "channel_def": {"0": subject.channel}}
    image_format = {**shared, **image, **channel}
    classes = {"_target_": "llmsegnet_bundle.choices.numbered", "names": "@class_names"}  # as they are when assembled
    pred = {"format": "segmentation", "num_channels": "@classes", "value_range": [], "channel_def": classes}
    return {
        "name": f"LLM-SegNet {organ} segmentation",
        "task": f"Segmentation of the {organ} in {modality}",
        "description": "Two co-trained V-Nets for few labeled and many unlabeled scans",
        "data_source": "say here where the scans come from",
        "image_classes": f"one channel, {modality}, scaled to [0, 1]",
        "label_classes": told,
        "pred_classes": f"{len(names)} channels: {told}",
        "network_data_format": {"inputs": {"image": image_format}, "outputs": {"pred": {**shared, **pred}}},
    }


def model_card(subject: Subject, plan: Plan, facts: Sequence[ScanFacts]) -> str:
    """Return the text of `docs/README.md`, in the zoo's order of sections."""
    settings = plan.settings
    template = (files("llmsegnet_bundle") / "planning" / "card.md").read_text(encoding="utf-8")
    without = settings.get("text_embedding") == "none"
    count = settings["validation"]
    return template.format(
        **subject._asdict(),
        text="without text" if without else "with text about it fused at the bottleneck",
        date=datetime.date.today().isoformat(),
        scans=len(facts),
        labeled=sum(scan.values is not None for scan in facts),
        validating=f"besides {count} that" if "datalist" in settings else f"of which the last {count}",
        spacing=" x ".join(map(str, settings["spacing_mm"])),
        crop="x".join(map(str, settings["crop"])),
        classes=", ".join(f"{i} {name}" for i, name in enumerate(settings["class_names"])),
    )
