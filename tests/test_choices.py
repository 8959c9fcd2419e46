import pytest
import torch

from llmsegnet_bundle.choices import by_channels, by_classes, by_device, chosen, first_or_all, numbered


@pytest.mark.parametrize(("device", "chosen"), [("cpu", 1), ("cuda", 2), (torch.device("cuda", 3), 2)])
def test_device_chooses(device, chosen):
    assert by_device(device, gpu=2, cpu=1) == chosen


def test_classes_choose_or_are_refused():
    choices = {"2": ["a", "b"], "4": None}
    assert by_classes(2, choices) == ["a", "b"]
    assert by_classes(4, choices) is None
    with pytest.raises(ValueError, match="classes: must be 2 or 4 here, got 3"):
        by_classes(3, choices)


def test_channels_choose_or_are_refused():
    assert by_channels(4, {"1": "one", "4": "four"}) == "four"
    with pytest.raises(ValueError, match="in_channels: must be 1 or 4 here, got 2"):
        by_channels(2, {"1": "one", "4": "four"})


def test_names_are_numbered_from_0():
    assert numbered(["a", "b", "c"]) == {"0": "a", "1": "b", "2": "c"}
    assert numbered(["a", "b", "c"], 1) == {"0": "a"}


@pytest.mark.parametrize(
    ("value", "wanted"), [(["trained", "alpha"], "mean"), ("trained", "mean"), ("alpha", "alpha"), (True, True)]
)
def test_choice_of_an_annotator_counts_else_the_first_that_is_offered(value, wanted):
    assert chosen({"network": value}, "network", {"trained": "mean"}) == wanted


def test_split_file_is_labeled_as_it_is():
    assert first_or_all(None, 8) == 8
    assert first_or_all("split.json", 8) == "all"
