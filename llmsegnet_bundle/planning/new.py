"""The folder of a new bundle, written whole or not at all."""

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from llmsegnet_bundle.bundles import assemble
from llmsegnet_bundle.cases import from_file
from llmsegnet_bundle.cases.layouts import read_description
from llmsegnet_bundle.cases.survey import survey
from llmsegnet_bundle.files import as_yaml, whole_folder, write_texts, writing_to
from llmsegnet_bundle.planning.propose import propose
from llmsegnet_bundle.planning.writing import Subject, dataset_yaml, model_card, train_command
from llmsegnet_bundle.text import describe_organ, embed, measured_sentences, measured_texts
from llmsegnet_bundle.text.describe import Model

WRITTEN_BY = "llmsegnet_bundle new, from the labels"


def new_bundle(
    bundle: str | Path,
    organ: str,
    modality: str,
    dataset_dir: str | Path,
    class_names: Sequence[str] | None = None,
    language_model: Model | None = None,
    encoder: str | None = None,
    datalist: str | Path | None = None,
) -> Path:
    """Look at the scans of a folder, propose settings, and write a bundle that trains on them.

    Args:
        bundle: folder to write; it must not exist.
        organ: what is segmented, such as "liver".
        modality: "CT" for scans in HU, else such as "MR".
        dataset_dir: holds imagesTr and labelsTr, as `cases.from_folder` reads them.
        class_names: of all classes, background first; None for those of `dataset.json`, else names from `organ`.
        language_model: of `text.open_model`, to write the texts; None writes them from measurements of the labels.
        encoder: as of `text.embed`, for the embedding; None trains without text.
        datalist: a split file that the bundle trains on; only the labels of its labeled list are read.

    Returns:
        The folder.

    Raises:
        ValueError: when the folder exists, a scan is unfit, or `class_names` does not name each class.
    """
    folder = Path(bundle)
    if folder.exists():
        raise ValueError(f"{folder} exists; remove it, or give another name")
    facts = survey(dataset_dir, datalist)
    validation = None if datalist is None else len(from_file(datalist, dataset_dir)["validation"])
    plan = propose(facts, modality, "cuda" if torch.cuda.is_available() else "cpu", validation)
    settings = plan.settings
    description = read_description(dataset_dir)
    described = description.classes if description else ()
    names = list(class_names or described or _class_names(organ, settings["classes"]))
    if len(names) < settings["classes"]:
        raise ValueError(f"class_names must name the {settings['classes']} classes of the labels, got {names}")
    settings |= {} if datalist is None else {"datalist": str(Path(datalist).resolve())}
    settings |= {"classes": len(names), "class_names": names} | ({} if encoder else {"text_embedding": "none"})
    learned = [scan for scan in facts if scan.values is not None]
    if datalist is None:  # those that validate are the last with a label
        learned = learned[: len(learned) - settings["validation"]]
    held = {value for scan in learned for value in scan.values or ()}
    for value, name in enumerate(names):
        if value not in held | {0}:
            told = f"no labeled training scan holds the class {name}, so that it cannot be learned"
            print(f"warning: {told}", file=sys.stderr)
    channel = description.channels[0] if description and description.channels else "image"
    subject = Subject(organ, modality, str(dataset_dir), train_command(folder, dataset_dir), channel)
    try:
        with whole_folder(folder) as part:
            texts = part / "text" / "texts.yaml"
            if language_model:
                measured = measured_sentences(learned, organ, modality)
                describe_organ(texts, organ, modality, language_model, measured=measured)
            else:
                _write_measured(texts, organ, measured_texts(learned, organ, modality))
            if encoder:
                embed(texts, part / "text" / "embedding.safetensors", encoder)
            write_texts(part, {"dataset.yaml": dataset_yaml(subject, plan)})
            write_texts(part / "docs", {"README.md": model_card(subject, plan, facts)})
            assemble(part)
    except OSError as error:
        with writing_to(folder):
            raise error
    for key, reason in plan.reasons.items():
        print(f"{key}: {settings[key]} ({reason})")
    embedded = f"encoded by {encoder}" if encoder else "not used: give --encoder to train with it"
    written_by = language_model.name if language_model else WRITTEN_BY
    print(f"text: by {written_by}; {embedded}\ntrain with:\n{subject.command}")
    return folder


def _write_measured(file: Path, organ: str, texts: list[str]) -> None:
    told = {"organ": organ, "written_by": WRITTEN_BY, "date": datetime.date.today().isoformat(), "texts": texts}
    write_texts(file.parent, {file.name: as_yaml(told)})


def _class_names(organ: str, classes: int) -> list[str]:
    return ["background", *([organ] if classes == 2 else [f"{organ} {i}" for i in range(1, classes)])]
