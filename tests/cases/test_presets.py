"""The lists that the field's papers share."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.cases import make_split, preset, preset_lists, preset_names

SPLITS = Path(__file__).parents[3] / "shared" / "splits"


def folder(root, names):
    """Write scans with labels, all different."""
    for i, name in enumerate(names):
        for part, voxels in (("imagesTr", np.full((4, 5, 6), i, np.uint8)), ("labelsTr", np.ones((4, 5, 6), np.uint8))):
            (root / part).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(voxels, np.eye(4)), root / part / f"{name}.nii.gz")
    return root


def names_of(file):
    lists = json.loads(Path(file).read_text(encoding="utf-8"))
    return {part: [Path(item["image"]).name.split(".")[0] for item in items] for part, items in lists.items()}


@pytest.mark.parametrize(
    ("name", "train", "validation", "test", "labeled", "first"),
    [
        ("left_atrium", 80, 12, 20, 8, "06SR5RBREL16DQ6M8LWS"),
        ("pancreas_ct_mcnet", 62, 8, 20, 12, "0057"),
        ("pancreas_ct_coranet", 62, 8, 18, 12, "0001"),
        ("brats19", 250, 25, 60, 25, "BraTS19_TCIA02_370_1"),
    ],
)
def test_presets_have_the_published_counts_and_no_overlap(name, train, validation, test, labeled, first):
    lists = preset(name)
    held_out = lists.validation if isinstance(lists.validation, int) else len(lists.validation)
    assert (len(lists.train), held_out, len(lists.test)) == (train, validation, test)
    assert (lists.labeled, lists.train[0]) == (labeled, first)
    assert len(set(lists.names())) == len(lists.names())


def test_presets_are_all_there():
    assert preset_names() == ["brats19", "left_atrium", "pancreas_ct_coranet", "pancreas_ct_mcnet"]


def test_the_two_pancreas_lists_are_incompatible():
    mcnet, coranet = preset("pancreas_ct_mcnet"), preset("pancreas_ct_coranet")
    assert coranet.train[:12] == tuple(f"{i:04}" for i in range(1, 13))
    assert set(mcnet.names()) - set(coranet.names()) == {"0025", "0070"}  # said to repeat a patient
    assert set(mcnet.test) & set(coranet.train)  # a network trained on one list has seen test scans of the other


@pytest.mark.skipif(not SPLITS.is_dir(), reason="../shared/splits is absent")
@pytest.mark.parametrize(
    ("name", "part", "file"),
    [
        ("left_atrium", "train", "left_atrium_train"),
        ("left_atrium", "test", "left_atrium_test"),
        ("pancreas_ct_mcnet", "train", "pancreas_ct_mcnet_train"),
        ("pancreas_ct_mcnet", "test", "pancreas_ct_mcnet_test"),
        ("pancreas_ct_coranet", "test", "pancreas_ct_coranet_test"),
        ("brats19", "train", "brats19_train"),
        ("brats19", "validation", "brats19_val"),
        ("brats19", "test", "brats19_test"),
    ],
)
def test_presets_keep_the_published_order(name, part, file):
    published = (SPLITS / f"{file}.list").read_text(encoding="utf-8").split()
    assert [entry.removeprefix("image").removesuffix(".h5") for entry in published] == list(getattr(preset(name), part))


def test_preset_lists_hold_out_the_last_of_train():
    names = preset("left_atrium").names()
    lists, lacking = preset_lists("left_atrium", names)
    assert {part: len(entries) for part, entries in lists.items()} == {
        "train": 68,
        "validation": 12,
        "test": 20,
        "labeled": 8,
    }
    assert lists["validation"] == list(names[68:80])
    assert lacking == []


def test_preset_lists_take_every_scan_for_all_and_no_validation():
    lists, _ = preset_lists("left_atrium", preset("left_atrium").names(), "all", 0)
    assert [len(lists[part]) for part in ("labeled", "train", "validation")] == [80, 80, 0]


def test_a_scan_keeps_its_list_when_others_are_missing():
    names = [f"PANCREAS_{entry}" for entry in preset("pancreas_ct_mcnet").names()]
    lists, lacking = preset_lists("pancreas_ct_mcnet", names[10:60])
    assert lists["labeled"] == names[10:12]
    assert lists["validation"] == names[54:60]
    assert lacking[0] == "pancreas_ct_mcnet: 10 of 54 train scans are not there (0057, 0018, 0062, ...)"


@pytest.mark.parametrize("spelling", ["LA_{:03}", "{}"])
def test_split_takes_a_preset_in_both_spellings(tmp_path, spelling, capsys):
    names = preset("left_atrium").names()
    given = [spelling.format(i if "LA" in spelling else name) for i, name in enumerate(names)]
    folder(tmp_path, [given[i] for i in (0, 1, 30, 79, 80)])
    (file,) = make_split(tmp_path, tmp_path / "la.json", labeled=2, preset="left_atrium")
    assert names_of(file) == {
        "labeled": given[:2],
        "unlabeled": [given[30]],
        "validation": [given[79]],
        "test": [given[80]],
    }
    assert "warning: left_atrium: 65 of 68 train scans are not there" in capsys.readouterr().err


def test_split_by_preset_leaves_excluded_scans_out(tmp_path):
    folder(tmp_path, ["image0057", "image0018", "image0062", "image0050"])
    (file,) = make_split(tmp_path, tmp_path / "p.json", "all", exclude="image0018", preset="pancreas_ct_mcnet")
    assert names_of(file) == {
        "labeled": ["image0057", "image0062"],
        "unlabeled": [],
        "validation": [],
        "test": ["image0050"],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "kidney"}, "preset must be one of brats19, left_atrium, .*, got 'kidney'"),
        ({"preset": "left_atrium", "labeled": 69}, "labeled must be 'all' or from 1 to the 68 of left_atrium, got 69"),
        ({"preset": "left_atrium", "validation": 80}, "validation must be from 0 to 79, got 80"),
        ({"preset": "left_atrium", "validation": "val.list"}, "validation must be a number with a preset"),
        ({"preset": "left_atrium", "seed": 1}, "preset fixes the lists; leave out test, train, folds and seed"),
        (
            {"preset": "brats19"},
            "brats19: none of its first 25 training scans is there; name them as BraTS19_TCIA02_370_1",
        ),
    ],
)
def test_wrong_presets_are_refused(tmp_path, options, message):
    folder(tmp_path, ["LA_000"])
    with pytest.raises(ValueError, match=message):
        make_split(tmp_path, tmp_path / "split.json", **options)
