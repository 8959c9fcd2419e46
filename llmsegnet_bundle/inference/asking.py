"""What an answer is made of: which networks are asked, which maps come of it, whether all of it fits."""

from torch import nn

from llmsegnet_bundle.inference.windows import ProbabilityInferer
from llmsegnet_bundle.networks.sides import check_window


def asks_in_turn(networks: int, deploy: str, uncertainty: bool) -> bool:
    """Say whether alpha and beta may answer in turn: where their mean is deployed, and not asked for at each voxel."""
    return networks == 2 and deploy == "mean" and not uncertainty


def map_postfixes(uncertainty: bool, probabilities: bool) -> list[str]:
    """Return the postfixes of the maps that a scan gets, the mask last."""
    return ["entropy", "disagreement"] * uncertainty + ["probs"] * probabilities + ["seg"]


def check_answer(network: nn.Module, inferer: ProbabilityInferer) -> None:
    """Raise ValueError when `network` does not take the windows, or cannot answer as `inferer` asks it to."""
    check_window(network, inferer.window)
    deploy = getattr(network, "deploy", "mean")
    if inferer.alternate and deploy != "mean":
        raise ValueError(f"alternate: must be False when deploy is {deploy}, as it answers with both networks")
