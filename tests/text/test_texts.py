"""The texts file that people write: what is wrong with it is told in one line."""

import pytest
import yaml

from llmsegnet_bundle.bundles import assemble
from llmsegnet_bundle.text.texts import group_texts, read_texts, texts_sha256

HEAD = "organ: liver\nwritten_by: us\ndate: 2026-11-25\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            HEAD + "texts:\n  - Borders: note: unclear\n",
            "texts.yaml is no YAML .*put quotes around a text with a colon",
        ),
        (HEAD + "texts:\n  - Borders: unclear\n", "texts.yaml: texts must be a list of texts"),
        (HEAD + "texts: The liver is large.\n", "texts.yaml: texts must be a list of texts"),
        (HEAD + "texts: []\n", "texts.yaml: texts must be a list of texts"),
        (HEAD + "texts: {}\n", "texts.yaml: texts must be a list of texts, or a list under the name of each class"),
        (HEAD + "texts: {1: [a]}\n", "texts.yaml: texts must be a list of texts, or a list under the name"),
        (HEAD + "texts: {edema: a}\n", "texts.yaml: the texts of edema must be a list of texts"),
        (HEAD + "texts: {edema: [a], core: [b, c]}\n", "as many texts as the others, got edema 1, core 2"),
        (HEAD + "texts: ['']\n", "texts.yaml: texts must be a list of texts"),
        (HEAD + "texts: [' ']\n", "texts.yaml: texts must be a list of texts"),
        (HEAD + "texts: [5]\n", "texts.yaml: texts must be a list of texts"),
        (HEAD + "texts: {'': [a]}\n", "texts.yaml: texts must be a list of texts, or a list under the name"),
        (HEAD.replace("liver", "5") + "texts: [a]\n", "texts.yaml: organ must be a text, got 5; put quotes around it"),
        (HEAD.replace("liver", "''") + "texts: [a]\n", "texts.yaml: organ must be a text, got ''"),
        (HEAD.replace("us", "[us]") + "texts: [a]\n", r"texts.yaml: written_by must be a text, got \['us'\]"),
        (HEAD.replace("2026-11-25", "{a: 1}") + "texts: [a]\n", "texts.yaml: date must be a date, got"),
        (HEAD.replace("2026-11-25", "2026-99-25") + "texts: [a]\n", r"texts.yaml is no YAML \(month must be in"),
        (HEAD + "a: &a [1]\nb: &b [*a, *b]\ntexts: [x]\n", r"is no YAML \(an alias stands within what it stands for"),
        (HEAD + "texts: " + "[" * 3000 + "]" * 3000 + "\n", r"texts.yaml is no YAML \(it is nested too deep\)"),
        ("", "texts.yaml must hold keys and values, got NoneType"),
        ("- a\n", "texts.yaml must hold keys and values, got list"),
        ("organ: liver\n", "texts.yaml lacks date, texts, written_by"),
    ],
)
def test_wrong_texts_stop_in_one_line(content, told, tmp_path):
    (tmp_path / "texts.yaml").write_text(content)
    with pytest.raises(ValueError, match=told):
        read_texts(tmp_path / "texts.yaml")


def test_missing_texts_stop_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"texts\.yaml does not exist; give a YAML file"):
        read_texts(tmp_path / "texts.yaml")


@pytest.mark.parametrize("texts", [["Bright. ", "Round, and\n large"], {"edema": ["Bright."], "core": ["Dark."]}])
def test_edit_of_written_texts_is_noticed(texts, tmp_path):
    file, told = tmp_path / "t.yaml", {"organ": "liver", "written_by": "a model", "date": "2026-11-26"}
    file.write_text(yaml.dump(told | {"texts": texts, "texts_sha256": texts_sha256(texts)}, width=9, sort_keys=False))
    assert read_texts(file)["edited"] is False
    assert "texts_sha256" not in read_texts(file)
    file.write_text(file.read_text(encoding="utf-8").replace("Bright", "Dark"))
    assert read_texts(file)["edited"] is True


def test_texts_of_one_organ_are_a_group_of_its_name():
    assert group_texts({"organ": "liver", "texts": ["a", "b"]}) == {"liver": ["a", "b"]}
    assert group_texts({"organ": "glioma", "texts": {"edema": ["a"]}}) == {"edema": ["a"]}


def test_dataset_file_that_is_no_yaml_stops_in_one_line(tmp_path):
    for content, told in (
        ("a: b: c\n", r"dataset\.yaml is no YAML"),
        ("[" * 3000, r"dataset\.yaml is no YAML \(it is nested too deep\)"),
        ("paper: 5\n", r"dataset\.yaml: paper must hold keys and values, got 5"),
        ("5: a\nb: c\n", r"dataset\.yaml: the key 5 must be a text"),
        ("seed: 2026-01-01\n", r"dataset\.yaml holds what JSON does not \(.*date.*\); put quotes around it"),
    ):
        (tmp_path / "dataset.yaml").write_text(content)
        with pytest.raises(ValueError, match=told):
            assemble(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["dataset.yaml"]
