"""A server of the test's own answers on the loopback as a model's server would, or fails as one would."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from llmsegnet_bundle.text import describe_organ, remote
from llmsegnet_bundle.text.remote import RemoteModel

WAITS_S = [remote.PROBE_S, sum(remote.PAUSE_S * 2**i for i in range(remote.ATTEMPTS - 1))]
KEY = "sk-secret-of-nobody"
SAID = {"model": "m-2026", "system_fingerprint": "fp_1", "choices": [{"message": {"content": "The liver is large."}}]}


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(remote, "PAUSE_S", 0.02)
    monkeypatch.setattr(remote, "PROBE_S", 0.3)


@contextmanager
def serve(*replies):
    """Give a server whose n-th answer to a question is the n-th reply, the last one ever after."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply(404, b"")

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({"path": self.path, "key": self.headers["Authorization"], **json.loads(body)})
            status, said = replies[min(len(asked), len(replies)) - 1]
            if status:
                self.reply(status, said if isinstance(said, bytes) else json.dumps(said).encode())

        def reply(self, status, body):
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_server_is_asked_as_openai_has_it():
    with serve((200, SAID)) as (url, asked):
        model = RemoteModel(f"{url}/", "m", seed=4, api_key=f" {KEY}\n")
        assert model.answer("How large?") == "The liver is large."
    chat = [{"role": "user", "content": "How large?"}]
    request = {"model": "m", "messages": chat, "seed": 4, "max_tokens": 300, "temperature": 0}
    assert asked == [{"path": "/v1/chat/completions", "key": f"Bearer {KEY}", **request}]
    assert model.origin() == {
        "model": "m",
        "server": url,
        "revision": "fp_1",
        "decoding": {"max_tokens": 300, "temperature": 0},
    }


def test_texts_file_holds_no_key(tmp_path):
    with serve((200, SAID)) as (url, _):
        model = RemoteModel(url, "m", {"temperature": 1}, api_key=KEY)
        describe_organ(tmp_path / "t.yaml", "liver", "CT", model)
    content = (tmp_path / "t.yaml").read_text(encoding="utf-8")
    assert KEY not in content
    assert yaml.safe_load(content)["decoding"] == {"temperature": 1}


def test_busy_server_is_asked_again():
    with serve((500, b"oh"), (429, b"slowly"), (200, SAID)) as (url, asked):
        assert RemoteModel(url, "m").answer("?") == "The liver is large."
    assert [request["key"] for request in asked] == [None] * 3


@pytest.mark.parametrize(
    ("reply", "told", "times"),
    [
        ((500, b"out of\nmemory"), r"answered 500 \(out of memory\); see to the server", 3),
        ((0, b""), r"gave no answer \(.*\); see to the server", 3),
        ((401, f"wrong key {KEY}".encode()), r"answered 401 \(wrong key \*\*\*\); set LLMSEGNET_API_KEY", 1),
        ((404, b"no such model"), r"answered 404 \(no such model\)", 1),
        ((307, b""), r"answered 307 \(\)", 1),
        ((200, b"<html>\nhello"), r"answered no chat completion \(<html> hello\)", 1),
        ((200, b""), r"answered no chat completion \(\)", 1),
        ((200, b"\xff\xfe"), "answered no chat completion", 1),
        ((200, []), r"answered no chat completion \(\[\]\)", 1),
        ((200, {"choices": []}), "answered no chat completion", 1),
        ((200, {"choices": [{"message": "x"}]}), "answered no chat completion", 1),
    ],
)
def test_failing_server_is_told_in_one_line_in_time(reply, told, times):
    start = time.monotonic()
    with serve(reply) as (url, asked), pytest.raises(ValueError, match=told) as error:
        RemoteModel(url, "m", api_key=KEY).answer("?")
    assert time.monotonic() - start < 5
    assert len(asked) == times
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)


def test_failing_server_is_given_up_within_five_seconds():
    assert max(WAITS_S) < 5


def test_server_that_says_nothing_is_told_in_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        start = time.monotonic()
        with pytest.raises(ValueError, match=r"cannot be reached \(timed out\); start the server"):
            RemoteModel(f"http://127.0.0.1:{server.getsockname()[1]}/v1", "m")
        assert time.monotonic() - start < 5


def test_answer_that_takes_too_long_is_told():
    class Slow(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            for _ in range(20):  # each byte comes in time, the whole does not
                time.sleep(0.1)
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        with pytest.raises(ValueError, match=r"gave no answer in 0\.5 s; give a longer --timeout_s"):
            RemoteModel(url, "m", timeout_s=0.5).answer("?")
        server.shutdown()
        thread.join()


def test_nobody_at_the_port_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:\d+/v1 cannot be reached \(.*refused\); start the server"):
        RemoteModel(f"http://127.0.0.1:{port}/v1", "m")


@pytest.mark.parametrize(
    ("url", "options", "told"),
    [
        ("http://", {}, "model: http:// is no URL; give one such as"),
        ("http://a:b/v1", {}, "model: http://a:b/v1 is no URL"),
        ("http://a b/v1", {}, "is no URL; give one such as"),
        ("http://me:word@a/v1", {}, "the URL must hold no password"),
        ("http://a/v1?key=b", {}, "the URL must hold no password and no query"),
        ("http://a/v1", {"name": None}, "model_name: http://a/v1 needs the name of a model"),
        ("http://a/v1", {"timeout_s": 0}, "timeout_s: must be above 0, got 0"),
        ("http://a/v1", {"api_key": "sk-a\nb"}, "the API key in the environment has characters"),
    ],
)
def test_unfit_settings_are_told_in_one_line(url, options, told):
    with pytest.raises(ValueError, match=told) as error:
        RemoteModel(url, **({"name": "m"} | options))
    assert not any(secret in str(error.value) for secret in ("word@", "key=b", "sk-a"))
