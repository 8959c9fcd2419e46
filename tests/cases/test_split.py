import re
from pathlib import Path

import numpy as np
import pytest
from scan_folders import SHAPE, channels, folder, names, pair, split_file, write

from llmsegnet_bundle.cases import SPLITS, beside, check_scans, digest, from_file, from_folder, images, load, unlabeled
from llmsegnet_bundle.scans import channel_files

DATA = Path(__file__).parents[3] / "shared" / "data" / "left_atrium"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_from_folder_splits_first_last_and_rest(tmp_path, suffix):
    lists = from_folder(folder(tmp_path, scans=6, labels=5, suffix=suffix), validation=2, labeled=1)
    assert {split: names(items) for split, items in lists.items()} == {
        "labeled": ["LA_0"],
        "unlabeled": ["LA_1", "LA_2", "LA_5"],  # labeled beyond the first, then never labeled
        "validation": ["LA_3", "LA_4"],
    }
    assert all(set(item) == {"image"} for item in lists["unlabeled"])
    assert lists["labeled"][0]["label"] == str(tmp_path / "labelsTr" / f"LA_0{suffix}")


def test_from_folder_all_keeps_every_label(tmp_path):
    lists = from_folder(folder(tmp_path, scans=6, labels=5), validation=2, labeled="all")
    assert [names(lists[split]) for split in lists] == [["LA_0", "LA_1", "LA_2"], ["LA_5"], ["LA_3", "LA_4"]]


def test_from_folder_without_validation_gives_an_empty_list(tmp_path):
    lists = from_folder(folder(tmp_path), validation=0, labeled="all")
    assert [len(lists[split]) for split in lists] == [6, 0, 0]


def test_from_folder_leaves_out_files_of_other_kinds(tmp_path):
    folder(tmp_path)
    for name in ("._LA_0.nii.gz", "notes.txt"):
        (tmp_path / "imagesTr" / name).write_text("no scan")
    assert len(from_folder(tmp_path, 2, 2)["unlabeled"]) == 2


def test_from_folder_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nowhere/imagesTr does not exist; set dataset_dir"):
        from_folder(tmp_path / "nowhere")


def test_from_folder_empty_folder_is_refused(tmp_path):
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(ValueError, match=r"imagesTr has no scan; set dataset_dir"):
        from_folder(tmp_path)


def test_from_folder_label_without_scan_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"labelsTr/LA_6.nii.gz has no scan"):
        from_folder(folder(tmp_path, scans=6, labels=7), 2, 2)


@pytest.mark.parametrize(
    ("labels", "labeled", "message"),
    [
        (6, 5, "has 6 scans with a label, labeled [+] validation need 7; lower labeled"),
        (2, 1, "has 2 scans with a label, labeled [+] validation need 3; lower validation"),
        (2, "all", "has 2 scans with a label, labeled [+] validation need 3; lower validation"),
        (0, 1, "has 0 scans with a label, labeled [+] validation need 3; fill labelsTr"),
    ],
)
def test_from_folder_too_few_labels_are_refused(tmp_path, labels, labeled, message):
    with pytest.raises(ValueError, match=message):
        from_folder(folder(tmp_path, labels=labels), 2, labeled)


@pytest.mark.parametrize("labeled", [0, -1, "some", 1.5])
def test_labeled_of_no_scans_is_refused(tmp_path, labeled):
    with pytest.raises(ValueError, match="labeled must be a whole number of at least 1, or 'all', got"):
        from_folder(folder(tmp_path), 2, labeled)


def test_negative_validation_is_refused(tmp_path):
    with pytest.raises(ValueError, match="validation must be at least 0, got -1"):
        from_folder(folder(tmp_path), -1, 1)


def test_from_file_reads_every_form_of_entry(tmp_path):
    folder(tmp_path)
    unlabeled = [pair(2), {"image": "imagesTr/LA_3.nii.gz"}, str(tmp_path / "imagesTr/LA_4.nii.gz")]
    path = split_file(tmp_path, labeled=[pair(0)], validation=[pair(1)], unlabeled=unlabeled, test=[pair(5)])
    lists = from_file(path, tmp_path)
    assert lists["labeled"] == [{key: str(tmp_path / value) for key, value in pair(0).items()}]
    assert lists["unlabeled"] == [{"image": str(tmp_path / pair(i)["image"])} for i in (2, 3, 4)]
    assert names(lists["validation"] + lists["test"]) == ["LA_1", "LA_5"]


def test_from_file_unlabeled_is_optional(tmp_path):
    path = split_file(folder(tmp_path), labeled=[pair(0)], validation=[pair(1)])
    lists = from_file(path, tmp_path)
    assert lists["unlabeled"] == []
    assert "test" not in lists


