"""Weight files inside wheels, from the package indexes that this machine is set up with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

import httpx
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from model_host.catalog.card import ArchiveSource
from model_host.errors import SourceUnreachable
from model_host.store.fetch import Remote, open_http, public, read_page
from model_host.store.job import Job
from model_host.store.sources.packages import bring_packages
from model_host.store.sources.pip_config import package_indexes

JSON = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def bring(source: ArchiveSource, names: Sequence[str], job: Job) -> None:
    indexes = package_indexes()
    with open_http(*indexes.certificates, proxy=indexes.proxy) as client:
        bring_packages(
            source,
            names,
            job,
            client,
            lambda name, version: _find(client, indexes.urls, name, version),
        )


def _find(client: httpx.Client, urls: Sequence[str], package: str, version: str) -> Remote:
    """The wheel of exactly this version, from the first index that has it."""
    problems: list[str] = []
    for root in urls:
        page_url = f"{root.rstrip('/')}/{canonicalize_name(package)}/"
        try:
            wheels = [r for r in _links(client, page_url) if _is_version(r.name, package, version)]
        except SourceUnreachable as error:
            problems.append(f"{error.what} {error.why}")
            continue
        if wheels:  # a pure wheel if there is one: every platform's holds the same data
            return min(
                wheels, key=lambda remote: (not remote.name.endswith("-any.whl"), remote.name)
            )
        problems.append(f"{public(page_url)} has no wheel of {version}.")
    raise SourceUnreachable(f"No index gives {package} {version}.", why=" ".join(problems))


def _is_version(filename: str, package: str, version: str) -> bool:
    try:
        name, found, _, _ = parse_wheel_filename(filename)
        return name == canonicalize_name(package) and found == Version(version)
    except (InvalidWheelFilename, InvalidVersion):
        return False


def _links(client: httpx.Client, page_url: str) -> Iterator[Remote]:
    if urlsplit(page_url).scheme == "file":
        yield from _local_links(page_url)
        return
    page = read_page(client, page_url, ACCEPT)
    if page.content_type != JSON:
        yield from _html_links(page.body.decode("utf-8", "replace"), page.url)
        return
    try:
        for file in json.loads(page.body)["files"]:
            hashes = file.get("hashes", {})
            url = _with_login(urljoin(page.url, file["url"]), page_url)
            yield Remote(
                url, file["filename"], digest=hashes.get("sha256", ""), size_bytes=file.get("size")
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"Its answer is not the simple API's ({type(error).__name__})."
        raise SourceUnreachable(f"{public(page_url)} cannot be read.", why=problem) from None


def _local_links(page_url: str) -> Iterator[Remote]:
    folder = Path(url2pathname(urlsplit(page_url).path))
    try:
        if (page := folder / "index.html").is_file():
            yield from _html_links(page.read_text(encoding="utf-8", errors="replace"), page_url)
        elif folder.is_dir():
            for path in sorted(folder.iterdir()):
                yield Remote(path.resolve().as_uri(), path.name)
    except OSError as error:
        raise SourceUnreachable(f"{folder} cannot be read.", why=f"{error.strerror}.") from None


def _html_links(text: str, page_url: str) -> Iterator[Remote]:
    from bs4 import BeautifulSoup

    for anchor in BeautifulSoup(text, "html.parser").find_all("a", href=True):
        url, fragment = urldefrag(urljoin(page_url, str(anchor["href"])))
        algorithm, _, digest = fragment.partition("=")
        name = unquote(urlsplit(url).path.rpartition("/")[2])
        known = algorithm in ("sha256", "sha384", "sha512")
        yield Remote(
            _with_login(url, page_url),
            name,
            algorithm=algorithm if known else "sha256",
            digest=digest if known else "",
        )


def _with_login(url: str, page_url: str) -> str:
    """An index that wants a login wants it for its own files, too."""
    page, file = urlsplit(page_url), urlsplit(url)
    if "@" in page.netloc and file.netloc == page.netloc.rpartition("@")[2]:
        return file._replace(netloc=page.netloc).geturl()
    return url
