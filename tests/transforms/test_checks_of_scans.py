import math

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import ScaleIntensityRangePercentilesd

from llmsegnet_bundle.transforms import CheckScand, chain


def test_good_scan_passes_unchanged():
    data = {"image": torch.rand(2, 4, 5, 6), "other": 1}
    assert CheckScand("image", channels=2)(data) is data


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 4, 5, 6), (1, 4, 5, 6, 7), (1, 4, 5, 1)])
def test_scan_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="must be 3-D with 1 channels, got "):
        CheckScand("image", channels=1)({"image": torch.zeros(shape)})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scan_that_is_not_finite_is_refused(value):
    image = torch.zeros(1, 4, 4, 4)
    image[0, 1, 2, 3] = value
    with pytest.raises(ValueError, match="has NaN or infinite voxels"):
        CheckScand("image", channels=1)({"image": image})


def test_constant_scan_is_refused():
    with pytest.raises(ValueError, match="has the value 7 in all voxels; leave it out"):
        CheckScand("image", channels=1)({"image": torch.full((1, 4, 4, 4), 7.0)})


def scaler(**options):
    return ScaleIntensityRangePercentilesd("image", 0.5, 99.5, 0, 1, clip=True, **options)


def nearly_constant():
    image = 7 + 1e-6 * torch.rand(2, 10, 10, 10)  # as averaged
    image[0, 0, 0, :4] = 900
    return {"image": MetaTensor(image, meta={"filename_or_obj": "a.nii.gz"})}


@pytest.mark.parametrize("channel_wise", [True, False])
def test_scan_of_equal_percentiles_is_refused(channel_wise):
    told = (
        r"^a\.nii\.gz has the value 7 from its 0\.5 % to its 99\.5 % point, which tells no scale; leave it out, or give"
    )
    preprocessing = chain([[], [scaler(channel_wise=channel_wise)]])
    with pytest.raises(RuntimeError) as raised:
        preprocessing(nearly_constant())
    with pytest.raises(ValueError, match=told):
        raise raised.value.__cause__
    assert len(chain([preprocessing, []]).transforms) == 2  # checked once


@pytest.mark.filterwarnings("ignore:Divide by zero")  # of MONAI, for the channel of one value
def test_channel_of_one_value_passes_beside_one_that_varies():
    data = nearly_constant()
    data["image"][0], data["image"][1] = torch.linspace(0, 900, 1000).reshape(10, 10, 10), 0
    scaled = chain([[scaler(channel_wise=True)]])(data)["image"]
    assert (scaled[0].min(), scaled[0].max(), scaled[1].unique().tolist()) == (0, 1, [0])
