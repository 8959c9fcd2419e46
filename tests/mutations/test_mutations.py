"""Each change of `mutations.yaml`, made in a copy of the package, is noticed by the tests named there."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from warm import WarmProcess

ROOT = Path(__file__).parents[2]
MUTATIONS = yaml.safe_load(Path(__file__).with_name("mutations.yaml").read_text(encoding="utf-8"))
WARM = ["torch", "monai.bundle", "monai.transforms", "ignite.engine", "nibabel", "skimage.transform", "medpy.metric"]


@pytest.fixture(scope="module")
def warm():
    process = WarmProcess([*WARM, "pytest", "transformers"])
    yield process
    process.close()


def copied(folder):
    """Return a copy of what the tests need, without weights, which they do not change."""
    copy = folder / "copy"
    for name in ("llmsegnet_bundle", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for bundle in (file.parent for file in (ROOT / "bundles").glob("*/dataset.yaml")):
        for name in ("configs", "docs", "text", "dataset.yaml", "LICENSE"):
            place = copy / "bundles" / bundle.name / name
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (bundle / name).is_dir() else shutil.copy)(bundle / name, place)
        if (bundle / "models").is_dir():
            (copy / "bundles" / bundle.name / "models").symlink_to(bundle / "models")
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def run_tests(warm, folder, copy, tests, keyword="", assemble=False):
    work = {"assemble": assemble, "tests": tests, "keyword": keyword}
    environment = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return warm.run("mutations.mutant:check", work, copy, folder / "logs", limit_s=1200, **environment)


@pytest.mark.long
def test_tests_pass_when_nothing_is_changed(warm, tmp_path):
    groups = {}
    for one in MUTATIONS:
        groups.setdefault(one.get("keyword", ""), set()).update(one["tests"])
    copy = copied(tmp_path)
    for keyword, files in groups.items():
        done = run_tests(warm, tmp_path, copy, sorted(files), keyword, assemble=True)
        assert done.status == 0, done.out + done.err


@pytest.mark.long
@pytest.mark.parametrize("mutation", MUTATIONS, ids=[one["name"] for one in MUTATIONS])
def test_change_is_noticed(mutation, warm, tmp_path, record_property):
    copy = copied(tmp_path)
    file = copy / "llmsegnet_bundle" / mutation["file"]
    text = file.read_text(encoding="utf-8")
    for old, new in mutation["edits"].items():
        assert text.count(old) == 1, f"{mutation['file']} has {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    keyword, recipe = mutation.get("keyword", ""), mutation["file"].startswith("recipe/")
    done = run_tests(warm, tmp_path, copy, mutation["tests"], keyword, assemble=recipe)
    noticed = re.findall(r"^(?:FAILED|ERROR) tests/(\S+)", done.out, re.MULTILINE)
    assert done.status == 1, f"survived, or the tests did not run: {done.out[-3000:]}{done.err[-3000:]}"
    assert noticed, done.out
    row = [mutation["file"], mutation["name"], noticed[0]]
    table = {
        "title": "Changed on purpose, and noticed",
        "head": ["file", "change", "first test to fail"],
        "rows": [row],
    }
    record_property("table", json.dumps(table))


def test_edits_fit_the_code_and_tests_are_there():
    for one in MUTATIONS:
        text = (ROOT / "llmsegnet_bundle" / one["file"]).read_text(encoding="utf-8")
        assert one["edits"], one["name"]
        assert all(text.count(old) == 1 for old in one["edits"]), one["name"]
        assert all((ROOT / "tests" / file).is_file() for file in one["tests"]), one["name"]
