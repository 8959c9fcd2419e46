import pytest

from llmsegnet_bundle.parallel import map_apart


@pytest.mark.slow
def test_case_that_ends_its_process_leaves_the_others(tmp_path):
    cases = ["1 + 1", "__import__('os')._exit(9)", "3"]
    assert list(map_apart(eval, cases, "json", -1)) == [2, -1, 3]
