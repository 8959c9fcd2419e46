"""The swap test answers each case with another text too, and leaves the network as it was."""

import json

import pytest
import torch
from monai.engines import SupervisedEvaluator
from torch.nn import functional as F

from llmsegnet_bundle.handlers import SwapText
from llmsegnet_bundle.networks import LLMSegNet, UNet
from llmsegnet_bundle.precision import AutocastInferer
from llmsegnet_bundle.text import save_embedding

TEXT = F.normalize(torch.randn(3, 1, 2, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
ORGANS = ["liver", "spleen", "kidney"]


def network(text=TEXT):
    torch.manual_seed(0)
    return LLMSegNet(UNet(base_filters=2), text, "head", hidden=4)


class Told(LLMSegNet):
    """Its mask is all foreground for the first text and all background for others."""

    def forward(self, image, text=None):
        first = torch.allclose(self.embedding(text)[0, 0], FIRST)
        return torch.cat([torch.zeros_like(image), torch.ones_like(image) if first else -torch.ones_like(image)], dim=1)


FIRST = network().embedding(torch.tensor([[0]]))[0, 0]


def evaluate(net, handler, organ):
    image = torch.rand(1, 1, 4, 4, 4)
    batch = {"image": image, "label": torch.ones_like(image), "organ": torch.tensor([[organ]])}
    evaluator = SupervisedEvaluator(
        "cpu",
        [batch],
        net,
        inferer=MaskInferer(),
        prepare_batch=lambda batch, device, non_blocking, **_: (batch["image"], batch["label"], (batch["organ"],), {}),
        val_handlers=[handler],
    )
    evaluator.run()


class MaskInferer(AutocastInferer):
    def __call__(self, *args, **kwargs):
        return super().__call__(*args, **kwargs).argmax(1, keepdim=True).float()


@pytest.mark.parametrize(("organ", "right", "swapped"), [(0, 1.0, 0.0), (2, 0.0, 1.0)])
def test_swap_costs_what_the_next_organs_text_does(organ, right, swapped, tmp_path, capsys):
    net = Told(UNet(base_filters=2), TEXT, "head", hidden=4)
    before = net.text_embedding.clone()
    (tmp_path / "evaluation.json").write_text('{"swap_text": [')  # damaged: written anew
    evaluate(net, SwapText("next", ["background", "organ"], ORGANS, tmp_path, net), organ)
    told = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert told["dice_by_text"] == {"right": {ORGANS[organ]: right}, "next": {ORGANS[organ]: swapped}}
    assert told["swap_text"] == {"next": right - swapped}
    assert f"swap test, next: Dice {right - swapped:+.4f} with the right text" in capsys.readouterr().out
    assert torch.equal(net.text_embedding, before)


def test_paraphrases_of_a_file_are_tried_however_many(tmp_path):
    save_embedding(tmp_path / "p.safetensors", TEXT[:, :, :1].expand(3, 1, 5, 8) * 1, {"organs": ORGANS})
    net = network()
    swap = SwapText([str(tmp_path / "p.safetensors")], ["background", "organ"], ORGANS, tmp_path, net)
    assert {word: rows.shape for word, rows in swap.texts.items()} == {"p.safetensors": (3, 5, 8)}


def test_swap_that_cannot_be_is_told_in_one_line(tmp_path):
    save_embedding(tmp_path / "two.safetensors", torch.ones(2, 1, 1, 8), {"organs": ORGANS[:2]})
    save_embedding(tmp_path / "long.safetensors", torch.ones(3, 1, 1, 9), {"organs": ORGANS})
    for word, text, told in (
        ("next", TEXT[0, 0], "swap_text: next needs a network for several organs; give an embedding file"),
        ("next", None, "swap_text: this network has no text to swap"),
        (str(tmp_path / "two.safetensors"), TEXT, "must have texts of 3 organs, as the network has"),
        (str(tmp_path / "long.safetensors"), TEXT, r"is \[3, 1, 9\], the network's text \[3, 2, 8\]"),
    ):
        with pytest.raises(ValueError, match=told):
            SwapText(word, ["background", "organ"], ORGANS, tmp_path, network(text))
