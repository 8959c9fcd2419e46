"""The embedding file: vectors of texts with their provenance, as safetensors, checked when it is read."""

import hashlib
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from llmsegnet_bundle.files import refuse_input, whole_file
from llmsegnet_bundle.text.bank import write_bank
from llmsegnet_bundle.text.encoders import encode
from llmsegnet_bundle.text.texts import group_texts, read_texts

KEY = "text_embedding"
# of the provenance: what weights keep of the text that they were trained with
DESCRIBED = (
    "organ",
    "organs",
    "class_names",
    "written_by",
    "date",
    "edited",
    "encoder_kind",
    "encoder",
    "encoder_revision",
    "pooling",
    "replaces_sha256",
)


def save_embedding(path: Path, text_embedding: Tensor, provenance: dict[str, Any]) -> None:
    """Write an embedding with where it comes from: texts, who wrote them and when, encoder, revision, pooling.

    Args:
        path: the file.
        text_embedding: (P, E) of one organ, (C - 1, P, E) with the `class_names` of the provenance, or
            (O, C - 1, P, E) with its `organs`.
        provenance: what JSON can hold.
    """
    data = text_embedding.contiguous().float()
    told = {"provenance": json.dumps(provenance, default=str), "sha256": embedding_sha256(data)}
    with whole_file(path) as part:
        part.write_bytes(save({KEY: data}, told))


def load_embedding(path: str | Path, setting: str = KEY) -> Tensor | None:
    """Return the embedding of a file of `save_embedding`; None for "none", a network without text.

    Args:
        path: the file.
        setting: that gives it, for the messages.

    Returns:
        (P, E) of one organ, (C - 1, P, E) of each class but the background, or (O, C - 1, P, E) of several organs.

    Raises:
        ValueError: when the file is missing, is no such file, was changed after it was written, or its content is
            neither.
    """
    if path == "none":
        return None
    metadata, embedding = _read(path, setting)
    if metadata.get("sha256") != embedding_sha256(embedding):
        raise ValueError(f"{setting}: {path} is not as `embed` wrote it (its sha256 differs); write it again")
    told = _provenance(path, metadata)
    form, fits = "(P, E)", embedding.ndim == 2
    if names := told.get("organs"):
        form, fits = f"(O, C - 1, P, E) of {', '.join(names)}", embedding.ndim == 4 and len(embedding) == len(names)
    elif names := told.get("class_names"):
        form, fits = f"(C - 1, P, E) of {', '.join(names)}", embedding.ndim == 3 and len(embedding) == len(names)
    if not fits or not torch.isfinite(embedding).all():
        raise ValueError(f"{setting}: {path} must hold finite {form}, got {list(embedding.shape)}")
    return embedding


def load_provenance(path: str | Path) -> dict[str, Any]:
    """Return what `save_embedding` was told of an embedding's origin, and its `sha256`, as far as the file has them."""
    metadata, _ = _read(path)
    return {**_provenance(path, metadata), "sha256": metadata.get("sha256")}


def describe_embedding(path: str | Path) -> dict[str, Any]:
    """Return what weights keep of an embedding file: `sha256` and `shape` of its numbers, organ, encoder, revision.

    Raises:
        ValueError: when the file is missing or no such file.
    """
    metadata, embedding = _read(path)
    origin = _provenance(path, metadata)
    told = {key: origin[key] for key in DESCRIBED if key in origin}
    return {"sha256": embedding_sha256(embedding), "shape": list(embedding.shape), **told}


