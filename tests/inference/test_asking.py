import pytest
from torch import nn

from llmsegnet_bundle.inference import ProbabilityInferer, check_answer, map_postfixes
from llmsegnet_bundle.networks import LLMSegNetPair, VNet


def test_mask_is_the_last_of_the_maps():
    assert map_postfixes(False, False) == ["seg"]
    assert map_postfixes(True, True) == ["entropy", "disagreement", "probs", "seg"]
    assert map_postfixes(False, False, "dicom-seg") == ["seg", "seg.dcm"]


def test_answer_that_the_network_cannot_give_is_refused():
    network = LLMSegNetPair(VNet(base_filters=2), nn.Identity(), "alpha")
    check_answer(network, ProbabilityInferer((32, 32, 32)))
    with pytest.raises(ValueError, match="window: image sides must be multiples of"):
        check_answer(network, ProbabilityInferer((32, 32, 30)))
    with pytest.raises(ValueError, match="alternate: must be False when deploy is alpha"):
        check_answer(network, ProbabilityInferer((32, 32, 32), alternate=True))
