"""`paper.json` is METHOD.md: one step of the assembled config against the formulas written out, labels as indices."""

import copy
import math

import pytest
import torch
from bundle_runs import BUNDLES, prepared
from monai.bundle import ConfigParser
from torch.nn import functional as F

from llmsegnet_bundle.mixing import draw_cutmix
from llmsegnet_bundle.tools.phantom import write_phantom


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=5, size=(60, 56, 52), spacing_mm=0.625)
    return folder


def usl(logits, t):
    """METHOD.md section 5, a voxel set at a time."""
    q, (t_max, y), (t_min, m) = logits.softmax(1), t.max(1), t.min(1)
    pick = lambda values, index: values.gather(1, index[:, None])[:, 0]  # noqa: E731
    total = torch.zeros(())
    for voxels, term in (
        (t_max >= 0.65, -t_max * pick(q, y).log()),
        (t_min < 0.10, -t_min * (1 - pick(q, m)).log()),
        (t_max < 0.65, ((q - t) ** 2).mean(1)),
    ):
        total = total + (term[voxels].mean() if voxels.any() else 0.0)
    return total


def supervised(logits, label):
    organ, y = logits.softmax(1)[:, 1], label.float()
    dice = 1 - (2 * (organ * y).sum() + 1e-5) / ((organ**2).sum() + (y**2).sum() + 1e-5)
    return 0.5 * (F.cross_entropy(logits, label) + dice)


def literal_step(pair, batch):
    """METHOD.md section 6 without noise and dropout; weight of step 0, W = 0.3."""
    xl, xu = batch["image"].split(2)
    label = batch["label"].argmax(1)  # (2, H, W, D) of indices
    text = torch.cat([torch.zeros(4, 1).long(), torch.randint(len(pair.alpha.text_embedding), (4, 1))], dim=1)
    with torch.no_grad():
        t_alpha, t_beta = pair.alpha(xu, text[2:]).softmax(1), pair.beta(xu, text[2:]).softmax(1)
    draw = draw_cutmix(xu.shape[2:], 4, 2)
    mixed, target = xu.clone(), t_alpha.clone()
    for i, (partner, (x0, x1, y0, y1)) in enumerate(zip(draw.partners, draw.boxes, strict=True)):
        box = (slice(x0, x1), slice(y0, y1))
        mixed[i, :, *box] = batch["image"][partner, :, *box]
        other = F.one_hot(label[partner], 2).movedim(-1, 0).float() if partner < 2 else t_alpha[partner - 2]
        target[i, :, *box] = other[:, *box]
    weight = 0.3 * math.exp(-5)
    for net, unlabeled, peer in ((pair.alpha, xu, t_beta), (pair.beta, mixed, target)):
        logits = net(torch.cat([xl, unlabeled]), text)
        net.zero_grad()
        (supervised(logits[:2], label) + weight * usl(logits[2:], peer)).backward()
        with torch.no_grad():
            for p in (p for p in net.parameters() if p.requires_grad):
                p -= 0.05 * (p.grad + 1e-4 * p)


def test_a_step_of_the_assembled_config_is_the_paper(scans, tmp_path, monkeypatch):
    monkeypatch.setattr("llmsegnet_bundle.precision.has_bf16", lambda device: False)
    flow = prepared(["train", "paper"], scans, tmp_path, max_steps=10, val_interval=10, noise=0.0, dropout=0.0)
    parser = flow.parser
    trainer, pair = parser.get_parsed_content("train#trainer"), parser.get_parsed_content("network")
    expected = copy.deepcopy(pair).train()
    batch = next(iter(trainer.data_loader))
    torch.testing.assert_close(batch["label"], batch["label"].round(), atol=1e-4, rtol=0)  # whole voxels
    torch.manual_seed(3)
    literal_step(expected, batch)
    torch.manual_seed(3)
    trainer.state.iteration = 1
    trainer._iteration(trainer, batch)
    for (name, got), want in zip(pair.state_dict().items(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(got, want, rtol=2e-3, atol=2e-5, msg=name)


def test_the_rest_of_the_assembled_config_is_the_paper(scans, tmp_path):
    parser = prepared(["train", "paper"], scans, tmp_path).parser
    get = parser.get_parsed_content
    trainer = get("train#trainer")
    assert (trainer.noise, trainer.clamp_noise, trainer.jitter, trainer.strong_views) == (0.2, False, None, "beta")
    assert (get("ramp_iters"), get("ramp_start"), get("targets")) == (40, 0, "crop")  # 40 passes, of one step here
    assert get("average").network is get("network")
    assert get("select") == "best"
    assert get("spacing_mm") == [0.625] * 3
    assert [group["lr"] for group in get("alpha_optimizer").param_groups] == [0.05]
    image = get("train#dataset").image(0)
    assert (image.min(), image.max()) == (0, 1)  # min-max of the scan
    assert image.shape[1:] == (60, 56, 52)
    brightest = {round(float(get("train#dataset")[0, seed]["image"].max()), 2) for seed in range(8)}
    assert len(brightest) > 3  # brightness is drawn


# METHOD.md section 7; what depends on the number of labeled scans is a value for each
SETTINGS = {
    "left_atrium": {
        "crop": [112, 112, 80],
        "spacing_mm": [0.625] * 3,
        "learning_rate": 0.05,
        "noise": 0.2,
        "clamp_noise": False,
        "stride_voxel": [18, 18, 4],
        "gpu_steps": {8: 15000},
        "unsupervised_weight": {4: 0.3, 8: 0.3, 16: 1.0, 68: 1.0},
    },
    "pancreas_ct": {
        "crop": [96] * 3,
        "spacing_mm": [1.0] * 3,
        "learning_rate": 0.025,
        "noise": 0.05,
        "clamp_noise": True,
        "stride_voxel": [16] * 3,
        "gpu_steps": {6: 10000},
        "unsupervised_weight": {6: 0.3, 12: 1.0},
        "mirror": [0, 0, 0],
        "augment_transforms": [],
    },
    "brats19": {
        "crop": [96] * 3,
        "spacing_mm": [1.0] * 3,
        "learning_rate": 0.05,
        "noise": 0.05,
        "clamp_noise": True,
        "stride_voxel": [16] * 3,
        "gpu_steps": {25: 15000, 50: 30000},
        "unsupervised_weight": {25: 0.3, 50: 1.0},
    },
}
EVERYWHERE = {
    "confident": 0.65,
    "negative": 0.1,
    "batch": [2, 2],
    "rotate_deg": [0, 0, 0],
    "scale": 0,
    "ramp_passes": 40,
}


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_settings_of_each_bundle_are_the_papers(bundle):
    parser = ConfigParser()
    parser.read_config([str(bundle / f"configs/{name}.json") for name in ("train", "paper")])
    for name, value in (SETTINGS[bundle.name] | EVERYWHERE).items():
        for scans, told in value.items() if isinstance(value, dict) else [(8, value)]:
            parser["train"]["dataset"] = {"data": list(range(scans))}
            parser.parse(reset=True)
            assert parser.get_parsed_content(name) == told, name


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
@pytest.mark.parametrize("name", ["train", "train_supervised"])
def test_overlay_goes_over_both_trainings(name, bundle, scans, tmp_path):
    parser = prepared([name, "paper"], scans, tmp_path, bundle, max_steps=1).parser
    parser.get_parsed_content("train#trainer").run()
    assert parser.get_parsed_content("train#trainer").state.iteration == 1
