import numpy as np
import pytest

from llmsegnet_bundle.cases.survey import ScanFacts
from llmsegnet_bundle.text import measured_sentences, measured_texts

EMPTY = ScanFacts((4, 4, 4), (1.0, 1.0, 1.0), (0,), 0.0, None, np.empty(0))
FILLED = EMPTY._replace(values=(0, 1), volume_ml=1.8, extent_mm=(10.0, 12.0, 15.0), intensities=np.full(9, 70.0))
LARGE = FILLED._replace(volume_ml=4.2, extent_mm=(20.0, 12.0, 15.0))


def test_texts_say_what_the_labels_measure():
    texts = measured_texts([FILLED, EMPTY, LARGE], "liver", "CT")
    assert texts[0].startswith("Segment the liver in CT images")
    assert "volume of about 3 ml, between 2 and 4 ml" in texts[1]
    assert "15 mm from left to right, 12 mm from back to front and 15 mm" in texts[2]
    assert "median intensity of 70 HU" in texts[3]
    assert texts[1:] == measured_sentences([FILLED, EMPTY, LARGE], "liver", "CT")
    assert "HU" not in measured_texts([FILLED], "liver", "MR")[3]


def test_labels_without_anything_are_refused():
    with pytest.raises(ValueError, match="no label of the labeled scans holds anything but background"):
        measured_sentences([EMPTY], "liver", "CT")
