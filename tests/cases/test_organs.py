"""A split file says which of several organs each scan is for."""

import pytest
from scan_folders import folder, pair, split_file

from llmsegnet_bundle.cases import check_organs, digest, fingerprint, from_file

ORGANS = ["liver", "spleen"]


def lists(root, **other):
    labeled = [pair(0) | {"organ": "liver"}, pair(1) | {"organ": "spleen"}]
    entries = {"labeled": labeled, "unlabeled": [{"image": pair(2)["image"], "organ": "liver"}], "validation": []}
    return from_file(split_file(folder(root), **(entries | other)), root, 1)


def test_organ_stays_with_its_scan_also_where_the_label_goes(tmp_path):
    read = lists(tmp_path)
    assert [item["organ"] for item in read["labeled"] + read["unlabeled"]] == ["liver", "liver", "spleen"]
    check_organs(read, ORGANS)
    check_organs(read, [])
    with pytest.raises(ValueError, match=r"^organ: 'liver' is unknown; this run is for one organ"):
        check_organs(read, [], "liver")


def test_organ_tells_apart_what_is_learned(tmp_path):
    read = lists(tmp_path)
    other = {key: [item | {"organ": "spleen"} for item in items] for key, items in read.items()}
    assert digest(read) != digest(other)
    assert fingerprint(read["labeled"][0]) != fingerprint(other["labeled"][0])


def test_scan_without_a_known_organ_is_told_in_one_line(tmp_path):
    read = lists(tmp_path, validation=[pair(3)])
    check_organs(read, ORGANS, "liver")
    with pytest.raises(
        ValueError, match=r'LA_3\.nii\.gz names no organ; give its entry .* an "organ" of liver, spleen'
    ):
        check_organs(read, ORGANS)
    with pytest.raises(
        ValueError, match=r"LA_0\.nii\.gz: organ 'liver' is unknown; text_embedding has texts of kidney"
    ):
        check_organs(read, ["kidney"])
    with pytest.raises(ValueError, match=r"the organ of imagesTr/LA_0\.nii\.gz must be a name, got 3"):
        lists(tmp_path, labeled=[pair(0) | {"organ": 3}])
