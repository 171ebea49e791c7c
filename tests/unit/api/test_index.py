"""`sutradhar index` where no model is needed: names, states, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.api.conftest import Cli


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nothing.txt"], "nothing at nothing.txt"),
        (["a\x1b[2J.txt"], r"a\x1b[2J.txt"),
        (["."], "could not be indexed"),
        (["a.txt", "nothing.txt"], "nothing at nothing.txt"),
        (["a.txt", "--language", "hind"], "'hi'"),
        (["a.txt", "--corpus", "../c"], "cannot name"),
        ([".", "--as", "x"], "one file"),
        (["a.txt", "b/a.txt", "--as", "x"], "one file"),
        (["a.txt", "--as", " "], "one file"),
        (["a.xyz"], "a.xyz"),
        (["bad.pdf"], "bad.pdf"),
        (["words.mp4"], "words.mp4"),
        ([], "PATH"),
    ],
)
def test_what_cannot_be_indexed(cli: Cli, tmp_path: Path, args: list[str], said: str) -> None:
    (tmp_path / "b").mkdir()
    for name in ("a.txt", "b/a.txt"):
        (tmp_path / name).write_text("")
    for name in ("a.xyz", "bad.pdf", "words.mp4"):
        (tmp_path / name).write_text("only words")
    code, _, err = cli("index", *args)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_an_empty_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    code, out, err = cli("index", "sub", "--json")
    assert (code, json.loads(out)) == (0, {"corpus": "default", "sources": []})
    assert "No file was found" in err


def test_each_file_is_listed_though_names_are_the_same(cli: Cli, tmp_path: Path) -> None:
    for folder, text in (("a", "\n"), ("b", "\n\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(text)
    code, out, err = cli("index", "a", "b", "--json")
    assert code == 2
    rows = json.loads(out)["sources"]
    assert [(Path(r["path"]).parent.name, r["state"]) for r in rows] == [
        ("a", "done"),
        ("b", "failed"),
    ]
    assert rows[1]["error"]["code"] == "duplicate_source"
    problem = json.loads(err[err.index("{") :])
    assert problem["code"] == "duplicate_source"
    assert problem["what"].startswith("1 of 2 sources")

    code, out, _ = cli("index", "b/x.txt", "--as", "y", "--json")
    assert (code, json.loads(out)["sources"][0]["source"]) == (0, "y")
    code, out, _ = cli("index", "a", "b")
    assert code == 0
    assert [line.split("\t")[1] for line in out.splitlines()[1:]] == ["unchanged"] * 2
