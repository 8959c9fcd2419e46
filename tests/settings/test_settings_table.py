"""The table of settings: what each may be, in which configs it is, and the pages that are made of it."""

import json
import re
from pathlib import Path

import pytest
from bundle_runs import BUNDLES, ROOT

from llmsegnet_bundle.settings import read_table, tables
from llmsegnet_bundle.settings.config import is_code

FITS = [
    ("learning_rate", 1e-3),
    ("labeled", "all"),
    ("ema", "none"),
    ("datalist", None),
    ("datalist", Path("split.json")),
    ("crop", (64, 64, 48)),
    ("stride_voxel", "half"),
    ("dropout", 0),
    ("init_from", "[a.pt,b.pt]"),
    ("init_from", ["a.pt", "b.pt"]),
    ("device", "cpu"),
    ("text_embedding", {"sha256": "0", "shape": [1, 2]}),
    ("cache_dir", "none"),
]
FAULTS = [
    ("learning_rate", 0, "learning_rate: must be a number above 0, got 0"),
    ("learning_rate", float("nan"), "learning_rate: must be a number above 0, got nan"),
    ("learning_rate", float("inf"), "learning_rate: must be a number above 0, got inf"),
    ("learning_rate", "1e-3", "learning_rate: must be a number above 0, got '1e-3', a text; write 0.001"),
    ("max_steps", "3.0", "max_steps: must be a whole number of at least 1, got '3.0', a text; write 3"),
    ("labeled", True, "labeled: must be a whole number of at least 1 or all, got True"),
    ("dropout", 1, "dropout: must be a number from 0 to below 1, got 1"),
    ("seed", 2**32, f"seed: must be a whole number from 0 to {2**32 - 1}, got {2**32}"),
    ("reliable", 0, "reliable: must be a number above 0, at most 1, got 0"),
    ("reliable", 1.5, "reliable: must be a number above 0, at most 1, got 1.5"),
    ("spacing_mm", [1, 0, 1], "spacing_mm: must be three numbers above 0, got [1, 0, 1]"),
    ("spacing_mm", [1, 1], "spacing_mm: must be three numbers above 0, got [1, 1]"),
    ("batch", [0, 2], "batch: must be [labeled, unlabeled] crops, labeled at least 1, got [0, 2]"),
    ("select", "first", "select: must be last or best, got 'first'"),
    ("resume", "false", "resume: must be True or False, got 'false'; write --resume True or --resume False"),
    ("dataset_dir", 2018, "dataset_dir: must be a path, got 2018; write ./2018 for what has that name"),
    ("device", "gpu", "device: must be cpu, or cuda or cuda:N of a GPU that is there, got 'gpu'"),
    ("output_dir", __file__, f"output_dir: must be a folder, or where one can be made, got {__file__!r}"),
    ("output_dir", f"{__file__}/x", f"output_dir: must be a folder, or where one can be made, got {__file__ + '/x'!r}"),
]


@pytest.mark.parametrize(("name", "value"), FITS)
def test_allowed_value_has_no_fault(name, value):
    assert read_table()[name].fault(value) == ""


@pytest.mark.parametrize(("name", "value", "told"), FAULTS)
def test_fault_tells_what_is_allowed_and_what_was_given(name, value, told):
    assert read_table()[name].fault(value) == told


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
@pytest.mark.parametrize("config", ["train", "train_supervised", "paper", "evaluate", "inference"])
def test_config_has_each_setting_that_the_table_gives_it(config, bundle):
    ids = json.loads((bundle / "configs" / f"{config}.json").read_text(encoding="utf-8"))
    wanted = {name for name, setting in read_table().items() if config in setting.configs}
    assert {name.split("#")[0] for name in wanted} <= set(ids)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
@pytest.mark.parametrize("config", ["train", "train_supervised", "evaluate", "inference"])
def test_plain_values_of_the_configs_are_allowed(config, bundle):
    ids = json.loads((bundle / "configs" / f"{config}.json").read_text(encoding="utf-8"))
    plain = {key: value for key, value in ids.items() if not is_code(value)}
    faults = [setting.fault(plain[name]) for name, setting in read_table().items() if name in plain]
    assert not any(faults), faults


def test_pages_are_what_the_table_gives():
    tables.write_pages(ROOT / "docs", check=True)


def test_stale_page_is_told(tmp_path):
    for name in tables.PAGES:
        (tmp_path / name).write_text("<!-- settings of inference -->\n<!-- end -->\n")
    with pytest.raises(ValueError, match=r"training\.md is not what the table gives; run `python -m llmsegnet_bundle"):
        tables.write_pages(tmp_path, check=True)
    tables.write_pages(tmp_path)
    tables.write_pages(tmp_path, check=True)
    with pytest.raises(ValueError, match=r"training\.md does not exist; give the folder of the pages"):
        tables.write_pages(tmp_path / "none")


def test_setting_is_told_with_all_that_is_known():
    told = tables.describe_setting("spacing_mm")
    assert "may be: three numbers above 0 (mm)" in told
    assert "stays" in told
    assert "max_steps  " in tables.list_settings()
    with pytest.raises(ValueError, match="learning_rat: is no setting; did you mean learning_rate"):
        tables.describe_setting("learning_rat")


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_told_defaults_are_those_of_the_configs(bundle):
    config = json.loads((bundle / "configs/train.json").read_text(encoding="utf-8"))
    compared = 0
    for setting in read_table().values():
        value, default = config.get(setting.name), str(setting.default).replace(",000", "000")
        numbers = isinstance(value, list) and value != [] and all(isinstance(one, int | float) for one in value)
        if not (numbers or isinstance(value, int | float)) or re.search("GPU|`|bundle", default):
            continue  # told in words
        usual, _, others = default.partition(" (")
        owns = dict(re.findall(r"(\w+) ([\d., ]+?)(?=, [a-z]|\)| with)", others))
        own = owns.get(bundle.name.removesuffix("_ct"), owns.get("others") if bundle.name != "left_atrium" else None)
        assert (own or usual).lower() == (", ".join(map(str, value)) if numbers else str(value).lower()), setting.name
        compared += 1
    assert compared > 15
