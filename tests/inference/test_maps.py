"""Maps that come slab by slab are those that MONAI's way back gives of the whole scan."""

import re

import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.inferers import SimpleInferer
from monai.transforms import AsDiscreted, Compose, CopyItemsd, CropForegroundd, Invertd, Orientationd

from llmsegnet_bundle.inference import MapInferer, ProbabilityInferer, maps
from llmsegnet_bundle.transforms import FillBackgroundd, WorkingGridd

AFFINE = torch.tensor([[0, 0, 2.0, 11], [-0.5, 0, 0, 7], [0, 0.5, 0, -3], [0, 0, 0, 1]], dtype=torch.float64)
KEEP = CopyItemsd("pred", names="probs")
ARGMAX = AsDiscreted("pred", argmax=True, dtype=torch.uint8)


def network(windows):
    """Three classes by brightness."""
    return torch.cat([-20 * windows + 6, 4 - (10 * windows - 5) ** 2, 20 * windows - 14], dim=1)


def preprocessing(spacing_mm, *after):
    turn = Orientationd("image", axcodes="RAS", labels=None)
    grid = [] if spacing_mm is None else [WorkingGridd("image", spacing_mm)]
    return Compose([turn, *grid, *after])


def blobs(*sides):
    coarse = torch.rand(1, 1, *(side // 4 for side in sides))
    return MetaTensor(torch.nn.functional.interpolate(coarse, sides, mode="trilinear")[0], affine=AFFINE)


def on_the_whole(item, transform, inferer):
    image = item["image"]
    item = {"image": image, "pred": MetaTensor(inferer(image[None], network)[0]).copy_meta_from(image)}
    back = Invertd("pred", transform, orig_keys="image", nearest_interp=False)(item)
    return ARGMAX(KEEP(FillBackgroundd("pred", classes=3)(back)))


@pytest.mark.parametrize(
    "transform",
    [
        preprocessing([1.0, 2.0, 1.0]),
        preprocessing([0.4, 1.5, 0.7]),
        preprocessing([0.5, 2.0, 0.5]),
        preprocessing([1.0, 2.0, 1.0], CropForegroundd("image", "image", lambda image: image > 0.6)),
        preprocessing(None),
    ],
    ids=["coarser", "finer", "native", "cropped", "no grid"],
)
@pytest.mark.parametrize("batched", [True, False])
def test_maps_are_those_of_the_whole_scan(transform, batched):
    torch.manual_seed(0)
    image = blobs(20, 37, 24)
    item = transform({"image": image})
    probs = ProbabilityInferer((8, 8, 8))
    wanted = on_the_whole(item, transform, probs)
    answer = Compose([FillBackgroundd("pred", classes=3), KEEP, ARGMAX])
    batch = list_data_collate([item])["image"] if batched else item["image"][None]
    found = MapInferer(probs, transform, answer, classes=3)(batch, network)
    found = {name: decollate_batch(part)[0] if batched else part[0] for name, part in found.items()}
    assert found["pred"].dtype == torch.uint8
    assert set(found["pred"].unique().tolist()) == {0, 1, 2}
    for name in ("pred", "probs"):
        torch.testing.assert_close(found[name].as_tensor(), wanted[name].as_tensor(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found[name].affine, image.affine)
    alone = MapInferer(probs, transform, ARGMAX, classes=3)(batch, network)
    assert (alone[0] == wanted["pred"]).all()


def test_inferer_without_slabs_and_image_without_metadata_serve_too():
    transform = preprocessing([1.0, 2.0, 1.0])
    item = transform({"image": blobs(20, 37, 24)})
    wanted = on_the_whole(item, transform, SimpleInferer())["pred"]
    assert (MapInferer(SimpleInferer(), transform, ARGMAX, classes=3)(item["image"][None], network)[0] == wanted).all()
    plain = torch.rand(1, 1, 9, 8, 7)
    found = MapInferer(ProbabilityInferer((8, 8, 8)), transform, ARGMAX, classes=3)(plain, network)
    assert (found[:, 0] == ProbabilityInferer((8, 8, 8))(plain, network).argmax(dim=1)).all()


@pytest.mark.parametrize(("free", "told"), [(1, True), (10**12, False)])
def test_scan_that_memory_does_not_hold_is_told_and_answered(free, told, monkeypatch, capsys):
    monkeypatch.setattr(maps, "free_bytes", lambda device: free)
    transform = preprocessing([1.0, 2.0, 1.0])
    image = blobs(20, 37, 24)
    image.meta["filename_or_obj"] = "big.nii.gz"
    item = transform({"image": image})
    found = MapInferer(ProbabilityInferer((8, 8, 8)), transform, ARGMAX, classes=3)(item["image"][None], network)
    assert found.shape == (1, 1, 20, 37, 24)
    line = r"warning: big.nii.gz with 48 x 5 x 18 voxels on the working grid needs about 0\.\d GB more, 0.0 GB are free"
    line += "; it is asked in 8 parts along z, in 0.0 GB and 8 times as long; a coarser spacing_mm"
    assert bool(re.search(line, capsys.readouterr().err)) == told


def test_scan_asked_in_parts_gets_the_maps_of_one_asked_at_once(monkeypatch):
    transform = preprocessing([1.0, 2.0, 1.0])
    batch = transform({"image": blobs(12, 32, 8)})["image"][None]
    inferer = MapInferer(ProbabilityInferer((8, 8, 8)), transform, Compose([KEEP, ARGMAX]), classes=3)
    needs = [inferer.bytes_needed(batch, batch[0], True, parts) for parts in (1, 2, 4, 8)]
    assert needs == sorted(needs, reverse=True)
    asked, wanted = [], inferer(batch, network)

    def counted(windows):
        asked.append(len(windows))
        return network(windows)

    inferer(batch, counted)
    windows = sum(asked)
    for parts, free in ((1, needs[0]), (4, needs[2]), (8, 0)):
        monkeypatch.setattr(maps, "free_bytes", lambda device, free=free: free)
        asked.clear()
        found = inferer(batch, counted)
        assert sum(asked) == parts * windows
        torch.testing.assert_close(found["probs"], wanted["probs"], rtol=1e-5, atol=1e-6)


def test_memory_grows_with_the_window_and_not_with_the_depth():
    probs = ProbabilityInferer((96, 96, 96), (48, 48, 48))
    inferer = MapInferer(probs, preprocessing(None), ARGMAX, classes=14)
    meta = MetaTensor(torch.empty(0))
    need = [inferer.bytes_needed(torch.empty(1).expand(1, 1, 512, 512, depth), meta, True) for depth in (300, 600)]
    assert need[1] - need[0] == 512 * 512 * 300  # a byte a voxel of the mask


def test_several_images_at_once_are_refused():
    inferer = MapInferer(SimpleInferer(), preprocessing([1.0, 1.0, 1.0]), ARGMAX, classes=3)
    with pytest.raises(ValueError, match="image: must be one at a time, as scans differ in size, got 2"):
        inferer(torch.zeros(2, 1, 8, 8, 8), network)
