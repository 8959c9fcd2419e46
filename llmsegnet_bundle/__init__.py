"""Semi-supervised 3-D medical segmentation guided by language-model text, as MONAI bundles."""

__version__ = "0.1.0"
