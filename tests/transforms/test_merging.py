import torch
from monai.data import MetaTensor

from llmsegnet_bundle.cases import LabelValues
from llmsegnet_bundle.transforms import MergeLabelsd


def test_numbers_become_their_classes_with_the_same_place_in_space():
    affine = torch.diag(torch.tensor([2.0, 2, 2, 1]))
    label = MetaTensor(torch.arange(5.0).reshape(1, 5, 1, 1), affine=affine)
    merged = MergeLabelsd("label", LabelValues([0, 1, 2, 3, 3]))({"label": label})["label"]
    assert merged.flatten().tolist() == [0, 1, 2, 3, 3]
    assert merged.dtype == label.dtype
    torch.testing.assert_close(merged.affine, label.affine)


def test_count_of_numbers_leaves_them_and_no_label_is_passed_over():
    label = MetaTensor(torch.arange(3.0).reshape(1, 3, 1, 1))
    assert MergeLabelsd("label", 3)({"label": label})["label"].flatten().tolist() == [0, 1, 2]
    assert MergeLabelsd("label", 3, allow_missing_keys=True)({"image": 1}) == {"image": 1}
