import re

import numpy as np
import pytest
from scan_folders import SHAPE, scan, write

from llmsegnet_bundle.cases import LabelValues, check_scans

BRATS = LabelValues({"0": 0, "1": 1, "2": 2, "3": 3, "4": 3}, (3, 4), "3 is the core in 2015, 4 the cavity in 2024")


def item(folder, name, *values):
    label = np.zeros(SHAPE, np.uint8)
    label.flat[: len(values)] = values
    image = write(folder / f"{name}.nii.gz", scan())
    return {"image": image, "label": write(folder / f"{name}_seg.nii.gz", label)}


@pytest.mark.parametrize("cached", [False, True])
def test_numbers_of_two_releases_in_one_scan_or_in_two_are_refused(cached, tmp_path):
    cache_dir = tmp_path / "cache" if cached else None
    one = {"labeled": [item(tmp_path, "one", 1, 2, 3, 4)]}
    two = {"labeled": [item(tmp_path, "a", 1, 2, 3)], "validation": [item(tmp_path, "b", 1, 2, 4)]}
    for lists, files in ((one, ("one_seg", "one_seg")), (two, ("a_seg", "b_seg"))):
        told = rf"hold both 3 \(.*{files[0]}.*\) and 4 \(.*{files[1]}.*\): 3 is the core in 2015, 4 the cavity"
        for _ in range(2):
            with pytest.raises(ValueError, match=told):
                check_scans(lists, BRATS, cache_dir=cache_dir)


@pytest.mark.parametrize("third", [3, 4])
def test_numbers_of_one_release_pass(third, tmp_path, capsys):
    check_scans({"labeled": [item(tmp_path, "a", 1, 2), item(tmp_path, "b", third)]}, BRATS)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("cached", [False, True])
def test_class_that_no_labeled_scan_holds_is_named(cached, tmp_path, capsys):
    lists = {"labeled": [item(tmp_path, "a", 1)], "validation": [item(tmp_path, "b", 1, 2)]}
    for _ in range(2):
        check_scans(lists, 4, cache_dir=tmp_path / "cache" if cached else None)
        lines = capsys.readouterr().err.splitlines()
        assert lines == [f"warning: no labeled scan holds class {i}, so that it cannot be learned" for i in (2, 3)]
    check_scans({"test": lists["labeled"]}, 4)  # nothing is trained
    assert capsys.readouterr().err == ""


def test_numbers_with_a_gap_are_refused():
    with pytest.raises(ValueError, match=re.escape("numbers 0, 1, 2 ... without a gap, got {0: 0, 2: 1}")):
        LabelValues({0: 0, 2: 1})


def test_classes_of_a_list_are_those_of_its_places():
    assert LabelValues([0, 1, 2, 3, 3]).classes == BRATS.classes
