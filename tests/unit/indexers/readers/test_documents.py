from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from model_host.errors import EngineMissing
from tests import media
from tests.unit.indexers.readers.scripted import Scripted, collect

HTML = """<!doctype html><html><head><title>T</title><style>p {}</style></head><body>
<nav>Home</nav><p>Before.</p><h1>Ward <em>four</em></h1>
<p>Hello <b>bold</b> world.</p><p>Tail.</p><script>evil()</script>
<div style="display: none">secret</div><p hidden>secret</p><!-- secret -->
<h2>Roads</h2><ul><li>one</li><li>two &amp; three</li></ul>
<table><tr><th>Item</th><th>Cost</th></tr><tr><td>Tar</td><td>12</td></tr></table></body></html>"""
MARKDOWN = """Before.

# Ward **four**

Hello *bold* [world](http://x/y).
Tail.

## Roads

- one
- two & three

| Item | Cost |
|------|------|
| Tar  | 12   |

```
# no heading
```
"""


def word_file(at: Path) -> Path:
    blocks = ["Before.", "# Ward four", "Hello bold world.", "Tail.", "## Roads", "one"]
    return media.docx(at / "a.docx", [*blocks, "two & three", "| Item | Cost |", "| Tar | 12 |"])


def text_file(name: str, text: str) -> Callable[[Path], Path]:
    def write(at: Path) -> Path:
        (at / name).write_text(text, encoding="utf-8")
        return at / name

    return write


@pytest.mark.parametrize(
    "make", [text_file("a.html", HTML), text_file("a.md", MARKDOWN), word_file]
)
async def test_sections_are_kept(make: Callable[[Path], Path], tmp_path: Path) -> None:
    drafts, _ = await collect(make(tmp_path))
    assert [draft.section for draft in drafts] == [None, "Ward four", "Roads"]
    before, ward, roads = (draft.text for draft in drafts)
    assert before == "Before."
    assert ward.split() == ["Hello", "bold", "world.", "Tail."]
    assert "two & three" in roads
    assert re.search(r"Tar\s*\| 12", roads)
    for draft in drafts:
        assert (draft.modality, draft.start_us, draft.end_us, draft.page) == (
            "text",
            None,
            None,
            None,
        )
        assert not re.search(r"secret|evil|Home|<|\*\*|http|---", draft.text)


async def test_heading_alone_is_text(tmp_path: Path) -> None:
    drafts, _ = await collect(text_file("a.md", "# Title\n\n## Roads\n\nTar.\n")(tmp_path))
    assert [(draft.section, draft.text) for draft in drafts] == [
        ("Title", "Title"),
        ("Roads", "Tar."),
    ]


async def test_date_of_front_matter_is_when_it_happened(tmp_path: Path) -> None:
    day = text_file("a.md", "---\ntitle: x\ndate: 2031-03-04\n---\nText.\n")(tmp_path)
    (draft,), _ = await collect(day, timezone="Asia/Kolkata")
    assert draft.at_us == 1930329000 * 10**6  # 2031-03-04T00:00+05:30
    assert draft.at_end_us == draft.at_us + 86400 * 10**6
    hour = text_file("b.md", '---\ndate: "2031-03-04T10:00:00Z"\n---\nText.\n')(tmp_path)
    (draft,), _ = await collect(hour)
    assert draft.at_us == 1930384800 * 10**6
    other = text_file("c.md", "---\ndate: soon\n---\nText.\n")(tmp_path)
    (draft,), _ = await collect(other)
    assert (draft.at_us, draft.text) == (None, "Text.")


PAGES = [
    [
        "# Ward meeting",
        "The council met on 3 March and agreed a bud-",
        "get of 42 lakh rupees. It will begin in",
        "June.",
        "# Water",
        "A second well is dug.",
    ],
    ["The well is deep, and its water is sweet.", "2"],
]


async def test_pdf_has_pages_sections_and_natural_text(tmp_path: Path) -> None:
    drafts, reports = await collect(media.pdf(tmp_path / "a.pdf", PAGES))
    assert [(draft.page, draft.section, draft.text) for draft in drafts] == [
        (
            1,
            "Ward meeting",
            "The council met on 3 March and agreed a budget of 42 lakh rupees. "
            "It will begin in June.",
        ),
        (1, "Water", "A second well is dug."),
        (2, "Water", "The well is deep, and its water is sweet."),
    ]
    assert [(report.done, report.total, report.unit) for report in reports] == [
        (1, 2, "pages"),
        (2, 2, "pages"),
    ]


