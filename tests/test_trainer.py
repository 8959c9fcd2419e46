import copy
import math

import pytest
import torch
from ignite.engine import Events
from monai.transforms import Compose, RandScaleIntensity
from torch.nn import functional as F

from llmsegnet_bundle.losses import UnifiedSegmentationLoss
from llmsegnet_bundle.mixing import draw_cutmix
from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, VNet
from llmsegnet_bundle.ramps import sigmoid_ramp
from llmsegnet_bundle.trainer import CoTrainer


def make_pair(dropout=0.0):
    torch.manual_seed(0)
    text = F.normalize(torch.randn(3, 8), dim=1)
    nets = [LLMSegNet(VNet(base_filters=4, dropout=dropout), text, crop=(32, 32, 32), hidden=4) for _ in range(2)]
    return LLMSegNetPair(*nets)


def make_batch(unlabeled=2):
    torch.manual_seed(1)
    image = torch.rand(2 + unlabeled, 1, 32, 32, 32)
    organ = torch.zeros(2, 1, 32, 32, 32)
    organ[:, :, 8:24, 8:24, 8:24] = 1
    image[:2] += organ
    return {"image": image, "label": torch.cat([1 - organ, organ], dim=1)}


def make_trainer(pair, batch, steps, noise=0.2, lr=0.05, **settings):
    sgd = [torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4) for net in (pair.alpha, pair.beta)]
    return CoTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=[batch] * steps,
        alpha=pair.alpha,
        beta=pair.beta,
        alpha_optimizer=sgd[0],
        beta_optimizer=sgd[1],
        **({"ramp": lambda step: sigmoid_ramp(step, 10, 0.3), "strong_views": "beta"} | settings),
        noise=noise,
    )


def literal_step(pair, batch, lr):
    """METHOD.md section 6 once more: a network at a time, a crop and a voxel box at a time, no noise."""
    xl, xu, yl = batch["image"][:2], batch["image"][2:], batch["label"].argmax(1, keepdim=True)  # indices
    text = torch.cat([torch.zeros(4, 1).long(), torch.randint(3, (4, 1))], dim=1)
    with torch.no_grad():
        t_alpha, t_beta = pair.alpha(xu, text[2:]).softmax(1), pair.beta(xu, text[2:]).softmax(1)
    draw = draw_cutmix(xu.shape[2:], 4, 2)
    mixed, target = xu.clone(), t_alpha.clone()
    for i in range(2):
        partner, (x0, x1, y0, y1) = draw.partners[i], draw.boxes[i]
        for x in range(x0, x1):
            for y in range(y0, y1):
                mixed[i, :, x, y] = batch["image"][partner, :, x, y]
                if partner < 2:
                    target[i, 1, x, y] = yl[partner, 0, x, y].float()
                    target[i, 0, x, y] = 1 - yl[partner, 0, x, y].float()
                else:
                    target[i, :, x, y] = t_alpha[partner - 2, :, x, y]
    weight = sigmoid_ramp(0, 10, 0.3)
    for net, unlabeled, peer in ((pair.alpha, xu, t_beta), (pair.beta, mixed, target)):
        logits = net(torch.cat([xl, unlabeled]), text)
        log_q, organ = logits[:2].log_softmax(1), logits[:2].softmax(1)[:, 1]
        dice = 1 - (2 * (organ * yl[:, 0]).sum() + 1e-5) / ((organ**2).sum() + (yl**2).sum() + 1e-5)
        loss = 0.5 * (F.nll_loss(log_q, yl[:, 0]) + dice) + weight * UnifiedSegmentationLoss()(logits[2:], peer)
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in (p for p in net.parameters() if p.requires_grad):
                p -= lr * (p.grad + 1e-4 * p)


