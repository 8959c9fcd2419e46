"""The pancreas bundle on real anatomy with painted gray values, and the brats bundle on real FLAIR scans."""

import json

import nibabel as nib
import numpy as np
import pytest
from bundle_runs import ROOT, run
from painted_ct import HU, PANCREAS, write_painted_ct

LABELS = ROOT.parent / "shared/data/abdomen_labels"
FLAIR = ROOT.parent / "shared/data/brats"


@pytest.mark.skipif(not LABELS.exists(), reason="../shared/data/abdomen_labels is absent")
def test_painted_ct_shows_the_organ_in_a_body_in_air(tmp_path):
    write_painted_ct(LABELS, tmp_path, scans=1, spacing_mm=3)
    image, label = (nib.load(tmp_path / part / "PAINTED_0000.nii.gz") for part in ("imagesTr", "labelsTr"))
    np.testing.assert_array_equal(image.affine, label.affine)
    assert np.allclose(image.header.get_zooms(), 3, atol=0.8)
    voxels, mask = np.asarray(image.dataobj), np.asarray(label.dataobj)
    assert voxels.dtype == np.int16
    assert 0.001 < mask.mean() < 0.05
    assert np.median(voxels[mask == 1]) == pytest.approx(HU[PANCREAS], abs=30)
    assert np.median(voxels[:5]) < -900
    assert voxels[mask == 1].std() > 10


@pytest.mark.slow
@pytest.mark.skipif(not LABELS.exists(), reason="../shared/data/abdomen_labels is absent")
def test_pancreas_bundle_runs_on_painted_scans(tmp_path):
    write_painted_ct(LABELS, tmp_path, scans=4, spacing_mm=3)
    bundle = ROOT / "bundles/pancreas_ct"
    run(["train"], tmp_path, tmp_path, bundle, spacing_mm=[3, 3, 3])
    run(["train", "evaluate"], tmp_path, tmp_path, bundle, spacing_mm=[3, 3, 3], stride_voxel="half")
    assert json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))["pancreas"]["cases"] == 1


@pytest.mark.slow
@pytest.mark.skipif(not FLAIR.exists(), reason="../shared/data/brats is absent")
def test_brats_bundle_runs_on_real_scans(tmp_path):
    items = []
    for i in range(1, 5):  # whole tumor: labels of 2015 hold 3 and 4, which are refused as such
        label = nib.load(FLAIR / f"labels/brats2015_000{i}.nii.gz")
        whole = nib.Nifti1Image((np.asarray(label.dataobj) > 0).astype(np.uint8), label.affine)
        nib.save(whole, tmp_path / f"{i}.nii.gz")
        items.append({"image": str(FLAIR / f"images/brats2015_000{i}.nii.gz"), "label": str(tmp_path / f"{i}.nii.gz")})
    lists = {"labeled": items[:2], "unlabeled": [items[2]["image"]], "validation": items[3:]}
    (tmp_path / "split.json").write_text(json.dumps(lists))
    bundle, split = ROOT / "bundles/brats19", {"datalist": str(tmp_path / "split.json")}
    run(["train"], FLAIR, tmp_path, bundle, **split)
    run(["train", "evaluate"], FLAIR, tmp_path, bundle, stride_voxel="half", **split)
    assert json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))["whole tumor"]["cases"] == 1
    mask = nib.load(tmp_path / "out/brats2015_0004_seg.nii.gz")
    np.testing.assert_allclose(mask.affine, nib.load(items[3]["image"]).affine)
