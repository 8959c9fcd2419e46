from monai.bundle import ConfigParser

from llmsegnet_bundle.settings.written import plain_values, written

CONFIG = {
    "dataset_dir": "/here",
    "learning_rate": 0.1,
    "crop": [1, 2, 3],
    "factor": "$2 * @learning_rate",
    "optimizer": {"_target_": "SGD", "lr": "@factor", "momentum": 0.9, "folder": "@output_dir"},
    "output_dir": "/there",
    "looks": {"unused": 1},
    "train": {
        "dataset": {"data": "@looks"},
        "handlers": ["@looks"],
        "trainer": {
            "max_epochs": 3,
            "optimizer": "@optimizer",
            "more": "@train#handlers",
            "steps": [{"a": 1}],
        },
    },
}


def test_written_is_all_that_a_training_follows_from():
    assert written(ConfigParser(CONFIG)) == {
        "crop": [1, 2, 3],
        "factor": "$2 * @learning_rate",
        "learning_rate": 0.1,
        "optimizer#_target_": "SGD",
        "optimizer#folder": "@output_dir",
        "optimizer#lr": "@factor",
        "optimizer#momentum": 0.9,
        "train#trainer#more": "@train#handlers",
        "train#trainer#optimizer": "@optimizer",
        "train#trainer#steps#0#a": 1,
    }


def test_plain_values_are_evaluated():
    values = plain_values(ConfigParser(CONFIG | {"seed": "$3 + 4", "jitter": {"_target_": "Compose"}}))
    assert values["seed"] == 7
    assert values["train#trainer#max_epochs"] == 3
    assert "jitter" not in values
