"""`sutradhar ask` where no model is needed: what cannot be asked, and how an answer looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.ask import show
from api.cli.output import Output
from api.schemas import Answer, Cited
from tests.unit.api.conftest import Cli


@pytest.fixture
def here(cli: Cli, tmp_path: Path) -> Cli:
    """The command line on a home with the corpus `ward`, which holds nothing."""
    (tmp_path / "empty.txt").write_text("\n")
    assert cli("index", "empty.txt", "--corpus", "ward").code == 0
    return cli


def test_before_anything_was_indexed(cli: Cli) -> None:
    code, out, err = cli("ask", "Who?")
    assert (code, out) == (2, "")
    assert "sutradhar index PATH" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "a question in words"),
        ([""], "empty"),
        (["  "], "empty"),
        (["Who?", "--audio", "q.wav"], "a question in words"),
        (["\udcff?"], "UTF-8"),
        (["Who?", "--thread", ""], "conversation"),
        (["Who?", "--corpus", "wrad"], "'ward'"),
        (["Who?", "--corpus", ""], "cannot name"),
        (["Who?", "--language", "Hindi"], "'hi'"),
        (["Who?", "--model", "smollm"], "smollm2-135m"),
        (["Who?", "--voice", "jo"], "'joe'"),
        (["Who?", "--speak", "empty.txt/a.wav"], "not a folder"),
        (["--audio", "no.wav"], "no file"),
        (["--audio", "."], "folder"),
        (["--audio", "empty.txt"], "empty.txt"),
        (["--audio", "text.wav"], "text.wav"),
    ],
)
def test_what_cannot_be_asked(here: Cli, tmp_path: Path, args: list[str], said: str) -> None:
    (tmp_path / "text.wav").write_text("only words")
    code, out, err = here("ask", *([] if "--corpus" in args else ["--corpus", "ward"]), *args)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_corpus_without_text(here: Cli) -> None:
    code, out, _ = here("ask", "Who?", "--corpus", "ward")
    assert code == 0
    assert "ward" in out


def test_an_answer_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    cited = [
        Cited(
            source=source,
            moment_id="m",
            modality="text",
            start_s=start,
            end_s=end,
            page=page,
            quote="a\x1b[2J\nb",
        )
        for source, start, end, page in [
            ("a\x1b.txt", None, None, None),
            ("b.pdf", None, None, 3),
            ("c.wav", 61.0, 3700.5, None),
            ("d.wav", 1.0, None, None),
        ]
    ]
    answer = Answer(
        question="q",
        answer="\x1b]0;x\x07 हाँ",
        abstained=False,
        citations=tuple(cited),
        language="en",
        models={},
        timings_s={},
        speech="a.wav",
    )
    show(answer, Output())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "हाँ" in out
    for where in ("[b.pdf page 3]", "[c.wav 1:01-1:01:40]", "[d.wav 0:01]"):
        assert where in out
