"""Configs that a person can read: few expressions, short ones, and the same start everywhere."""

import json

import pytest
from bundle_runs import BUNDLES

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
    assert len(found) < 25, found
    assert not [code for code in found.values() if len(code) > 80]


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_configs_start_alike_and_answer_alike(bundle):
    train, inference, evaluate = (config(bundle, name) for name in ("train", "inference", "evaluate"))
    assert train["initialize"] == inference["initialize"] == ["@settings", "@begin"]
    assert not any("initialize" in config(bundle, name) for name in ("evaluate", "multi_gpu_train", "paper"))
    for name in ("inferer", "postprocessing", "window_weights", "alternate"):
        assert evaluate[name] == inference[name]
    offered = inference["displayable_configs"]  # to an annotator, who takes what evaluation has unless they choose
    assert (offered["overlap"][0], offered["network"][0]) == (evaluate["stride_voxel"], "trained")
    for name in ("largest_component", "fill_holes", "mark_uncertain"):
        assert offered[name] == evaluate[name]
    assert (evaluate["validate#inferer"], evaluate["validate#postprocessing"]) == ("@inferer", "@postprocessing")
