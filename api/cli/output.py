"""What a command prints: its result on stdout (with --json that alone), all else on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_host.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_LINE_EVERY_S = 5.0  # where progress cannot be drawn
_JOINERS = "\u200c\u200d"  # Indian scripts need them


class Output:
    """Where results and notes go. rich is imported when a table or bar is drawn."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._bars: Bars | None = None

    def result(self, value: object) -> None:
        """The command's result as JSON, with --json; else nothing."""
        if self.as_json:
            print(self.dumps(value))

    def dumps(self, value: object) -> str:
        return json.dumps(value, ensure_ascii=False, indent=2, default=_plain)

    def write(self, path: Path, text: str) -> None:
        """Raises InvalidInput when the file cannot be written."""
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InvalidInput(
                f"The file {path} cannot be written.", why=f"{error.strerror or error}."
            ) from error

    def text(self, text: str) -> None:
        """A line of the human result (nothing with --json)."""
        if not self.as_json:
            print(text)

    def note(self, text: str) -> None:
        """A remark on stderr."""
        if self._bars is not None:
            self._bars.console.print(text)
        else:
            print(text, file=sys.stderr)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A human table (nothing with --json); tab-separated where stdout is not a terminal."""
        if self.as_json:
            return
        cells = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
        if not sys.stdout.isatty():
            for line in ([*columns], *cells):
                print("\t".join(line))
            return
        from rich.table import Table

        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for line in cells:
            table.add_row(*line)
        _console(stderr=False).print(table)

    @contextmanager
    def bars(self) -> Iterator[Bars]:
        """Progress bars on stderr while the block runs. A block inside shares them."""
        if self._bars is not None:
            yield self._bars
            return
        self._bars = Bars()
        try:
            yield self._bars
        finally:
            self._bars.close()
            self._bars = None


class Bars:
    """One bar a thing in progress, drawn from its first report; where stderr is no terminal, a
    line when a thing starts, one every few seconds, and one when it is done."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._tasks: dict[str, Any] = {}
        self._progress: Progress | None = None
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        if self._console is None:
            self._console = _console(stderr=True)
        return self._console

    def update(
        self,
        what: str,
        done: float,
        total: float | None,
        *,
        unit: str = "",
        eta_s: float | None = None,
    ) -> None:
        """`done` of `total` bytes (unit "bytes") or other units; `eta_s` until the whole command is
        through, where it knows better than a bar."""
        what = printable(what)
        if self._live:
            self._draw(what, done, total, unit, eta_s)
            return
        now = time.monotonic()
        if what not in self._tasks:
            self._tasks[what] = now
            print(f"{what} …", file=sys.stderr)
        said = self._tasks[what]  # when; None: it was done
        if said is None:
            return
        if total is not None and done >= total:
            self._tasks[what] = None
            print(f"{what}: done", file=sys.stderr)
        elif done and now - said >= _LINE_EVERY_S:
            self._tasks[what] = now
            share = f" ({done / total:.0%})" if total else ""
            left = f", {eta_s:.0f} s left in all" if eta_s is not None else ""
            print(f"{what}: {amount(done, total, unit)}{share}{left}", file=sys.stderr)

    def _draw(
        self, what: str, done: float, total: float | None, unit: str, eta_s: float | None
    ) -> None:
        """Without a total, the bar pulses and shows no amount."""
        if self._progress is None:
            self._progress = _progress(self.console)
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, amount="", left=None)
        left = None
        if eta_s is not None:
            from graphs.recall.prompts import clock

            left = f"{clock(eta_s)} left in all"
            for task in self._progress.tasks:  # it stands beside the newest bar alone
                self._progress.update(task.id, left="")
        self._progress.update(
            self._tasks[what],
            completed=done,
            total=total,
            amount=amount(done, total, unit) if unit else "",
            left=left,
        )

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def _progress(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Left(TimeRemainingColumn):
        """What the command knows, else what the bar's own pace tells."""

        def render(self, task: Task) -> Text:
            left = task.fields["left"]
            return super().render(task) if left is None else Text(left)

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        Left(),
        console=console,
    )


def amount(done: float, total: float | None, unit: str) -> str:
    """`12.0 of 145.2 MB`, `40 of 120 s`."""
    if unit == "bytes":
        return f"{done / 1e6:.1f}" + (f" of {total / 1e6:.1f}" if total else "") + " MB"
    return f"{done:.0f}" + (f" of {total:.0f}" if total else "") + (f" {unit}" if unit else "")


def megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


def printable(text: str) -> str:
    """One line that cannot move the cursor: control characters are shown as escapes."""
    return "".join(c if c.isprintable() or c in _JOINERS else repr(c)[1:-1] for c in text)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def _plain(value: object) -> object:
    """What json does not know: models, paths, sets, named things."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)
