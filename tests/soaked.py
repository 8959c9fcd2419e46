"""What runs in a fork: much of the same in one process, with a look at its memory and handles now and then."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import psutil
import torch
from bundle_runs import prepared
from ignite.engine import Events

from llmsegnet_bundle.inference.segmenter import segment


def look() -> dict[str, int]:
    """Return memory in bytes, open files and threads of this process."""
    process = psutil.Process()
    return {
        "bytes": process.memory_info().rss,
        "handles": process.num_fds(),
        "threads": process.num_threads(),
        "children": len(process.children()),
    }


def infer(work: dict[str, Any]) -> None:
    """Segment a scan again and again, as a server would, by a bundle with small weights."""
    torch.set_num_threads(1)
    scan = nib.load(work["scan"])
    looks = []
    for turn in range(work["turns"]):
        mask = segment(scan, bundle=work["bundle"], ckpt_dir=work["weights"])
        assert np.asarray(mask.dataobj).shape == scan.shape
        if turn % work["every"] == work["every"] - 1:
            looks.append(look())
    Path(work["looks"]).write_text(json.dumps(looks))


def train(work: dict[str, Any]) -> None:
    """Train for many steps, with validation and files in between."""
    torch.set_num_threads(1)
    looks = []
    settings = {"max_steps": work["turns"], "val_interval": work["every"], "ramp_start": 0}
    flow = prepared(["train"], work["scans"], Path(work["folder"]), **settings)
    trainer = flow.parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.ITERATION_STARTED(every=work["every"]), lambda: looks.append(look()))
    flow.run()
    Path(work["looks"]).write_text(json.dumps(looks))
