import pytest
from small_networks import pair, single

from llmsegnet_bundle.networks import LLMSegNet, VNet
from llmsegnet_bundle.networks.pair import check_processes
from llmsegnet_bundle.networks.sides import bottleneck_of, check_crop, check_window


def test_text_map_has_the_size_of_the_crops_bottleneck():
    assert bottleneck_of(VNet(base_filters=2), (112, 112, 80)) == [7, 7, 5]
    assert pair(crop=(64, 48, 32)).alpha.fusion.grid == [4, 3, 2]


@pytest.mark.parametrize(
    ("crop", "told"),
    [
        (48, "crop: must be three whole numbers of at least 1, got 48"),
        ([48, 48, 0], "crop: must be three whole numbers"),
        ([48, 48, 40], "crop: image sides must be multiples of"),
        ([32, 48, 48], "crop: the first side must be at least 48"),
    ],
)
def test_crop_that_does_not_train_is_refused(crop, told):
    with pytest.raises(ValueError, match=told):
        check_crop(pair(), crop)


def test_window_may_be_smaller_than_a_crop():
    check_window(pair(), [32, 48, 48])
    with pytest.raises(ValueError, match="window: image sides must be multiples of"):
        check_window(pair(), [32, 48, 40])
    with pytest.raises(ValueError, match="crop: image sides must be multiples of"):
        LLMSegNet(VNet(base_filters=2), pair().alpha.text_embedding, crop=(48, 48, 40))


def test_several_processes_refuse_the_baseline():
    check_processes(pair(), 2)
    check_processes(single(), 1)
    with pytest.raises(ValueError, match=r"multi_gpu_train\.json: goes over train\.json"):
        check_processes(single(), 2)
