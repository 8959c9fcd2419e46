"""A language model behind an OpenAI-compatible server."""

import json
import time
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

DECODING = {"max_tokens": 300, "temperature": 0}
PROBE_S = 4.0  # within which any server says something; an answer to a question may take longer
ATTEMPTS = 3
PAUSE_S = 0.5  # before the second attempt, doubled before the third
LONGEST_PAUSE_S = 20.0  # that a server may ask for
RETRIED = (0, 408, 429, 500, 502, 503, 504)  # 0: the connection broke
MOST_BYTES = 1_000_000  # of an answer


class _Reply(NamedTuple):
    status: int
    body: str
    pause_s: float = 0.0


class RemoteModel:
    """A chat model of a server; it is asked at once whether anybody answers there.

    Args:
        url: up to the version, such as "https://api.openai.com/v1" or "http://localhost:11434/v1".
        name: the server's name of the model.
        decoding: parameters of the request; None for `DECODING`.
        seed: sent along.
        timeout_s: for an answer.
        api_key: sent to this server alone, neither kept in a file nor shown; None for a server without.

    Raises:
        ValueError: when the URL or the key is none, there is no name, or nobody answers within 4 seconds.
    """

    def __init__(
        self,
        url: str,
        name: str | None,
        decoding: Mapping[str, Any] | None = None,
        seed: int = 0,
        timeout_s: float = 60.0,
        api_key: str | None = None,
    ) -> None:
        _check_url(url)
        if not name:
            raise ValueError(f"model_name: {url} needs the name of a model; give --model_name NAME")
        if timeout_s <= 0:
            raise ValueError(f"timeout_s: must be above 0, got {timeout_s}")
        self.url, self.name, self.timeout_s = url.rstrip("/"), name, float(timeout_s)
        self.decoding = dict(DECODING if decoding is None else decoding)
        self.seed, self.revision = seed, ""
        self._key = (api_key or "").strip()
        if not self._key.isascii() or not self._key.isprintable():
            raise ValueError("the API key in the environment has characters that no key has; set it again")
        if (probe := self._send("models", None, min(PROBE_S, self.timeout_s))).status == 0:
            raise ValueError(f"model: {self.url} cannot be reached ({probe.body}); start the server or correct the URL")

    def answer(self, prompt: str) -> str:
        """Return the model's answer, as it came.

        Raises:
            ValueError: when the server answers with an error, or with no chat completion, or not in time.
        """
        chat = [{"role": "user", "content": prompt}]
        body = {"model": self.name, "messages": chat, "seed": self.seed, **self.decoding}
        for attempt in range(ATTEMPTS):
            reply = self._send("chat/completions", json.dumps(body).encode(), self.timeout_s)
            if reply.status not in RETRIED or attempt == ATTEMPTS - 1:
                break
            time.sleep(max(reply.pause_s, PAUSE_S * 2**attempt))
        if reply.status != 200:
            said = f"answered {reply.status}" if reply.status else "gave no answer"
            advice = (
                "set LLMSEGNET_API_KEY" if reply.status in (401, 403) else "see to the server, or take another model"
            )
            raise ValueError(f"model: {self.url} {said} ({reply.body}); {advice}")
        try:
            content = json.loads(reply.body)
            text = content["choices"][0]["message"]["content"] or ""
            self.revision = str(content.get("system_fingerprint") or content.get("model") or "")
            return str(text)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise ValueError(f"model: {self.url} answered no chat completion ({self._line(reply.body)})") from None

    def origin(self) -> dict[str, Any]:
        """Return what the texts file tells of the model."""
        told = {"model": self.name, "server": self.url, "revision": self.revision or None}
        return {**told, "decoding": self.decoding}

    def _send(self, path: str, data: bytes | None, timeout_s: float) -> _Reply:
        request = Request(f"{self.url}/{path}", data, {"Content-Type": "application/json"})
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")  # not for where it may redirect
        try:
            with urlopen(request, timeout=timeout_s) as response:
                return _Reply(response.status, _read(response, time.monotonic() + timeout_s))
        except HTTPError as error:
            with error:
                return _Reply(error.code, self._line(_read(error, time.monotonic() + PROBE_S)), _pause(error.headers))
        except (OSError, HTTPException) as error:
            cause = error.reason if isinstance(error, URLError) else error
            if isinstance(cause, TimeoutError) and data is not None:
                raise ValueError(
                    f"model: {self.url} gave no answer in {timeout_s:g} s; give a longer --timeout_s"
                ) from None
            return _Reply(0, self._line(str(cause) or type(cause).__name__))

    def _line(self, text: str) -> str:
        """Return the beginning of a server's text on one line, without the key should the server repeat it."""
        return " ".join((text.replace(self._key, "***") if self._key else text).split())[:200]


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises for a port that is no number
    except ValueError as error:
        raise ValueError(f"model: {url} is no URL ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise ValueError(f"model: {url} is no URL; give one such as http://localhost:11434/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("model: the URL must hold no password and no query; the key comes from LLMSEGNET_API_KEY")


def _read(response: Any, deadline: float) -> str:
    parts: list[bytes] = []
    while (part := response.read1(65536)) and sum(map(len, parts)) < MOST_BYTES:
        parts.append(part)
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end")
    return b"".join(parts).decode("utf-8", errors="replace")


def _pause(headers: Message) -> float:
    asked = headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE_S) if asked.isdecimal() else 0.0
