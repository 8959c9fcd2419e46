from dataclasses import replace

from plans import plan_of, variant

from llmsegnet_bundle.ablation.identity import identity
from llmsegnet_bundle.run import changed


def test_identity_holds_the_config_the_overrides_and_the_variants_it_starts_from():
    first, second = variant("first", max_steps=3), variant("second", init_from="{run:first}/model.pt")
    found = identity(plan_of("/abl", first, second), replace(second, written={"crop": "@window"}))
    assert found["init_from"] == ["{run:first}/model.pt"] * 2
    assert found["crop"] == ["@window"] * 2
    assert found["first: max_steps"] == [3, 3]


def test_all_that_differs_is_told_in_words():
    plans = [plan_of("/abl", variant("a", **own)) for own in ({"x": 1, "y": 2}, {"x": 3, "z": None})]
    before, now = (identity(plan, plan.variants[0]) for plan in plans)
    assert changed(before, now) == ["x was 1, now 3", "z was not set, now None", "y was 2, now not set"]
    assert changed(now, now) == []
