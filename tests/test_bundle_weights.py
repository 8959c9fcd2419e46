"""A bundle's weights: inference and evaluation follow them without overrides, and trainings start from them."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import BUNDLE, SMALL, prepared, refused, run, workflow

from llmsegnet_bundle.files import file_sha256
from llmsegnet_bundle.networks.weights import halve_weights, read_description
from llmsegnet_bundle.tools.phantom import write_phantom

OTHER = {"base_filters": 3, "spacing_mm": [0.8, 0.8, 0.8], "fusion": "channel", "deploy": "alpha", "max_steps": 2}
OTHER["intensity_transforms"] = [{"_target_": "NormalizeIntensityd", "keys": "image"}]
SHORT = {"max_steps": 1, "validation": 0}


@pytest.fixture(scope="module")
def trained(scans, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    run(["train"], scans, folder, **OTHER)
    return folder / "ckpt/model.pt"


@pytest.fixture(scope="module")
def baseline(scans, tmp_path_factory):
    folder = tmp_path_factory.mktemp("baseline")
    run(["train_supervised"], scans, folder, **SHORT)
    return folder / "ckpt/model.pt"


def plainly(names, source, folder, model_file, **overrides):
    """Set up configs with nothing told of what the weights were trained with."""
    places = {"dataset_dir": str(source), "output_dir": str(folder / "out"), "model_file": str(model_file)}
    if "inference" not in names:
        places |= {"cache_dir": "none", "labeled": 2, "validation": 1}
    flow = workflow(names, show_progress=False, **(places | overrides))
    flow.initialize()
    return flow


def test_training_writes_what_the_weights_are(trained):
    told = read_description(trained)
    assert {key: told["settings"][key] for key in OTHER if key != "max_steps"} == {
        key: value for key, value in OTHER.items() if key != "max_steps"
    }
    assert told["settings"]["crop"] == [48, 48, 48]
    assert told["settings"]["class_names"] == ["background", "left atrium"]
    assert told["settings"]["text_embedding"]["shape"] == [9, 384]
    assert told["selection"]["step"] == 2
    assert told["selection"]["metric"] == "val_mean_dice"


def test_inference_follows_the_weights_without_overrides(trained, scans, tmp_path):
    image = scans / "imagesTr/PHANTOM_000.nii.gz"
    flow = plainly(["inference"], image, tmp_path, trained)
    parser = flow.parser
    assert parser.get_parsed_content("spacing_mm") == [0.8] * 3
    assert parser.get_parsed_content("window") == [48, 48, 48]
    network = parser.get_parsed_content("network")
    assert network.deploy == "alpha"
    assert network.alpha.backbone.out.in_channels == 3
    preprocessing = parser.get_parsed_content("preprocessing")
    assert type(preprocessing.transforms[-1]).__name__ == "NormalizeIntensityd"
    item = preprocessing({"image": str(image)})
    assert abs(item["image"].shape[1] - 56 * 0.625 / 0.8) <= 1
    for name, value in torch.load(trained, weights_only=True).items():
        assert torch.equal(network.state_dict()[name], value), name
    flow.run()
    mask = nib.load(tmp_path / "out/PHANTOM_000_seg.nii.gz")
    assert mask.shape == nib.load(image).shape


def test_inference_segments_with_the_labeled_only_baseline(baseline, scans, tmp_path):
    flow = plainly(["inference"], scans / "imagesTr/PHANTOM_000.nii.gz", tmp_path, baseline)
    flow.run()
    assert type(flow.parser.get_parsed_content("network")).__name__ == "VNet"
    assert np.asarray(nib.load(tmp_path / "out/PHANTOM_000_seg.nii.gz").dataobj).max() <= 1


def test_evaluation_follows_the_weights_without_overrides(trained, scans, tmp_path):
    flow = plainly(["train", "evaluate"], scans, tmp_path, trained, stride_voxel="half")
    flow.run()
    assert flow.parser.get_parsed_content("network").alpha.backbone.out.in_channels == 3
    evaluation = json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))
    assert (evaluation["window"], evaluation["deploy"]) == ([48, 48, 48], "alpha")


@pytest.mark.parametrize("names", [["inference"], ["train", "evaluate"]])
@pytest.mark.parametrize(
    ("override", "told"),
    [
        ({"base_filters": 8}, "base_filters: .*model.pt was trained with 3, this config has 8"),
        ({"spacing_mm": [1, 1, 1]}, r"spacing_mm: .*was trained with \[0.8, 0.8, 0.8\], this config has \[1, 1, 1\]"),
        ({"text_embedding": "none"}, "text_embedding: .*was trained with .*sha256.*, this config has none"),
        ({"intensity_transforms": []}, "intensity_transforms: .*was trained with .*NormalizeIntensityd"),
    ],
)
def test_contradicting_override_stops_in_one_line(names, override, told, trained, scans, tmp_path):
    source = scans / "imagesTr" if names == ["inference"] else scans
    with refused(told):
        plainly(names, source, tmp_path, trained, **override)


def test_override_that_agrees_or_is_free_is_taken(trained, scans, tmp_path):
    free = {"base_filters": 3, "deploy": "beta", "window": [32, 32, 32]}
    flow = plainly(["inference"], scans / "imagesTr", tmp_path, trained, **free)
    assert flow.parser.get_parsed_content("network").deploy == "beta"


def test_pairs_config_refuses_the_baseline_in_evaluation(baseline, scans, tmp_path):
    with refused(r"networks: .*was trained with 1, this config has 2"):
        plainly(["train", "evaluate"], scans, tmp_path, baseline)


def test_description_of_other_weights_stops_in_one_line(trained, baseline, scans, tmp_path):
    shutil.copy(trained, tmp_path / "model.pt")
    shutil.copy(baseline.with_suffix(".json"), tmp_path / "model.json")
    with refused(r"model\.json describes other weights than .*model\.pt"):
        plainly(["inference"], scans / "imagesTr", tmp_path, tmp_path / "model.pt")


def test_network_of_inference_refuses_other_weights_as_monai_label_loads_them(trained, baseline):
    parser = workflow(["inference"], model_file=str(trained)).parser
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(trained, weights_only=True), strict=False)
    with pytest.raises(ValueError, match=rf"built for {trained} \(alpha\.text_embedding is missing\); start anew"):
        network.load_state_dict(torch.load(baseline, weights_only=True), strict=False)


def test_committed_weights_are_described():
    parser = workflow(["inference"]).parser
    model_file = parser.get_parsed_content("model_file")
    told = read_description(model_file)
    assert told["selection"]["select"] == "last"
    assert told["figures"]["dice"] == 0.8965
    assert parser.get_parsed_content("spacing_mm") == told["settings"]["spacing_mm"]
    parser.get_parsed_content("network_def").load_state_dict(torch.load(model_file, weights_only=True))


def test_committed_weights_give_the_mask_that_they_gave(tmp_path):
    write_phantom(tmp_path, scans=1, size=(64, 64, 48), spacing_mm=1.25)
    image = np.asarray(nib.load(tmp_path / "imagesTr/PHANTOM_000.nii.gz").dataobj, dtype=np.float32)
    image = torch.from_numpy((image - image.min()) / (image.max() - image.min()))
    parser = workflow(["inference"]).parser
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(parser.get_parsed_content("model_file"), weights_only=True))
    with torch.no_grad():
        mask = network(image[None, None]).argmax(1)
    assert abs(int(mask.sum()) - 8060) < 10  # of bundle version 0.2.1; another processor rounds a few voxels otherwise


def test_training_starts_from_two_networks_and_records_their_content(baseline, scans, tmp_path, capsys):
    halve_weights(baseline, tmp_path / "half.pt")
    files = f"[{baseline},{tmp_path}/half.pt]"
    flow = prepared(["train"], scans, tmp_path, init_from=files, **SHORT)
    pair, weights = flow.parser.get_parsed_content("network"), torch.load(baseline, weights_only=True)
    for name, value in weights.items():
        assert torch.equal(pair.alpha.backbone.state_dict()[name], value), name
        torch.testing.assert_close(pair.beta.backbone.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    assert "; not taken: alpha.fusion, " in capsys.readouterr().out
    flow.run()
    record = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    half = str(tmp_path / "half.pt")
    assert record["settings"]["init_from"] == {str(baseline): file_sha256(baseline), half: file_sha256(half)}


def test_other_classes_start_from_a_pair(trained, scans, tmp_path, capsys):
    other = {"base_filters": 3, "fusion": "channel", "classes": 3, "init_from": str(trained)}
    prepared(["train"], scans, tmp_path, **(SHORT | other))
    out = capsys.readouterr().out
    assert "; not taken: alpha.backbone.out, beta.backbone.out\n" in out


@pytest.mark.slow
def test_continued_run_keeps_its_weights_and_what_it_started_from(baseline, scans, tmp_path):
    start = tmp_path / "ckpt/model.pt"  # which the run writes over
    start.parent.mkdir()
    shutil.copy(baseline, start)
    settings = {"init_from": str(start), "validation": 0, "val_interval": 1}
    first = run(["train"], scans, tmp_path, max_steps=1, **settings).get_parsed_content("network").state_dict()
    flow = prepared(["train"], scans, tmp_path, max_steps=2, **settings)
    trainer = flow.parser.get_parsed_content("train#trainer")
    seen = {}
    from ignite.engine import Events

    @trainer.on(Events.ITERATION_STARTED(once=2))
    def look():
        seen.update({k: v.clone() for k, v in flow.parser.get_parsed_content("network").state_dict().items()})

    flow.run()
    assert trainer.state.iteration == 2
    assert all(torch.equal(value, first[name]) for name, value in seen.items())
    record = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    assert record["settings"]["init_from"] == {str(start): file_sha256(baseline)} != {str(start): file_sha256(start)}
    with refused(r"last\.pt does not fit this run \(.*init_from was .*, now None"):
        run(["train"], scans, tmp_path, max_steps=3, **(settings | {"init_from": None}))


@pytest.mark.parametrize("names", [["train"], ["train_supervised"]])
def test_weights_that_cannot_start_a_training_stop_it_in_one_line(names, scans, tmp_path):
    for given, told in (
        ({"init_from": str(tmp_path / "none.pt")}, r"init_from: .*none\.pt does not exist"),
        (
            {"init_from": str(BUNDLE / "models/model.pt")},
            r"init_from: nothing in .*model\.pt \(of a VNet\) fits this VNet",
        ),
    ):
        with refused(told):
            run(names, scans, tmp_path, **(SMALL | given))
    assert not (tmp_path / "ckpt").exists()
