"""Writes the sources of a world as real files. The same script always gives the same bytes."""

from __future__ import annotations

import html
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.evaluation.markup import Script, Unit, cells
from benchmarks.evaluation.world import World

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"


def render(world: World, folder: Path) -> list[Path]:
    """Every source of the world in `folder`, which is made when missing. Files of an earlier
    rendering are replaced. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [Path(shutil.copyfile(file, folder / file.name)) for file in world.files]
    for script in world.scripts:
        path = folder / script.file_name
        if script.file_name in world.recordings:
            shutil.copyfile(world.recordings[script.file_name], path)
        else:
            _writer(script.file_name)(script, path)
        paths.append(path)
    return paths


def _writer(file_name: str) -> Callable[[Script, Path], None]:
    for suffix, write in _WRITERS.items():
        if file_name.endswith(suffix):
            return write
    raise ValueError(f"no writer for {file_name!r}")


def _moments(script: Script, path: Path) -> None:
    lines = []
    for unit in sorted(script.units, key=lambda unit: unit.start_s or 0.0):
        line: dict[str, object] = {
            "start_s": unit.start_s,
            "end_s": unit.end_s,
            "text": unit.text,
            "language": unit.language,
        }
        if unit.role == "slide":
            line["modality"] = "screen-text"
        else:
            line |= {"modality": "speech", "speaker": unit.speaker}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def _clock(seconds: float | None, decimal: str) -> str:
    milliseconds = round((seconds or 0.0) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{decimal}{rest % 1000:03}"


def _srt(script: Script, path: Path) -> None:
    cues = [
        f"{number}\n{_clock(unit.start_s, ',')} --> {_clock(unit.end_s, ',')}\n{unit.text}\n"
        for number, unit in enumerate(script.units, 1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8")


def _vtt(script: Script, path: Path) -> None:
    cues = [
        f"{_clock(unit.start_s, '.')} --> {_clock(unit.end_s, '.')}\n"
        f"<v {unit.speaker}>{unit.text}\n"
        for unit in script.units
    ]
    path.write_text("WEBVTT\n\n" + "\n".join(cues), encoding="utf-8")


def _text(script: Script, path: Path) -> None:
    path.write_text("\n\n".join(unit.text for unit in script.units) + "\n", encoding="utf-8")


def _markdown(script: Script, path: Path) -> None:
    parts = [
        "#" * unit.level + " " + unit.text if unit.role == "heading" else unit.text
        for unit in script.units
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _html(script: Script, path: Path) -> None:
    body = []
    for unit in script.units:
        tag = f"h{unit.level}" if unit.role == "heading" else "p"
        body.append(f"<{tag}>{html.escape(unit.text)}</{tag}>")
    title = html.escape(script.units[0].text)
    path.write_text(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>p {{ margin: 1em }}</style></head>\n<body>\n"
        "<nav><a href='#'>Home</a> <a href='#'>Contact</a></nav>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n<script>var page = 1;</script>\n</body></html>\n",
        encoding="utf-8",
    )


def _docx(script: Script, path: Path) -> None:
    """The smallest document that Word opens, with fixed dates so that its hash stays."""
    paragraphs = "".join(
        f'<w:p>{_style(unit)}<w:r><w:t xml:space="preserve">{escape(unit.text)}</w:t></w:r></w:p>'
        for unit in script.units
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_TYPE}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles xmlns:w="{_W}"><w:style w:type="paragraph" '
        'w:styleId="Heading1"><w:name w:val="heading 1"/></w:style></w:styles>',
        "word/document.xml": f'<w:document xmlns:w="{_W}"><w:body>{paragraphs}</w:body>'
        "</w:document>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, xml in parts.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
            archive.writestr(entry, declaration + xml)


def _style(unit: Unit) -> str:
    if unit.role != "heading":
        return ""
    return f'<w:pPr><w:pStyle w:val="Heading{unit.level}"/></w:pPr>'


def _pdf(script: Script, path: Path) -> None:
    path.write_bytes(pdf_bytes(script))


def pdf_bytes(script: Script) -> bytes:
    """A4, each page of the script on a page of its own.

    Raises ValueError when a page of the script does not fit on one."""
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

    styles = getSampleStyleSheet()
    story: list[object] = []
    rows: list[list[str]] = []

    def end_table() -> None:
        if rows:
            grid = [("GRID", (0, 0), (-1, -1), 0.5, colors.grey)]
            head = [("BACKGROUND", (0, 0), (-1, 0), colors.lightgrey)]
            story.extend([Spacer(1, 6), Table(list(rows), style=grid + head), Spacer(1, 10)])
            rows.clear()

    page = 1
    for unit in script.units:
        if unit.role != "row" or unit.page != page:
            end_table()
        if unit.page != page:
            story.append(PageBreak())
            page = unit.page or page
        if unit.role == "row":
            rows.append(cells(unit.text))
        else:
            style = "BodyText" if unit.role == "paragraph" else f"Heading{unit.level}"
            story.append(Paragraph(escape(unit.text), styles[style]))
    end_table()
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out, pagesize=A4, title=script.units[0].text, author="", invariant=1
    )
    document.build(story)
    if document.page != page:
        raise ValueError(f"{script.file_name}: {page} pages were meant, {document.page} came out")
    return out.getvalue()


_WRITERS: dict[str, Callable[[Script, Path], None]] = {
    ".moments.jsonl": _moments,
    ".srt": _srt,
    ".vtt": _vtt,
    ".pdf": _pdf,
    ".md": _markdown,
    ".html": _html,
    ".docx": _docx,
    ".txt": _text,
}
