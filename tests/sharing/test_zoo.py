"""What the model zoo checks, on the packed copy of each bundle."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from bundle_runs import ROOT, prepared
from monai.bundle import load, onnx_export, verify_metadata, verify_net_in_out

SCHEMAS = ROOT.parent / "shared/schema"
pytestmark = [pytest.mark.zoo, pytest.mark.filterwarnings("ignore")]


def test_metadata_and_network_pass(zoo_copy, tmp_path):
    _, folder = zoo_copy
    configs = folder / "configs"
    verify_net_in_out(
        "network_def", str(configs / "metadata.json"), str(configs / "inference.json"), bundle_root=str(folder)
    )
    schemas = list(SCHEMAS.glob("*.json"))
    if not schemas:
        pytest.skip("../shared/schema is absent")
    shutil.copy(schemas[0], tmp_path / "schema.json")
    verify_metadata(str(configs / "metadata.json"), filepath=str(tmp_path / "schema.json"))


@pytest.mark.parametrize("names", [["train"], ["train_supervised"], ["train", "evaluate"], ["inference"]])
def test_properties_pass(names, zoo_copy, phantoms, tmp_path):
    source = phantoms / "imagesTr" if names == ["inference"] else phantoms
    models = {"ckpt_dir": str(zoo_copy[1] / "models")}
    assert prepared(names, source, tmp_path, zoo_copy[1], **models).check_properties() == []


def test_network_loads_from_folder_and_zip_and_runs_as_torchscript(zoo_copy, tmp_path, monkeypatch):
    file, folder = zoo_copy
    monkeypatch.chdir(tmp_path)  # another working directory
    image = torch.rand(1, 1, 64, 64, 64)
    place = tmp_path / "from_zip" / folder.name
    told = [{"bundle_root": str(folder)}, {"bundle_root": str(place), "url": file.as_uri()}]
    networks = [
        load(
            folder.name,
            bundle_dir=str(Path(args["bundle_root"]).parent),
            workflow_type="inference",  # initialize of train.json asks for the scans
            device="cpu",
            args_file=args,
        )
        for args in told
    ]
    networks.append(torch.jit.load(folder / "models/model.ts"))
    with torch.inference_mode():
        answers = [network.eval().float()(image) for network in networks]
    for answer in answers[1:]:
        torch.testing.assert_close(answer, answers[0], atol=1e-4, rtol=1e-4)


def test_onnx_agrees(zoo_copy, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    _, folder = zoo_copy
    configs = folder / "configs"
    shape = [1, 1, 64, 64, 64]
    onnx_export(
        "network_def",
        str(tmp_path / "model.onnx"),
        str(folder / "models/model.pt"),
        str(configs / "metadata.json"),
        str(configs / "inference.json"),
        input_shape=shape,
        bundle_root=str(folder),
    )
    image = torch.rand(shape)
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    (answer,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    with torch.inference_mode():
        expected = torch.jit.load(folder / "models/model.ts").eval().float()(image)
    torch.testing.assert_close(torch.from_numpy(answer), expected, atol=1e-4, rtol=1e-4)


def test_packed_configs_hold_no_place_of_this_machine(zoo_copy):
    _, folder = zoo_copy
    told = json.loads((folder / "configs/inference.json").read_text(encoding="utf-8"))
    assert told["bundle_root"] == "."
    assert told["dataset_dir"].startswith("/workspace/data")
