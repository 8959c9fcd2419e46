import json
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.text import (
    describe_embedding,
    embed,
    embedding_sha256,
    export_bank,
    known_organs,
    load_embedding,
    load_provenance,
    organ_index,
    save_embedding,
)

HEAD = "organ: liver\nwritten_by: us\ndate: 2026-11-25\n"
CLASSES = HEAD + "texts: {edema: [the liver is dark, beside the liver], core: [bright and round, the left is bright]}\n"


def test_embedding_file_tells_texts_and_encoder(bert, tmp_path):
    (tmp_path / "texts.yaml").write_text(HEAD + "note: 2026-01-01\ntexts: [the liver is large, liver]\n")
    embed(tmp_path / "texts.yaml", tmp_path / "new/e.safetensors", bert)
    assert load_embedding(tmp_path / "new/e.safetensors").shape == (2, 8)
    told = load_provenance(tmp_path / "new/e.safetensors")
    assert (told["organ"], told["date"], told["texts"]) == ("liver", "2026-11-25", ["the liver is large", "liver"])
    assert (told["encoder_kind"], told["encoder"]) == ("sentence", "tiny-bert")
    assert "edited" not in told
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["e.safetensors"]


def test_texts_of_classes_make_an_embedding_of_each(bert, tmp_path):
    (tmp_path / "texts.yaml").write_text(CLASSES)
    embed(tmp_path / "texts.yaml", tmp_path / "e.safetensors", bert)
    embedding = load_embedding(tmp_path / "e.safetensors")
    assert embedding.shape == (2, 2, 8)
    assert load_provenance(tmp_path / "e.safetensors")["class_names"] == ["edema", "core"]
    (tmp_path / "core.yaml").write_text(HEAD + "texts: [bright and round, the left is bright]\n")
    embed(tmp_path / "core.yaml", tmp_path / "core.safetensors", bert)
    assert torch.equal(load_embedding(tmp_path / "core.safetensors"), embedding[1])


def test_control_tells_what_it_replaces(bert, tmp_path, monkeypatch):
    (tmp_path / "texts.yaml").write_text(CLASSES)
    embed(tmp_path / "texts.yaml", tmp_path / "e.safetensors", bert)
    paths = [str(tmp_path / "texts.yaml"), str(tmp_path / "c.safetensors")]
    options = ["--encoder", "random:3", "--like", str(tmp_path / "e.safetensors")]
    monkeypatch.setattr(sys, "argv", ["llmsegnet-bundle", "embed", *paths, *options])
    main()
    assert load_embedding(tmp_path / "c.safetensors").shape == (2, 2, 8)
    told = load_provenance(tmp_path / "c.safetensors")
    assert told["encoder"] == "random:3"
    assert told["replaces_sha256"] == load_provenance(tmp_path / "e.safetensors")["sha256"]


def test_changed_embedding_is_refused(tmp_path):
    file = tmp_path / "e.safetensors"
    save_embedding(file, torch.ones(2, 3), {"organ": "liver"})
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"e\.safetensors is not as `embed` wrote it \(its sha256 differs\)"):
        load_embedding(file)
    save_file(load_file(file), file)
    with pytest.raises(ValueError, match="its sha256 differs"):
        load_embedding(file)


@pytest.mark.parametrize(
    ("embedding", "provenance", "told"),
    [
        (torch.ones(3), {}, r"must hold finite \(P, E\), got \[3\]"),
        (torch.full((1, 3), float("nan")), {}, r"must hold finite \(P, E\)"),
        (torch.ones(2, 1, 3), {}, r"must hold finite \(P, E\), got \[2, 1, 3\]"),
        (
            torch.ones(2, 1, 3),
            {"class_names": ["edema"]},
            r"must hold finite \(C - 1, P, E\) of edema, got \[2, 1, 3\]",
        ),
    ],
)
def test_embedding_of_another_form_is_refused(embedding, provenance, told, tmp_path):
    save_embedding(tmp_path / "e.safetensors", embedding, provenance)
    with pytest.raises(ValueError, match=told):
        load_embedding(tmp_path / "e.safetensors")


def test_other_files_are_no_embedding(tmp_path):
    with pytest.raises(ValueError, match=r"e\.safetensors does not exist"):
        load_embedding(tmp_path / "e.safetensors")
    (tmp_path / "e.safetensors").write_text(json.dumps({}))
    with pytest.raises(ValueError, match=r"e\.safetensors is no embedding file"):
        load_provenance(tmp_path / "e.safetensors")
    assert load_embedding("none") is None


