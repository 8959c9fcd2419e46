"""MONAI Label on phantom scans with a scripted client: every step that an annotator takes, and what came of it."""

import json
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from llmsegnet_bundle.annotation.client import LabelServer
from llmsegnet_bundle.annotation.making import make_app
from llmsegnet_bundle.bundles import assemble
from llmsegnet_bundle.documents import read_mapping
from llmsegnet_bundle.files import as_yaml, file_sha256, write_texts
from llmsegnet_bundle.inference.segmenter import segment_files
from llmsegnet_bundle.tools.phantom import write_phantom

SCANS = 6
SHIPPED, UNTRAINED = "left_atrium", ("pancreas_ct", "brats19")
SMALL = {"crop": [48, 48, 48], "base_filters": 4, "spacing_mm": [1.25, 1.25, 1.25]}  # of those that ship no weights
UNTRAINED_EPOCHS = 20  # 200 steps, until they find something: after 60 one found nothing on one machine
MOST_DIFFERENT = 1e-3  # of the voxels of a mask
BUNDLES = Path(__file__).resolve().parents[2] / "bundles"


class LabelDemo:
    """A run of the demo.

    Args:
        folder: gets scans, app, masks, the server's log and `seen.json`; emptied first.

    Raises:
        ValueError: when the bundles do not lie beside the package, as in a checkout.
    """

    def __init__(self, folder: Path) -> None:
        if not BUNDLES.is_dir():
            raise ValueError(f"{BUNDLES} does not exist; the demo runs from a checkout of the repository")
        self.folder = folder.resolve()
        self.app, self.studies = self.folder / "app", self.folder / "studies"
        self.seen: list[dict[str, Any]] = []

    def run(self) -> list[dict[str, Any]]:
        """Do all steps; return what was seen at each.

        Raises:
            ValueError: when a step did not give what it should.
        """
        self.prepare()
        with LabelServer(self.app, self.studies, self.folder / "server.log") as server:
            self.server = server
            self.step("options", self.show_options)
            self.step(f"infer {SHIPPED}", partial(self.compare, SHIPPED))
            self.step("infer with options", self.infer_with_options)
            self.step("empty label", self.save_empty_label)
            self.step("score", lambda: self.told(self.server.score(f"doubt_{SHIPPED}"), "Result"))
            self.step("next scan", self.next_scan)
            self.step("labels", partial(self.save_labels, 0, 2))
            self.step(f"train {SHIPPED}", partial(self.train, SHIPPED))
            self.step("one more label", partial(self.save_labels, 2, 3))
            self.step(f"train {SHIPPED} again", partial(self.train, SHIPPED, "start anew"))
            self.step("undo", self.undo)
            for bundle in UNTRAINED:
                self.step(f"train {bundle}", partial(self.train, bundle, epochs=UNTRAINED_EPOCHS))
                self.step(f"infer {bundle}", partial(self.compare, bundle))
            for bundle in (SHIPPED, *UNTRAINED):
                self.step(f"batch infer {bundle}", partial(self.infer_batch, bundle))
        self.step("stop", lambda: f"process {server.process.pid} ended with {server.process.returncode}")
        return self.seen

    def step(self, name: str, do: Callable[[], str]) -> None:
        """Do one step, print what was seen, and write all of it so far."""
        began = time.monotonic()
        seen = do()
        self.seen.append({"step": name, "seen": seen, "seconds": round(time.monotonic() - began, 1)})
        print(f"{name} ({self.seen[-1]['seconds']} s): {seen}", flush=True)
        write_texts(self.folder, {"seen.json": json.dumps(self.seen, indent=1) + "\n"})

    def prepare(self) -> None:
        """Make the scans and the app; the bundles without weights become small ones."""
        shutil.rmtree(self.folder, ignore_errors=True)
        write_phantom(self.folder / "phantoms", SCANS)
        shutil.copytree(self.folder / "phantoms/imagesTr", self.studies)
        make_app(self.app, [str(BUNDLES / name) for name in (SHIPPED, *UNTRAINED)])
        for name in UNTRAINED:
            place = self.app / "model" / name
            write_texts(place, {"dataset.yaml": as_yaml(read_mapping(place / "dataset.yaml") | SMALL)})
            assemble(place)

    def show_options(self) -> str:
        info = self.server.info()
        model, trainer = info["models"][SHIPPED]["config"], info["trainers"][SHIPPED]["config"]
        return f"infer {json.dumps(model)}; train {json.dumps(trainer)}; strategies {', '.join(info['strategies'])}"

    def compare(self, bundle: str) -> str:
        """Segment one scan by the server and by the command line."""
        mask = _voxels(self.server.infer(bundle, self.name(0), self.folder / f"masks/{bundle}.nii.gz"))
        output = self.folder / f"command_line/{bundle}"
        shutil.rmtree(output, ignore_errors=True)
        segment_files(self.image(0), output, self.app / "model" / bundle, device="cpu", show_progress=False)
        other = _voxels(output / f"{self.name(0)}_seg.nii.gz")
        different, size = int((mask != other).sum()), int((other > 0).sum())
        self.need(size > 0, f"{bundle}: the mask is empty, so that comparing says nothing")
        self.need(different <= MOST_DIFFERENT * size, f"{bundle}: {different} of {size} voxels differ")
        return f"{different} of the {size} voxels of the command line's mask differ"

    def infer_with_options(self) -> str:
        counts = {}
        for options in (
            {},
            {"network": "alpha"},
            {"network": "beta"},
            {"overlap": "third"},
            {"largest_component": True, "fill_holes": True},
            {"mark_uncertain": True},
        ):
            mask = _voxels(self.server.infer(SHIPPED, self.name(1), self.folder / "masks/options.nii.gz", **options))
            counts[json.dumps(options)] = np.bincount(mask.ravel(), minlength=2)[1:].tolist()
        self.need(len(set(map(str, counts.values()))) > 3, f"the options change nothing: {counts}")
        return f"voxels of each class: {counts}"

    def save_empty_label(self) -> str:
        file = self.folder / "empty.nii.gz"
        image = nib.Nifti1Image.from_filename(self.image(3))
        nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), file)
        answer = self.server.save_label(self.name(3), file)
        self.need(answer.status_code == 422, f"an empty label was taken: {answer.text}")
        return f"{answer.status_code}: {answer.json()['detail']}"

    def next_scan(self) -> str:
        offered = self.server.next_scan(f"doubt_{SHIPPED}")
        self.need(offered.get("doubt") is not None, f"it is not scored: {offered}")
        return f"{offered['id']} with doubt {offered['doubt']}"

    def save_labels(self, first: int, last: int) -> str:
        for number in range(first, last):
            label = self.folder / f"phantoms/labelsTr/{self.name(number)}.nii.gz"
            self.server.save_label(self.name(number), label).raise_for_status()
        return f"{self.server.info()['datastore']['completed']} of {SCANS} scans are labeled"

    def train(self, bundle: str, needed: str = "epochs, each", epochs: int = 1, **options: Any) -> str:
        """Train; the log must tell `needed`, and the weights change."""
        file = self.app / "model" / bundle / "models/model.pt"
        before = file_sha256(file) if file.is_file() else ""
        told = self.told(self.server.train(bundle, max_epochs=epochs, **options), needed)
        self.need(file.is_file() and file_sha256(file) != before, f"{file} did not change")
        return told

    def undo(self) -> str:
        """Undo the last training, and that undo, and compare the weights."""
        file = self.app / "model" / SHIPPED / "models/model.pt"
        worse = file_sha256(file)
        told = self.train(SHIPPED, "is kept", undo_last_training=True)
        before = file_sha256(file)
        self.train(SHIPPED, "is kept", undo_last_training=True)
        self.need(file_sha256(file) == worse, "a second undo does not take the undo back")
        self.train(SHIPPED, "is kept", undo_last_training=True)
        self.need(file_sha256(file) == before, "a third undo does not undo")
        return told

    def infer_batch(self, bundle: str) -> str:
        shutil.rmtree(self.studies / "labels/original", ignore_errors=True)
        self.told(self.server.infer_batch(bundle), "")
        masks = sorted((self.studies / "labels/original").glob("*.nii.gz"))
        self.need(len(masks) == SCANS - 3, f"{len(masks)} masks")
        return f"{len(masks)} masks, a mask for each scan without a label"

    def told(self, task: dict[str, Any], needed: str) -> str:
        """Return the lines of a task's log that a person looks for, after it ended well."""
        lines = [line for line in task["details"] if needed and needed in line]
        log = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")
        found = lines or [line for line in log.splitlines() if needed and needed in line][-1:]
        self.need(task["status"] == "DONE", f"{task['status']}: {task['details'][-3:]}")
        self.need(bool(found) or not needed, f"the log does not tell {needed!r}: {task['details']}")
        return found[-1] if found else ""

    def need(self, holds: bool, else_told: str) -> None:
        if not holds:
            raise ValueError(f"label_demo: {else_told}; {self.folder}/server.log says more")

    def name(self, number: int) -> str:
        return f"PHANTOM_{number:03d}"

    def image(self, number: int) -> Path:
        return self.studies / f"{self.name(number)}.nii.gz"


def _voxels(file: Path) -> np.ndarray:
    return np.asarray(nib.Nifti1Image.from_filename(file).dataobj).astype(np.int64)
