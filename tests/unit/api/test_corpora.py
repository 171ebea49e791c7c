"""`sutradhar corpora` without models."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.api.conftest import Cli


def test_none_yet(cli: Cli) -> None:
    code, out, err = cli("corpora")
    assert code == 0
    assert out.splitlines() == ["corpus\tsources\tmoments\tsize\tupdated\tnote"]
    assert "sutradhar index" in err
    assert json.loads(cli("corpora", "--json").out) == []


def test_list_show_and_remove(cli: Cli, tmp_path: Path) -> None:
    for name in ("a b.txt", "c.txt"):
        (tmp_path / name).write_text("\n" if name == "c.txt" else "\n\n")
    assert cli("index", "a b.txt", "c.txt", "--corpus", "ward").code == 0
    (row,) = json.loads(cli("corpora", "--json").out)
    assert (row["name"], row["sources"], row["moments"]) == ("ward", 2, 0)
    rows = [line.split("\t")[0] for line in cli("corpora", "show", "ward").out.splitlines()]
    assert rows == ["source", "a b.txt", "c.txt"]

    code, _, err = cli("corpora", "rm", "ward", "--source", "a b")
    assert code == 2
    assert "'a b.txt'" in err
    assert cli("corpora", "rm", "ward", "--source", "a b.txt").code == 0
    assert len(json.loads(cli("corpora", "show", "ward", "--json").out)) == 1
    removed = cli("corpora", "rm", "ward", "--json")
    assert json.loads(removed.out) == {"removed": "ward"}
    assert (tmp_path / "c.txt").exists()
    for command in ("show", "moments", "rm"):
        code, out, err = cli("corpora", command, "ward")
        assert (code, out) == (2, "")
        assert "There is no corpus" in err
