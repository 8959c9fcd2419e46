"""Bundles run in process, small enough for a test."""

import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

from llmsegnet_bundle.errors import told_in_one_line

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "bundles" / "left_atrium"
BUNDLES = sorted(path.parent for path in (ROOT / "bundles").glob("*/dataset.yaml"))
SMALL = {"crop": [48, 48, 48], "base_filters": 2, "labeled": 2, "validation": 1, "max_steps": 3, "val_interval": 2}


def workflow(names, bundle=BUNDLE, **overrides):
    files = [str(bundle / "configs" / f"{name}.json") for name in names]
    kind = "inference" if names == ["inference"] else "train"
    return ConfigWorkflow(
        files,
        meta_file=str(bundle / "configs" / "metadata.json"),
        logging_file=False,
        workflow_type=kind,
        **({"bundle_root": str(bundle)} | overrides),
    )


def prepared(names, scans, folder, bundle=BUNDLE, **overrides):
    places = {"dataset_dir": str(scans), "output_dir": str(folder / "out"), "ckpt_dir": str(folder / "ckpt")}
    small = {"crop": SMALL["crop"], "base_filters": SMALL["base_filters"]}
    if names != ["inference"]:
        places["cache_dir"], small = str(folder / "cache"), SMALL
    flow = workflow(names, bundle, show_progress=False, **(places | small | overrides))
    flow.initialize()
    return flow


def run(names, scans, folder, bundle=BUNDLE, **overrides):
    flow = prepared(names, scans, folder, bundle, **overrides)
    flow.run()
    return flow.parser


@contextmanager
def refused(match, lines=1):
    """Expect what `python -m monai.bundle` would end with in so many lines, without a traceback."""
    with pytest.raises((RuntimeError, ValueError, SystemExit)) as stop:
        yield
    told = str(stop.value) if isinstance(stop.value, SystemExit) else told_in_one_line(stop.value)
    assert told is not None, stop.value
    assert re.search(match, told), told
    assert len(told.splitlines()) == lines
