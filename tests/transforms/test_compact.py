import torch
from monai.data import MetaTensor

from llmsegnet_bundle.transforms import CompactFractionsd
from llmsegnet_bundle.transforms.compact import fractions


def test_fractions_come_back_to_a_255th_and_whole_voxels_exactly():
    kept = torch.rand(3, 4, 4, 4).softmax(dim=0)
    kept[:, 0, 0, 0] = torch.tensor([0.0, 1.0, 0.0])
    made = CompactFractionsd("label")({"label": MetaTensor(kept)})["label"]
    assert (type(made), made.dtype, made.shape) == (torch.Tensor, torch.uint8, (2, 4, 4, 4))
    back = fractions(made)
    torch.testing.assert_close(back, kept, rtol=0, atol=1.001 / 255)
    assert back[:, 0, 0, 0].tolist() == [0, 1, 0]


def test_background_is_never_below_nothing():
    half = torch.full((3, 1, 1, 1), 0.5)
    half[0] = 0
    assert fractions(CompactFractionsd("label")({"label": half})["label"]).min() == 0


def test_item_without_a_label_is_left_alone():
    assert CompactFractionsd("label", allow_missing_keys=True)({"image": 1}) == {"image": 1}
