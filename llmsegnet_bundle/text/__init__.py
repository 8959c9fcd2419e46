"""Texts about an organ, and the embedding of them that guides the networks."""

from llmsegnet_bundle.text.describe import ask, describe
from llmsegnet_bundle.text.embedding import embed, export_bank, load_embedding, load_provenance, save_embedding

__all__ = ["ask", "describe", "embed", "export_bank", "load_embedding", "load_provenance", "save_embedding"]
