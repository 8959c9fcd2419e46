from pathlib import Path

import pytest
from plans import plan_of, variant

from llmsegnet_bundle.ablation.plan import slug


@pytest.mark.parametrize(
    ("name", "folder"),
    [("Labels  alone", "labels-alone"), ("weight 0.3", "weight-0.3"), ("../up", "up"), ("a/b", "a-b"), ("..", "")],
)
def test_slug_is_a_folder_name(name, folder):
    assert slug(name) == folder


def test_placeholders_are_filled_at_any_depth():
    plan = plan_of("/abl", variant("first one"))
    value = {"a": ["{run:first one}/x.pt", 3, None], "b": "run {seed}", "c": "~/x", "d": "$dict(a={1})"}
    assert plan.fill(value, 7) == {
        "a": ["/abl/first-one/seed7/x.pt", 3, None],
        "b": "run 7",
        "c": str(Path.home() / "x"),
        "d": "$dict(a={1})",
    }


def test_variant_knows_what_it_starts_from():
    assert variant("b", x=["{run:a}/model.pt", {"y": "{run:a} {run:c}"}]).starts_from == ("a", "c")