@pytest.mark.parametrize("provenance", ["", "{", "[]", "null", "5", "[" * 2_000_000], ids=lambda text: text[:5])
def test_damaged_provenance_is_told_in_one_line(provenance, tmp_path):
    numbers = torch.ones(1, 2)
    told = {"provenance": provenance, "sha256": embedding_sha256(numbers)}
    save_file({"text_embedding": numbers}, tmp_path / "e.safetensors", told)
    for read in (load_embedding, load_provenance, describe_embedding):
        with pytest.raises(ValueError, match=r"e\.safetensors has a damaged provenance; write it again by `embed`"):
            read(tmp_path / "e.safetensors")


def test_text_that_cannot_be_encoded_leaves_the_old_file(bert, tmp_path):
    (tmp_path / "texts.yaml").write_text(HEAD + yaml.dump({"texts": ["liver " * 99]}))
    save_embedding(tmp_path / "e.safetensors", torch.ones(1, 2), {})
    with pytest.raises(ValueError, match="shorten the text"):
        embed(tmp_path / "texts.yaml", tmp_path / "e.safetensors", bert)
    assert torch.equal(load_embedding(tmp_path / "e.safetensors"), torch.ones(1, 2))


ORGANS = {"liver": ["the liver is large", "the liver lies beside"], "atrium": ["atrium of left", "left is bright"]}


def organ_files(folder, organs=ORGANS):
    for organ, texts in organs.items():
        (folder / f"{organ}.yaml").write_text(
            yaml.dump({"organ": organ, "written_by": "us", "date": "1", "texts": texts})
        )
    return [folder / f"{organ}.yaml" for organ in organs]


def test_texts_of_several_organs_make_one_file_that_knows_their_names(bert, tmp_path, monkeypatch):
    files = organ_files(tmp_path)
    file = tmp_path / "all.safetensors"
    options = ["embed", ",".join(map(str, files)), str(file), "--encoder", str(bert)]
    monkeypatch.setattr(sys, "argv", ["llmsegnet-bundle", *options])
    main()
    assert load_embedding(file).shape == (2, 1, 2, 8)
    embed(files[1], tmp_path / "one.safetensors", bert)
    assert torch.equal(load_embedding(file)[1, 0], load_embedding(tmp_path / "one.safetensors"))
    assert known_organs(file) == ["liver", "atrium"] == known_organs(describe_embedding(file))
    assert known_organs(tmp_path / "one.safetensors") == [] == known_organs("none")
    told = load_provenance(file)
    assert (told["texts"], told["sources"][1]["written_by"]) == (ORGANS, "us")
    embed(files, tmp_path / "control.safetensors", "one_hot", file)
    control = load_embedding(tmp_path / "control.safetensors")
    assert control.shape == (2, 1, 2, 8)
    assert control[:, 0].argmax(dim=-1).tolist() == [[0, 0], [1, 1]]
    export_bank(tmp_path / "bank.npz", [file])
    embed(files, tmp_path / "banked.safetensors", f"bank:{tmp_path / 'bank.npz'}")
    torch.testing.assert_close(load_embedding(tmp_path / "banked.safetensors"), load_embedding(file), atol=1e-3, rtol=0)


def test_texts_of_several_organs_that_do_not_fit_are_told_in_one_line(bert, tmp_path):
    files = organ_files(tmp_path, {"liver": ["a", "b"], "atrium": ["a"]})
    with pytest.raises(ValueError, match=r"each organ must have as many classes x texts .* liver 1 x 2, atrium 1 x 1"):
        embed(files, tmp_path / "all.safetensors", bert)
    with pytest.raises(ValueError, match="each file must be of another organ, got liver, liver"):
        embed([files[0], files[0]], tmp_path / "all.safetensors", bert)
    assert not (tmp_path / "all.safetensors").exists()


def test_organs_are_chosen_by_name():
    assert organ_index("spleen", ["liver", "spleen"]) == 1
    assert organ_index(None, []) == 0
    for organ, organs, told in (
        (None, ["liver", "spleen"], "organ: this network knows liver, spleen; choose one with --organ"),
        ("lver", ["liver", "spleen"], "organ: 'lver' is unknown; this network knows liver, spleen"),
        ("liver", [], "organ: 'liver' is unknown; this network is for one; leave the setting away"),
    ):
        with pytest.raises(ValueError, match=told):
            organ_index(organ, organs)
