import math

import pytest
import torch
from torch.nn import functional as F

from llmsegnet_bundle.losses import SupervisedLoss, UnifiedSegmentationLoss


def voxels(*rows):
    """Rows of per-voxel class values -> (1, C, N, 1, 1)."""
    return torch.tensor(rows).T.reshape(1, len(rows[0]), len(rows), 1, 1)


def test_usl_positive_alone_equals_hand_value():
    loss = UnifiedSegmentationLoss()(voxels((0.2, 0.8)).log(), voxels((0.3, 0.7)))  # min 0.3: not negative
    assert loss.item() == pytest.approx(0.7 * -math.log(0.8), rel=1e-6)


def test_usl_negative_alone_equals_hand_value():
    # three classes: max 0.6 < 0.65 is uncertain too, with a perfect student its term is 0
    t = voxels((0.6, 0.35, 0.05))
    loss = UnifiedSegmentationLoss()(t.log(), t)
    assert loss.item() == pytest.approx(0.05 * -math.log(1 - 0.05), rel=1e-5)


def test_usl_uncertain_alone_equals_hand_value():
    loss = UnifiedSegmentationLoss()(voxels((0.9, 0.1)).log(), voxels((0.5, 0.5)))
    assert loss.item() == pytest.approx((0.4**2 + 0.4**2) / 2, rel=1e-6)


def test_usl_averages_each_set_apart():
    logits = voxels((0.2, 0.8), (0.1, 0.9), (0.9, 0.1)).log()
    loss = UnifiedSegmentationLoss()(logits, voxels((0.3, 0.7), (0.05, 0.95), (0.5, 0.5)))
    positive = (0.7 * -math.log(0.8) + 0.95 * -math.log(0.9)) / 2
    negative = 0.05 * -math.log(0.9)
    assert loss.item() == pytest.approx(positive + negative + 0.16, rel=1e-5)


def test_usl_of_four_classes_equals_hand_value():
    logits = voxels((0.4, 0.3, 0.2, 0.1), (0.25, 0.25, 0.25, 0.25)).log()
    # the first voxel is positive (class 1) and negative (class 3), the second uncertain and negative (class 0)
    loss = UnifiedSegmentationLoss()(logits, voxels((0.12, 0.7, 0.12, 0.06), (0.05, 0.35, 0.3, 0.3)))
    positive = 0.7 * -math.log(0.3)
    negative = (0.06 * -math.log(0.9) + 0.05 * -math.log(0.75)) / 2
    uncertain = (0.2**2 + 0.1**2 + 0.05**2 + 0.05**2) / 4
    assert loss.item() == pytest.approx(positive + negative + uncertain, rel=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_usl_batch_is_not_classes(classes):
    torch.manual_seed(0)
    logits, t = torch.randn(3, classes, 4, 4, 4), torch.randn(3, classes, 4, 4, 4).softmax(1)
    q = logits.softmax(1)
    total = {"positive": [], "negative": [], "uncertain": []}
    for b in range(3):
        for place in torch.cartesian_prod(*[torch.arange(4)] * 3).tolist():
            tv, qv = t[(b, slice(None), *place)], q[(b, slice(None), *place)]
            if tv.max() >= 0.65:
                total["positive"].append(tv.max() * -qv[tv.argmax()].log())
            else:
                total["uncertain"].append((qv - tv).square().mean())
            if tv.min() < 0.1:
                total["negative"].append(tv.min() * -(1 - qv[tv.argmin()]).log())
    expected = sum(torch.stack(terms).mean() for terms in total.values())
    torch.testing.assert_close(UnifiedSegmentationLoss()(logits, t), expected)


def test_usl_empty_sets_give_zero_and_keep_the_graph():
    t = torch.full((1, 2, 2, 2, 2), 0.5)
    logits = torch.zeros_like(t, requires_grad=True)
    loss = UnifiedSegmentationLoss()(logits, t)
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_usl_extreme_logits_stay_finite(dtype, classes):
    logits = (torch.randn(2, classes, 4, 4, 4) * 1e4).to(dtype).requires_grad_()
    peer = F.one_hot(torch.randint(classes, (2, 4, 4, 4)), classes).movedim(-1, 1).float()
    loss = UnifiedSegmentationLoss()(logits, peer)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_usl_gradient_reaches_the_student_alone():
    logits = torch.randn(1, 2, 4, 4, 4, requires_grad=True)
    peer_logits = torch.randn(1, 2, 4, 4, 4, requires_grad=True)
    UnifiedSegmentationLoss()(logits, peer_logits.softmax(1)).backward()
    assert logits.grad.abs().sum() > 0
    assert peer_logits.grad is None


def test_usl_refuses_bad_arguments():
    with pytest.raises(ValueError, match="confident must be in"):
        UnifiedSegmentationLoss(confident=1.5)
    with pytest.raises(ValueError, match="one shape"):
        UnifiedSegmentationLoss()(torch.zeros(1, 2, 2, 2, 2), torch.zeros(2, 2, 2, 2, 2))


@pytest.mark.parametrize("classes", [2, 4])
def test_supervised_loss_equals_closed_form(classes):
    torch.manual_seed(0)
    logits, label = torch.randn(2, classes, 4, 4, 4), torch.randint(classes, (2, 1, 4, 4, 4))
    dice = []
    for index in range(1, classes):  # the mean over the foreground channels
        p, y = logits.softmax(1)[:, index], (label[:, 0] == index).float()
        dice.append(1 - (2 * (p * y).sum() + 1e-5) / (p.square().sum() + y.square().sum() + 1e-5))
    expected = 0.5 * F.cross_entropy(logits, label[:, 0]) + 0.5 * torch.stack(dice).mean()
    one_hot = F.one_hot(label[:, 0], classes).movedim(-1, 1)
    torch.testing.assert_close(SupervisedLoss()(logits, one_hot), expected)


def test_supervised_loss_of_fractions_is_least_at_the_fractions():
    fractions = torch.full((1, 2, 4, 4, 4), 0.5)
    losses = [
        float(SupervisedLoss()(torch.tensor([-x, x]).reshape(1, 2, 1, 1, 1).expand(fractions.shape), fractions))
        for x in (-0.3, 0.0, 0.3)
    ]
    assert min(losses) == losses[1]
