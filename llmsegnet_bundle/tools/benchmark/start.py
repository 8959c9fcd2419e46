"""How long a start takes: of the command line, and of a training until its first step."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

from llmsegnet_bundle.tools.benchmark.measure import seconds


def help_seconds() -> float:
    """Return the seconds of `python -m llmsegnet_bundle --help`, the best of 5."""
    command = [sys.executable, "-m", "llmsegnet_bundle", "--help"]
    return min(seconds(lambda: subprocess.run(command, capture_output=True, check=True)) for _ in range(5))


def seconds_to_first_step(bundle: str, dataset_dir: str, folder: str) -> float:
    """Return the seconds from imports done to a built trainer and its first batch.

    Args:
        bundle: folder of a bundle.
        dataset_dir: the scans.
        folder: of the run; its `cache` is filled when it is empty.
    """
    from monai.bundle import ConfigWorkflow

    import llmsegnet_bundle.handlers
    import llmsegnet_bundle.inference
    import llmsegnet_bundle.trainer  # noqa: F401  imports are not what is measured

    def start() -> None:
        flow = ConfigWorkflow(
            str(Path(bundle) / "configs" / "train.json"),
            meta_file=str(Path(bundle) / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="train",
            bundle_root=bundle,
            dataset_dir=dataset_dir,
            output_dir=f"{folder}/eval",
            ckpt_dir=f"{folder}/checkpoints",
            cache_dir=f"{folder}/cache",
            show_progress=False,
        )
        flow.initialize()
        flow.parser.get_parsed_content("train#trainer")
        next(iter(flow.parser.get_parsed_content("train#dataloader")))

    with contextlib.redirect_stdout(io.StringIO()):
        return seconds(start)
