"""Files into a corpus: read, embed, publish; and what left the files leaves the corpus.

A source goes through three durable steps, and a killed run goes on at the first that is missing:
its Moments staged (transcription and the like are done), its vectors (batch by batch, with the
same batches as in an undisturbed run), published. Nothing of it is found before the last, and
the version before it answers until then.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, cast

from anyio import to_thread

from indexers.corpus import Corpus, printable
from indexers.docstore import Row, Version
from indexers.errors import DuplicateSource
from indexers.files import Content, find_files
from indexers.moments import Moment
from indexers.readers.draft import Draft, Item
from indexers.readers.sentences import sentences
from indexers.remember import Remembering
from indexers.settings import IndexSettings
from model_host.errors import DiskFull, InvalidInput, SutradharError, WorkerError
from model_host.tasks import Embedded, EmbedText

if TYPE_CHECKING:
    from model_host.client import Client

State = Literal["skipped", "reading", "embedding", "done", "unchanged", "removed", "failed"]
EMBED_BATCH = 32
_READING_SHARE = 0.8  # of the time of a source, for the ETA alone
RECIPE = 3  # raise it when readers change what they find: sources are then read again


class IngestEvent(NamedTuple):
    """What happened to one source. `eta_s` is about the whole run."""

    source: str
    state: State
    path: Path | None = None
    done: float = 0.0
    total: float | None = None
    unit: str = ""  # of done and total: "s" of media, "pages", "moments" …
    moments: int = 0
    eta_s: float | None = None
    error: SutradharError | None = None
    note: str = ""


class Reader(Protocol):
    """What `indexers.readers` offers."""

    def source_name(self, path: Path) -> str: ...
    def supported(self, path: Path) -> bool: ...
    def read_source(
        self, path: Path, client: Client, settings: IndexSettings, *, language: str | None = None
    ) -> AsyncIterator[Item]: ...


class Pace:
    """Seconds left, from the bytes of work done so far."""

    def __init__(self, total_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = float(total_bytes)
        self._done = 0.0
        self._clock = clock
        self._start: float | None = None

    def eta_s(self, size_bytes: int, share: float) -> float | None:
        """With `share` of the current source done; None while nothing is known."""
        if self._start is None:
            self._start = self._clock()
        here = size_bytes * min(max(share, 0.0), 1.0)
        done, left = self._done + here, self._left - here
        if done <= 0:
            return None
        return (self._clock() - self._start) * max(left, 0.0) / done

    def close(self, size_bytes: int, *, worked: bool) -> None:
        """The source is through."""
        self._left -= size_bytes
        if worked:
            self._done += size_bytes


async def ingest(
    corpus: Corpus,
    paths: Sequence[Path],
    client: Client,
    *,
    name: str | None = None,
    language: str | None = None,
    reader: Reader | None = None,
) -> AsyncGenerator[IngestEvent, None]:
    """Brings `corpus` up to date with files and folders, and says how far it is.

    `name` is the source name of the one file given; `language` (ISO 639-1) what is in the files,
    when known. A failed source is an event, and the next one follows; raises InvalidInput for
    arguments that make no sense, DiskFull when there is no point in going on. Iterate inside
    `contextlib.aclosing`, so that leaving early stops the models at once.
    """
    if reader is None:
        from indexers import readers

        reader = cast(Reader, readers)
    if name is not None and (len(paths) != 1 or paths[0].is_dir() or not name.strip()):
        raise InvalidInput(
            "A source can be named only when one file is given.",
            fix="Index that file alone, with a name that is not empty.",
        )
    found = await to_thread.run_sync(find_files, paths, reader.supported)
    for path, why in found.skipped:
        yield IngestEvent(printable(path.name), "skipped", path, note=why)
    for path, error in found.refused:
        yield IngestEvent(printable(path.name), "failed", path, error=error)
    run = _Run(corpus, client, reader, name, language, tuple(found.folders))
    sizes = await to_thread.run_sync(lambda: {path: _size_bytes(path) for path in found.files})
    pace = Pace(sum(sizes.values()))
    for path in found.files:
        worked = False
        async with aclosing(run.one(path, pace, sizes[path])) as events:
            async for event in events:
                worked = worked or event.state == "done"
                yield event
        pace.close(sizes[path], worked=worked)
    for version in await to_thread.run_sync(corpus.docs.versions):
        if run.has_left(version):
            await corpus.remove_source(version.source)
            yield IngestEvent(version.source, "removed", note="its file is gone")
    await corpus.settle()


class Step(NamedTuple):
    """What to do with a file: `read` it, `move` source `was` to it, or leave things `unchanged`."""

    do: Literal["read", "move", "unchanged"]
    was: Version | None = None
    note: str = ""


def decide(
    new: Version,
    same: Version | None,
    namesake: Version | None,
    *,
    named: bool,
    moved: bool,
    left: bool,
) -> Step:
    """`same` has the same content and `namesake` the same name in the corpus; `named`: the caller
    chose the name; `moved`: the file of `same` is gone or holds something else now; `left`: the
    file of `namesake` is gone from a folder that is being indexed.

    Raises DuplicateSource when the name belongs to another file.
    """
    renamed = same is not None and same.source != new.source
    if same is not None and renamed and not moved and not (named and same.path == new.path):
        return Step("unchanged", same, f"the same content as '{same.source}'")
    if (
        namesake is not None
        and namesake.content_hash != new.content_hash
        and namesake.path != new.path
        and not (named or left)
    ):
        raise DuplicateSource(
            f"There is already another source called '{new.source}'.",
            why=f"{printable(namesake.path)} has that name and other content.",
            fix="Index this file alone with `--as NAME`, or remove the other source first.",
            source=new.source,
        )
    if same is None or same.recipe != new.recipe or new.language not in (None, same.language):
        return Step("read")
    return Step("move" if renamed or (moved and same.path != new.path) else "unchanged", same)


class _Run(NamedTuple):
    corpus: Corpus
    client: Client
    reader: Reader
    name: str | None
    language: str | None
    folders: tuple[Path, ...]

    async def one(
        self, path: Path, pace: Pace, size_bytes: int
    ) -> AsyncGenerator[IngestEvent, None]:
        """All that happens to one file. Only DiskFull gets out, after its event."""
        source = self.name or printable(self.reader.source_name(path))
        try:
            content = await to_thread.run_sync(Content.of, path)
            step, new = await to_thread.run_sync(self._plan, path, content)
            source = new.source
            if step.was is not None:
                if step.do == "move":
                    await self.corpus.move_source(step.was, source, new.path)
                    if step.was.source != source:
                        note = f"is called '{source}' now"
                        yield IngestEvent(step.was.source, "removed", path, note=note)
                here = await to_thread.run_sync(self.corpus.docs.count, step.was.vid)
                yield IngestEvent(source, "unchanged", path, moments=here, note=step.note)
                return
            staged = await to_thread.run_sync(self._staged, new)
            notes: dict[str, None] = {}  # what the reader warned of stands in the last event, too
            if staged is None:
                rows: list[Row] = []
                read = self._read(path, new, content, pace, size_bytes, rows)
                async with aclosing(read) as events:
                    async for event in events:
                        if event.note:
                            notes.setdefault(event.note)
                        yield event
                staged = await to_thread.run_sync(self.corpus.docs.stage, new, rows)
            async with aclosing(self._embed(path, staged, pace, size_bytes)) as events:
                async for event in events:
                    yield event
            count = await self.corpus.publish(staged)
            if not count:
                notes.setdefault("nothing was found in it")
            note = "; ".join(notes)
            yield IngestEvent(source, "done", path, count, count, "moments", count, note=note)
        except SutradharError as error:
            yield IngestEvent(source, "failed", path, error=error)
            if isinstance(error, DiskFull):
                raise

    def has_left(self, version: Version) -> bool:
        """Whether its file is gone from a folder of this run."""
        path = Path(os.fsdecode(version.path))
        return any(path.is_relative_to(f) for f in self.folders) and not path.exists()

    def _plan(self, path: Path, content: Content) -> tuple[Step, Version]:
        docs, here = self.corpus.docs, os.fsencode(path)
        known = next((v for v in docs.versions() if v.path == here), None)
        # A name given once stays with its file.
        source = self.name or (known and known.source) or printable(self.reader.source_name(path))
        new = Version(
            vid=0,
            source=source,
            content_hash=content.sha256,
            recipe=_recipe(self.corpus.settings),
            language=self.language,
            path=here,
            size_bytes=content.size_bytes,
            state="read",
            ingested_us=0,
        )
        same = docs.find("ready", content_hash=new.content_hash)
        namesake = docs.find("ready", source=source)
        moved = same is not None and same.path != here and not _holds(same)
        left = namesake is not None and self.has_left(namesake)
        step = decide(new, same, namesake, named=bool(self.name), moved=moved, left=left)
        return step, new

    def _staged(self, new: Version) -> Version | None:
        """A finished reading that a killed run left, under the name and path of now."""
        found = self.corpus.docs.find("read", content_hash=new.content_hash)
        if found is None or (found.recipe, found.language) != (new.recipe, new.language):
            return None
        return found._replace(source=new.source, path=new.path)

    async def _read(
        self, path: Path, new: Version, content: Content, pace: Pace, size: int, rows: list[Row]
    ) -> AsyncGenerator[IngestEvent, None]:
        ordinals: Counter[str] = Counter()
        before: dict[str, str] = {}  # modality → the text that came last
        yield IngestEvent(new.source, "reading", path, eta_s=pace.eta_s(size, 0.0))
        settings, language = self.corpus.settings, self.language
        client = cast("Client", Remembering(self.client, self.corpus.docs, new.content_hash))
        found = self.reader.read_source(path, client, settings, language=language)
        async with aclosing(cast(AsyncGenerator[Item, None], found)) as items:
            async for item in items:
                if isinstance(item, Draft):
                    said = before.get(item.modality, "")
                    rows.append(_row(self.corpus.name, new, item, ordinals[item.modality], said))
                    ordinals[item.modality] += 1
                    before[item.modality] = item.text
                    continue
                share = _READING_SHARE * item.done / item.total if item.total else 0.0
                yield IngestEvent(
                    new.source, "reading", path, item.done, item.total, item.unit, len(rows),
                    pace.eta_s(size, share), note=item.note,
                )  # fmt: skip
        if not await to_thread.run_sync(content.still_in, path):
            raise InvalidInput(
                f"{path} changed while it was being read.", fix="Index it again when it is whole."
            )

    async def _embed(
        self, path: Path, staged: Version, pace: Pace, size: int
    ) -> AsyncGenerator[IngestEvent, None]:
        docs = self.corpus.docs
        while todo := await to_thread.run_sync(docs.to_embed, staged.vid, EMBED_BATCH):
            texts = tuple(text for _, text in todo)
            result, card_id = await self._vectors(texts)
            await self.corpus.add_vectors(
                staged.vid, [seq for seq, _ in todo], result.vectors, card_id
            )
            done, total = await to_thread.run_sync(docs.embed_counts, staged.vid)
            share = _READING_SHARE + (1 - _READING_SHARE) * done / total
            yield IngestEvent(
                staged.source, "embedding", path, done, total, "moments", total,
                pace.eta_s(size, share),
            )  # fmt: skip

    async def _vectors(self, texts: tuple[str, ...]) -> tuple[Embedded, str]:
        request, card = EmbedText(texts=texts, kind="passage"), self.corpus.embedding_card
        try:
            reply = await self.client.run(request, model=card, latency="batch")
        except WorkerError:  # the next call gets a fresh worker: once more
            reply = await self.client.run(request, model=card, latency="batch")
        assert isinstance(reply.result, Embedded)
        return reply.result, reply.card_id


def embedding_text(draft: Draft, before: str) -> str:
    """What the embedding model gets: heading, the last sentence before, and the text.

    A reply says little without its question, and a line of a table little without its heading; on
    the generated worlds this finds more of the right Moments (benchmarks/README.md). `text` itself
    stays verbatim, for quotes."""
    text = draft.text.strip()
    last = sentences(before)[-1:] if before else []
    heading = [f"{draft.section}."] if draft.section else []
    return " ".join([*heading, *last, text]) if text else ""


def _row(corpus: str, new: Version, draft: Draft, ordinal: int, before: str) -> Row:
    moment = Moment(
        corpus=corpus,
        source=new.source,
        content_hash=new.content_hash,
        ordinal=ordinal,
        **dict(draft),
    )
    body = moment.model_dump_json(exclude={"moment_id"}, exclude_defaults=True)
    return Row(draft.modality, ordinal, draft.start_us, body, embedding_text(draft, before))


def _recipe(settings: IndexSettings) -> str:
    """What the Moments of a file depend on, beside the file."""
    chosen = settings.model_dump(
        include={"segment_max_s", "chunk_tokens", "frames_per_s", "timezone"}
    )
    return hashlib.sha256(json.dumps([RECIPE, chosen], sort_keys=True).encode()).hexdigest()[:16]


def _holds(version: Version) -> bool:
    """Whether its file still has its content."""
    try:
        return Content.of(Path(os.fsdecode(version.path))).sha256 == version.content_hash
    except SutradharError:
        return False


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # its own turn says what is wrong
