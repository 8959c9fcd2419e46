import pytest
from monai.bundle import ConfigParser

from llmsegnet_bundle.ablation.ids import faults

CONFIG = {
    "crop": [48, 48],
    "learning_rate": 0.05,
    "max_steps": 9,
    "train": {"trainer": {"max_epochs": 3}},
    "text": "@crop",
    "decay": {"_target_": "llmsegnet_bundle.ramps.poly_decay", "_mode_": "callable", "total_steps": 9},
}


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("learning_rat", 1, r"learning_rat is no id of train\.json; did you mean learning_rate\?"),
        ("zzz", 1, r"zzz is no id of train\.json"),
        ("_meta_", 1, r"_meta_ is no id of train\.json"),
        ("train#trainr#max_epochs", 1, r"train has no trainr; did you mean trainer\?"),
        ("train::trainr::max_epochs", 1, r"train has no trainr; did you mean trainer\?"),
        ("decay#powr", 1, r"decay has no powr; did you mean power\?"),
        ("crop#2", 1, "crop has the items 0 to 1"),
        ("crop#x", 1, "crop has the items 0 to 1"),
        ("text#x", 1, "text has no parts"),
        ("learning_rate", "1e-3", "learning_rate: '1e-3' is a text to YAML; write 0.001"),
        ("learning_rate", -1.0, "learning_rate: must be a number"),
        ("max_steps", "many", "max_steps: must be"),
        ("ckpt_dir", "x", "ckpt_dir is set by the ablation itself; leave it out"),
    ],
)
def test_override_that_the_config_does_not_take_is_told(key, value, match):
    (line,) = faults({key: value}, ConfigParser(CONFIG), "train.json")
    with pytest.raises(ValueError, match=match):
        raise ValueError(line)


def test_known_ids_are_taken():
    overrides = {
        "crop#1": 64,
        "decay#power": 1.0,
        "train#trainer#amp": True,
        "text": None,
        "train": {"x": {}},
        "train#x#y": "nan",
    }
    assert faults(overrides, ConfigParser(CONFIG), "train.json") == []
