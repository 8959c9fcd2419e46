"""Three steps of each assembled config: what is trained, at which rate, with which weight, on which crops."""

import math
from types import SimpleNamespace

import pytest
import torch
from bundle_runs import BUNDLE, BUNDLES, prepared
from ignite.engine import Events

from llmsegnet_bundle.precision import has_bf16

CONFIGS = [["train"], ["train_supervised"], ["train", "paper"], ["train_supervised", "paper"]]
OTHERS = [(names, bundle) for bundle in BUNDLES for names in CONFIGS if (names, bundle) != (CONFIGS[0], BUNDLE)]
STEPS = {"max_steps": 3, "val_interval": 3, "validation": 0, "labeled": 2}


def marked(case):
    names, bundle = case
    return pytest.param(names, bundle, id=f"{bundle.name} {'+'.join(names)}", marks=pytest.mark.slow)


def three_steps(names, bundle, scans, folder, **settings):
    """Return the parsed config, what was there before and what happened at each step."""
    if names == ["train"]:
        settings = {"ramp_iters": 2} | settings  # of three steps, half of which are the start
    flow = prepared(names, scans, folder, bundle, **(STEPS | settings))
    get = flow.parser.get_parsed_content
    parts = ("alpha", "beta") if names[0] == "train" else ("network",)
    seen = SimpleNamespace(get=get, networks={part: get(part) for part in parts}, rates=[], terms=[], types=set())
    seen.optimizers = {part: get("optimizer" if part == "network" else f"{part}_optimizer") for part in parts}
    seen.before = {part: state_of(network) for part, network in seen.networks.items()}
    trainer = get("train#trainer")

    @trainer.on(Events.ITERATION_STARTED)
    def note_rates():
        seen.rates.append([group["lr"] for one in seen.optimizers.values() for group in one.param_groups])

    @trainer.on(Events.ITERATION_COMPLETED)
    def note_terms():
        seen.terms.append(trainer.state.output[0])

    def note_type(conv, images, out):
        if conv.training and torch.is_grad_enabled():
            seen.types.add(out.dtype)

    for network in seen.networks.values():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv3d):
                module.register_forward_hook(note_type)
    flow.run()
    return seen


def state_of(network):
    return {name: value.detach().clone() for name, value in network.named_parameters() if value.requires_grad}


def check_moved(seen):
    for part, network in seen.networks.items():
        for name, before in seen.before[part].items():
            after = network.get_parameter(name)
            assert torch.isfinite(after).all(), f"{part} {name}"
            assert not torch.equal(after, before), f"{part} {name}"


@pytest.mark.parametrize(("names", "bundle"), [pytest.param(["train"], BUNDLE, id="train"), *map(marked, OTHERS)])
def test_three_steps_train_all_there_is_at_the_rate_and_weight_of_each_step(names, bundle, scans, tmp_path):
    seen = three_steps(names, bundle, scans, tmp_path)
    get, factor = seen.get, [(1 - step / 3) ** 0.9 for step in range(3)]
    check_moved(seen)
    for part, network in seen.networks.items():
        (group,) = seen.optimizers[part].param_groups
        assert {id(one) for one in group["params"]} == {id(one) for one in network.parameters()}, part
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 1e-4, False)
    assert seen.rates == [[pytest.approx(get("learning_rate") * one)] * len(seen.networks) for one in factor]
    if "alpha" in seen.networks:
        weight, passed = get("unsupervised_weight"), [None, 0, 0.5] if names == ["train"] else [0, 1 / 40, 2 / 40]
        wanted = [0 if part is None else weight * math.exp(-5 * (1 - part) ** 2) for part in passed]
        assert [terms["weight"] for terms in seen.terms] == pytest.approx(wanted)
        assert ["beta_usl" in terms for terms in seen.terms] == [value > 0 for value in wanted]
    check_augmented(get("train#dataset"), turned="paper" not in names, all_of_it=bundle.name != "pancreas_ct")


def check_augmented(dataset, turned, all_of_it):
    """Look at eight crops of a scan, and at what each would be without the transforms after the cut.

    Mirroring and other intensities break the training on the pancreas (docs/recipe.md).
    """
    cut = dataset.transform.transforms[dataset.first_random]
    matrices, changed = [], 0
    for seed in range(8):
        crop = dataset[0, seed]["image"]
        matrices.append(torch.as_tensor(cut.matrix.copy()))
        own = vars(cut).copy()
        cut.randomize = lambda shape: None  # as it was drawn
        changed += not torch.equal(cut(dict(dataset.scans[0]))["image"], crop)
        vars(cut).clear()
        vars(cut).update(own)
    assert all((bool((one - one.diag().diag()).any())) == turned for one in matrices)
    assert (len({round(float(one.det().abs()), 6) for one in matrices}) > 1) == turned
    assert len({float(one.det().sign()) for one in matrices}) == 1 + all_of_it  # some are mirrored
    assert (changed > 4) == all_of_it


@pytest.mark.slow
@pytest.mark.skipif(not has_bf16("cpu"), reason="this processor has no bfloat16")
def test_training_in_bfloat16_is_that_in_float32_to_its_precision(scans, tmp_path, monkeypatch):
    runs = []
    for fast in (False, True):
        if fast:
            monkeypatch.setattr("llmsegnet_bundle.precision.has_bf16", has_bf16)
        runs.append(three_steps(["train"], BUNDLE, scans, tmp_path / str(fast), dropout=0.0, ramp_start=0))
        check_moved(runs[-1])
    exact, fast = runs
    assert (exact.types, fast.types) == ({torch.float32}, {torch.bfloat16})
    for one, other in zip(exact.terms, fast.terms, strict=True):
        assert one.keys() == other.keys()
        assert all(other[name] == pytest.approx(value, rel=0.05, abs=0.01) for name, value in one.items())


def test_text_meets_the_bottleneck_after_its_dropout(scans, tmp_path):
    flow = prepared(["train"], scans, tmp_path, dropout=0.9, cache_dir="none", **STEPS)
    network = flow.parser.get_parsed_content("network").alpha.train()
    seen = []
    network.backbone.decoder[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(torch.rand(2, 1, 48, 48, 48))
    text = network.fusion.at_bottleneck(torch.zeros_like(seen[0]), network.embedding())
    dropped = (seen[0] == text).flatten(2).all(dim=2)  # (B, K): nothing but the text is left
    assert 0.5 < dropped.float().mean() < 1
    assert bool((text != 0).all())


@pytest.mark.slow
def test_final_weights_do_not_depend_on_the_validations(scans, tmp_path):
    settings = STEPS | {"validation": 1, "ramp_start": 1}
    ends = []
    for interval in (1, 3):
        flow = prepared(["train"], scans, tmp_path / str(interval), **(settings | {"val_interval": interval}))
        flow.run()
        ends.append([flow.parser.get_parsed_content(name).state_dict() for name in ("network", "averaged")])
    for one, other in zip(*ends, strict=True):
        assert all(torch.equal(value, other[name]) for name, value in one.items())
