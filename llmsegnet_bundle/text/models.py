"""Language models out of a hub's cache, a folder or a GGUF file, and which revision each is."""

import hashlib
from pathlib import Path
from typing import Any

from llmsegnet_bundle.files import file_sha256

ADVICE = "give a Hugging Face id, a folder or a GGUF file"
FILES = (".safetensors", ".bin", ".gguf", ".json", ".txt", ".model")  # weights, configuration, tokenizer


def load_pretrained(loader: Any, source: str | Path, key: str) -> Any:
    """Return what a `transformers` auto class makes of a model.

    Args:
        loader: such as `AutoTokenizer`.
        source: a Hugging Face id, a local folder, or a GGUF file.
        key: the setting that an error names.

    Raises:
        ValueError: when it cannot be loaded.
    """
    path = Path(source)
    place, options = (path.parent, {"gguf_file": path.name}) if path.suffix == ".gguf" else (source, {})
    try:
        return loader.from_pretrained(place, **options)
    except Exception as error:  # of transformers, tokenizers, safetensors, gguf or the hub's client
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{key}: {source} cannot be loaded ({reason}); {ADVICE}") from None


def model_name(source: str | Path) -> str:
    """Return what names a model wherever it lies: its Hugging Face id, or the name of its folder or file."""
    return Path(source).resolve().name if Path(source).exists() else str(source)


def model_revision(source: str | Path) -> str | None:
    """Return the commit of a model in the hub's cache, or the sha256 of a folder's or GGUF file's content.

    None where neither is there.
    """
    path = Path(source)
    if path.is_file():
        return f"sha256:{file_sha256(path)}"
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in FILES and file.is_file())
        lines = "".join(f"{file.name} {file_sha256(file)}\n" for file in files)
        return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
    from huggingface_hub import try_to_load_from_cache

    for name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        if isinstance(file := try_to_load_from_cache(str(source), name), str):
            return Path(file).parent.name
    return None
