"""What runs in a fork: one command, as its own process would run it."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

from bundle_runs import BUNDLE

SMALL = {"labeled": 2, "validation": 1, "max_steps": 1, "val_interval": 1, "crop": [48, 48, 48], "base_filters": 2}
PLACES = {"dataset_dir": "data", "output_dir": "out/o", "ckpt_dir": "out/c", "cache_dir": "out/k"}
CONFIGS = {
    "train": ("training", ["train"], PLACES | SMALL | {"hidden": 8}),
    "supervised": ("training", ["train_supervised"], PLACES | SMALL),
    "evaluating": ("evaluating", ["train", "evaluate"], PLACES | SMALL | {"hidden": 8, "ckpt_dir": "run"}),
    "inference": ("run", ["inference"], {"dataset_dir": "data/imagesTr", "output_dir": "out/o", "ckpt_dir": "run"}),
}


def run(words: list[str]) -> None:
    """Run `llmsegnet-bundle WORDS`, or a config of the left atrium when the first word is one of `CONFIGS`."""
    if words[0] not in CONFIGS:
        from llmsegnet_bundle.__main__ import main

        sys.argv = ["llmsegnet-bundle", *words]
        main()
        return
    from llmsegnet_bundle import errors

    run_id, names, given = CONFIGS[words[0]]
    files = [str(BUNDLE / "configs" / f"{name}.json") for name in names]
    given = {"config_file": files, "bundle_root": BUNDLE, "show_progress": False} | given
    overrides = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    sys.argv = ["monai.bundle", "run", run_id, *overrides, *words[1:]]
    errors.install(SimpleNamespace(__spec__=SimpleNamespace(name="monai.bundle.__main__")))
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)


def make_base(folder: str) -> None:
    """Write the scans that all rows share, and a training of one step on them."""
    from llmsegnet_bundle.tools.phantom import write_phantom

    write_phantom(Path(folder) / "data", scans=4, size=(40, 40, 36), spacing_mm=0.9)
    run(["train", "--ckpt_dir", "run", "--output_dir", "results", "--cache_dir", "none", "--max_steps", "2"])


def make_files(work: list[str]) -> None:
    """Call makers of `wrong_files` on a folder, the first word."""
    from robustness import wrong_files

    for name in work[1:]:
        getattr(wrong_files, name)(Path(work[0]))
