"""Configs that a person can read: few expressions, short ones, and the same start everywhere."""

import json

import pytest
from bundle_runs import BUNDLES

# what a run was and is told with: the table of settings takes their place
TOLD = ("flags", "run_settings", "train#saved", "train#method", "train#recorded", "settings", "scans", "description")
NAMES = ("train", "train_supervised", "inference", "evaluate", "multi_gpu_train", "paper")


def expressions(item, name=""):
    if isinstance(item, dict):
        for key, value in item.items():
            yield from expressions(value, f"{name}#{key}".lstrip("#"))
    elif isinstance(item, list):
        for i, value in enumerate(item):
            yield from expressions(value, f"{name}#{i}")
    elif isinstance(item, str) and item.startswith("$") and not item.startswith(("$import ", "$from ")):
        yield name, item


def config(bundle, name):
    return json.loads((bundle / "configs" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_config_has_few_and_short_expressions(bundle, name):
    found = dict(expressions(config(bundle, name)))
    own = {key: code for key, code in found.items() if key not in TOLD and not key.endswith(HANDLED)}
    assert len(own) < 25, own
    assert not [code for code in own.values() if len(code) > 80]


HANDLED = tuple(f"train#handlers#{i}#{key}" for i in range(9) for key in (*TOLD, "text_embedding"))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_configs_start_alike_and_answer_alike(bundle):
    train, inference, evaluate = (config(bundle, name) for name in ("train", "inference", "evaluate"))
    assert train["initialize"] == inference["initialize"] == ["@settings", "@begin"]
    assert not any("initialize" in config(bundle, name) for name in ("evaluate", "multi_gpu_train", "paper"))
    for name in ("inferer", "postprocessing", "stride_voxel", "window_weights", "alternate", "flips", "fill_holes"):
        assert evaluate[name] == inference[name]
    assert (evaluate["validate#inferer"], evaluate["validate#postprocessing"]) == ("@inferer", "@postprocessing")
