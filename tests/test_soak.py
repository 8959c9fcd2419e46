"""Hundreds of inferences and steps in one process: memory and handles stay flat."""

import json

import pytest
from bundle_runs import BUNDLE, run
from warm import WarmProcess

from llmsegnet_bundle.tools.phantom import write_phantom

TURNS, EVERY = 500, 50
GROWTH_MB = 30  # from the second look on: what an allocator may still take


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    write_phantom(folder / "scans", scans=4, size=(40, 40, 36), spacing_mm=0.9)
    run(["train"], folder / "scans", folder / "weights", max_steps=1, val_interval=1)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("what", ["infer", "train"])
def test_memory_and_handles_stay_flat(what, places, tmp_path, record_property):
    warm = WarmProcess(["bundle_runs", "llmsegnet_bundle.handlers", "llmsegnet_bundle.inference.segmenter"])
    work = {"turns": TURNS, "every": EVERY, "looks": str(tmp_path / "looks.json"), "scans": str(places / "scans")}
    work |= {"scan": str(places / "scans/imagesTr/PHANTOM_000.nii.gz"), "bundle": str(BUNDLE)}
    work |= {"weights": str(places / "weights/ckpt"), "folder": str(tmp_path / "run")}
    done = warm.run(f"soaked:{what}", work, tmp_path, tmp_path / "logs", limit_s=3600)
    warm.close()
    assert done.status == 0, done.err
    looks = json.loads((tmp_path / "looks.json").read_text(encoding="utf-8"))
    assert len(looks) >= TURNS // EVERY - 1
    first, last = looks[1], looks[-1]
    told = [
        f"{look['bytes'] / 1e6:.0f} MB, {look['handles']} handles, {look['threads']} threads" for look in (first, last)
    ]
    row = [f"{TURNS} {'inferences' if what == 'infer' else 'steps'}", *told]
    head = ["what", f"after {2 * EVERY}", "at the end"]
    record_property("table", json.dumps({"title": "Soak", "head": head, "rows": [row]}))
    assert last["bytes"] - first["bytes"] < GROWTH_MB * 1e6, looks
    assert {key: last[key] for key in ("handles", "threads", "children")} == {
        key: first[key] for key in ("handles", "threads", "children")
    }, looks
