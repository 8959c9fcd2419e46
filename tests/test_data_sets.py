"""The bundles of CT and of brain tumors on generated scans: their own preprocessing, classes and channels."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import ROOT, prepared, refused, run

PANCREAS, BRATS = ROOT / "bundles/pancreas_ct", ROOT / "bundles/brats19"
SIZE = (60, 58, 56)
AFFINE = np.array([[-1.0, 0, 0, 30], [0, -1.0, 0, 25], [0, 0, 1.0, -7], [0, 0, 0, 1.0]])  # LPS, as BraTS
REGIONS = {"necrosis": [1], "edema": [2], "enhancing": [3], "WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}
FOUR = {"in_channels": 4, "classes": 4}


def save(folder, name, voxels, affine=AFFINE):
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), folder / f"{name}.nii.gz")


def ellipsoid(center, axes):
    grid = np.indices(SIZE, np.float32)
    return sum(((x - c) / a) ** 2 for x, c, a in zip(grid, center, axes, strict=True)) < 1


def tumor(i):
    """A brain, and in it edema around an enhancing rim around necrosis: 2, 4 and 1, as BraTS stores them."""
    center = (28 + 2 * i, 30, 28)
    label = np.zeros(SIZE, np.uint8)
    for value, axes in ((2, (14, 12, 10)), (4, (9, 8, 7)), (1, (5, 4, 4))):
        label[ellipsoid(center, axes)] = value
    return ellipsoid((30, 29, 28), (27, 25, 26)), label


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("ct"), np.random.default_rng(0)
    for i in range(5):
        organ = ellipsoid((30 + 2 * i, 30, 26), (16, 7, 6))
        save(folder / "imagesTr", f"CT_000{i}", (rng.normal(0, 20, SIZE) + 110 * organ - 40).astype(np.int16))
        save(folder / "labelsTr", f"CT_000{i}", organ.astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def flair(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("flair"), np.random.default_rng(0)
    for i in range(5):
        brain, label = tumor(i)
        image = brain * (300 + 200 * (label > 0) + rng.uniform(0, 50, SIZE))
        save(folder / "imagesTr", f"BraTS_000{i}", image.astype(np.int16))
        save(folder / "labelsTr", f"BraTS_000{i}", label)
    return folder


@pytest.fixture(scope="module")
def modalities(tmp_path_factory):
    """Channel k shows class k + 1 one voxel aside, the fourth is the brain; labels 0 to 3, as `prepare` writes them."""
    folder = tmp_path_factory.mktemp("modalities")
    for i in range(5):
        brain, label = tumor(i)
        label[label == 4] = 3
        shown = np.roll(label, 1, axis=0)
        for k in range(4):
            image = brain * (200 + (800 * (shown == k + 1) if k < 3 else 300 * (shown > 0)))
            save(folder / "imagesTr", f"BraTS_000{i}_000{k}", image.astype(np.int16))
        save(folder / "labelsTr", f"BraTS_000{i}", label)
    return folder


def read(file):
    return np.asarray(nib.load(file).dataobj)


@pytest.mark.slow
@pytest.mark.parametrize(("bundle", "data", "name"), [(PANCREAS, "ct", "CT_0004"), (BRATS, "flair", "BraTS_0004")])
def test_bundle_trains_evaluates_and_segments(bundle, data, name, request, tmp_path):
    scans = request.getfixturevalue(data)
    run(["train"], scans, tmp_path, bundle, max_steps=2)
    record = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    assert [len(record["split"][key]) for key in ("labeled", "unlabeled", "validation")] == [2, 2, 1]
    run(["train", "evaluate"], scans, tmp_path, bundle, stride_voxel="half")
    mask = nib.load(tmp_path / f"out/{name}_seg.nii.gz")
    assert mask.shape == SIZE
    np.testing.assert_allclose(mask.affine, AFFINE)
    run(["inference"], scans / f"imagesTr/{name}.nii.gz", tmp_path, bundle, output_dir=str(tmp_path / "masks"))
    assert read(tmp_path / f"masks/{name}_seg.nii.gz").shape == SIZE


@pytest.mark.slow
def test_ct_is_windowed_and_cropped_without_a_mirror(ct, tmp_path):
    parser = prepared(["train"], ct, tmp_path, PANCREAS, rotate_deg=[0, 0, 0], scale=0).parser
    dataset = parser.get_parsed_content("train#dataset")
    crop = dataset[0, 7]["image"]
    scan = np.flip(read(ct / "imagesTr/CT_0000.nii.gz"), (0, 1))  # to RAS
    windowed = torch.tensor(np.clip((scan + 125.0) / 400.0, 0, 1)).float()
    places = windowed.unfold(0, 48, 1).unfold(1, 48, 1).unfold(2, 48, 1)  # every crop as it lies
    errors = (places - crop[0]).abs().amax(dim=(3, 4, 5))
    assert errors.min() < 1e-3


def test_brain_is_boxed_and_scaled_without_a_label(flair, tmp_path):
    parser = prepared(["train"], flair, tmp_path, BRATS).parser
    item = parser.get_parsed_content("validate#dataset")[0]
    image, label = item["image"].numpy()[0], item["label"].argmax(0).numpy()
    brain, truth = tumor(4)
    box = tuple(slice(side.min(), side.max() + 1) for side in np.nonzero(brain))
    assert image.shape == label.shape == brain[box].shape
    scan = read(flair / "imagesTr/BraTS_0004.nii.gz")[box]
    scaled = np.clip(scan / np.percentile(scan, 99.9), 0, 1)
    np.testing.assert_allclose(image, np.flip(scaled, (0, 1)), atol=1e-3)
    np.testing.assert_array_equal(label, np.flip(truth[box] > 0, (0, 1)))
    assert "label" not in parser.get_parsed_content("train#dataset")[3, 1]


@pytest.mark.slow
def test_four_classes_of_four_modalities_are_scored_as_nested_regions(modalities, tmp_path):
    record = run(["train"], modalities, tmp_path, BRATS, max_steps=2, **FOUR).get_parsed_content("train#trainer")
    assert np.isfinite(record.state.output[0]["loss"])
    flow = prepared(["train", "evaluate"], modalities, tmp_path, BRATS, stride_voxel="half", **FOUR)
    pair = flow.parser.get_parsed_content("network")
    pair.alpha.forward = pair.beta.forward = brightest_channel
    flow.run()
    with (tmp_path / "out/metrics.csv").open(newline="") as file:
        rows = {row["class"]: float(row["dice"]) for row in csv.DictReader(file)}
    _, label = tumor(4)
    label[label == 4] = 3
    mask = np.roll(label, 1, axis=0)
    np.testing.assert_array_equal(read(tmp_path / "out/BraTS_0004_seg.nii.gz"), mask)
    assert list(rows) == list(REGIONS)
    for name, members in REGIONS.items():
        p, q = np.isin(mask, members), np.isin(label, members)
        assert rows[name] == pytest.approx(2 * (p & q).sum() / (p.sum() + q.sum()), abs=1e-9)
        assert 0.4 < rows[name] < 1


def brightest_channel(image, text_index=None):
    """Class k + 1 where channel k is bright: as the scans of `modalities` show it."""
    return torch.cat([torch.full_like(image[:, :1], 0.5), image[:, :3]], dim=1) * 50


@pytest.mark.slow
def test_four_modalities_are_segmented_without_a_label(modalities, tmp_path):
    flow = prepared(["train"], modalities, tmp_path, BRATS, **FOUR)
    (tmp_path / "ckpt").mkdir()
    torch.save(flow.parser.get_parsed_content("network").state_dict(), tmp_path / "ckpt/model.pt")
    run(["inference"], modalities / "imagesTr", tmp_path, BRATS, **FOUR)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"BraTS_000{i}_seg.nii.gz" for i in range(5)]


def test_missing_modality_stops_the_training_in_one_line(modalities, tmp_path):
    with refused(r"BraTS_0000\.nii\.gz has 4 channels, in_channels is 3"):
        run(["train"], modalities, tmp_path, BRATS, in_channels=3, classes=4)


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"preset": "papers"}, "preset: must be standard or paper"),
        ({"regions": {"WT": [4]}}, "region 'WT' must list"),
    ],
)
def test_bad_scoring_stops_the_evaluation_in_one_line(setting, match, flair, tmp_path):
    with refused(match):
        run(["train", "evaluate"], flair, tmp_path, BRATS, initialize=["@settings"], **setting)


def test_label_value_that_brats_lacks_stops_the_training_in_one_line(flair, tmp_path):
    with refused("0, 1, 2, 4, must be whole, 0 to 3"):
        run(["train"], flair, tmp_path, BRATS, file_classes=4)
