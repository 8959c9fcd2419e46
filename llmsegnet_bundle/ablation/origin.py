"""What a run comes from: code, package, machine."""

import datetime
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from llmsegnet_bundle.parallel import cores
from llmsegnet_bundle.precision import has_bf16

CHECKOUT = Path(__file__).resolve().parents[2]


def origin() -> dict[str, Any]:
    """Return the git commit of this package, whether files of it are changed, its version, and the machine.

    The commit and `changed` are None for a package that lies in no checkout.
    """
    commit = _git("rev-parse", "HEAD") if (CHECKOUT / ".git").exists() else None
    changed = None if commit is None else bool(_git("status", "--porcelain", "--untracked-files=no"))
    try:
        package = version("llmsegnet-bundle")
    except PackageNotFoundError:
        package = None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    machine = {"device": device, "cores": cores(), "bfloat16": has_bf16(device)}
    return {"commit": commit, "changed": changed, "version": package, "machine": machine}


def now() -> str:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _git(*arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(CHECKOUT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
