from monai.transforms import Compose, Identity, ScaleIntensity

from llmsegnet_bundle.transforms import chain


def test_lists_and_chains_become_one_list():
    first, second, third = Identity(), ScaleIntensity(), Identity()
    assert list(chain([Compose([first]), [], [second, third]]).transforms) == [first, second, third]
