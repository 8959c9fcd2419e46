import json
import shutil

import pytest
from bundle_runs import ROOT
from monai.bundle import verify_net_in_out

from llmsegnet_bundle.bundles import assemble

BRATS = ROOT / "bundles" / "brats19"


@pytest.fixture(scope="module")
def modalities(tmp_path_factory):
    """The bundle of brain tumors, configured for four modalities and their classes."""
    folder = tmp_path_factory.mktemp("bundles") / "brats_all"
    shutil.copytree(BRATS, folder)
    told = (folder / "dataset.yaml").read_text(encoding="utf-8")
    (folder / "dataset.yaml").write_text(f"in_channels: 4\nclasses: 4\n{told}", encoding="utf-8")
    assemble(folder)
    return folder / "configs"


def test_metadata_says_what_the_bundle_is_configured_for(modalities):
    metadata = json.loads((modalities / "metadata.json").read_text(encoding="utf-8"))
    told = metadata["network_data_format"]
    image, pred = told["inputs"]["image"], told["outputs"]["pred"]
    assert (image["num_channels"], pred["num_channels"]) == (4, 4)
    assert image["channel_def"] == {"0": "FLAIR", "1": "T1", "2": "T1ce", "3": "T2"}
    assert pred["channel_def"] == {"0": "background", "1": "necrosis", "2": "edema", "3": "enhancing"}
    assert image["spatial_shape"] == ["32*n"] * 3
    assert metadata["image_classes"].startswith("four channels")
    assert metadata["pred_classes"].startswith("4 channels")


@pytest.mark.slow
def test_network_takes_and_gives_four_channels(modalities):
    root = str(modalities.parent)
    verify_net_in_out("network_def", modalities / "metadata.json", modalities / "inference.json", bundle_root=root)
