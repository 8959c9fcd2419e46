import torch

from llmsegnet_bundle.mixing import CutMixDraw, cutmix, draw_cutmix


def test_cutmix_puts_the_partner_inside_the_box_only():
    volumes = torch.arange(4.0).reshape(4, 1, 1, 1, 1).expand(4, 1, 8, 8, 4)
    mixed = cutmix(volumes, CutMixDraw(partners=(0, 2), boxes=((1, 3, 2, 5), (0, 8, 0, 8))))
    expected = torch.full((8, 8, 4), 2.0)
    expected[1:3, 2:5] = 0.0
    assert torch.equal(mixed[0, 0], expected)
    assert (mixed[1] == 2.0).all()


def test_cutmix_mixes_image_and_target_alike():
    torch.manual_seed(0)
    image = torch.rand(4, 1, 16, 16, 8)
    for _ in range(20):
        draw = draw_cutmix(image.shape[2:], 4, 2)
        assert torch.equal(cutmix(image * 3, draw), cutmix(image, draw) * 3)
        assert torch.equal(cutmix(image.repeat(1, 2, 1, 1, 1), draw)[:, 1:], cutmix(image, draw))


def test_cutmix_leaves_its_input_alone():
    image = torch.rand(4, 1, 16, 16, 8)
    before = image.clone()
    cutmix(image, draw_cutmix(image.shape[2:], 4, 2))
    assert torch.equal(image, before)


def test_draw_stays_inside_and_takes_partners_of_the_whole_batch():
    torch.manual_seed(0)
    draws = [draw_cutmix((32, 16, 8), 4, 2) for _ in range(300)]
    for draw in draws:
        for x0, x1, y0, y1 in draw.boxes:
            assert 0 <= x0 <= x1 <= 32
            assert 0 <= y0 <= y1 <= 16
        assert len(set(draw.partners)) == 2
    assert {partner for draw in draws for partner in draw.partners} == {0, 1, 2, 3}


def test_partners_are_of_the_same_task():
    tasks = [0, 1, 2, 1, 0]
    drawn = [draw_cutmix((32, 16, 8), 5, 3, tasks=tasks).partners for _ in range(50)]
    assert all([tasks[partner] for partner in partners] == tasks[2:] for partners in drawn)
    assert {partners[0] for partners in drawn} == {2}
    assert {partners[2] for partners in drawn} == {0, 4}
    torch.manual_seed(0)
    plain = draw_cutmix((32, 16, 8), 5, 3)
    torch.manual_seed(0)
    assert draw_cutmix((32, 16, 8), 5, 3, tasks=[4] * 5) == plain


def test_centers_of_boxes_are_uniform_from_an_eighth_on(monkeypatch):
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda self: torch.tensor(0.75))
    torch.manual_seed(0)
    edges = [draw_cutmix((32, 32, 8), 2, 2).boxes for _ in range(1000)]
    sides = [box[i : i + 2] for boxes in edges for box in boxes for i in (0, 2)]
    assert min(high for _, high in sides) == 4 + 8  # half a side is sqrt(1 - 0.75) * 32 / 2
    assert max(low for low, _ in sides) == 31 - 8
    assert (min(low for low, _ in sides), max(high for _, high in sides)) == (0, 32)
