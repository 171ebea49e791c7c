"""Reading what a person types, in a way that Ctrl-C can end."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from api.cli.chat import typed_lines


async def lines(fd: int) -> list[str]:
    async with aclosing(typed_lines(fd)) as typed:
        return [line async for line in typed]


async def test_lines_of_a_pipe() -> None:
    read, write = os.pipe()
    hindi = "क्या हुआ?".encode()
    reading = asyncio.create_task(lines(read))
    for part in (b"one\n  tw", b"o \n\n", hindi[:4], hindi[4:], b"\n\xff last"):
        os.write(write, part)
        await asyncio.sleep(0)
    os.close(write)
    assert await reading == ["one", "two", "", "क्या हुआ?", "\ufffd last"]
    os.close(read)


async def test_lines_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\ntwo\n" * 50_000)
    with (tmp_path / "a").open("rb") as file:
        assert await lines(file.fileno()) == ["one", "two"] * 50_000


async def test_waiting_can_be_cancelled() -> None:
    read, write = os.pipe()
    reading = asyncio.create_task(lines(read))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    os.close(read)
    os.close(write)
