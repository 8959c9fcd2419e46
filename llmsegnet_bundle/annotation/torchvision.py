"""MONAI Label without torchvision, whose build must fit torch's and of which it takes two functions for pictures."""

import importlib
import sys
from types import ModuleType


def stand_in() -> None:
    """Let `from torchvision.utils import make_grid, save_image` pass where torchvision cannot be imported."""
    try:
        importlib.import_module("torchvision")
    except Exception:  # absent, or built for another torch: it raises more than ImportError
        module, utils = ModuleType("torchvision"), ModuleType("torchvision.utils")
        for name in ("make_grid", "save_image"):
            setattr(utils, name, _refuse)
        module.utils = utils  # type: ignore[attr-defined]
        sys.modules |= {"torchvision": module, "torchvision.utils": utils}


def _refuse(*_: object, **__: object) -> None:
    raise ImportError("torchvision is needed for this; install the build that fits torch")
