import json
from xml.etree import ElementTree

from write_robustness import page

TABLE = {"title": "Wrong inputs", "head": ["command", "told"], "rows": [["split a|b", "one\ntwo"]]}


def test_page_has_a_row_for_each_test_and_the_tables_that_they_recorded():
    suite = ElementTree.Element("testsuite")
    passed = ElementTree.SubElement(suite, "testcase", classname="tests.a.test_kill", name="test_a_kill", time="61.6")
    recorded = ElementTree.SubElement(passed, "properties")
    ElementTree.SubElement(recorded, "property", name="table", value=json.dumps(TABLE))
    failed = ElementTree.SubElement(suite, "testcase", classname="tests.test_soak", name="test_soak[a]", time="2")
    ElementTree.SubElement(failed, "failure")
    ElementTree.SubElement(suite, "testcase", classname="tests.test_soak", name="test_soak[b]", time="3")
    skipped = ElementTree.SubElement(suite, "testcase", classname="tests.test_zoo", name="test_zoo", time="0")
    ElementTree.SubElement(skipped, "skipped", message="no network")
    told = page(ElementTree.ElementTree(suite), "2026-01-02 03:04 UTC", "abc1234", "Python 3.11")
    assert "2026-01-02 03:04 UTC, commit abc1234, Python 3.11." in told
    assert "| test_kill: a kill | passed | 62 |" in told
    assert "| test_soak: soak | 1 **failed**, 1 passed | 5 |" in told
    assert "| test_zoo: zoo | skipped: no network | 0 |" in told
    assert "## Wrong inputs\n\n| command | told |\n| --- | --- |\n| split a\\|b | one / two |\n" in told
