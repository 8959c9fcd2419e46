"""What needs a card: `pytest -m gpu`, some minutes; see docs/gpu.md."""

import os
import subprocess
import sys

import pytest
import torch
from bundle_runs import BUNDLE, ROOT, run

from llmsegnet_bundle import precision
from llmsegnet_bundle.inference import ProbabilityInferer
from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, UNet, VNet
from llmsegnet_bundle.precision import autocast, fast_layout, free_bytes, has_bf16
from llmsegnet_bundle.tools.phantom import write_phantom

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA card"),
    pytest.mark.filterwarnings("default"),  # of drivers and libraries that we never saw
]
CROP = {"crop": [48, 48, 48], "spacing_mm": [0.625] * 3}


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=5, size=(56, 56, 52), spacing_mm=0.625)
    return folder


def trained(scans, folder, **overrides):
    parser = run(["train"], scans, folder, **(CROP | {"max_steps": 3, "ramp_start": 0} | overrides))
    return parser.get_parsed_content("train#trainer")


def test_training_runs_with_the_cache_on_the_card(scans, tmp_path):
    parser = run(["train"], scans, tmp_path, **CROP)
    assert parser.get_parsed_content("train#dataset").image(0).device.type == "cuda"
    assert parser.get_parsed_content("train#trainer").state.output[0]["loss"] > 0


def test_training_runs_with_crops_from_disk_and_from_workers(scans, tmp_path):
    assert trained(scans, tmp_path / "disk", cache_mode="disk").state.output[0]["loss"] > 0
    assert trained(scans, tmp_path / "workers", workers=2).state.output[0]["loss"] > 0


def test_training_in_float16_scales_its_losses(scans, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    trainer = trained(scans, tmp_path)
    assert trainer.loss_scaler.is_enabled()
    assert all(value.isfinite().all() for value in trainer.alpha.parameters())


def test_baseline_trains(scans, tmp_path):
    parser = run(["train_supervised"], scans, tmp_path, **CROP)
    assert parser.get_parsed_content("train#trainer").state.output[0]["loss"] > 0


def test_stopped_run_goes_on(scans, tmp_path):
    trained(scans, tmp_path, max_steps=2)
    assert trained(scans, tmp_path, max_steps=4).state.iteration == 4


def test_deterministic_training_repeats_itself(scans, tmp_path):
    losses = [trained(scans, tmp_path / name, deterministic=True).state.output[0]["loss"] for name in "ab"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_bfloat16_answers_as_float32():
    if not has_bf16("cuda"):
        pytest.skip("this card has no bfloat16")
    network, image = VNet(base_filters=4).eval().cuda(), torch.rand(1, 1, 64, 64, 64, device="cuda")
    with torch.inference_mode():
        exact = network(image)
        with autocast("cuda"):
            torch.testing.assert_close(network(image).float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("backbone", [VNet, UNet])
def test_layouts_answer_alike(backbone):
    network, image = backbone(base_filters=4).eval(), torch.rand(1, 1, 64, 64, 64)
    with torch.inference_mode():
        exact = network(image)
        fast = fast_layout(network, "cuda")(image.cuda()).cpu()
    torch.testing.assert_close(fast, exact, rtol=1e-2, atol=1e-2)


def test_big_volume_is_segmented_and_its_memory_comes_back():
    pair = LLMSegNetPair(*(LLMSegNet(VNet(base_filters=4), None) for _ in range(2))).eval().cuda()
    inferer = ProbabilityInferer((96, 96, 96))
    inferer(torch.rand(1, 1, 96, 96, 96, device="cuda"), pair)  # loads what cuDNN and cuBLAS keep
    before = free_bytes("cuda")
    image = torch.rand(1, 1, 320, 320, 320, device="cuda")
    probs = inferer(image, pair)
    torch.testing.assert_close(probs.sum(dim=1).mean().cpu(), torch.ones(()))  # a small card stitches on the CPU
    del image, probs
    assert free_bytes("cuda") > 0.95 * before


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two CUDA cards")
def test_two_cards_train_and_validate_together(scans, tmp_path):
    configs = [str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "-m", "monai.bundle", "run"]
    command += ["training", "--config_file", str(configs), "--bundle_root", str(BUNDLE), "--dataset_dir", str(scans)]
    command += ["--labeled", "2", "--validation", "2", "--max_steps", "2", "--val_interval", "1", "--base_filters", "4"]
    command += ["--crop", "[48,48,48]", "--ckpt_dir", str(tmp_path / "ckpt"), "--output_dir", str(tmp_path / "out")]
    command += ["--cache_dir", str(tmp_path / "cache")]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=300)
    weights = torch.load(tmp_path / "ckpt/model.pt", weights_only=True)
    assert all(value.isfinite().all() for value in weights.values() if value.is_floating_point())