def test_from_file_labeled_moves_the_others_to_unlabeled(tmp_path):
    entries = {"labeled": [pair(0), pair(1), pair(2)], "unlabeled": [pair(3)["image"]], "validation": [pair(4)]}
    lists = from_file(split_file(folder(tmp_path), **entries), tmp_path, labeled=1)
    assert names(lists["labeled"]) == ["LA_0"]
    assert names(lists["unlabeled"]) == ["LA_3", "LA_1", "LA_2"]
    assert all(set(item) == {"image"} for item in lists["unlabeled"])


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"labeled": [pair(0)]}, "split.json lacks the list 'validation'"),
        ({"validation": [pair(0)]}, "split.json lacks the list 'labeled'"),
        ({"labeled": [pair(0)], "validation": [], "unlabeled": None}, "split.json lacks the list 'unlabeled'"),
        ({"labeled": [pair(0)], "validation": [], "training": []}, "has the unknown key 'training'"),
        ({"labeled": [], "validation": [pair(0)]}, "has 0 labeled scans, must have at least 1"),
        ({"labeled": [pair(0), pair(0)], "validation": []}, "'labeled': .*LA_0.nii.gz is already in 'labeled'"),
        ({"labeled": [pair(0)], "validation": [pair(0)]}, "'validation': .*LA_0.nii.gz is already in 'labeled'"),
        (
            {"labeled": [pair(0)], "validation": [pair(1)], "unlabeled": ["imagesTr/../imagesTr/LA_1.nii.gz"]},
            "'unlabeled': .*LA_1.nii.gz is already in 'validation'",
        ),
        ({"labeled": [{"image": pair(0)["image"]}], "validation": []}, "'labeled': .*LA_0.nii.gz has no label"),
        ({"labeled": [pair(0)], "validation": [pair(1)["image"]]}, "'validation': .*LA_1.nii.gz has no label"),
        ({"labeled": [pair(0) | {"label": 3}], "validation": []}, "'labeled': .*LA_0.nii.gz has no label"),
        ({"labeled": [{"label": "x"}], "validation": []}, "'labeled': {'label': 'x'} has no image"),
        ({"labeled": [pair(7)], "validation": []}, "'labeled': .*imagesTr/LA_7.nii.gz does not exist"),
        (
            {"labeled": [pair(0), pair(1) | {"label": pair(0)["label"]}], "validation": []},
            r"'labeled': .*labelsTr/LA_0\.nii\.gz is the label of .*imagesTr/LA_0\.nii\.gz too; give each scan its own",
        ),
        (
            {"labeled": [pair(0)], "validation": [pair(1)], "unlabeled": ["other/LA_1.nii.gz"]},
            r"'unlabeled': .*other/LA_1\.nii\.gz and .*imagesTr/LA_1\.nii\.gz would get the same mask; rename one",
        ),
        ({"labeled": [pair(0) | {"label": "no.nii"}], "validation": []}, "no.nii does not exist; correct the path"),
    ],
)
def test_from_file_wrong_lists_are_refused(tmp_path, lists, message):
    write(folder(tmp_path) / "other" / "LA_1.nii.gz", np.ones(SHAPE, np.uint8))
    with pytest.raises(ValueError, match=message):
        from_file(split_file(tmp_path, **lists), tmp_path)


def test_from_file_too_few_labels_are_refused(tmp_path):
    path = split_file(folder(tmp_path), labeled=[pair(0), pair(1)], validation=[pair(2)])
    with pytest.raises(ValueError, match="has 2 labeled scans, must have at least 3; lower labeled"):
        from_file(path, tmp_path, labeled=3)


@pytest.mark.parametrize(
    "text",
    ['{"labeled": [], "validation": [], "labeled": []}', '{"labeled": [{"image": "a", "label": "b", "image": "c"}]}'],
)
def test_from_file_key_that_stands_twice_is_refused(tmp_path, text):
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(ValueError, match=r"split.json is no .* \(the key '(labeled|image)' stands there twice\)"):
        from_file(tmp_path / "split.json", tmp_path)


@pytest.mark.parametrize("text", ["{", None])
def test_from_file_no_json_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "split.json").write_text(text)
    with pytest.raises(ValueError, match=r"split.json is no readable JSON .*; correct it or set datalist to null"):
        from_file(tmp_path / "split.json", tmp_path)


def test_from_file_json_list_is_refused(tmp_path):
    (tmp_path / "split.json").write_text("[]")
    with pytest.raises(ValueError, match=r"split.json is no readable JSON \(it holds a list, must hold keys"):
        from_file(tmp_path / "split.json", tmp_path)


def test_load_takes_the_folder_or_the_file(tmp_path):
    path = split_file(folder(tmp_path, scans=9, labels=9), labeled=[pair(0), pair(1)], validation=[pair(2)])
    assert load(tmp_path, validation=1) == from_folder(tmp_path, 1, 8)
    assert load(tmp_path, labeled=2, validation=1) == from_folder(tmp_path, 1, 2)
    assert load(tmp_path, path) == from_file(path, tmp_path, "all")
    assert load(tmp_path, path, labeled=1) == from_file(path, tmp_path, 1)


