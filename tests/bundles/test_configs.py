"""The configs and metadata of the bundles, and what MONAI's tools ask of them."""

import json
import shutil
import sys

import jsonschema
import pytest
from bundle_runs import BUNDLE, BUNDLES, ROOT, workflow
from monai.bundle import verify_net_in_out

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.bundles import assemble

SCHEMA = ROOT.parent / "shared/schema/meta_schema_20240725.json"
REQUIRED = "version monai_version pytorch_version numpy_version required_packages_version task description authors"


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_configs_are_what_their_recipe_gives(bundle):
    assemble(bundle, check=True)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_metadata_has_what_the_zoo_requires(bundle):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert set(REQUIRED.split()) | {"schema", "changelog", "copyright", "network_data_format"} <= set(metadata)
    assert metadata["version"] in metadata["changelog"]
    assert next(iter(metadata["network_data_format"]["inputs"])) == "image"
    assert next(iter(metadata["network_data_format"]["outputs"])) == "pred"


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_network_takes_and_gives_what_the_metadata_says(bundle):
    configs = bundle / "configs"
    verify_net_in_out("network_def", configs / "metadata.json", configs / "inference.json", bundle_root=str(bundle))


@pytest.mark.skipif(not SCHEMA.exists(), reason="../shared/schema is absent")
@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_metadata_follows_the_schema(bundle):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    jsonschema.validate(metadata, json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
@pytest.mark.parametrize("names", [["train"], ["train_supervised"], ["train", "evaluate"], ["inference"]])
def test_config_has_all_properties(names, bundle, scans, tmp_path):
    overrides = {"output_dir": str(tmp_path), "initialize": ["$True"]}
    if names != ["inference"]:
        overrides |= {"labeled": 2, "validation": 1, "show_progress": False, "cache_dir": "none"}
    source = scans / "imagesTr" if names == ["inference"] else scans
    flow = workflow(names, bundle, dataset_dir=str(source), base_filters=2, **overrides)
    flow.initialize()
    assert flow.check_properties() == []


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_inference_takes_the_items_of_monai_label(bundle, scans, tmp_path):
    path = str(scans / "imagesTr/PHANTOM_000.nii.gz")
    flow = workflow(["inference"], bundle, dataset_dir=path, output_dir=str(tmp_path), initialize=["$True"])
    flow.initialize()
    preprocessing = flow.parser.get_parsed_content("preprocessing")
    loader = preprocessing.transforms[0]
    assert loader.keys == ("image",)  # it wraps the loader in one that misses no key
    loader._loader.image_only = False  # as it sets it
    item = preprocessing({"image": path, "image_path": path, "model": "left_atrium"})
    assert (item["image_path"], item["model"]) == (path, "left_atrium")
    assert item["image"].shape[0] == 1


def test_assemble_takes_several_bundles(tmp_path, monkeypatch):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        shutil.copyfile(BUNDLE / "dataset.yaml", folder / "dataset.yaml")
    monkeypatch.setattr(sys, "argv", ["llmsegnet-bundle", "assemble", *map(str, folders)])
    main()
    for folder in folders:
        assemble(folder, check=True)


def test_assemble_refuses_an_unknown_id_and_a_stale_config(tmp_path):
    shutil.copytree(BUNDLE, tmp_path / "b", ignore=shutil.ignore_patterns("models"))
    (tmp_path / "b/configs/train.json").write_text("{}")
    with pytest.raises(ValueError, match=r"train\.json is not what its recipe gives"):
        assemble(tmp_path / "b", check=True)
    with (tmp_path / "b/dataset.yaml").open("a") as file:
        file.write("\nspeling: 1\n")
    with pytest.raises(ValueError, match="no config has speling"):
        assemble(tmp_path / "b")
    with pytest.raises(ValueError, match="does not exist"):
        assemble(tmp_path)
