"""Texts about an organ, and the embedding of them that guides the networks."""

from llmsegnet_bundle.text.describe import check_absent, describe_organ, open_model
from llmsegnet_bundle.text.embedding import (
    describe_embedding,
    embed,
    embedding_sha256,
    export_bank,
    load_embedding,
    load_provenance,
    save_embedding,
)
from llmsegnet_bundle.text.measured import measured_sentences, measured_texts
from llmsegnet_bundle.text.organs import known_organs, organ_index

__all__ = [
    "check_absent",
    "describe_embedding",
    "describe_organ",
    "embed",
    "embedding_sha256",
    "export_bank",
    "known_organs",
    "load_embedding",
    "load_provenance",
    "measured_sentences",
    "measured_texts",
    "open_model",
    "organ_index",
    "save_embedding",
]
