import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmsegnet_bundle.settings.table import read_table

TABLE = read_table()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=30, deadline=None, database=None)
@given(value=VALUES)
@example(value=2**63)  # torch.device overflows
def test_any_value_fits_or_is_told_in_one_line_by_name(value):
    for name, setting in TABLE.items():
        told = setting.fault(value)
        assert told == "" or told.startswith(f"{name}: "), told
        assert len(told.splitlines()) <= 1, told


@settings(max_examples=30, deadline=None, database=None)
@given(value=VALUES)
@example(value=2**63)  # torch.device overflows
def test_what_fits_a_number_lies_in_its_range(value):
    for setting in TABLE.values():
        single = setting.type in ("whole", "number") and setting.count is None
        if not single or setting.fault(value) or value is None or value in setting.words:
            continue
        assert not isinstance(value, bool)
        assert math.isfinite(value)
        assert setting.least is None or value >= setting.least
        assert setting.above is None or value > setting.above
        assert setting.most is None or value <= setting.most
        assert setting.below is None or value < setting.below


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999"])
def test_text_of_no_finite_number_gets_no_hint_to_write_it(word):
    told = TABLE["learning_rate"].fault(word)
    assert told == f"learning_rate: must be a number above 0, got {word!r}"
