"""What weights were trained with: read from a config, followed, and held against another config."""

from copy import deepcopy

import pytest
import torch
import yaml
from bundle_runs import ROOT
from monai.bundle import ConfigParser
from monai.transforms import ScaleIntensityd, ScaleIntensityRanged
from small_networks import BACKBONES, pair, single

from llmsegnet_bundle.networks import LLMSegNetPair
from llmsegnet_bundle.networks.description import (
    FOLLOWED,
    build_embedding,
    build_network,
    build_transforms,
    check_config,
    describe,
    follow,
)
from llmsegnet_bundle.networks.weights import write_weights
from llmsegnet_bundle.settings import evaluated_config
from llmsegnet_bundle.text import save_embedding

TRAINED = {
    "classes": 3,
    "crop": "$[16 * @classes] * 3",
    "window": "@crop",
    "intensity_transforms": [{"_target_": "ScaleIntensityd", "keys": ["image"], "maxv": "@classes"}],
    "backbone": {"_target_": "llmsegnet_bundle.networks.VNet", "out_channels": "@classes", "base_filters": 2},
    "network_def": "%backbone",
}
TOLD = {
    "backbone": "llmsegnet_bundle.networks.VNet",
    "classes": 3,
    "crop": [48, 48, 48],
    "intensity_transforms": [{"_target_": "ScaleIntensityd", "keys": ["image"], "maxv": 3}],
    "networks": 1,
}


def test_config_is_described_by_plain_values():
    assert describe(ConfigParser(deepcopy(TRAINED))) == TOLD


def test_what_json_cannot_hold_is_left_out():
    typed = [{"_target_": "CastToTyped", "keys": "image", "dtype": "$torch.float16"}]
    config = ConfigParser(TRAINED | {"intensity_transforms": typed, "imports": ["$import torch"]})
    assert "intensity_transforms" not in describe(config)


def with_text(folder, name="text.safetensors", organ="liver", numbers=None):
    origin = {"organ": organ, "texts": ["a"], "encoder": "tiny", "encoder_revision": "0123abcd"}
    save_embedding(folder / name, torch.ones(2, 3) if numbers is None else numbers, origin)
    return TRAINED | {"text_embedding": str(folder / name), "embedding": None}


def test_text_is_described_by_its_content_and_where_it_comes_from(tmp_path):
    told = describe(ConfigParser(with_text(tmp_path)))["text_embedding"]
    assert told["shape"] == [2, 3]
    assert (told["organ"], told["encoder"], told["encoder_revision"]) == ("liver", "tiny", "0123abcd")
    assert "texts" not in told
    again = TRAINED | {"text_embedding": told, "embedding": None}
    assert describe(ConfigParser(again))["text_embedding"] == told
    other = describe(ConfigParser(with_text(tmp_path, numbers=torch.zeros(2, 3))))["text_embedding"]
    assert other["sha256"] != told["sha256"]
    assert describe(ConfigParser(again | {"text_embedding": "none"}))["text_embedding"] == "none"


def test_weights_refuse_another_text_and_take_the_same_numbers_of_any_file(tmp_path):
    file = tmp_path / "model.pt"
    write_weights({}, file, {"settings": describe(ConfigParser(with_text(tmp_path)))})
    check_config(ConfigParser(with_text(tmp_path, "copy.safetensors", "hepar")), file)
    wanted = (
        r"text_embedding: .*model\.pt was trained with the text of liver with sha256 \w{12}, "
        r"encoded by tiny of 0123abcd, this config has the text of spleen with sha256 \w{12}, .*; "
        r"take the weights' value by leaving the setting away"
    )
    with pytest.raises(ValueError, match=wanted):
        check_config(ConfigParser(with_text(tmp_path, "other.safetensors", "spleen", torch.zeros(2, 3))), file)
    shipped = {"text_embedding": {"sha256": "0123456789abcdef", "shape": [2, 3]}}  # by weights of version 0.1.0
    write_weights({}, file, {"settings": TOLD | shipped})
    with pytest.raises(ValueError, match="trained with the text with sha256 0123456789ab, this config has the text"):
        check_config(ConfigParser(with_text(tmp_path)), file)


def test_every_id_that_a_backbone_takes_is_followed():
    recipe = yaml.safe_load((ROOT / "llmsegnet_bundle/recipe/backbone.yaml").read_text(encoding="utf-8"))
    assert set(recipe) - {"backbone"} <= set(FOLLOWED)


