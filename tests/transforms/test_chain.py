import pytest
from monai.transforms import Compose, Identity, ScaleIntensity

from llmsegnet_bundle.transforms import chain


def test_lists_and_chains_become_one_list():
    first, second, third = Identity(), ScaleIntensity(), Identity()
    assert list(chain([Compose([first]), [], [second, third]]).transforms) == [first, second, third]


@pytest.mark.parametrize("part", ["none", None, [{"_target_": "Identity"}], 3])
def test_what_is_no_list_of_transforms_is_told(part):
    with pytest.raises(ValueError, match=r"^transforms: must be lists of transforms, \[\] for none, got "):
        chain([[Identity()], part])
