"""Progress as a terminal shows it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from api.cli.output import Bars


def test_the_time_left_stands_beside_the_newest_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bars, screen = Bars(), io.StringIO()
    bars._console = Console(file=screen, force_terminal=True, width=100)
    bars.update("reading a.mp3", 1, 9, unit="s", eta_s=None)
    bars.update("reading a.mp3", 2, 9, unit="s", eta_s=125.0)
    bars.update("embedding a.mp3", 1, 4, unit="moments", eta_s=61.0)
    bars.close()
    *_, reading, embedding = [line for line in screen.getvalue().splitlines() if "a.mp3" in line]
    assert "left" not in reading
    assert "1 of 4 moments" in embedding
    assert "1:01 left in all" in embedding
