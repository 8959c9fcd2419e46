"""Encoders: texts -> one vector each."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F


def encode_sentences(texts: Sequence[str], encoder: str | Path) -> Tensor:
    """Return the mean-pooled, L2-normalized hidden states of a frozen `transformers` encoder (METHOD.md section 3).

    Args:
        texts: P texts of one organ.
        encoder: a Hugging Face id or a local folder.

    Returns:
        (P, E) float32.

    Raises:
        ValueError: when the encoder cannot be loaded.
    """
    from transformers import AutoModel, AutoTokenizer  # seconds to import

    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder)
        model = AutoModel.from_pretrained(encoder).eval()
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"encoder: {encoder} cannot be loaded ({reason}); give a Hugging Face id or a folder"
        ) from None
    tokens = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state  # (P, L, E)
    mask = tokens["attention_mask"].unsqueeze(-1)
    return F.normalize((hidden * mask).sum(dim=1) / mask.sum(dim=1), dim=1)
