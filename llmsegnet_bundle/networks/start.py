"""A training that starts from weights: what fits is taken, what does not is told."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import ignite.distributed as idist
from torch import Tensor, nn

from llmsegnet_bundle.files import file_sha256
from llmsegnet_bundle.networks.weights import TEXT, read_description, read_weights


def start_from(network: nn.Module, init_from: str | Sequence[str] | None, setting: str = "init_from") -> None:
    """Load what fits of one or two files into `network`, and print one line that tells what does not.

    A pair gets the pair of a file, or a single network for both alpha and beta; of two files alpha gets the first (its
    alpha, when it holds a pair) and beta the second (its beta). A network without text gets alpha's backbone.

    Args:
        network: `LLMSegNetPair`, or a backbone; a run's own text stays.
        init_from: a file, two as a list or as the text "[A,B]"; None loads nothing.
        setting: the id that names the files, for what is printed and raised.

    Raises:
        ValueError: as `read_weights`, when no layer but the last fits, or two files are given for one network.
    """
    files = _files(init_from)
    if not files:
        return
    own = network.state_dict()
    pair = hasattr(network, "beta")
    if len(files) > 2 or (len(files) == 2 and not pair):
        raise ValueError(f"{setting}: must be one file, or two for alpha and beta, got {', '.join(files)}")
    found = [_members(read_weights(file, setting)) for file in files]
    if pair:
        sources = {"alpha": found[0]["alpha"], "beta": found[-1]["beta"]}
        given = {f"{member}.{name}": value for member, items in sources.items() for name, value in items.items()}
    else:
        alpha = found[0]["alpha"].items()
        given = {name.removeprefix("backbone."): value for name, value in alpha if name.startswith("backbone.")}
    fits = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    taken = {name: value for name, value in fits.items() if not name.endswith(TEXT)}
    for file, member in zip(files, ("alpha.", "beta.") if len(files) == 2 else ("",), strict=True):
        if not any(_is_inner(name) and name.startswith(member) for name in taken):
            raise ValueError(f"{setting}: nothing in {_named(file)} fits {_difference(network, own, given, member)}")
    network.load_state_dict({**own, **taken})
    left = _layers(name for name in own if name not in taken)
    unused = [layer for layer in _layers(name for name in given if name not in taken) if layer not in left]
    told = [f"{setting}: {len(taken)} of {len(own)} tensors are those of {' and '.join(files)}"]
    told += [
        f"{what}: {', '.join(layers)}" for what, layers in (("not taken", left), ("no place for", unused)) if layers
    ]
    if idist.get_rank() == 0:
        print("; ".join(told))


def fingerprint(init_from: str | Sequence[str] | None, setting: str = "init_from") -> dict[str, str] | None:
    """Return the sha256 of each file that a training starts or learns from, for its record; None without.

    Raises:
        ValueError: when a file does not exist.
    """
    files = _files(init_from)
    for file in files:
        if not Path(file).is_file():
            raise ValueError(f"{setting}: {file} does not exist; give the model.pt of a training")
    return {file: file_sha256(file) for file in files} or None


def _files(init_from: str | Sequence[str] | None) -> list[str]:
    if isinstance(init_from, str):  # the command line keeps a list of paths as text
        bare = init_from.strip()
        parts = bare[1:-1].split(",") if bare[:1] == "[" and bare[-1:] == "]" else [bare]
        return [part.strip().strip("'\"") for part in parts]
    return [str(file) for file in init_from or ()]


def _members(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return alpha's and beta's weights, named as in one `LLMSegNet`; both are the same for a single network."""
    if any(name.startswith("beta.") for name in weights):
        return {
            member: {name.removeprefix(f"{member}."): v for name, v in weights.items() if name.startswith(f"{member}.")}
            for member in ("alpha", "beta")
        }
    inside = any(name.startswith("backbone.") for name in weights)
    single = {name if inside else f"backbone.{name}": value for name, value in weights.items()}
    return {"alpha": single, "beta": single}


def _is_inner(name: str) -> bool:
    return name.endswith("weight") and "fusion" not in name.split(".") and name.split(".")[-2:-1] != ["out"]


def _layers(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names if not name.endswith(TEXT)))


def _named(file: str) -> str:
    backbone = read_description(file).get("settings", {}).get("backbone", "").rpartition(".")[2]
    return f"{file} (of a {backbone})" if backbone else file


def _difference(network: nn.Module, own: Mapping[str, Tensor], given: Mapping[str, Tensor], member: str) -> str:
    name = next(name for name in own if name.startswith(member) and _is_inner(name))
    told = f"is {list(given[name].shape)}, here {list(own[name].shape)}" if name in given else "is missing"
    backbone = network.get_submodule("alpha.backbone") if hasattr(network, "beta") else network
    return f"this {type(backbone).__name__} ({name} {told}); give weights of the same backbone and base_filters"