async def test_scanned_page_is_read_by_ocr(tmp_path: Path) -> None:
    scan = media.slide_picture(media.Slide(1, ("Total 77 lakh",)), 320, 180)
    client = Scripted(see=lambda ask: ["Total 77", "lakh rupees."])
    drafts, _ = await collect(
        media.pdf(tmp_path / "a.pdf", [["A page with its own text."]], pictures=[scan]), client
    )
    assert [(draft.page, draft.text) for draft in drafts] == [
        (1, "A page with its own text."),
        (2, "Total 77 lakh rupees."),
    ]
    assert len(client.asked) == 1


async def test_scan_without_ocr(tmp_path: Path) -> None:
    scan = media.slide_picture(media.Slide(1, ("Total",)), 320, 180)
    client = Scripted(see=EngineMissing("rapidocr is not installed.", fix="Install it."))
    mixed = media.pdf(tmp_path / "a.pdf", [["A page with its own text."]], pictures=[scan])
    drafts, reports = await collect(mixed, client)
    assert len(drafts) == 1
    assert "page 2 is a scan" in reports[-1].note
    with pytest.raises(EngineMissing):
        await collect(media.pdf(tmp_path / "b.pdf", [], pictures=[scan]), client)


SENTENCE = "Dr. Rao said on 3.5.2031 that road no. {} of the ward was built in time. "
HINDI = "वार्ड {} की बैठक में सड़कों और पानी पर चर्चा हुई। "


@pytest.mark.parametrize(("sentence", "language"), [(SENTENCE, "en"), (HINDI, "hi")])
async def test_chunks_end_with_sentences(sentence: str, language: str, tmp_path: Path) -> None:
    text = "".join(sentence.format(n) for n in range(200))
    path = text_file("a.txt", text)(tmp_path)
    drafts, _ = await collect(path, chunk_tokens=80)
    assert len(drafts) > 10
    end = sentence.strip()[-8:]
    assert all(draft.text.endswith(end) and draft.language == language for draft in drafts)
    assert " ".join(draft.text for draft in drafts) == text.strip()
    assert max(len(draft.text) for draft in drafts) <= 80 * 5


async def test_sentence_over_the_limit_is_cut(tmp_path: Path) -> None:
    text = "word " * 2000
    drafts, _ = await collect(text_file("a.txt", text)(tmp_path), chunk_tokens=64)
    assert len(drafts) > 20
    assert " ".join(draft.text for draft in drafts).split() == text.split()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]
)
@pytest.mark.parametrize("suffix", ["txt", "md", "html"])
async def test_encodings(encoding: str, suffix: str, tmp_path: Path) -> None:
    text = "Grüße aus Köln: das Straßenfest war schön, ein großes Fest für alle Bürger."
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(text.encode(encoding))
    (draft,), _ = await collect(path)
    assert draft.text == text


async def test_text_that_breaks_off_in_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("नमस्ते दुनिया, सब ठीक है।".encode()[:-1])
    (draft,), _ = await collect(path)
    assert draft.text == "नमस्ते दुनिया, सब ठीक है"


async def test_rtf(tmp_path: Path) -> None:
    path = text_file("a.rtf", r"{\rtf1\ansi Hello {\b bold} world.\par Tail.}")(tmp_path)
    (draft,), _ = await collect(path)
    assert draft.text.split() == ["Hello", "bold", "world.", "Tail."]


async def test_blank_document_says_that_it_has_no_text(tmp_path: Path) -> None:
    for path in (media.pdf(tmp_path / "a.pdf", [[]]), text_file("a.txt", " \n \n")(tmp_path)):
        drafts, reports = await collect(path)
        assert drafts == []
        assert reports[-1].note == "it has no text"


async def test_same_file_gives_the_same_drafts(tmp_path: Path) -> None:
    path = media.pdf(tmp_path / "a.pdf", PAGES)
    assert (await collect(path))[0] == (await collect(path))[0]


def test_reading_documents_needs_no_network(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = text_file("a.md", MARKDOWN)(tmp_path)
    code = f"""
import asyncio, socket, sys
from pathlib import Path
def refuse(*args, **options): raise SystemExit("the network was used")
socket.getaddrinfo = socket.create_connection = refuse
from indexers.readers import read_source
from indexers.settings import IndexSettings
async def main():
    path = Path({str(path)!r})
    async for item in read_source(path, None, IndexSettings(corpora_root=path.parent)): pass
asyncio.run(main())
assert "pandas" not in sys.modules and "pypdfium2" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
