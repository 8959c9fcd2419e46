"""A language model asked about an organ: its answers become a texts file."""

import datetime
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import yaml

from llmsegnet_bundle.files import as_yaml, write_texts
from llmsegnet_bundle.text.local import LocalModel
from llmsegnet_bundle.text.remote import RemoteModel
from llmsegnet_bundle.text.texts import Texts, texts_sha256


class Model(Protocol):
    """What answers a prompt, and tells what it is."""

    name: str
    seed: int

    def answer(self, prompt: str) -> str: ...

    def origin(self) -> dict[str, Any]: ...


def open_model(
    source: str | Path,
    model_name: str | None = None,
    decoding: Mapping[str, Any] | None = None,
    seed: int = 0,
    timeout_s: float = 60.0,
    api_key: str | None = None,
) -> Model:
    """Return the model of a hub id, folder, GGUF file, or URL of an OpenAI-compatible server.

    Args:
        source: an address that begins with http:// or https:// is a server's; all else is loaded here.
        model_name: the server's name of the model.
        decoding: parameters in the model's own words; None for greedy answers of few words.
        seed: of each answer.
        timeout_s: for a server's answer.
        api_key: for the server.

    Raises:
        ValueError: as `LocalModel` and `RemoteModel`.
    """
    if str(source).startswith(("http://", "https://")):
        return RemoteModel(str(source), model_name, decoding, seed, timeout_s, api_key)
    return LocalModel(source, decoding, seed)


def describe_organ(
    output: str | Path,
    organ: str,
    modality: str,
    model: Model,
    class_names: Sequence[str] | None = None,
    measured: Sequence[str] = (),
) -> None:
    """Ask a model about an organ, or about each class of it, and write the texts file.

    Args:
        output: YAML file to write; it must not exist, as a person may have edited it.
        organ: such as "left atrium".
        modality: such as "LGE-MRI".
        model: of `open_model`.
        class_names: all classes but the background, in their order; None for texts of the organ alone.
        measured: sentences of `measured_sentences`, which the model is told.

    Raises:
        ValueError: when the file exists, or the model fails or answers nothing.
    """
    check_absent(output)
    template = read_template()
    subjects = {name: f"{name} ({organ})" for name in class_names} if class_names else {organ: organ}
    answers: dict[str, dict[str, str]] = {}
    for name, subject in subjects.items():
        prompts = fill_prompts(template, subject, modality, measured)
        answers[name] = {key: tidy(model.answer(prompt)) for key, prompt in prompts.items()}
    # a question that a class has no answer to is left out for all, as each must have as many texts as the others
    kept = [key for key in template["prompts"] if all(answers[name][key] for name in answers)]
    if not kept:
        raise ValueError(f"model: {model.name} answered nothing; take another model, or write the texts yourself")
    groups = {name: [answers[name][key] for key in kept] for name in answers}
    texts: Texts = groups if class_names else groups[organ]
    content = {
        "organ": organ,
        "modality": modality,
        "written_by": model.name,
        "date": datetime.date.today().isoformat(),
        "texts": texts,
        **model.origin(),
        "seed": model.seed,
        "template": template["id"],
        "template_text": {key: template["prompts"][key] for key in kept} | {"form": template["form"]},
        **({"measured": list(measured)} if measured else {}),
        "texts_sha256": texts_sha256(texts),
    }
    head = (
        "# Read these texts, and correct them: models err. `llmsegnet_bundle embed` records whether they were edited.\n"
    )
    write_texts(Path(output).parent, {Path(output).name: head + as_yaml(content)})


def check_absent(output: str | Path) -> None:
    """Raise ValueError when `output` exists."""
    if Path(output).exists():
        raise ValueError(f"{output} exists; remove it, or give another name")


def read_template() -> dict[str, Any]:
    """Return the package's questions: `id`, `prompts` by name, `measured` and `form`."""
    content = (files("llmsegnet_bundle") / "text" / "templates.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(content))


def fill_prompts(
    template: Mapping[str, Any], subject: str, modality: str, measured: Sequence[str] = ()
) -> dict[str, str]:
    """Return each question of a template about a subject, with what was measured of it."""
    known = [template["measured"].format(measured=" ".join(measured))] if measured else []
    return {
        key: " ".join([question.format(subject=subject, modality=modality), *known, template["form"]])
        for key, question in template["prompts"].items()
    }


def tidy(answer: str) -> str:
    """Return an answer on one line, without a last sentence that the model had no room to end."""
    line = " ".join(answer.split())
    end = max(line.rfind(mark) for mark in (". ", "! ", "? "))
    return line if line.endswith((".", "!", "?")) or end < 0 else line[: end + 1]
