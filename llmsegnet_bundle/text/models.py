"""Language models out of a hub's cache, a folder or a GGUF file, and which revision each is."""

import hashlib
import threading
from pathlib import Path
from typing import Any

from llmsegnet_bundle.files import file_sha256

ADVICE = "give a Hugging Face id, a folder or a GGUF file"
PROBE_S = 3.0  # within which the hub says whether it has a model
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
        try:
            return loader.from_pretrained(place, **options, local_files_only=True)
        except Exception:  # of transformers, tokenizers, safetensors, gguf or the hub's client
            if path.exists():
                raise
        # not in the cache: the client would try for a minute, and log each attempt, where nobody answers
        if reason := _hub_fault(str(source)):
            raise ValueError(reason)
        return loader.from_pretrained(place, **options)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{key}: {source} cannot be loaded ({reason}); {ADVICE}") from None


def _hub_fault(name: str) -> str:
    """Return why the hub does not give a model, empty when it does; within `PROBE_S`, name servers included."""
    said: list[str] = []
    asking = threading.Thread(target=_ask_hub, args=(name, said), daemon=True)
    asking.start()
    asking.join(PROBE_S)
    return said[0] if said else f"it is in no cache, and the hub did not answer within {PROBE_S:g} s"


def _ask_hub(name: str, said: list[str]) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        HfApi().model_info(name, timeout=PROBE_S)
        said.append("")
    except HFValidationError:
        said.append("no such folder or file, and no name of the hub's")
    except OfflineModeIsEnabled:
        said.append("it is in no cache, and HF_HUB_OFFLINE is set")
    except RepositoryNotFoundError:
        said.append("the hub has no such model, or it is private")
    except Exception as error:  # of the hub's client or of what carries it
        said.append(f"it is in no cache, and the hub cannot be asked: {error}")


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
