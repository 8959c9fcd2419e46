"""Semi-supervised 3-D medical segmentation guided by language-model text, as MONAI bundles."""

import sys

from llmsegnet_bundle import errors

__version__ = "0.1.0"

errors.install(sys.modules["__main__"])
