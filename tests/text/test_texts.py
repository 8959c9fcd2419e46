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
    file.write_text(file.read_text().replace("Bright", "Dark"))
    assert read_texts(file)["edited"] is True


def test_texts_of_one_organ_are_a_group_of_its_name():
    assert group_texts({"organ": "liver", "texts": ["a", "b"]}) == {"liver": ["a", "b"]}
    assert group_texts({"organ": "glioma", "texts": {"edema": ["a"]}}) == {"edema": ["a"]}


def test_dataset_file_that_is_no_yaml_stops_in_one_line(tmp_path):
    (tmp_path / "dataset.yaml").write_text("a: b: c\n")
    with pytest.raises(ValueError, match=r"dataset\.yaml is no YAML"):
        assemble(tmp_path)
