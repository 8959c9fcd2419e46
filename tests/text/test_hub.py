"""A model that is neither here nor to be had is told in one line within seconds, not after a minute of retries."""

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.text import models, open_model
from llmsegnet_bundle.text.encoders import encode

PROBE_S = models.PROBE_S
TEXTS = {"liver": ["the liver is large"]}


@contextmanager
def hub(status):
    """Give the address of a hub that answers so: a status, 0 for silence, None for nobody there."""
    if not status:
        server = socket.create_server(("127.0.0.1", 0))
        if status is None:
            server.close()
        with server:
            yield f"http://127.0.0.1:{server.getsockname()[1] if status == 0 else 9}"
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(models, "PROBE_S", 0.4)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, "it is in no cache, and the hub cannot be asked: .*500"),
        (404, "the hub has no such model, or it is private"),
        (0, r"it is in no cache, and the hub (did not answer within 0\.4 s|cannot be asked: .*)"),
        (None, "it is in no cache, and the hub cannot be asked: .*refused"),
    ],
)
@pytest.mark.parametrize("kind", ["sentence", "token_ids", "describe"])
def test_absent_model_is_told_in_one_line_in_time(status, reason, kind, monkeypatch, capfd):
    with hub(status) as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        begun = time.monotonic()
        with pytest.raises(ValueError, match=rf"nobody/absent cannot be loaded \({reason}.*\); give a Hug") as error:
            open_model("nobody/absent") if kind == "describe" else encode(f"{kind}:nobody/absent", TEXTS)
    assert time.monotonic() - begun < 5
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")  # no line of a retry


def test_hub_is_given_up_within_five_seconds():
    assert PROBE_S < 5


def test_offline_is_told(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"cannot be loaded \(it is in no cache, and HF_HUB_OFFLINE is set\)"):
        open_model("nobody/absent")


def test_folder_that_is_not_there_is_no_name_of_the_hub(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be loaded \(no such folder or file, and no name of the hub's\)"):
        encode(f"sentence:{tmp_path / 'gone'}", TEXTS)


@pytest.mark.parametrize("command", ["embed", "describe", "new"])
def test_commands_end_with_that_line_and_write_nothing(command, tmp_path, monkeypatch):
    (tmp_path / "t.yaml").write_text("organ: liver\nwritten_by: us\ndate: 2026-11-25\ntexts: [large]\n")
    out = str(tmp_path / "out")
    of_a_model = ["--organ", "liver", "--modality", "CT"]
    arguments = {
        "embed": [str(tmp_path / "t.yaml"), out, "--encoder", "nobody/absent"],
        "describe": [out, *of_a_model, "--model", "nobody/absent"],
        "new": [out, *of_a_model, "--dataset_dir", str(tmp_path), "--language_model", "nobody/absent"],
    }[command]
    monkeypatch.setattr("sys.argv", ["llmsegnet-bundle", command, *arguments])
    with hub(None) as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        with pytest.raises(SystemExit, match=r"^(encoder|model): nobody/absent cannot be loaded \([^\n]*\)[^\n]*$"):
            main()
    assert [file.name for file in tmp_path.iterdir()] == ["t.yaml"]
