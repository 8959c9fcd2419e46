"""Damaged, hostile and mistyped files end in one line within a second or two."""

import time

import pytest

from llmsegnet_bundle.documents import read_json, read_mapping

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(9)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"b{i}: &b{i} {{<<: [*{'a' if i == 0 else f'b{i - 1}'}, *{'a' if i == 0 else f'b{i - 1}'}]}}\n" for i in range(40)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", r"Expecting value.*"),
        ('{"a": 1', r"Expecting .*"),
        ("null", "it holds nothing, must hold keys and values"),
        ("[1]", "it holds a list, must hold keys and values"),
        ("5", "it holds a int, must hold keys and values"),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' stands there twice"),
        ("[" * 2_000_000, "it is nested too deep"),
        ('{"a": ' + "[" * 70 + "]" * 70 + "}", "it is nested too deep"),
        ('{"a": ' + "9" * 5000 + "}", "Exceeds the limit .*"),
        (b"\xff\xfe\x00", ".*utf-8.*"),
        (None, "No such file or directory"),
    ],
)
def test_damaged_json_is_one_line_at_once(content, reason, tmp_path):
    file, start = tmp_path / "x.json", time.monotonic()
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=rf"^\S+x\.json is no readable JSON \({reason}\); mend it$") as error:
        read_json(file, "mend it")
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 2


def test_folder_in_place_of_json_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"is no readable JSON \(Is a directory\); mend it"):
        read_json(tmp_path, "mend it")


def test_json_of_keys_is_read(tmp_path):
    (tmp_path / "x.json").write_text('{"a": [1, {"b": null}], "c": NaN}')
    assert read_json(tmp_path / "x.json", "")["a"] == [1, {"b": None}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (BOMB, r"is no YAML \(its aliases stand for too much\)"),
        (MERGES, r"is no YAML \(its aliases stand for too much\)"),
        ("a: &a [*a]\n", r"is no YAML \(an alias stands within what it stands for\)"),
        ("[" * 150_000, r"is no YAML \(it is nested too deep\)"),
        ("a: " + "[x, " * 80 + "]" * 80, r"is no YAML \(it is nested too deep\)"),
        ("- " * 50_000, r"is no YAML \(it is nested too deep\)"),
        ("? " * 50_000, r"is no YAML \(it is nested too deep\)"),
        ("".join(" " * i + f"k{i}:\n" for i in range(200)), r"is no YAML \(it is nested too deep\)"),
        ("[" * 2_000_000, r"is no YAML \(it has 2000000 characters, more than 200000\)"),
        ("a: 1\na: 2\n", r"is no YAML \(a is there twice"),
        ("a: {b: 1, b: 2}\n", r"is no YAML \(b is there twice"),
        ("a: !!python/object/apply:os.system [ls]\n", r"is no YAML \(could not determine a constructor"),
        ("a: 2026-99-99\n", r"is no YAML \(month must be in 1"),
        ("a: !!timestamp x\n", r"is no YAML \("),
        ("a: !!bool x\n", r"is no YAML \("),
        ("a: " + "9" * 5000 + "\n", r"is no YAML \(Exceeds the limit"),
        ("? [1, 2]\n: a\n", r"is no YAML \(while constructing a mapping .* found unhashable key"),
        ("a: 1\n---\nb: 2\n", r"is no YAML \(expected a single document"),
        ("5: a\n", r"the key 5 must be a text; put quotes around it"),
        ("no: a\n", r"the key False must be a text; put quotes around it"),
        ("null\n", r"must hold keys and values, got NoneType"),
        ("a: \x00\n", r"is no YAML \("),
        (b"\xff\xfe\x00\x00", r"is no YAML \("),
        (None, r"cannot be read \(No such file or directory\)"),
    ],
    ids=lambda part: repr(part)[:20],
)
def test_damaged_yaml_is_one_line_at_once(content, told, tmp_path):
    file, start = tmp_path / "x.yaml", time.monotonic()
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=rf"x\.yaml:? {told}") as error:
        read_mapping(file)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    assert time.monotonic() - start < 5  # a fifth of it on a quiet machine


def test_yaml_with_aliases_and_merged_keys_is_read(tmp_path):
    (tmp_path / "x.yaml").write_text("a: &a {b: 1}\nc: *a\nd: {<<: *a, e: [2, {f: 3}]}\n")
    assert read_mapping(tmp_path / "x.yaml") == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": [2, {"f": 3}]}}
