import numpy as np
import pytest
import torch
from torch.nn import functional as F

from llmsegnet_bundle.text import export_bank, save_embedding
from llmsegnet_bundle.text.bank import read_bank, write_bank
from llmsegnet_bundle.text.encoders import encode

GROUPS = {"edema": ["a", "b"], "core": ["c", "d"]}


def test_bank_gives_each_text_the_row_of_its_class_in_order(tmp_path):
    vectors = torch.tensor([[0.0, 2.0], [3.0, 4.0], [1.0, 0.0], [0.0, -1.0]])
    write_bank(tmp_path / "b.npz", ["core", "edema", "edema", "core"], vectors)
    encoded = encode(f"bank:{tmp_path / 'b.npz'}", GROUPS)
    expected = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    torch.testing.assert_close(encoded.vectors, expected, atol=1e-3, rtol=0)
    assert encoded.provenance["encoder"] == "b.npz"
    assert encoded.provenance["encoder_revision"].startswith("sha256:")


def test_bank_of_embedding_files_goes_out_and_in_again(tmp_path):
    vectors = F.normalize(torch.randn(2, 2, 4), dim=-1)
    save_embedding(tmp_path / "a.safetensors", vectors, {"class_names": list(GROUPS), "organ": "glioma"})
    save_embedding(tmp_path / "b.safetensors", vectors[0, :1], {"organ": "liver"})
    export_bank(tmp_path / "new/bank.npz", [tmp_path / "a.safetensors", tmp_path / "b.safetensors"])
    with np.load(tmp_path / "new/bank.npz") as arrays:
        assert arrays["labels"].tolist() == ["edema", "edema", "core", "core", "liver"]
        assert arrays["vectors"].dtype == np.float16
    again = encode(f"bank:{tmp_path / 'new/bank.npz'}", GROUPS).vectors
    torch.testing.assert_close(again, vectors.flatten(0, 1), atol=1e-3, rtol=0)


def test_export_refuses_vectors_of_several_sizes_and_none(tmp_path):
    for name, size in (("a", 3), ("b", 4)):
        save_embedding(tmp_path / f"{name}.safetensors", torch.ones(1, size), {"organ": name})
    with pytest.raises(ValueError, match=r"b\.safetensors has vectors of 4, .*a\.safetensors of 3; one bank, one size"):
        export_bank(tmp_path / "b.npz", [tmp_path / "a.safetensors", tmp_path / "b.safetensors"])
    with pytest.raises(ValueError, match="give at least one embedding file"):
        export_bank(tmp_path / "b.npz", [])
    with pytest.raises(ValueError, match="give embedding files, not none"):
        export_bank(tmp_path / "b.npz", ["none"])
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"labels": np.array(["edema"])}, r"b\.npz is no bank \(.*vectors"),
        ({"labels": np.array(["edema", 3], object), "vectors": np.ones((2, 2))}, r"b\.npz is no bank \("),
        ({"labels": np.array([1, 2]), "vectors": np.ones((2, 2))}, r"b\.npz must hold labels, N texts, and vectors"),
        ({"labels": np.array(["edema"]), "vectors": np.ones((2, 2))}, r"must hold .* got \(1,\)"),
        ({"labels": np.array(["edema"]), "vectors": np.full((1, 2), np.nan)}, "N x E finite numbers"),
        (
            {"labels": np.array(["edema"]), "vectors": np.ones((1, 2))},
            "has 1 vectors labeled 'edema', the texts file 2",
        ),
    ],
)
def test_unfit_bank_is_told_in_one_line(arrays, told, tmp_path):
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(ValueError, match=told):
        encode(f"bank:{tmp_path / 'b.npz'}", GROUPS)


@pytest.mark.parametrize("content", [None, b"", b"no zip", b"PK\x03\x04"])
def test_file_that_is_no_bank_is_told_in_one_line(content, tmp_path):
    if content is not None:
        (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"bank: .*b\.npz (is no bank|does not exist)"):
        read_bank(tmp_path / "b.npz")


def test_number_too_large_for_a_bank_is_refused(tmp_path):
    with pytest.raises(ValueError, match="float16 ends at 65504"), np.errstate(over="ignore"):
        write_bank(tmp_path / "b.npz", ["liver"], torch.full((1, 2), 1e6))
    assert list(tmp_path.iterdir()) == []