def test_evaluated_config_is_the_one_whose_expression_asks():
    config = ConfigParser({"imports": ["$from llmsegnet_bundle import settings"], "it": "$settings.evaluated_config()"})
    config["added"] = 1
    assert config.get_parsed_content("it") is config
    with pytest.raises(ValueError, match=r"settings\.evaluated_config: must be called by an expression of a config"):
        evaluated_config()


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "model.pt"
    write_weights(single(classes=3).state_dict(), file, {"settings": TOLD})
    return file


def test_weights_are_followed(weights, tmp_path):
    defaults = {"backbone": "my.Net", "classes": 2, "intensity_transforms": [], "dropout": 0.5}
    told = follow(weights, defaults)
    assert {name: told[name] for name in ("backbone", "classes", "dropout")} == {
        "backbone": TOLD["backbone"],
        "classes": 3,
        "dropout": 0.5,
    }
    assert [type(one) for one in told["intensity_transforms"]] == [ScaleIntensityd]
    assert follow(tmp_path / "none.pt", defaults) == defaults


def test_backbone_that_is_neither_ours_nor_the_configs_is_refused(tmp_path):
    file = tmp_path / "model.pt"
    for name in ("os.system", "llmsegnet_bundle.networks.weights.torch.load"):
        write_weights({}, file, {"settings": {"backbone": name}})
        with pytest.raises(
            ValueError, match=rf"backbone: .*model\.pt was trained with {name}, this config has my\.Net"
        ):
            follow(file, {"backbone": "my.Net", "intensity_transforms": []})
    assert follow(file, {"backbone": name, "intensity_transforms": []})["backbone"] == name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"classes": 2, "crop": [48, 48, 48]}, "classes: .*model.pt was trained with 3, this config has 2"),
        ({"crop": [32, 48, 48]}, r"crop: .*model.pt was trained with \[48, 48, 48\], this config has \[32, 48, 48\]"),
        ({"intensity_transforms": []}, r"intensity_transforms: .*'ScaleIntensityd'.*, this config has \[\]"),
        ({"network_def": {"_target_": "small_networks.pair"}}, "networks: .*was trained with 1, this config has 2"),
        ({"backbone#_target_": "llmsegnet_bundle.networks.UNet"}, "backbone: .*networks.VNet, this config has .*UNet"),
    ],
)
def test_config_that_contradicts_the_weights_is_refused(change, told, weights):
    config = ConfigParser(deepcopy(TRAINED))
    check_config(config, weights)
    config.update(change)
    with pytest.raises(ValueError, match=f"^{told}; take the weights' value by leaving the setting away") as error:
        check_config(config, weights)
    assert len(str(error.value).splitlines()) == 1


def test_config_may_differ_in_what_changes_no_weight(weights):
    free = {"deploy": "alpha", "dropout": 0.1, "class_names": ["a"], "window": [64, 64, 64]}
    write_weights({}, weights, {"settings": TOLD | {"deploy": "mean", "dropout": 0.5, "class_names": ["b"]}})
    check_config(ConfigParser(TRAINED | free), weights)


def test_described_transforms_and_texts_are_built():
    own = ScaleIntensityRanged("image", -125, 275, 0, 1, clip=True)
    described = {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -125, "a_max": 275}
    (first, second) = build_transforms([own, described | {"b_min": 0, "b_max": 1, "clip": True}])
    assert first is own
    item = {"image": torch.tensor([[-200.0, 75.0, 275.0]])}
    torch.testing.assert_close(second(item)["image"], own(item)["image"])
    assert build_embedding({"sha256": "", "shape": [9, 8]}).shape == (9, 8)
    assert build_embedding("none") is None
    with pytest.raises(ValueError, match=r"text_embedding: a\.safetensors does not exist"):
        build_embedding("a.safetensors")


@pytest.mark.parametrize("backbone", BACKBONES)
def test_built_network_is_a_pair_or_one_and_refuses_other_weights(backbone):
    made = pair(backbone)
    network = build_network(made.alpha, made.beta, "beta", 2, "model.pt")
    assert isinstance(network, LLMSegNetPair)
    assert network.deploy == "beta"
    one = build_network(made.alpha, made.beta, "mean", 1, "model.pt")
    assert one is made.alpha.backbone
    for built, weights in ((network, single(backbone)), (one, made)):
        with pytest.raises(ValueError, match=r"the weights do not fit the network that was built for model\.pt "):
            built.load_state_dict(weights.state_dict(), strict=False)
