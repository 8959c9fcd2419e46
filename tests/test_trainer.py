import copy

import torch
from ignite.engine import Events
from torch.nn import functional as F

from llmsegnet_bundle.losses import SupervisedLoss, UnifiedSegmentationLoss
from llmsegnet_bundle.mixing import draw_cutmix
from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, VNet
from llmsegnet_bundle.ramps import sigmoid_ramp
from llmsegnet_bundle.trainer import CoTrainer


def make_pair(dropout=0.0):
    torch.manual_seed(0)
    text = F.normalize(torch.randn(3, 8), dim=1)
    nets = [LLMSegNet(VNet(base_filters=4, dropout=dropout), text, grid=(2, 2, 2), hidden=4) for _ in range(2)]
    return LLMSegNetPair(*nets)


def make_batch(unlabeled=2):
    torch.manual_seed(1)
    image = torch.rand(2 + unlabeled, 1, 32, 32, 32)
    label = torch.zeros(2, 1, 32, 32, 32, dtype=torch.uint8)
    label[:, :, 8:24, 8:24, 8:24] = 1
    image[:2] += label
    return {"image": image, "label": label}


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
        ramp=lambda step: sigmoid_ramp(step, 10, 0.3),
        noise=noise,
        **settings,
    )


def literal_step(pair, batch, lr):
    """METHOD.md section 6 once more: a network at a time, a crop and a voxel box at a time, no noise."""
    xl, xu, yl = batch["image"][:2], batch["image"][2:], batch["label"]
    text = int(torch.randint(3, ()))
    with torch.no_grad():
        t_alpha, t_beta = pair.alpha(xu, text).softmax(1), pair.beta(xu, text).softmax(1)
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
        loss = SupervisedLoss()(logits[:2], yl) + weight * UnifiedSegmentationLoss()(logits[2:], peer)
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


def test_overfitting_one_batch_lowers_the_loss():
    pair, batch = make_pair(), make_batch()
    trainer = make_trainer(pair, batch, 25)
    losses = []
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: losses.append(float(engine.state.output["loss"]))
    )
    trainer.run()
    assert losses[-1] < 0.5 * losses[0]


def test_labeled_batches_train_supervised_only():
    trainer = make_trainer(make_pair(), make_batch(unlabeled=0), 1)
    trainer.run()
    assert trainer.state.output["weight"] == 0.0
    assert "alpha_usl" not in trainer.state.output


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
    parts = [{key: value[i : i + 1] for key, value in batch.items()} for i in range(2)]
    wanted = [gradients_of_a_step(copy.deepcopy(pair), part)[1] for part in parts]
    trainer, got = gradients_of_a_step(pair, batch, micro_batches=2)
    assert got.keys() == wanted[0].keys()
    for name, value in got.items():
        torch.testing.assert_close(value, (wanted[0][name] + wanted[1][name]) / 2, rtol=1e-3, atol=1e-5, msg=name)
    assert trainer.state.output["loss"].shape == ()


def test_micro_batches_split_both_shares():
    pair, crops = make_pair(), []
    pair.alpha.register_forward_hook(lambda network, images, logits: crops.append(len(images[0])))
    trainer, _ = gradients_of_a_step(pair, make_batch(), micro_batches=2)
    assert crops == [1, 2, 1, 2]  # target, then student, of a labeled and an unlabeled crop each
    assert trainer.state.output["alpha_usl"].isfinite()


def test_reused_alpha_changes_the_target_of_beta_alone():
    pair, batch = make_pair(), make_batch()
    _, paper = gradients_of_a_step(copy.deepcopy(pair), batch)
    _, reused = gradients_of_a_step(pair, batch, reuse_alpha=True)
    alpha = [name for name in paper if name.startswith("alpha.")]
    assert all(torch.equal(paper[name], reused[name]) for name in alpha)
    assert any(not torch.equal(paper[name], reused[name]) for name in paper if name.startswith("beta."))


def test_reused_alpha_is_the_method_where_noise_and_batch_statistics_are_off():
    pair, batch = make_pair(), make_batch()
    # evaluation statistics: train() of the trainer must not switch batch norm back
    for module in pair.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.train = lambda mode=True, self=module: self
            module.training = False
    _, paper = gradients_of_a_step(copy.deepcopy(pair), batch)
    _, reused = gradients_of_a_step(pair, batch, reuse_alpha=True)
    for name, value in reused.items():
        torch.testing.assert_close(value, paper[name], rtol=1e-3, atol=1e-5, msg=name)
