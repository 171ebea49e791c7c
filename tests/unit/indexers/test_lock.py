from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexers.errors import CorpusBusy
from indexers.lock import owned
from model_host.errors import StoreError, SutradharError


async def test_the_holder_is_named_even_with_odd_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = "शक्ति\n" * 100 + "\udcff"
    monkeypatch.setattr("sys.argv", ["/usr/bin/sutradhar", "index", odd])

    async with owned(tmp_path / "x.lock", "x"):
        with pytest.raises(CorpusBusy) as busy:
            async with owned(tmp_path / "x.lock", "x", wait_s=0):
                pass

    assert busy.value.detail["pid"] == os.getpid()
    assert busy.value.detail["command"].startswith("sutradhar index")
    again = SutradharError.from_wire(busy.value.to_wire())
    assert isinstance(again, CorpusBusy)


async def test_a_holder_that_left_no_name(tmp_path: Path) -> None:
    async with owned(tmp_path / "x.lock", "x"):
        (tmp_path / "x.lock").write_text("garbage")
        with pytest.raises(CorpusBusy, match="another process"):
            async with owned(tmp_path / "x.lock", "x", wait_s=0):
                pass


async def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        async with owned(tmp_path / "x.lock", "x"):
            raise KeyError
    async with owned(tmp_path / "x.lock", "x", wait_s=0):
        pass


async def test_a_place_where_no_lock_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        async with owned(tmp_path / "file" / "x.lock", "x"):
            pass
