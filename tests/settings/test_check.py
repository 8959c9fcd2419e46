"""All settings of a run are checked before anything is built, and told a line each."""

import json
import shutil

import pytest
from bundle_runs import BUNDLE, workflow

from llmsegnet_bundle import __version__ as VERSION
from llmsegnet_bundle.tools.phantom import write_phantom


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=3, size=(20, 20, 20), spacing_mm=0.625)
    return folder


def faults(names, scans, **overrides):
    """Return the lines that the check of a config ends with."""
    if names[0] != "inference":
        overrides = {"labeled": 1, "validation": 1} | overrides
    source = scans / "imagesTr" if names == ["inference"] else scans
    flow = workflow(names, **({"dataset_dir": str(source), "initialize": ["@settings"]} | overrides))
    try:
        flow.initialize()
    except RuntimeError as error:
        return str(error.__cause__).splitlines()
    return []


@pytest.mark.parametrize(
    "names",
    [
        ["train"],
        ["train", "paper"],
        ["train_supervised", "paper"],
        ["train", "evaluate"],
        ["train_supervised", "paper", "evaluate"],
        ["inference"],
    ],
)
def test_configs_as_they_are_have_no_fault(names, scans):
    assert faults(names, scans) == []


def test_all_faults_are_told_at_once(scans):
    given = {"max_step": 5, "learning_rate": "fast", "crop": [10**5] * 3, "resume": "false"}
    assert faults(["train"], scans, **given) == [
        "max_step: is no setting; did you mean max_steps?",
        "crop: must be three whole numbers from 1 to 1024, got [100000, 100000, 100000]",
        "learning_rate: must be a number above 0, got 'fast'",
        "resume: must be True or False, got 'false'; write --resume True or --resume False",
    ]


@pytest.mark.parametrize(
    ("names", "name", "told"),
    [
        (["train"], "learning_rat", "did you mean learning_rate?"),
        (["train"], "xyzzy", "`python -m llmsegnet_bundle settings` lists all"),
        (["train"], "train#trainer#max_epoch", "did you mean max_epochs?"),
        (["train"], "train#dataloadr", "did you mean dataloader?"),
        (["train", "evaluate"], "strid", "did you mean strides?"),
        (["inference"], "overwrit", "did you mean overwrite?"),
    ],
)
def test_unknown_id_is_told_with_the_nearest(names, name, told, scans):
    assert faults(names, scans, **{name: 5}) == [f"{name}: is no setting; {told}"]


def test_setting_of_another_config_is_told(scans):
    told = "stride_voxel: is a setting of inference, evaluate, not of this config"
    assert faults(["train"], scans, stride_voxel="half") == [told]


@pytest.mark.parametrize(
    "overrides",
    [
        {"my_seed": 3, "seed": "$@my_seed"},
        {"my_gamma": {"_target_": "Identityd", "keys": "image"}, "augment_transforms": ["%my_gamma"]},
        {"validate#evaluator#amp": True},
        {"train#trainer#max_epochs": 3, "train#dataset#data": [], "validate#dataset#data": [], "train#handlers": []},
        {"finalize": ["$None"], "device": "cpu", "init_from": None},
    ],
    ids=["reference", "copy", "argument of a component", "MONAI Label", "own end"],
)
def test_own_ids_and_those_of_tools_are_known(overrides, scans):
    if "train#dataset#data" in overrides:
        overrides["unsupervised_weight"] = 1.0
    assert faults(["train"], scans, **overrides) == []


def test_tracking_and_an_own_run_id_are_known(scans, tmp_path):
    files = str(BUNDLE / "configs/train.json")
    from monai.bundle import ConfigWorkflow

    places = {"bundle_root": str(BUNDLE), "dataset_dir": str(scans), "output_dir": str(tmp_path)}
    own = {"initialize": ["@settings"], "look": ["$None"], "labeled": 1, "validation": 1, "run_name": "first"}
    ConfigWorkflow(files, logging_file=False, tracking="mlflow", run_id="look", **places, **own).initialize()


def test_failing_expression_is_told_with_its_id(scans):
    first, *_ = faults(["train"], scans, max_steps="$1 / 0")
    assert first == "max_steps: '$1 / 0' fails (ZeroDivisionError: division by zero)"
    assert faults(["train"], scans, seed="$@nothing")[0].startswith("seed: '$@nothing' fails (ValueError: ")
    assert faults(["train"], scans, seed="$1.5") == [f"seed: must be a whole number from 0 to {2**32 - 1}, got 1.5"]


def test_root_that_is_no_bundle_is_told(scans, tmp_path):
    (told,) = faults(["train"], scans, bundle_root=str(tmp_path))
    assert told == f"bundle_root: {tmp_path} is no bundle; give --bundle_root bundles/NAME"


def test_bundle_of_another_version_is_told_with_its_cure(scans, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(BUNDLE, old, ignore=shutil.ignore_patterns("models"))
    file = old / "configs/metadata.json"
    for made, fault in (("0.0.9", True), (f"{VERSION.rpartition('.')[0]}.99", False)):
        metadata = json.loads(file.read_text(encoding="utf-8"))
        metadata["required_packages_version"]["llmsegnet-bundle"] = made
        file.write_text(json.dumps(metadata), encoding="utf-8")
        told = faults(["train"], scans, bundle_root=str(old))
        assert bool(told) == fault
        if fault:
            assert told[0].startswith(f"bundle_root: the configs of {old} are of version {made} of llmsegnet-bundle")
            assert f"run `python -m llmsegnet_bundle assemble {old}`, or install llmsegnet-bundle=={made}" in told[0]