def test_step_equals_the_literal_method():
    pair, batch = make_pair(), make_batch()
    expected = copy.deepcopy(pair).train()
    torch.manual_seed(7)
    literal_step(expected, batch, lr=0.05)
    torch.manual_seed(7)
    make_trainer(pair, batch, 1, noise=0.0).run()
    for (name, got), want in zip(pair.state_dict().items(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.slow
def test_overfitting_one_batch_lowers_the_loss():
    pair, batch = make_pair(), make_batch()
    trainer = make_trainer(pair, batch, 14)
    losses = []
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: losses.append(float(engine.state.output[0]["loss"]))
    )
    trainer.run()
    assert losses[-1] < 0.5 * losses[0]


def test_labeled_batches_train_supervised_only():
    trainer = make_trainer(make_pair(), make_batch(unlabeled=0), 1)
    trainer.run()
    assert trainer.state.output[0]["weight"] == 0.0
    assert "alpha_usl" not in trainer.state.output[0]


def test_noise_stays_in_its_range():
    trainer = make_trainer(make_pair(), make_batch(), 1)
    image = torch.rand(1, 1, 32, 32, 32)
    noise = trainer._noisy(image) - image
    assert 0.19 < noise.abs().max() <= 0.2 + 1e-6
    trainer.clamp_noise = True
    assert trainer._noisy(image).min() >= 0
    assert trainer._noisy(image).max() <= 1


def test_networks_learn_apart():
    pair, batch = make_pair(dropout=0.5), make_batch()
    before = {name: value.detach().clone() for name, value in pair.named_parameters() if value.requires_grad}
    make_trainer(pair, batch, 1).run()
    moves = {name: pair.get_parameter(name).detach() - value for name, value in before.items()}
    for name, move in moves.items():
        if name.startswith("alpha.") and name.endswith("weight"):
            assert 0 < move.abs().max() < float("inf"), name
            assert not torch.equal(move, moves[name.replace("alpha.", "beta.")]), name


def gradients_of_a_step(pair, batch, **settings):
    torch.manual_seed(7)
    trainer = make_trainer(pair, batch, 1, noise=0.0, **settings)
    trainer.run()
    return trainer, {name: value.grad.clone() for name, value in pair.named_parameters() if value.grad is not None}


def test_micro_batches_average_the_gradients_of_their_parts():
    pair, batch = make_pair(), make_batch(unlabeled=0)  # no CutMix, which mixes across the batch
    for net in (pair.alpha, pair.beta):
        net.text_embedding[:] = net.text_embedding[0]  # each part draws the texts of its own crops
    parts = [{key: value[i : i + 1] for key, value in batch.items()} for i in range(2)]
    wanted = [gradients_of_a_step(copy.deepcopy(pair), part)[1] for part in parts]
    trainer, got = gradients_of_a_step(pair, batch, micro_batches=2)
    assert got.keys() == wanted[0].keys()
    for name, value in got.items():
        torch.testing.assert_close(value, (wanted[0][name] + wanted[1][name]) / 2, rtol=1e-3, atol=1e-5, msg=name)
    assert isinstance(trainer.state.output[0]["loss"], float)


def test_micro_batches_split_both_shares():
    pair, crops = make_pair(), []
    pair.alpha.register_forward_hook(lambda network, images, logits: crops.append(len(images[0])))
    trainer, _ = gradients_of_a_step(pair, make_batch(), micro_batches=2)
    assert crops == [1, 2, 1, 2]  # target, then student, of a labeled and an unlabeled crop each
    assert math.isfinite(trainer.state.output[0]["alpha_usl"])


def test_scaled_losses_move_the_weights_as_they_are(monkeypatch):
    pair, moved = make_pair(), []
    for scaled in (False, True):
        monkeypatch.setattr("llmsegnet_bundle.trainer.needs_fp16", lambda device, scaled=scaled: scaled)
        own = copy.deepcopy(pair)
        torch.manual_seed(7)
        trainer = make_trainer(own, make_batch(), 2)
        trainer.run()
        assert trainer.loss_scaler.is_enabled() == scaled
        moved.append([*own.parameters()])
    for plain, from_scaled in zip(*moved, strict=True):
        torch.testing.assert_close(plain, from_scaled)


def test_step_whose_scaled_gradients_overflow_is_left_out_without_a_warning(monkeypatch):
    monkeypatch.setattr("llmsegnet_bundle.trainer.needs_fp16", lambda device: True)
    pair = make_pair()
    before = copy.deepcopy(pair.state_dict())
    trainer = make_trainer(pair, make_batch(), 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(trainer.alpha_optimizer, lambda step: 0.5)
    trainer.loss_scaler = torch.GradScaler("cpu", init_scale=float("inf"))
    trainer.run()
    schedule.step()
    assert all(torch.equal(value, before[name]) for name, value in pair.named_parameters())
    assert 0 < trainer.state.output[0]["loss"] < 100


def seen_by_students(pair, batch, **settings):
    """Return the crops that alpha and beta see in training."""
    crops = {}
    for name in ("alpha", "beta"):
        net = getattr(pair, name)
        net.register_forward_hook(lambda _, images, logits, name=name: crops.setdefault(name, []).append(images[0]))
    gradients_of_a_step(pair, batch, **settings)
    return crops["alpha"][-1], crops["beta"][-1]


@pytest.mark.parametrize(("strong_views", "plain"), [("beta", True), ("both", False)])
def test_strong_views_are_those_of_the_named_networks(strong_views, plain):
    batch = make_batch()
    alpha, beta = seen_by_students(make_pair(), batch, strong_views=strong_views)
    assert torch.equal(alpha, batch["image"]) == plain
    assert not torch.equal(beta, batch["image"])
    assert torch.equal(alpha[:2], batch["image"][:2])  # labeled crops stay as they are
    assert not torch.equal(alpha, beta)


def test_jitter_changes_unlabeled_student_crops_alone_and_repeats_with_the_seed():
    batch = make_batch()
    jitter = Compose([RandScaleIntensity(factors=0.5, prob=1.0)])
    first, second = (seen_by_students(make_pair(), batch, jitter=jitter, strong_views="both") for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[0][:2], batch["image"][:2])
    assert not torch.equal(first[0][2:], seen_by_students(make_pair(), batch, strong_views="both")[0][2:])


def test_given_targets_replace_the_answers_of_the_peers():
    pair, batch = make_pair(), make_batch()
    passes = []
    pair.alpha.register_forward_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    probs = torch.rand(2, 4, 32, 32, 32)
    _, one = gradients_of_a_step(pair, batch | {"target": probs}, strong_views="both")
    assert passes == [True]  # no pass for a target
    _, other = gradients_of_a_step(make_pair(), batch | {"target": probs.flip(1)}, strong_views="both")
    assert not torch.equal(one["alpha.backbone.out.weight"], other["alpha.backbone.out.weight"])


def test_targets_go_to_the_other_network():
    batch = make_batch()
    probs = torch.full((2, 4, 32, 32, 32), 0.5)
    probs[:, 0], probs[:, 1] = 1.0, 0.0  # alpha is sure of background, beta of nothing
    trainer, _ = gradients_of_a_step(make_pair(), batch | {"target": probs})
    beta_sure = trainer.state.output[0]["beta_usl"] > trainer.state.output[0]["alpha_usl"]
    assert beta_sure


def test_a_weight_of_zero_leaves_unlabeled_crops_out():
    pair, batch = make_pair(), make_batch()
    labeled = {"image": batch["image"][:2], "label": batch["label"]}
    trainer, got = gradients_of_a_step(pair, batch, ramp=lambda step: 0.0)
    assert "alpha_usl" not in trainer.state.output[0]
    _, want = gradients_of_a_step(make_pair(), labeled)
    assert all(torch.equal(got[name], want[name]) for name in want)


def test_unknown_strong_views_are_refused():
    with pytest.raises(ValueError, match="strong_views: must be beta or both, got 'alpha'"):
        make_trainer(make_pair(), make_batch(), 1, strong_views="alpha")


def test_crops_are_seen_with_a_text_of_their_own_organ():
    torch.manual_seed(0)
    text = F.normalize(torch.randn(3, 1, 2, 8), dim=-1)
    nets = [LLMSegNet(VNet(base_filters=4), text, crop=(32, 32, 32), hidden=4) for _ in range(2)]
    pair, seen = LLMSegNetPair(*nets), []
    for net in nets:
        net.register_forward_hook(lambda _, args, logits: seen.append(args[1]))
    organs = torch.tensor([[2], [0], [1], [0]])
    gradients_of_a_step(pair, make_batch() | {"organ": organs}, micro_batches=2)
    of_targets, of_students = [t for t in seen if len(t) == 1], [t for t in seen if len(t) == 2]
    assert [t[:, 0].tolist() for t in of_targets] == [[1]] * 2 + [[0]] * 2
    assert [t[:, 0].tolist() for t in of_students] == [[2, 1]] * 2 + [[0, 0]] * 2
    assert torch.equal(of_students[0], of_students[1])  # the same for both networks
    assert {int(n) for t in of_students for n in t[:, 1]} <= {0, 1}
