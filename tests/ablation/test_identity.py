import pytest
from plans import plan_of, variant

from llmsegnet_bundle.ablation.identity import difference, identity


def test_identity_holds_that_of_the_variants_it_starts_from():
    first, second = variant("first", max_steps=3), variant("second", init_from="{run:first}/model.pt")
    found = identity(plan_of("/abl", first, second), second)
    assert found["overrides"] == {"init_from": "{run:first}/model.pt"}
    assert found["starts_from"]["first"]["overrides"] == {"max_steps": 3}


@pytest.mark.parametrize(
    ("earlier", "now", "told"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a b was 1, now 2"),
        ({"a": {}}, {"a": {"b": None}}, "a b was not set"),
        ({"a": {"b": 1}}, {"a": {}}, "a b is no longer set"),
        ({"a": [1]}, {"a": [1]}, ""),
    ],
)
def test_difference_is_told_in_words(earlier, now, told):
    assert difference(earlier, now) == told
