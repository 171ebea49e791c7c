"""A file server on this machine that speaks the routes of package indexes, npm and the hub,
breaks in scripted ways, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web

from model_host.catalog.card import Card

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tgz_bytes(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def card_of(files: Mapping[str, bytes], *sources: Mapping[str, Any], id: str = "toy") -> Card:
    return Card.model_validate(
        {
            "id": id,
            "task": "echo",
            "title": "Toy",
            "engine": "echo",
            "licence": {"id": "MIT", "commercial": True},
            "memory": {"weights_bytes": 1, "working_bytes": 1},
            "files": [
                {"name": name, "sha256": sha256(data), "size_bytes": len(data)}
                for name, data in files.items()
            ],
            "sources": list(sources),
        }
    )


def wheel_source(files: Mapping[str, list[str]], **packages: str) -> dict[str, Any]:
    return {"kind": "wheel", "packages": packages, "files": files}


class Fault(NamedTuple):
    """How one answer breaks. `cut`: the connection dies after so many bytes of the answer;
    `short`: so many bytes are missing, and the length says so; `status`: an HTTP error;
    `shift`: it starts so many bytes later than asked; `hold`: after so many bytes, the rest waits
    until the shelf's gate opens."""

    cut: int | None = None
    short: int = 0
    status: int = 0
    shift: int = 0
    hold: int | None = None


class Seen(NamedTuple):
    method: str
    path: str
    range: str
    sent: int


@dataclass
class Shelf:
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    ranges: bool = True
    log: list[Seen] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, path: str, data: bytes, **headers: str) -> str:
        self.files[path] = data
        self.headers[path] = {name.replace("_", "-"): value for name, value in headers.items()}
        return path

    def add_wheel(
        self, package: str, version: str, members: Mapping[str, bytes], *, digest: str = ""
    ) -> str:
        """Publish a wheel; the path of its file."""
        data = zip_bytes(members)
        name = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
        path = self.put(f"/files/{name}", data)
        entry = {
            "filename": name,
            "url": f"../../files/{name}",
            "hashes": {"sha256": digest or sha256(data)},
            "size": len(data),
        }
        page = {"files": [entry], "meta": {"api-version": "1.1"}, "name": package}
        self.put(f"/simple/{package}/", json.dumps(page).encode(), Content_Type=SIMPLE_JSON)
        return path

    def add_npm(self, package: str, version: str, data: bytes, *, integrity: str = "") -> str:
        path = self.put(f"/npm/{package}/-/{package}-{version}.tgz", data)
        sri = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
        dist = {"tarball": f"{self.url}{path}", "integrity": integrity or sri}
        page = {"versions": {version: {"dist": dist}}}
        self.put(f"/npm/{package}", json.dumps(page).encode(), Content_Type="application/json")
        return path

    def add_repo(
        self, repo: str, revision: str, commit: str, files: Mapping[str, bytes]
    ) -> list[str]:
        """A hub repository whose `revision` is `commit`; large-file headers for each file."""
        body = json.dumps({"id": repo, "modelId": repo, "sha": commit, "siblings": []}).encode()
        for name in {revision, commit}:
            self.put(f"/api/models/{repo}/revision/{name}", body, Content_Type="application/json")
        return [
            self.put(
                f"/{repo}/resolve/{commit}/{path}",
                data,
                ETag=f'"{sha256(data)}"',
                X_Linked_ETag=f'"{sha256(data)}"',
                X_Linked_Size=str(len(data)),
                X_Repo_Commit=commit,
            )
            for path, data in files.items()
        ]

    def asked(self, path: str, method: str = "GET") -> list[Seen]:
        return [seen for seen in self.log if seen.path == path and seen.method == method]

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Shelf]:
        runner = web.AppRunner(_app(self), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self.gate.set()
            await runner.cleanup()


def _app(shelf: Shelf) -> web.Application:
    app = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(shelf, request)

    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def _answer(shelf: Shelf, request: web.Request) -> web.StreamResponse:
    path, wanted = request.path, request.headers.get("Range", "")
    queue = shelf.faults.get(path, [])
    fault = queue.pop(0) if queue and request.method == "GET" else Fault()
    if path not in shelf.files or fault.status:
        shelf.log.append(Seen(request.method, path, wanted, 0))
        return web.Response(status=fault.status or 404)
    data, start, status = shelf.files[path], 0, 200
    headers = dict(shelf.headers[path])
    if wanted and shelf.ranges:
        start, status = int(wanted.removeprefix("bytes=").partition("-")[0]), 206
        start += fault.shift
        if start >= len(data):
            shelf.log.append(Seen(request.method, path, wanted, 0))
            return web.Response(status=416)
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    body = data[start : len(data) - fault.short]
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    stop = next((at for at in (fault.cut, fault.hold) if at is not None), len(body))
    # Before the first byte: whoever asked may hang up at any of them, and ask again.
    shelf.log.append(Seen(request.method, path, wanted, stop))
    await response.prepare(request)
    if request.method == "GET":
        await response.write(body[:stop])
    if fault.cut is not None and request.transport is not None:
        request.transport.close()
    elif fault.hold is not None:
        shelf.held.set()
        await shelf.gate.wait()
        with contextlib.suppress(ConnectionError):  # whoever asked may have gone
            await response.write(body[stop:])
    return response
