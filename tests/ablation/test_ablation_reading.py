import re

import pytest
import yaml
from plans import BUNDLE

from llmsegnet_bundle.ablation import read_plan

ROOT = BUNDLE.parents[1]


def write(folder, **changes):
    content = {
        "bundle": str(BUNDLE),
        "output_dir": str(folder / "out"),
        "seeds": [1337, 1],
        "common": {"max_steps": 20, "crop": [48, 48, 48]},
        "evaluation": {"stride_voxel": "half"},
        "variants": {"labels alone": {"config": "train_supervised"}, "co-training": {"unsupervised_weight": 0.3}},
    }
    content = {key: value for key, value in (content | changes).items() if value != "absent"}
    file = folder / "plan.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def test_plan_is_read_with_its_defaults(tmp_path):
    plan = read_plan(write(tmp_path))
    assert (plan.bundle, plan.output_dir, plan.seeds, plan.metric) == (BUNDLE, tmp_path / "out", (1337, 1), "dice")
    alone, pair = plan.variants
    assert alone.configs == (str(BUNDLE / "configs/train_supervised.json"),)
    assert pair.configs == (str(BUNDLE / "configs/train.json"),)  # the default
    assert pair.overrides == {"max_steps": 20, "crop": [48, 48, 48], "unsupervised_weight": 0.3}
    assert alone.classes == pair.classes == ("left atrium",)
    assert plan.folder("labels alone", 1) == tmp_path / "out/labels-alone/seed1"


def test_own_overlay_and_variant_without_settings_are_taken(tmp_path):
    (tmp_path / "own.yaml").write_text("a_new_id: 3\n")
    variants = {"plain": None, "own": {"config": ["train", str(tmp_path / "own.yaml")], "a_new_id": 4}}
    plain, own = read_plan(write(tmp_path, variants=variants)).variants
    assert plain.own == {}
    assert own.configs[1] == str(tmp_path / "own.yaml")


def test_class_names_that_follow_another_setting_are_those_of_the_variant(tmp_path):
    bundle = BUNDLE.parent / "brats19"
    variants = {"whole": {"classes": 2}, "parts": {"classes": 4}}
    whole, parts = read_plan(write(tmp_path, bundle=str(bundle), variants=variants)).variants
    assert whole.classes == ("whole tumor",)
    assert parts.classes == ("necrosis", "edema", "enhancing")  # regions are no classes


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"sedes": [1]}, r"plan\.yaml: unknown key sedes; did you mean seeds\?"),
        ({"seeds": "absent"}, "seeds is missing"),
        ({"seeds": [1, 1]}, r"seeds must be a list of different whole numbers, such as \[1337, 1\], got \[1, 1\]"),
        ({"seeds": [True]}, r"seeds must be .* got \[True\]"),
        ({"seeds": [-1]}, r"seeds must be .* got \[-1\]"),
        ({"seeds": 3}, "seeds must be .* got 3"),
        ({"variants": {}}, "variants is empty"),
        ({"variants": ["a"]}, r"variants must hold keys and values, got \['a'\]"),
        ({"variants": {"a": 3}}, "variants: a must hold keys and values, got 3"),
        ({"variants": {"???": None}}, r"variants: \?\?\?: no folder can have that name"),
        ({"variants": {"a b": None, "A  B": None}}, "A  B: its folder a-b is that of a b too; give another name"),
        ({"variants": {"a": {"config": "trian"}}}, r"trian\.json does not exist; did you mean train\?"),
        ({"variants": {"a": {"config": "none.yaml"}}}, r"config none\.yaml does not exist$"),
        ({"variants": {"a": {"x": "{run:b}"}, "b": None}}, r"a: \{run:b\} must be an earlier variant; move b before a"),
        ({"variants": {"abc": None, "b": {"x": "{run:abd}"}}}, r"\{run:abd\} is no variant; did you mean abc\?"),
        ({"common": {"dataset_dir": "{run:co-training}"}}, r"common: \{run:\.\.\.\} names the run of an earlier"),
        ({"common": {"max_step": 3}}, r"common: max_step is no id of train\.json; did you mean max_steps\?"),
        ({"evaluation": {"stride": 3}}, r"evaluation: stride is no id of train\.json \+ evaluate\.json"),
        ({"evaluation": {"seed": 3}}, "evaluation: seed is set by the ablation itself; leave it out"),
        ({"bundle": "nowhere"}, r"bundle: .*/nowhere is no bundle; give a folder such as bundles/left_atrium"),
        ({"output_dir": __file__}, r"output_dir: .*test_ablation_reading\.py is a file; give a folder"),
        ({"output_dir": f"{__file__}/out"}, r"output_dir: .*test_ablation_reading\.py is a file; give a folder"),
        ({"metric": "dyce"}, "metric: must be one of dice, .*got 'dyce'"),
    ],
)
def test_fault_of_a_plan_is_told_in_a_line(changes, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        read_plan(write(tmp_path, **changes))


def test_all_faults_are_told_at_once(tmp_path):
    file = write(tmp_path, seeds=[], metric="dyce", common={"max_step": 3}, evaluation={"strid_voxel": 3})
    with pytest.raises(ValueError, match="seeds") as told:
        read_plan(file)
    lines = str(told.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    # each of the two overrides in each of the two configs
    assert [re.search("seeds|metric|max_step|strid_voxel", line)[0] for line in lines] == [
        *("seeds", "metric"),
        *("max_step", "strid_voxel") * 2,
    ]


def test_damaged_files_are_told_in_a_line(tmp_path):
    with pytest.raises(ValueError, match=r"none\.yaml does not exist; docs/ablation\.md shows a plan"):
        read_plan(tmp_path / "none.yaml")
    (tmp_path / "own.yaml").write_text("a: [")
    with pytest.raises(ValueError, match=r"variants: a: .*own\.yaml is no YAML"):
        read_plan(write(tmp_path, variants={"a": {"config": ["train", str(tmp_path / "own.yaml")]}}))
    (tmp_path / "twice.yaml").write_text("variants:\n  a: {seed: 1}\n  a: {seed: 2}\n")
    with pytest.raises(ValueError, match=r"twice\.yaml is no YAML \(a is there twice"):
        read_plan(tmp_path / "twice.yaml")


@pytest.mark.parametrize("file", sorted((ROOT / "docs/experiments").glob("*.yaml")), ids=lambda file: file.stem)
def test_committed_plan_is_one(file, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)  # its bundle is told from there
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "llmsegnet-runs").mkdir()
    for patients in (3, 7):  # bundles of `new`, of as many classes
        (tmp_path / f"llmsegnet-runs/heart{patients}").symlink_to(ROOT / "bundles/brats19")
    assert read_plan(file).variants
