import pytest
from bundle_runs import workflow

from llmsegnet_bundle.tools.phantom import write_phantom


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=12, size=(20, 20, 20), spacing_mm=0.625)
    return folder


def described(scans, names=("train",), **overrides):
    given = {"dataset_dir": str(scans), "labeled": 8, "validation": 1, "cache_dir": "none", "initialize": ["$None"]}
    flow = workflow(list(names), **(given | overrides))
    flow.initialize()
    return flow.parser.get_parsed_content("this_run")


def test_a_run_is_itself_with_what_may_change(scans, tmp_path):
    one = described(scans)
    two = described(scans, max_steps=7, val_interval=3, output_dir=str(tmp_path), workers=1, show_progress=False)
    assert two.other_settings(one.state()) == []
    assert two.other_cases(one.state()) == ""
    assert two.recorded["max_steps"] == 7
    assert two.recorded["method"] == "co-training"


def test_value_that_an_expression_gives_is_the_same_setting(scans):
    crop = described(scans).recorded["crop"]
    assert described(scans, crop=crop).other_settings(described(scans).state()) == []


def test_ninth_scan_that_flips_a_weight_is_another_scan_and_no_other_setting(scans):
    eight = described(scans)
    data = eight.cases["labeled"]
    nine = described(scans, **{"train#dataset#data": [*data, {"image": eight.cases["unlabeled"][0]["image"]}]})
    assert (eight.recorded["unsupervised_weight"], nine.recorded["unsupervised_weight"]) == (0.3, 1.0)
    assert nine.other_settings(eight.state()) == []
    assert nine.other_cases(eight.state()) == "PHANTOM_008 in another list"


def test_all_other_settings_are_named(scans):
    other = described(scans, learning_rate=0.5, seed=3, **{"alpha_optimizer#momentum": 0.5, "augment_transforms": []})
    told = other.other_settings(described(scans).state())
    assert "learning_rate was 0.05, now 0.5" in told
    assert "seed was 1337, now 3" in told
    assert "alpha_optimizer#momentum was 0.9, now 0.5" in told
    assert "augment_transforms was not set, now []" in told


def test_baseline_is_another_method(scans):
    run = described(scans, ["train_supervised"])
    assert run.recorded["method"] == "labeled scans only"
    assert "text_embedding" not in run.recorded
