import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scan_folders import folder, pair

from llmsegnet_bundle.cases.split import SPLITS, from_file, item_files

PATHS = st.sampled_from([pair(i)["image"] for i in range(4)]) | st.text(max_size=6) | st.just("a" * 300)
ENTRIES = st.recursive(
    PATHS | st.none() | st.integers() | st.booleans(),
    lambda inner: st.fixed_dictionaries({}, optional=dict.fromkeys(("image", "label", "organ"), inner)),
    max_leaves=4,
)
LISTS = st.dictionaries(st.sampled_from([*SPLITS, "training"]), st.lists(ENTRIES, max_size=3) | ENTRIES, max_size=4)
LABELED = st.integers(-1, 3) | st.sampled_from(["all", "few"])


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("scans"), scans=4, labels=4)


@settings(max_examples=60, deadline=None, database=None)
@given(lists=LISTS | ENTRIES, labeled=LABELED)
@example(lists={"labeled": [], "validation": [], "unlabeled": ["a" * 300]}, labeled="all")
@example(lists={"labeled": [], "validation": [], "unlabeled": ["a\0b"]}, labeled="all")
@example(lists={"labeled": [], "validation": [], "unlabeled": ["\ud800"]}, labeled="all")
@example(lists={"labeled": [], "validation": [], "unlabeled": ["a\nb"]}, labeled="all")
@example(lists={"labeled": [], "validation": [], "unlabeled": [""]}, labeled="all")
def test_any_split_file_is_read_or_told_in_one_line(lists, labeled, scans):
    file = scans / "split.json"
    file.write_text(json.dumps(lists), encoding="utf-8")
    read, told = {}, ""
    try:
        read = from_file(file, scans, labeled)
    except ValueError as error:
        told = str(error)
    assert len(told.splitlines()) == (not read), told
    assert read or told.startswith((str(file), "labeled")), told
    images = [path for items in read.values() for item in items for path in item_files(item)[:1]]
    assert len(images) == len(set(images))
    assert all("label" in item for name in ("labeled", "validation") for item in read.get(name, []))


@settings(max_examples=30, deadline=None, database=None)
@given(content=st.binary(max_size=40))
def test_any_bytes_for_a_split_file_are_told_in_one_line(content, scans):
    file = scans / "bytes.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"^.*bytes\.json (is no readable JSON|must be|lacks)") as told:
        from_file(file, scans)
    assert len(str(told.value).splitlines()) == 1
