"""The packed copy of each bundle as other tools run it: from elsewhere, in two processes, tracked, federated."""

import json
import math
import os
import subprocess
import sys

import nibabel as nib
import pytest
import torch
from bundle_runs import ROOT
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems, FlStatistics
from monai.fl.utils.exchange_object import ExchangeObject

pytestmark = [pytest.mark.zoo, pytest.mark.filterwarnings("ignore")]
SMALL = {"crop": [48, 48, 48], "base_filters": 2, "device": "cpu", "show_progress": False}
TRAINING = {"labeled": 2, "validation": 1, "val_interval": 1, "cache_dir": "none", "workers": 0}


def settings(folder, phantoms, place):
    places = {"bundle_root": folder, "dataset_dir": phantoms, "output_dir": place / "out", "ckpt_dir": place / "ckpt"}
    return {name: str(path) for name, path in places.items()} | SMALL | TRAINING


def test_two_processes_train_and_one_segments_from_elsewhere_by_an_args_file(zoo_copy, phantoms, tmp_path):
    _, folder = zoo_copy
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    alone = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def call(run_id, names, arguments, *launcher):
        files = [str(folder / f"configs/{name}.json") for name in names]
        told = {"config_file": files, "meta_file": str(folder / "configs/metadata.json")} | arguments
        (tmp_path / f"{run_id}.json").write_text(json.dumps(told))
        command = [sys.executable, "-W", "ignore", *launcher, "-m", "monai.bundle", "run", run_id]
        command += ["--args_file", str(tmp_path / f"{run_id}.json")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=elsewhere, env=alone)
        assert done.returncode == 0, done.stderr[-20000:]

    trained = settings(folder, phantoms, tmp_path) | {"max_steps": 2}
    del trained["device"], trained["show_progress"]  # multi_gpu_train.json gives each process its own
    two = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    call("training", ["train", "multi_gpu_train"], trained, *two)
    scan = phantoms / "imagesTr/PHANTOM_000.nii.gz"
    places = {"dataset_dir": str(scan), "output_dir": str(tmp_path / "masks")}
    weights = {"bundle_root": str(folder), "ckpt_dir": str(tmp_path / "ckpt"), "device": "cpu"}
    call("evaluating", ["inference"], places | weights)
    mask = nib.load(tmp_path / "masks/PHANTOM_000_seg.nii.gz")
    assert mask.shape == nib.load(scan).shape
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["train", "train_supervised"])
def test_training_and_its_continuation_are_tracked_by_mlflow(name, zoo_copy, phantoms, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    _, folder = zoo_copy
    for max_steps in (1, 2):
        flow = ConfigWorkflow(
            str(folder / f"configs/{name}.json"),
            str(folder / "configs/metadata.json"),
            logging_file=False,
            workflow_type="train",
            tracking="mlflow",
            **settings(folder, phantoms, tmp_path),
            max_steps=max_steps,
        )
        flow.initialize()
        flow.run()
        assert flow.parser.get_parsed_content("train#trainer").state.iteration == max_steps
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/out/mlruns.db")
    runs = client.search_runs([client.get_experiment_by_name("monai_experiment").experiment_id])
    told = [(run, client.get_metric_history(run.info.run_id, "train_loss")) for run in runs]
    assert sorted(loss.step for _, losses in told for loss in losses) == [1, 2]
    assert all(math.isfinite(loss.value) for _, losses in told for loss in losses)
    assert all("val_mean_dice" in run.data.metrics for run, _ in told)


@pytest.mark.parametrize("name", ["train", "train_supervised"])
def test_federated_client_trains_rounds_from_the_weights_it_is_sent(name, zoo_copy, phantoms, tmp_path):
    _, folder = zoo_copy
    own = settings(folder, phantoms, tmp_path) | {"resume": False, "ema": "none", "total_steps": 2}
    config = f"configs/{name}.json"
    client = MonaiAlgo(
        str(folder), 1, False, config, train_kwargs=own, config_evaluate_filename=config, eval_kwargs=dict(own)
    )
    client.initialize({ExtraItems.CLIENT_NAME: "site"})
    started = []

    @client.trainer.on(Events.EPOCH_STARTED)
    def keep():
        started.append({key: value.clone() for key, value in client.trainer.network.state_dict().items()})

    sent = {key: value.clone() for key, value in client.trainer.network.state_dict().items()}
    for _ in range(2):
        client.train(ExchangeObject(weights={key: value.numpy() for key, value in sent.items()}))
        assert all(torch.equal(value, sent[key]) for key, value in started[-1].items())
        got = client.get_weights()
        assert got.statistics[FlStatistics.NUM_EXECUTED_ITERATIONS] == 1
        assert got.weights.keys() == sent.keys()
        assert any(not torch.equal(value, sent[key]) for key, value in got.weights.items())
    told = client.evaluate(ExchangeObject(weights={key: value.numpy() for key, value in got.weights.items()}))
    assert 0 <= told.metrics["val_mean_dice"] <= 1
    client.finalize()
