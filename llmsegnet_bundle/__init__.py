"""Semi-supervised 3-D medical segmentation guided by language-model text, as MONAI bundles."""

import sys
from typing import TYPE_CHECKING, Any

from llmsegnet_bundle import errors

if TYPE_CHECKING:
    from llmsegnet_bundle.inference.segmenter import segment

__all__ = ["segment"]
__version__ = "0.2.0"

errors.install(sys.modules["__main__"])


def __getattr__(name: str) -> Any:
    if name == "segment":  # imported at its first use: it takes MONAI, and seconds
        from llmsegnet_bundle.inference.segmenter import segment

        return segment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