def test_beside_gives_the_scans_of_neither_list(tmp_path):
    lists = from_folder(folder(tmp_path), validation=2, labeled=1)
    (tmp_path / "imagesTr" / "notes.txt").write_text("no scan")
    assert beside(lists["labeled"], lists["validation"]) == lists["unlabeled"]


def test_beside_leaves_out_labels_of_the_same_folder(tmp_path):
    image, label, other = (write(tmp_path / f"{name}.nii", np.zeros(SHAPE, np.uint8)) for name in "abc")
    assert beside([{"image": image, "label": label}], []) == [{"image": other}]


def test_unlabeled_without_a_split_file_are_the_scans_beside(tmp_path):
    lists = from_folder(folder(tmp_path), validation=1, labeled=2)
    found = unlabeled(lists["labeled"], lists["validation"], tmp_path)
    assert found == lists["unlabeled"]


def test_unlabeled_of_a_split_file_are_those_it_names(tmp_path):
    file = split_file(folder(tmp_path), labeled=[pair(0), pair(1)], validation=[pair(2)], unlabeled=[pair(3)["image"]])
    lists = from_file(file, tmp_path, labeled=1)
    found = unlabeled(lists["labeled"], lists["validation"], tmp_path, file, labeled=1)
    assert found == lists["unlabeled"]
    assert len(found) == 2  # the one named and the label given up, not the two beside


def test_channels_of_a_scan_are_one_item_of_the_name_of_its_label(tmp_path):
    lists = from_folder(channels(tmp_path), validation=1, labeled=1, in_channels=4)
    assert [names(lists[split]) for split in SPLITS[:3]] == [["case_0000"], ["case_0001"], ["case_0002"]]
    first = lists["labeled"][0]["image"]
    assert [file.name for file in channel_files(first)] == [f"case_0000_000{k}.nii.gz" for k in range(4)]
    assert channel_files(lists["labeled"][0]["label"]) == [Path(lists["labeled"][0]["label"])]
    assert names(beside(lists["labeled"], lists["validation"], in_channels=4)) == ["case_0001"]
    assert images(tmp_path / "imagesTr", in_channels=4)[0]["image"] == first
    assert images(tmp_path / "imagesTr", in_channels=4)[0]["name"] == "case_0000"
    check_scans(lists, in_channels=4, cache_dir=tmp_path / "cache")


def test_split_file_names_scans_of_several_channels(tmp_path):
    channels(tmp_path)
    pairs = [{"image": f"imagesTr/case_000{i}.nii.gz", "label": f"labelsTr/case_000{i}.nii.gz"} for i in range(2)]
    lists = from_file(split_file(tmp_path, labeled=pairs[:1], validation=pairs[1:]), tmp_path)
    check_scans(lists, in_channels=4)


def test_digest_tells_lists_apart_but_not_folders(tmp_path):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    assert digest(from_folder(first, 2, 1)) == digest(from_folder(second, 2, 1))
    assert digest(from_folder(first, 2, 1)) != digest(from_folder(first, 2, 2))
    assert re.fullmatch("[0-9a-f]{12}", digest(from_folder(first, 2, 1)))


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
def test_load_left_atrium_gives_la_8():
    lists = load(DATA)
    assert {split: len(items) for split, items in lists.items()} == {"labeled": 8, "unlabeled": 60, "validation": 12}
    assert names(lists["validation"])[0] == "LA_068"


WRONG_ENTRIES = ["5", "null", "[]", '{"image": 5}', '{"image": ""}', '{"image": "a.nii.gz", "label": 5}',
                 '{"image": "a.nii.gz", "label": ""}', '{"image": "a.nii.gz", "label": "b.nii.gz", "organ": 5}',
                 '{"image": "a.nii.gz", "label": "b.nii.gz", "organ": ""}']  # fmt: skip


@pytest.mark.parametrize("entry", WRONG_ENTRIES)
def test_wrong_things_where_names_belong_are_told_in_one_line(entry, tmp_path):
    (tmp_path / "split.json").write_text(f'{{"labeled": [{entry}], "validation": []}}')
    with pytest.raises(ValueError, match=r"split.json, 'labeled': .*(has no image|has no label|must be a name)"):
        from_file(tmp_path / "split.json", tmp_path)


@pytest.mark.parametrize("content", ["[" * 2_000_000, '{"labeled": ' + "[" * 100 + "]" * 100 + "}", "null", "5", '""'])
def test_hostile_split_is_told_in_one_line(content, tmp_path):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(ValueError, match=r"^[^\n]*split.json is no readable JSON \([^\n]*$"):
        from_file(tmp_path / "split.json", tmp_path)
