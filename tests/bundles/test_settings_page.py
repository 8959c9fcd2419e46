from llmsegnet_bundle.bundles.page import read_comments, settings_page

RECIPE = """# the file's own
# comment
first: 1
second: "a # b" # of the second
# of the third,
# in two lines
third:
  nested: 2 # not an id
+added: # of the added
  a: 1
fourth: 4
"""


def test_comments_are_those_at_the_end_of_a_line_or_above_it():
    wanted = {"second": "of the second", "third": "of the third, in two lines", "added": "of the added"}
    assert read_comments(RECIPE.splitlines()) == wanted


def test_page_tells_defaults_and_repeats_only_what_differs():
    by_device = {"_target_": "llmsegnet_bundle.choices.by_device", "device": "@device", "gpu": [2], "cpu": [1]}
    configs = {
        "train": {"size": by_device, "ema": 0.5, "long": ["a" * 60], "silent": 1},
        "inference": {"size": "$@followed['size']", "ema": 0.5},
    }
    told = {"size": "a|b", "ema": "decay", "long": "many"}
    page = settings_page(configs, {"train": told, "inference": told})
    assert "| `size` | `[2]` on a GPU, else `[1]` | a\\|b |\n| `ema` | `0.5` | decay |\n| `long` |  | many |\n" in page
    assert page.endswith(
        "## inference.json\n\n| id | default | |\n|---|---|---|\n| `size` | that of the weights | a\\|b |\n"
    )
    assert "silent" not in page
