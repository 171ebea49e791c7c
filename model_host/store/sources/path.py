"""Weight files in a folder of this machine."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from model_host.catalog.card import PathSource
from model_host.errors import SourceUnreachable
from model_host.store.job import CHUNK_BYTES, Job


def bring(source: PathSource, names: Sequence[str], job: Job) -> None:
    root = Path(source.path).expanduser()
    job.require(job.unpacked_bytes())
    job.expect(sum(job.file(name).size_bytes for name in names))
    for name in names:
        if not (root / name).is_file():
            raise SourceUnreachable(f"There is no file {root / name}.")
        with closing(_blocks(root / name, job)) as blocks:
            job.save(name, blocks)


def _blocks(path: Path, job: Job) -> Generator[bytes, None, None]:
    try:
        with path.open("rb") as data:
            while block := data.read(CHUNK_BYTES):
                yield block
                job.advance(len(block), f"copying {path.name}")
    except OSError as error:
        raise SourceUnreachable(f"{path} cannot be read.", why=f"{error.strerror}.") from None
