"""Active learning for MONAI Label: score scans by the doubt of a bundle's networks, offer the most doubtful first."""

import logging
import time
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.utils.others.generic import device_list, name_to_device

from llmsegnet_bundle.annotation.offer import most_doubtful
from llmsegnet_bundle.annotation.scorer import ScanScorer
from llmsegnet_bundle.files import file_sha256

DOUBT = "soft_gap"  # of `doubts`; docs/doubt.md shows how well it finds errors
logger = logging.getLogger(__name__)


class DoubtScoring(ScoringMethod):
    """Write the doubt about each unlabeled scan into the datastore; what these weights have scored is passed over.

    Args:
        name: of the bundle.
        bundle: its folder.
    """

    def __init__(self, name: str, bundle: Path) -> None:
        super().__init__(f"Doubt of {name} about each scan, where alpha and beta answer with their mean")
        self.key = f"doubt_{name}"
        self.bundle = bundle

    def info(self) -> dict[str, Any]:
        return super().info() | {"config": {"device": device_list(), "max_samples": 0}}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, int]:
        """Score at most `max_samples` scans, 0 for all, on `device`; one that fails is told in the log."""
        todo = self.unscored(datastore)
        most = int(request.get("max_samples") or 0)
        device = request.get("device")
        device = name_to_device(device[0] if isinstance(device, list) else device or device_list()[0])
        scorer = ScanScorer(self.bundle, device=device) if todo else None
        weights, done = self.weights(), 0
        for image in todo[: most or None]:
            try:
                doubt = round(scorer(datastore.get_image_uri(image))[DOUBT], 4)  # type: ignore[misc]
            except Exception as error:  # whatever ails this scan, the others count
                logger.warning(f"{self.key}: {image}: {' '.join(str(error.__cause__ or error).split())}")
                continue
            datastore.update_image_info(image, {self.key: doubt, f"{self.key}_weights": weights})
            done += 1
            logger.info(f"{self.key}: {image}: {doubt}")
        return {"unscored": len(todo), "scored": done}

    def unscored(self, datastore: Datastore) -> list[str]:
        """Return the unlabeled scans that the present weights have not scored; none without weights."""
        weights = self.weights()
        images = sorted(datastore.get_unlabeled_images()) if weights else []
        return [image for image in images if datastore.get_image_info(image).get(f"{self.key}_weights") != weights]

    def weights(self) -> str:
        """Return what names the present weights; "" without."""
        file = self.bundle / "models" / "model.pt"
        return file_sha256(file)[:12] if file.is_file() else ""


def is_scored(scoring: DoubtScoring, datastore: Datastore) -> bool:
    """Say whether there is nothing to score."""
    return not scoring.unscored(datastore)


class MostDoubtful(Strategy):
    """Offer the unlabeled scan that a bundle's networks doubt most; one that is not scored yet comes after the others.

    Args:
        name: of the bundle.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"The scan that {name} is least sure of")
        self.key = f"doubt_{name}"

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        infos = {image: datastore.get_image_info(image) for image in datastore.get_unlabeled_images()}
        if not infos:
            return None
        first = most_doubtful(infos, self.key, request["strategy"], time.time())
        doubt = infos[first].get(self.key)
        logger.info(f"{self.key}: {first}, {'not scored yet' if doubt is None else doubt}")
        return {"id": first, "doubt": doubt}
