import json
import shutil

import pytest

from llmsegnet_bundle.cases.contents import change, contents


def case(folder, name, image=b"scan", label=b"label"):
    (folder / f"{name}_label.nii").write_bytes(label)
    (folder / f"{name}.nii").write_bytes(image)
    return {"image": str(folder / f"{name}.nii"), "label": str(folder / f"{name}_label.nii")}


def test_contents_are_those_of_the_files_wherever_they_lie(tmp_path):
    (tmp_path / "a").mkdir()
    lists = {"labeled": [case(tmp_path / "a", "x")], "test": []}
    first = contents(lists)
    assert list(first) == ["labeled"]
    assert [len(one) for one in first["labeled"]] == [3]
    shutil.move(tmp_path / "a", tmp_path / "b")
    moved = {key: path.replace("/a/", "/b/") for key, path in lists["labeled"][0].items()}
    assert contents({"labeled": [moved]}) == first


def test_folder_of_slices_may_hold_other_folders(tmp_path):
    (tmp_path / "s" / "reports").mkdir(parents=True)
    (tmp_path / "s" / "1.dcm").write_bytes(b"slice")
    first = contents({"unlabeled": [{"image": str(tmp_path / "s")}]})
    (tmp_path / "s" / "2.dcm").write_bytes(b"slice")
    assert contents({"unlabeled": [{"image": str(tmp_path / "s")}]}) != first


def test_hashes_are_remembered_until_a_file_changes(tmp_path, monkeypatch):
    lists = {"labeled": [case(tmp_path, "x")], "unlabeled": [case(tmp_path, "y")]}
    first = contents(lists, tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr("llmsegnet_bundle.cases.contents._sha256", lambda path: 1 / 0)
        assert contents(lists, tmp_path / "cache") == first
    (tmp_path / "cache/contents.json").write_text("{")
    case(tmp_path, "x", label=b"mended")
    assert change(first, contents(lists, tmp_path / "cache")) == "x with another label"


@pytest.mark.parametrize("content", ["", "null", "[]", "5", '{"MARK": 5}', "[" * 2_000_000, '{"a": "b", "a": "c"}'])
def test_damaged_memory_of_hashes_is_forgotten(content, tmp_path):
    lists = {"labeled": [case(tmp_path, "x")]}
    first = contents(lists, tmp_path / "cache")
    memory = tmp_path / "cache/contents.json"
    memory.write_text(content.replace("MARK", next(iter(json.loads(memory.read_text(encoding="utf-8"))))))
    assert contents(lists, tmp_path / "cache") == first
    assert set(json.loads(memory.read_text(encoding="utf-8")).values()) == set(first["labeled"][0][1:])


def test_label_of_an_unlabeled_scan_is_none_of_its_content(tmp_path):
    lists = {"unlabeled": [case(tmp_path, "x")]}
    first = contents(lists)
    case(tmp_path, "x", label=b"other")
    assert contents(lists) == first


def test_change_is_told_by_kind():
    earlier = {"labeled": [["a", "1", "2"], ["b", "3", "4"]], "unlabeled": [["c", "5"], ["d", "6"]]}
    now = {"labeled": [["a", "0", "2"], ["c", "5", "8"]], "unlabeled": [["e", "7"], ["d", "6"]]}
    assert change(earlier, earlier) == ""
    assert change(earlier, now) == "e new; b gone; c in another list; a with another scan"
    assert change({"labeled": [["a", "1"], ["b", "1"]]}, {"labeled": [["b", "1"], ["a", "1"]]}) == "in another order"
