"""The file that holds a network: written with its description, read, loaded, halved."""

import json
from functools import partial

import pytest
import torch
from small_networks import BACKBONES, pair, saved, single

from llmsegnet_bundle.networks.weights import (
    file_sha256,
    halve_weights,
    load_weights,
    read_description,
    read_weights,
    refuse_misfit,
    write_weights,
)

NETWORKS = [make(backbone) for backbone in BACKBONES for make in (pair, single)]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_written_weights_are_loaded_with_what_they_are(network, tmp_path, capsys):
    file = tmp_path / "new/model.pt"
    write_weights(network.state_dict(), file, {"settings": {"classes": 2}})
    assert read_description(file)["settings"] == {"classes": 2}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for value in network.parameters():
        torch.nn.init.zeros_(value)
    load_weights(network, file)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in file.parent.iterdir()) == ["model.json", "model.pt"]


def test_weights_without_their_description_say_so(tmp_path, capsys):
    load_weights(single(), saved(single(), tmp_path / "model.pt"))
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/model.pt has no model.json beside it; taken as trained with these settings"
    ]


def test_halved_weights_load_into_the_network_and_keep_their_description(tmp_path):
    network = single()
    write_weights(network.state_dict(), tmp_path / "model.pt", {"settings": {"classes": 2}, "figures": {"dice": 0.9}})
    halve_weights(tmp_path / "model.pt", tmp_path / "new/half.pt")
    before = network.stem[0].weight.detach().clone()
    load_weights(network, tmp_path / "new/half.pt")
    assert network.stem[0].weight.dtype == torch.float32
    torch.testing.assert_close(network.stem[0].weight, before, rtol=1e-3, atol=1e-4)
    whole, half = read_description(tmp_path / "model.pt"), read_description(tmp_path / "new/half.pt")
    assert half["sha256"] == file_sha256(tmp_path / "new/half.pt") != whole["sha256"]
    assert half == whole | {"sha256": half["sha256"]}


@pytest.mark.parametrize(
    "use", [lambda file: load_weights(single(), file), lambda file: halve_weights(file, f"{file}2")]
)
def test_files_that_hold_no_weights_are_refused(use, tmp_path):
    (tmp_path / "damaged.pt").write_bytes(b"PK")
    torch.save({"network": {}, "step": 3}, tmp_path / "last.pt")
    for name, told in (
        ("none", "does not exist"),
        ("damaged", "holds no weights"),
        ("last", "holds more than weights"),
    ):
        with pytest.raises(ValueError, match=rf"^model_file: .*{name}\.pt {told}"):
            use(tmp_path / f"{name}.pt")
    assert not list(tmp_path.glob("*.pt2"))


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (single(filters=3), r"stem\.0\.weight is \[3, 1, 3, 3, 3\], here \[2, 1, 3, 3, 3\]"),
        (single(BACKBONES[1]), r"stem\.0\.weight is missing"),
        (pair(), r"stem\.0\.weight is missing"),
        (torch.nn.Sequential(), r"stem\.0\.weight is missing"),
    ],
    ids=["wider", "other backbone", "pair", "empty"],
)
def test_weights_of_another_network_are_refused(other, told, tmp_path):
    file = saved(other, tmp_path / "model.pt")
    with pytest.raises(
        ValueError, match=rf"model\.pt does not fit this network \({told}\); no model\.json is beside it: copy it"
    ):
        load_weights(single(), file)
    network = single()
    network.register_load_state_dict_pre_hook(partial(refuse_misfit, model_file=file))
    with pytest.raises(ValueError, match=rf"the network that was built for .*model\.pt \({told}\)"):
        network.load_state_dict(other.state_dict(), strict=False)
    network.load_state_dict(single().state_dict(), strict=False)


def test_weights_with_more_than_the_network_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"alpha\.fusion\.balance has no place"):
        load_weights(pair(text=False), saved(without_text(pair()), tmp_path / "model.pt"))


