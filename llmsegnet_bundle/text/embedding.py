"""Texts about an organ -> embedding with its provenance, in one safetensors file."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from llmsegnet_bundle.files import read_mapping
from llmsegnet_bundle.text.encoders import encode_sentences

KEY = "text_embedding"


def save_embedding(path: Path, text_embedding: Tensor, provenance: dict[str, Any]) -> None:
    """Write an embedding (P, E) with where it comes from: texts, who wrote them and when, encoder, pooling."""
    data = text_embedding.contiguous().float()
    sha256 = hashlib.sha256(data.numpy().tobytes()).hexdigest()
    part = path.with_name(path.name + ".part")
    save_file({KEY: data}, part, metadata={"provenance": json.dumps(provenance), "sha256": sha256})
    part.replace(path)


def load_embedding(path: str | Path) -> Tensor | None:
    """Return the embedding (P, E) of a file of `save_embedding`; None for "none", a network without text.

    Raises:
        ValueError: when the file is missing, is no such file, or its content is not (P, E).
    """
    if path == "none":
        return None
    if not Path(path).is_file():
        raise ValueError(f"text_embedding: {path} does not exist; give a file of `llmsegnet_bundle embed`, or none")
    try:
        with safe_open(path, framework="pt") as file:
            embedding = file.get_tensor(KEY)
    except SafetensorError as error:
        raise ValueError(f"text_embedding: {path} is no embedding file ({error})") from None
    if embedding.ndim != 2 or not torch.isfinite(embedding).all():
        raise ValueError(f"text_embedding: {path} must hold finite (P, E), got {list(embedding.shape)}")
    return embedding


def load_provenance(path: str | Path) -> dict[str, Any]:
    """Return the embedding's `sha256` and what `save_embedding` was told of its origin, as far as the file has them."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    return {"sha256": metadata.get("sha256"), **json.loads(metadata.get("provenance", "{}"))}


def embed(texts: str | Path, encoder: str | Path, output: str | Path) -> None:
    """Encode the texts of a YAML file (keys organ, written_by, date, texts) into an embedding file.

    Raises:
        ValueError: when the texts file is missing, is no YAML, lacks a key, or its texts are no list of texts.
    """
    if not Path(texts).is_file():
        raise ValueError(f"{texts} does not exist; give a YAML file with organ, written_by, date and texts")
    described = read_mapping(texts)
    missing = {"organ", "written_by", "date", "texts"} - set(described)
    if missing:
        raise ValueError(f"{texts} lacks {', '.join(sorted(missing))}")
    given = described["texts"]
    if not isinstance(given, list) or not given or not all(isinstance(text, str) for text in given):
        raise ValueError(f"{texts}: texts must be a list of texts; put quotes around one with a colon")
    described["date"] = str(described["date"])
    provenance = described | {"encoder": Path(encoder).name, "pooling": "mean, L2-normalized"}
    save_embedding(Path(output), encode_sentences(given, encoder), provenance)
