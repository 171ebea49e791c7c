"""Downloads that go on where they stopped. No httpx exception leaves this module."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx

from model_host.errors import HashMismatch, SourceUnreachable
from model_host.store.job import CHUNK_BYTES, Job, sha256_of

BACKOFF_S = (0.4, 1.6, 6.4)  # before each further try
CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Remote:
    """A file to download. `digest` is hexadecimal; empty when its publisher gives none."""

    url: str
    name: str
    algorithm: str = "sha256"
    digest: str = ""
    size_bytes: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def open_http(*certificates: str, proxy: str | None = None) -> Iterator[httpx.Client]:
    """A client that trusts the system's authorities and those that pip and npm are told of."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    named = [os.environ.get(name) for name in (*CERTIFICATES, "NODE_EXTRA_CA_CERTS")]
    for path in {*named, *certificates}:
        if path and os.path.exists(path):
            kind = "capath" if os.path.isdir(path) else "cafile"
            with contextlib.suppress(ssl.SSLError):
                context.load_verify_locations(**{kind: path})
    timeout = httpx.Timeout(60.0, connect=15.0)
    with httpx.Client(
        verify=context, timeout=timeout, follow_redirects=True, proxy=proxy
    ) as client:
        yield client


def public(text: str) -> str:
    """`text` without the user and password of any URL in it."""
    return re.sub(r"://[^/@\s]+@", "://", text)


class Page(NamedTuple):
    url: str  # after redirects
    content_type: str
    body: bytes


def read_page(client: httpx.Client, url: str, accept: str, limit_bytes: int = 64 << 20) -> Page:
    """A page of an index, whole. Raises SourceUnreachable."""
    try:
        with client.stream("GET", url, headers={"Accept": accept}) as response:
            if response.status_code != 200:
                unreachable(url, f"HTTP {response.status_code}")
            blocks: list[bytes] = []
            size = 0
            for block in response.iter_bytes():
                blocks.append(block)
                size += len(block)
                if size > limit_bytes:
                    unreachable(url, "its answer is too long")
            kind = response.headers.get("content-type", "").partition(";")[0].strip()
            return Page(str(response.url), kind, b"".join(blocks))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        unreachable(url, str(error) or type(error).__name__)


def fetch(remote: Remote, job: Job, client: httpx.Client) -> Path:
    """Download into `job.parts`, going on from what is there, and verify.

    A file of this machine (`file://`) is verified where it is. Raises SourceUnreachable after
    some tries (the part stays) and HashMismatch (the part is deleted).
    """
    if urlsplit(remote.url).scheme == "file":
        path = Path(url2pathname(urlsplit(remote.url).path))
        if not path.is_file():
            unreachable(remote.url, "there is no such file")
        _verify(remote, path, job)
        return path
    key = (remote.digest or hashlib.sha256(remote.url.encode()).hexdigest())[:16]
    path = job.parts / f"{key}-{re.sub(r'[^A-Za-z0-9._-]', '_', remote.name)[-100:]}"
    if remote.size_bytes is not None:
        job.expect(remote.size_bytes)
    problem = ""
    for wait_s in (0.0, *BACKOFF_S):
        job.pause(wait_s)
        have = path.stat().st_size if path.exists() else 0
        try:
            if have == 0 or have != remote.size_bytes:
                _receive(remote, path, have, job, client)
            else:
                job.advance(have, f"downloading {remote.name}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = str(error) or type(error).__name__
            continue
        except _Again as error:
            problem = str(error)
            continue
        try:
            _verify(remote, path, job)
        except HashMismatch:
            job.advance(-path.stat().st_size, f"downloading {remote.name}")
            path.unlink()
            if have:  # what an earlier attempt left may be at fault: once more from the start
                problem = "its parts do not fit together"
                continue
            raise
        return path
    unreachable(remote.url, problem)


class _Again(Exception):
    """Worth another try."""


def _receive(remote: Remote, path: Path, have: int, job: Job, client: httpx.Client) -> None:
    headers = {**remote.headers, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", remote.url, headers=headers) as response:
        status = response.status_code
        if status == 416:  # nothing comes after what is here: complete, or not its beginning
            if not remote.digest:
                path.unlink(missing_ok=True)
                raise _Again("HTTP 416")
            return
        if status == 429 or status >= 500:
            raise _Again(f"HTTP {status}")
        if status not in (200, 206):
            unreachable(remote.url, f"HTTP {status}")
        if status == 200:
            have = 0
        elif not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
            path.unlink(missing_ok=True)
            raise _Again("the server sent another range than the one asked for")
        length = response.headers.get("content-length", "")
        if length.isdigit():
            job.require(int(length) + job.unpacked_bytes())
            if remote.size_bytes is None:
                job.expect(have + int(length))
        limit = remote.size_bytes or max(1 << 30, 4 * job.card.download_bytes)
        what = f"downloading {remote.name}"
        received = have
        job.advance(have, what)
        try:
            with path.open("ab" if have else "wb") as out:
                for block in response.iter_raw(CHUNK_BYTES):
                    job.check()
                    if received + len(block) > limit:
                        raise _mismatch(remote, "it is longer than its index says")
                    out.write(block)
                    received += len(block)
                    job.advance(len(block), what)
        except BaseException:
            job.advance(-received, what)  # the next try counts what it finds
            raise
        if remote.size_bytes is not None and received < remote.size_bytes:
            job.advance(-received, what)
            raise _Again(f"it ended after {received} of {remote.size_bytes} bytes")


def _verify(remote: Remote, path: Path, job: Job) -> None:
    if remote.size_bytes is not None and path.stat().st_size != remote.size_bytes:
        raise _mismatch(remote, f"it has {path.stat().st_size} bytes, not {remote.size_bytes}")
    if remote.digest:
        found = sha256_of(path, job.check, remote.algorithm)
        if found != remote.digest:
            raise _mismatch(remote, f"its {remote.algorithm} is {found}, not {remote.digest}")


def _mismatch(remote: Remote, why: str) -> HashMismatch:
    return HashMismatch(
        f"The download of {remote.name} is not the published file.",
        why=f"{why[0].upper()}{why[1:]}.",
        fix="The bad bytes were deleted. Pull again; if it stays, something between here and the "
        "source changes downloads.",
    )


def unreachable(url: str, why: str) -> NoReturn:
    raise SourceUnreachable(f"{public(url)} cannot be read.", why=f"{public(why).rstrip('.')}.")
