"""Encoders: texts -> a vector each, by a language model, its tokenizer, a bank of vectors, or a control."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from llmsegnet_bundle.text.bank import take_vectors
from llmsegnet_bundle.text.controls import CONTROLS, make_control
from llmsegnet_bundle.text.models import load_pretrained, model_name, model_revision

MODELS = ("sentence", "causal_lm", "token_ids")
KINDS = (*MODELS, "bank", *CONTROLS)
SHORTEST = 64  # ids of a text: the authors pad to 64, and to 96 where a text is longer
MULTIPLE = 32


class Encoded(NamedTuple):
    """Vectors (N, E) float32 of N texts, and where they come from: keys of the provenance."""

    vectors: Tensor
    provenance: dict[str, Any]


def encode(encoder: str, groups: Mapping[str, Sequence[str]], like: Tensor | None = None) -> Encoded:
    """Encode texts.

    Args:
        encoder: KIND:SOURCE with a kind of `KINDS`; a Hugging Face id or a folder alone is a sentence encoder.
        groups: texts of each organ or class, as many of each.
        like: the embedding whose size a control takes.

    Raises:
        ValueError: when the source is missing or does not fit the texts.
    """
    kind, source = split_encoder(encoder)
    texts = list(chain.from_iterable(groups.values()))
    if kind in CONTROLS:
        vectors, pooling = make_control(kind, source, len(groups), len(texts), like)
        return Encoded(vectors, {"encoder_kind": kind, "encoder": encoder, "pooling": pooling})
    if not source:
        raise ValueError(f"encoder: {encoder} names no source; give {kind}:ID, {kind}:FOLDER or bank:FILE.npz")
    if kind == "bank":
        vectors, pooling = take_vectors(source, groups)
    elif kind == "token_ids":
        vectors, pooling = encode_token_ids(texts, source)
    else:
        vectors, pooling = encode_texts(texts, source)
    told = {"encoder_kind": kind, "encoder": model_name(source), "encoder_revision": model_revision(source)}
    return Encoded(vectors, told | {"pooling": pooling})


def split_encoder(encoder: str) -> tuple[str, str]:
    """Return kind and source of KIND:SOURCE; what begins with no kind is the source of a sentence encoder."""
    kind, _, source = encoder.partition(":")
    return (kind, source) if kind in KINDS else ("sentence", encoder)


def encode_texts(texts: Sequence[str], source: str) -> tuple[Tensor, str]:
    """Return the L2-normalized mean of a frozen model's last hidden states, (N, E), and how it was pooled.

    Each text passes alone, so that its vector does not depend on its neighbors. Serves sentence encoders and causal
    language models alike.

    Raises:
        ValueError: when the model cannot be loaded or a text is too long for it.
    """
    from transformers import AutoModel, AutoTokenizer  # seconds to import

    tokenizer = load_pretrained(AutoTokenizer, source, "encoder")
    model = load_pretrained(AutoModel, source, "encoder").eval()
    most = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None) or 10**9)
    vectors = []
    for text in texts:
        tokens = tokenizer(text, return_tensors="pt")
        if (length := tokens["input_ids"].shape[1]) > most:
            raise ValueError(f"encoder: {source} takes {most} tokens, {text[:40]!r}... has {length}; shorten the text")
        with torch.no_grad():
            hidden = model(**tokens).last_hidden_state.float()  # (1, L, E)
        vectors.append(F.normalize(hidden.mean(dim=1), dim=1))
    return torch.cat(vectors), "mean, L2-normalized"


def encode_token_ids(texts: Sequence[str], source: str) -> tuple[Tensor, str]:
    """Return each text's token ids, padded and min-max scaled to [0, 1], (N, E): no model runs.

    As in the authors' code. E is 64, or the next multiple of 32 that holds the longest
    text.

    Raises:
        ValueError: when the tokenizer cannot be loaded.
    """
    from transformers import AutoTokenizer

    tokenizer = load_pretrained(AutoTokenizer, source, "encoder")
    ids = [torch.tensor(tokenizer(text)["input_ids"], dtype=torch.float32) for text in texts]
    size = max(SHORTEST, *(MULTIPLE * -(-len(row) // MULTIPLE) for row in ids))
    padded = torch.stack([F.pad(row, (0, size - len(row)), value=tokenizer.pad_token_id or 0) for row in ids])
    low, high = padded.amin(dim=1, keepdim=True), padded.amax(dim=1, keepdim=True)
    return (padded - low) / (high - low).clamp(min=1), f"ids padded to {size}, min-max scaled"
