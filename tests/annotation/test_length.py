import json

import pytest

from llmsegnet_bundle.annotation.length import settings_of_length, training_stats


@pytest.mark.parametrize(
    ("epochs", "scans", "batch", "steps", "interval"), [(50, 8, 2, 500, 100), (50, 41, 2, 1050, 210), (1, 1, 2, 10, 2)]
)
def test_epoch_is_a_pass_over_the_labels_of_ten_steps_or_more(epochs, scans, batch, steps, interval):
    assert settings_of_length(epochs, scans, batch) == {"max_steps": steps, "val_interval": interval}


def test_stats_tell_how_far_a_training_is(tmp_path):
    record = tmp_path / "run.json"
    assert training_stats(record) == {}
    run = {"total_steps": 10, "steps_per_epoch": 4, "sessions": [{"last_step": 8, "duration_s": 5.0}], "validation": {}}
    record.write_text(json.dumps(run))
    assert training_stats(record) == {"epoch": 2, "total_epochs": 3}
    run["sessions"][0]["last_step"] = 10
    run["validation"]["best"] = {"value": 0.9, "step": 8}
    record.write_text(json.dumps(run))
    assert training_stats(record) == {"epoch": 2, "total_epochs": 3, "best_metric": 0.9, "total_time": 5.0}