def embed(
    texts: str | Path | Sequence[str | Path], output: str | Path, encoder: str | Path, like: str | Path | None = None
) -> None:
    """Encode a texts file, or those of several organs for one network, into an embedding file.

    Args:
        texts: YAML with organ, written_by, date and texts: a list, or a list under each class name.
        output: the file to write.
        encoder: as for `encoders.encode`.
        like: the embedding file that a control replaces.

    Raises:
        ValueError: when the texts are unfit, two are of one organ, one has more classes or texts than another, the
            encoder is missing or does not fit them, or `output` is a file that is read.
    """
    files = [texts] if isinstance(texts, str | Path) else list(texts)
    refuse_input(output, [*files, like, *(one for one in [str(encoder).partition(":")[2]] if one)])
    contents = [read_texts(file) for file in files]
    content, groups = contents[0], group_texts(contents[0])
    if len(files) > 1:
        content = _joined(contents)
        groups = content["texts"]
    vectors, origin = encode(str(encoder), groups, None if like is None else load_embedding(like))
    if isinstance(contents[0]["texts"], dict):
        origin["class_names"] = list(contents[0]["texts"])
    if len(files) > 1:
        vectors = vectors.unflatten(0, (len(files), len(groups) // len(files), -1))
    elif "class_names" in origin:
        vectors = vectors.unflatten(0, (len(groups), -1))
    if like is not None:
        origin["replaces_sha256"] = load_provenance(like)["sha256"]
    save_embedding(Path(output), vectors, content | origin)


def export_bank(output: str | Path, embeddings: Sequence[str | Path]) -> None:
    """Write the vectors of embedding files into one bank, labeled by organ or class.

    Raises:
        ValueError: when a file is unfit or the output too, or their vectors are not of one size.
    """
    refuse_input(output, embeddings)
    labels: list[str] = []
    rows: list[Tensor] = []
    for file in embeddings:
        embedding = load_embedding(file)
        if embedding is None:
            raise ValueError("bank: give embedding files, not none")
        told = load_provenance(file)
        if rows and embedding.shape[-1] != rows[0].shape[-1]:
            size = rows[0].shape[-1]
            raise ValueError(
                f"bank: {file} has vectors of {embedding.shape[-1]}, {embeddings[0]} of {size}; one bank, one size"
            )
        names = (
            list(told["texts"]) if "organs" in told else told.get("class_names") or [told.get("organ", Path(file).stem)]
        )
        labels += chain.from_iterable([str(name)] * embedding.shape[-2] for name in names)
        rows.append(embedding.flatten(0, -2))
    if not rows:
        raise ValueError("bank: give at least one embedding file")
    write_bank(output, labels, torch.cat(rows))


def _joined(contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one content of texts files: `organs`, all their `texts` by organ or organ and class, and `sources`."""
    organs = [str(content["organ"]) for content in contents]
    if len(set(organs)) < len(organs):
        raise ValueError(f"texts: each file must be of another organ, got {', '.join(organs)}")
    groups: dict[str, list[str]] = {}
    counts = {}
    for organ, content in zip(organs, contents, strict=True):
        texts = content["texts"]
        own = {f"{organ}: {name}": told for name, told in texts.items()} if isinstance(texts, dict) else {organ: texts}
        counts[organ] = f"{len(own)} x {len(next(iter(own.values())))}"
        groups |= own
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{organ} {count}" for organ, count in counts.items())
        raise ValueError(f"texts: each organ must have as many classes x texts as the others, got {told}")
    sources = [{key: value for key, value in content.items() if key != "texts"} for content in contents]
    return {"organs": organs, "texts": groups, "sources": sources}


def _read(path: str | Path, setting: str = KEY) -> tuple[dict[str, str], Tensor]:
    if not Path(path).is_file():
        raise ValueError(f"{setting}: {path} does not exist; give a file of `llmsegnet_bundle embed`, or none")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, file.get_tensor(KEY)
    except SafetensorError as error:
        raise ValueError(f"{setting}: {path} is no embedding file ({error})") from None


def _provenance(path: str | Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        told = json.loads(metadata.get("provenance", "{}"))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ValueError(f"text_embedding: {path} has a damaged provenance; write it again by `embed`")
    return told


def embedding_sha256(data: Tensor) -> str:
    """Return the SHA-256 of an embedding's numbers in hexadecimal, as its file and the weights keep it."""
    return hashlib.sha256(data.float().numpy().tobytes()).hexdigest()
