"""A damaged prepared.json is told in one line, and nothing is lost."""

import json
import os

import pytest

from llmsegnet_bundle.cases import preset
from llmsegnet_bundle.prepare import prepare

GOOD = preset("left_atrium").train[0]
DAMAGED = ["", "{", "null", "5", '"text"', "[]", "[" * 2_000_000, '{"a": ' * 500 + "1" + "}" * 500, "\udcff",
           '{"a": 5}', '{"a": null}', '{"a": {"source": 5}}', '{"NAME": {}, "NAME": {}}', "9" * 5000]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[:12])
def test_damaged_record_is_told_in_one_line_and_nothing_is_lost(content, tmp_path, download):
    output = tmp_path / "out"
    output.mkdir()
    (output / "prepared.json").write_text(content.replace("NAME", GOOD), errors="surrogateescape")
    download.atrium(GOOD)
    told = r"^[^\n]*prepared.json is .*; remove it, and all scans are prepared again$"
    with pytest.raises(ValueError, match=told):
        prepare("left_atrium", download.root, output, workers=1)
    assert os.listdir(output) == ["prepared.json"]
    (output / "prepared.json").unlink()
    prepare("left_atrium", download.root, output, workers=1)


@pytest.mark.parametrize(
    "change", [{"files": []}, {"files": {"a": "b"}}, {"odd": [5]}, {"held": [None]}, {"content": 1}]
)
def test_record_of_wrong_types_is_told_in_one_line(change, tmp_path, download):
    download.atrium(GOOD)
    prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    file = tmp_path / "out/prepared.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({GOOD: content[GOOD] | change}))
    with pytest.raises(
        ValueError, match=rf"prepared.json is damaged at '{GOOD}'; remove it, and all scans are prepared"
    ):
        prepare("left_atrium", download.root, tmp_path / "out", workers=1)
