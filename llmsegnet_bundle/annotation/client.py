"""A MONAI Label server and what a client asks of it, for demo and tests."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

PATIENCE_S = 3600.0  # for the start, and for a training of the demo, on a busy machine


class LabelServer:
    """A server on the loopback address, started in the environment of this process and stopped by its process id.

    Args:
        app: of `making.make_app`.
        studies: folder of scans.
        log: file that gets what it prints.
    """

    def __init__(self, app: Path, studies: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = log
        self.command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app)]
        self.command += ["--studies", str(studies), "--host", "127.0.0.1", "--port", str(self.port)]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            ValueError: when it ends before.
        """
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": ""}
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                self.command, stdout=stream, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        until = time.monotonic() + PATIENCE_S
        while True:
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__(None, None, None)
                raise ValueError(f"MONAI Label did not start; {self.log} says why")
            try:
                self.client.get("/info/").raise_for_status()
                return self
            except httpx.HTTPError:
                time.sleep(1.0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it and the tasks that it started, by the id of its process."""
        self.client.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def info(self) -> dict[str, Any]:
        """Return what the server offers."""
        return self._json(self.client.get("/info/"))

    def infer(self, bundle: str, image: str, file: Path, **options: Any) -> Path:
        """Write the mask of a scan of the studies to `file`, and return it."""
        answer = self.client.post(
            f"/infer/{bundle}",
            params={"image": image, "output": "image"},
            data={"params": json.dumps({"device": "cpu"} | options)},
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(answer.raise_for_status().content)
        return file

    def save_label(self, image: str, label: Path) -> httpx.Response:
        """Save a label as final."""
        with label.open("rb") as stream:
            files = {"label": (label.name, stream, "application/gzip")}
            return self.client.put("/datastore/label", params={"image": image, "tag": "final"}, files=files)

    def next_scan(self, strategy: str) -> dict[str, Any]:
        """Return the scan that a strategy offers."""
        return self._json(self.client.post(f"/activelearning/{strategy}", json={}))

    def train(self, bundle: str, **options: Any) -> dict[str, Any]:
        """Train to the end, with the options that a client sends and others over them; return the task."""
        shown = self.info()["trainers"][bundle]["config"]
        request = {name: value[0] if isinstance(value, list) else value for name, value in shown.items()}
        return self._task("train", f"/train/{bundle}", request | {"device": "cpu"} | options)

    def infer_batch(self, bundle: str, images: str = "unlabeled") -> dict[str, Any]:
        """Segment scans of the studies to the end; the masks become their original labels."""
        options = {"device": "cpu", "multi_gpu": False}
        return self._task("batch/infer", f"/batch/infer/{bundle}?images={images}", options)

    def score(self, method: str) -> dict[str, Any]:
        """Score the unlabeled scans to the end."""
        return self._task("scoring", f"/scoring/{method}", {"device": "cpu"})

    def _task(self, kind: str, url: str, request: dict[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while (started := self.client.post(url, json=request)).status_code == 429:  # another one runs
            self._wait(until, url)
        name = self._json(started)["id"]
        while True:
            answer = self.client.get(f"/{kind}" if "/" in kind else f"/{kind}/", params={"all": True})
            task = next(one for one in self._json(answer) if one["id"] == name)
            if task["status"] not in ("SUBMITTED", "RUNNING"):
                return task
            self._wait(until, url)

    def _wait(self, until: float, url: str) -> None:
        if time.monotonic() > until:
            raise ValueError(f"{url} took more than {PATIENCE_S:.0f} s; {self.log} says more")
        time.sleep(1.0)

    @staticmethod
    def _json(answer: httpx.Response) -> Any:
        return answer.raise_for_status().json()
