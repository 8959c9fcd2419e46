import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from llmsegnet_bundle.scans.writing import case_file
from llmsegnet_bundle.transforms import (
    AlignLabeld,
    FillBackgroundd,
    MarkUncertaind,
    SaveCased,
    Uncertaintyd,
)


def loaded(voxels, affine):
    meta = {"affine": affine, "original_affine": affine.numpy(), "spatial_shape": np.array(voxels.shape[1:])}
    return MetaTensor(voxels, meta=meta)


def test_label_lies_on_its_scan_and_is_whole():
    scan = loaded(torch.zeros(1, 2, 3, 4), torch.diag(torch.tensor([2.0, 3, 4, 1])))
    label = loaded(torch.full((1, 2, 3, 4), 0.9999999), torch.diag(torch.tensor([-2.0, -3, 4, 1])))
    found = AlignLabeld("label")({"image": scan, "label": label})["label"]
    torch.testing.assert_close(found.affine, scan.affine, check_dtype=False)
    assert (found == 1).all()
    assert set(AlignLabeld("label", allow_missing_keys=True)({"image": scan})) == {"image"}


@pytest.mark.parametrize("label", [torch.zeros(1, 2, 3, 5), torch.full((1, 2, 3, 4), 0.5)])
def test_label_that_is_none_of_its_scan_is_refused(label):
    scan = loaded(torch.zeros(1, 2, 3, 4), torch.eye(4))
    with pytest.raises(ValueError, match=r"label must hold whole numbers in the scan's shape \(2, 3, 4\), got \(2, 3"):
        AlignLabeld("label")({"image": scan, "label": loaded(label, torch.eye(4))})


@pytest.mark.parametrize("members", [1, 2])
def test_what_was_cut_away_is_background(members):
    probs = torch.full((3 * members, 2, 2, 2), 1 / 3)
    probs[:, 0] = 0
    filled = FillBackgroundd("pred", classes=3)({"pred": probs})["pred"].unflatten(0, (members, 3))
    torch.testing.assert_close(filled.sum(dim=1), torch.ones(members, 2, 2, 2))
    assert (filled[:, 0, 0] == 1).all()
    assert probs[0, 0].sum() == 0


@pytest.mark.parametrize(
    ("alpha", "beta", "entropy", "disagreement"),
    [
        ((1, 0, 0, 0), (1, 0, 0, 0), 0.0, 0.0),  # sure, and alike
        ((1, 0, 0, 0), (0, 1, 0, 0), 0.5, 1.0),  # each sure of another class: ln 2 / ln 4
        ((0.25,) * 4, (0.25,) * 4, 1.0, 0.0),  # both know nothing
    ],
)
def test_uncertainty_of_known_probabilities(alpha, beta, entropy, disagreement):
    pred = torch.tensor([*alpha, *beta], dtype=torch.float32).reshape(8, 1, 1, 1).expand(8, 2, 3, 4)
    result = Uncertaintyd("pred", 2)({"pred": pred})
    torch.testing.assert_close(result["entropy"], torch.full((1, 2, 3, 4), entropy))
    torch.testing.assert_close(result["disagreement"], torch.full((1, 2, 3, 4), disagreement))
    torch.testing.assert_close(result["pred"], (pred[:4] + pred[4:]) / 2)


@pytest.mark.parametrize(("deploy", "first"), [("alpha", 0.9), ("beta", 0.2)])
def test_uncertainty_keeps_what_is_deployed(deploy, first):
    pred = torch.tensor([0.9, 0.1, 0.2, 0.8]).reshape(4, 1, 1, 1)
    assert Uncertaintyd("pred", 2, deploy)({"pred": pred})["pred"][0].item() == pytest.approx(first)


def test_uncertainty_passes_over_one_answer():
    pred = torch.tensor([0.9, 0.1]).reshape(2, 1, 1, 1)
    result = Uncertaintyd("pred", 2)({"pred": pred})
    assert list(result) == ["pred"]
    assert result["pred"] is pred


@pytest.mark.parametrize(("active", "wanted"), [(True, [0, 2, 2]), (False, [0, 1, 0])])
def test_uncertain_voxels_become_one_more_class(active, wanted):
    data = {
        "pred": torch.tensor([0, 1, 0]).reshape(1, 3, 1, 1),
        "entropy": torch.tensor([0.5, 0.6, 1.0]).reshape(1, 3, 1, 1),
    }
    result = MarkUncertaind("pred", classes=2, active=active)(data)
    assert result["pred"].flatten().tolist() == wanted
    assert data["pred"].flatten().tolist() == [0, 1, 0]


def test_saved_map_is_named_by_its_case_and_whole(tmp_path, monkeypatch):
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    image = MetaTensor(torch.ones(1, 4, 5, 6), affine=affine, meta={"filename_or_obj": "/scans/1.2.840.5"})
    save = SaveCased("pred", tmp_path / "out", "seg", torch.uint8)
    save({"pred": image})
    file = case_file(tmp_path / "out", "1.2.840.5", "seg")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [file.name] == ["1.2.840.5_seg.nii.gz"]
    np.testing.assert_allclose(nib.load(file).affine, affine)
    before = file.read_bytes()

    def fail(image, filename):
        filename.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(nib, "save", fail)
    with pytest.raises(OSError, match="disk full"):  # not MONAI's, which tells to install writers
        save({"pred": image})
    assert [path.name for path in (tmp_path / "out").iterdir()] == [file.name]
    assert file.read_bytes() == before
