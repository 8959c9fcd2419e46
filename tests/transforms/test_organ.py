from llmsegnet_bundle.transforms import OrganIndexd


def test_name_of_an_organ_becomes_its_number():
    number = OrganIndexd(["liver", "spleen"], "liver")
    assert number({"image": 1, "organ": "spleen"})["organ"].tolist() == [1]
    assert number({"image": 1})["organ"].tolist() == [0]


def test_name_of_an_organ_goes_where_one_network_has_one_organ():
    assert OrganIndexd([])({"image": 1, "organ": "spleen"}) == {"image": 1}
