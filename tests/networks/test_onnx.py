"""Each fusion leaves through ONNX with the answer that it had."""

import pytest
import torch
from torch.nn import functional as F

from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, VNet
from llmsegnet_bundle.networks.llmsegnet import FUSIONS


@pytest.mark.zoo
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusion_answers_the_same_in_onnx(fusion, tmp_path):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason=f"the package {name} is absent")
    import onnxruntime

    torch.manual_seed(0)
    text = F.normalize(torch.randn(2, 1, 3, 8), dim=-1)
    nets = [LLMSegNet(VNet(base_filters=2), text, fusion, crop=(32, 32, 32), hidden=4, organ=1) for _ in range(2)]
    pair, image = LLMSegNetPair(*nets).eval(), torch.randn(1, 1, 48, 32, 32)
    torch.onnx.export(pair, (image,), str(tmp_path / "pair.onnx"), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "pair.onnx"), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    torch.testing.assert_close(torch.from_numpy(answer), pair(image).detach(), rtol=1e-3, atol=1e-4)