def test_weights_that_nothing_describes_are_refused_with_another_text(tmp_path, capsys):
    file = saved(pair(), tmp_path / "model.pt")
    halve_weights(file, tmp_path / "half.pt")
    (tmp_path / "half.json").unlink()
    load_weights(pair(), tmp_path / "half.pt")
    assert "half.pt has no half.json beside it" in capsys.readouterr().out
    with pytest.raises(
        ValueError, match=r"text_embedding: .*model\.pt was trained with another text than this config has"
    ):
        load_weights(pair(seed=1), file)


def without_text(network):
    for member in (network.alpha, network.beta):
        del member.text_embedding
    return network


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", r"is no readable JSON \(.*\); give the one that was written with"),
        ("[]", "is no readable JSON .it holds a list"),
        ('{"settings": {}}', "has no sha256; give the one that was written with"),
        ('{"sha256": "0", "settings": 3}', ".* .settings is a int, which must not stand there"),
        ('{"sha256": "0", "settings": {"backbone": 5}}', ".* .settings#backbone is a int, which must not stand there"),
        ('{"sha256": null}', "describes other weights"),
        ("[" * 2_000_000, ".* .it is nested too deep"),
        ('{"sha256": "0"}', "describes other weights than"),
        ({"crop": ["$print()"]}, r"must hold plain values, got the expression '\$print\(\)'"),
        ({"deploy": "@bundle_root"}, "must hold plain values"),
        ({"intensity_transforms": [{"_target_": "os.system"}]}, "must name transforms of MONAI .* got 'os.system'"),
        ({"crop": {"a": [{"_target_": "monai.bundle.run"}]}}, "must name .* got 'monai.bundle.run'"),
        ({"crop": {"_target_": "llmsegnet_bundle.transforms.answer.torch.load"}}, "must name .* got"),
        ({"crop": {"_target_": "utils"}}, "must name .* got 'utils'"),
    ],
)
def test_description_that_is_not_theirs_or_would_run_code_is_refused(content, told, tmp_path):
    file = tmp_path / "model.pt"
    saved(single(), file)
    if isinstance(content, dict):
        content = json.dumps({"sha256": file_sha256(file), "settings": content})
    (tmp_path / "model.json").write_text(content)
    for use in (read_description, lambda file: load_weights(single(), file)):
        with pytest.raises(ValueError, match=rf"model\.json {told}") as error:
            use(file)
        assert len(str(error.value).splitlines()) == 1


def test_description_of_missing_weights_is_not_followed(tmp_path):
    (tmp_path / "model.json").write_text("{")
    assert read_description(tmp_path / "model.pt") == {}


def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path):
    network = torch.nn.Linear(2, 1)
    write_weights(network.state_dict(), tmp_path / "model.pt", {})
    before = (tmp_path / "model.pt").read_bytes()
    spoiled = network.state_dict() | {"bias": torch.tensor([float("inf")])}
    with pytest.raises(ValueError, match=r"model\.pt is left as it was: bias of the new weights is not finite"):
        write_weights(spoiled, tmp_path / "model.pt", {})
    assert (tmp_path / "model.pt").read_bytes() == before
    torch.save(spoiled, tmp_path / "spoiled.pt")
    with pytest.raises(ValueError, match=r"spoiled\.pt holds numbers that are not finite \(bias\)"):
        read_weights(tmp_path / "spoiled.pt")


def test_halving_keeps_what_half_precision_does_not_hold(tmp_path):
    weights = {"norm.running_var": torch.tensor([1.0, 1e6]), "weight": torch.tensor([0.5])}
    write_weights(weights, tmp_path / "model.pt", {})
    halve_weights(tmp_path / "model.pt", tmp_path / "half.pt")
    halved = read_weights(tmp_path / "half.pt")
    assert halved["weight"].dtype is torch.float16
    assert torch.equal(halved["norm.running_var"], weights["norm.running_var"])
