import os
import subprocess
import sys
import time

import pytest
import torch

from llmsegnet_bundle.text.local import LocalModel

PROMPT = "the liver is large"


def test_greedy_answers_are_the_same_twice(gpt2):
    model = LocalModel(gpt2, {"max_new_tokens": 5, "do_sample": False})
    assert model.answer(PROMPT) == model.answer(PROMPT)
    assert model.origin()["model"] == "tiny-gpt2"


def test_sampled_answers_follow_the_seed_alone(gpt2):
    decoding = {"max_new_tokens": 12, "do_sample": True}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = LocalModel(gpt2, decoding, seed=1).answer(PROMPT)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(9)
    assert LocalModel(gpt2, decoding, seed=1).answer(PROMPT) == first
    assert LocalModel(gpt2, decoding, seed=2).answer(PROMPT) != first


def test_unknown_decoding_is_told_in_one_line(gpt2):
    with pytest.raises(ValueError, match=r"decoding: \{'wordz': 4\} is not what tiny-gpt2 takes \([^\n]*\)$"):
        LocalModel(gpt2, {"wordz": 4}).answer(PROMPT)


def test_unloadable_model_is_told_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"model: .* cannot be loaded \([^\n]*\); give a Hugging Face id"):
        LocalModel(tmp_path)


def test_absent_model_is_told_offline_at_once(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"^model: no/such cannot be loaded \([^\n]*\); give a Hugging Face id"):
        LocalModel("no/such")
    assert time.monotonic() - start < 5


@pytest.mark.slow
@pytest.mark.parametrize("command", ["describe", "embed"])
def test_absent_model_ends_offline_in_one_line_at_once(command, tmp_path):
    (tmp_path / "t.yaml").write_text("organ: liver\nwritten_by: us\ndate: 2026-11-25\ntexts: [a]\n")
    options = {
        "describe": [str(tmp_path / "o"), "--organ", "liver", "--modality", "CT", "--model", "no/such"],
        "embed": [str(tmp_path / "t.yaml"), str(tmp_path / "o"), "--encoder", "no/such"],
    }[command]
    code = (
        "import sys, time\n"
        "import torch, nibabel, transformers, llmsegnet_bundle.__main__ as program, llmsegnet_bundle.text\n"
        "from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer\n"
        "import atexit; start = time.monotonic()\n"
        "atexit.register(lambda: print(time.monotonic() - start))\n"
        "program.main()"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run(
        [sys.executable, "-c", code, command, *options], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "no/such cannot be loaded" in done.stderr
    assert float(done.stdout) < 5
    assert not (tmp_path / "o").exists()
