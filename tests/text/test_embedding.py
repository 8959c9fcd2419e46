"""The texts file that people write: what is wrong with it is told in one line."""

import pytest

from llmsegnet_bundle.bundles import assemble
from llmsegnet_bundle.text import embed

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
        ("", "texts.yaml must hold keys and values, got NoneType"),
        ("- a\n", "texts.yaml must hold keys and values, got list"),
        ("organ: liver\n", "texts.yaml lacks date, texts, written_by"),
    ],
)
def test_wrong_texts_stop_in_one_line(content, told, tmp_path):
    (tmp_path / "texts.yaml").write_text(content)
    with pytest.raises(ValueError, match=told):
        embed(tmp_path / "texts.yaml", "an encoder", tmp_path / "embedding.safetensors")
    assert not (tmp_path / "embedding.safetensors").exists()


def test_dataset_file_that_is_no_yaml_stops_in_one_line(tmp_path):
    (tmp_path / "dataset.yaml").write_text("a: b: c\n")
    with pytest.raises(ValueError, match=r"dataset\.yaml is no YAML"):
        assemble(tmp_path)
