"""What an answer is made of: which maps come of it, whether the network can give it."""

from torch import nn

from llmsegnet_bundle.inference.windows import ProbabilityInferer
from llmsegnet_bundle.networks.sides import check_window
from llmsegnet_bundle.scans.writing import DICOM_SEG, MAPS


def map_postfixes(uncertainty: bool, probabilities: bool, format: str = "nifti") -> list[str]:
    """Return the postfixes of the maps that a scan gets, the mask last; with the format "dicom-seg" as such too."""
    entropy, disagreement, probs = MAPS
    maps = [entropy, disagreement] * uncertainty + [probs] * probabilities + ["seg"]
    return maps + [DICOM_SEG] * (format == "dicom-seg")


def check_answer(network: nn.Module, inferer: ProbabilityInferer) -> None:
    """Raise ValueError when `network` does not take the windows, or cannot answer as `inferer` asks it to."""
    check_window(network, inferer.window)
    deploy = getattr(network, "deploy", "mean")
    if inferer.alternate and deploy != "mean":
        raise ValueError(f"alternate: must be False when deploy is {deploy}, as it answers with both networks")
