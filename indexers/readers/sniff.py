"""Which kind of file something is, by content first and by suffix second."""

from __future__ import annotations

import zipfile
from pathlib import Path

from model_host.errors import UnreadableMedia

_SUFFIXES = {
    "pdf": (".pdf",),
    "docx": (".docx",),
    "html": (".html", ".htm", ".xhtml"),
    "markdown": (".md", ".markdown"),
    "text": (".txt", ".text", ".log"),
    "rtf": (".rtf",),
    "subtitles": (".srt", ".vtt"),
    "moments": (".moments.jsonl",),
    "media": (
        *(".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wma", ".aiff"),
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts"),
        *(".3gp", ".flv", ".wmv", ".amr", ".caf", ".mka"),
    ),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}
_TEXT_KINDS = {"html", "markdown", "text", "subtitles", "moments"}
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

# (offset, magic, kind)
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"{\\rtf", "rtf"),
    (0, b"RIFF", "media"),
    (0, b"RF64", "media"),
    (0, b"FORM", "media"),
    (4, b"ftyp", "media"),
    (4, b"moov", "media"),
    (0, b"\x1a\x45\xdf\xa3", "media"),
    (0, b"OggS", "media"),
    (0, b"fLaC", "media"),
    (0, b"ID3", "media"),
    (0, b"FLV\x01", "media"),
    (0, b"#!AMR", "media"),
    (0, b"caff", "media"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "media"),
)


def suffix_kind(path: Path) -> str | None:
    name = path.name.lower()
    return next((kind for suffix, kind in _BY_SUFFIX.items() if name.endswith(suffix)), None)


def content_kind(path: Path) -> str | None:
    """The kind that a reader exists for, or None.

    Raises UnreadableMedia when the file is missing, empty, or not what its name says; OSError
    when the system refuses to open it."""
    named = suffix_kind(path)
    if not path.is_file():
        raise UnreadableMedia(f"There is no file {path.name!r}.", fix="Check the path.")
    with path.open("rb") as file:
        head = file.read(8192)
    if not head:
        raise _not(path, "It is empty (0 bytes).", "Copy or record it again.")
    found = _magic(path, head)
    if found is not None:
        return found
    if looks_like_text(head):
        if named in _TEXT_KINDS:
            return named
        if named is not None:
            raise _not(path, "Its content is plain text.", "Name it .txt to index its text.")
        return "text" if not path.suffix else None
    if named in _TEXT_KINDS:
        raise _not(path, "Its content is binary, not text.", "Give it the suffix of its format.")
    return named


def _magic(path: Path, head: bytes) -> str | None:
    if b"%PDF-" in head[:1024]:
        return "pdf"
    for offset, magic, kind in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return kind
    if head[:4] == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(path) as archive:
                return "docx" if "word/document.xml" in archive.namelist() else None
        except (zipfile.BadZipFile, NotImplementedError):
            return None
    start = head.removeprefix(_BOMS[0]).lstrip()[:64].lower()
    named = suffix_kind(path)
    if start.startswith((b"<!doctype html", b"<html")) and named not in {"html", "markdown"}:
        return "html"
    if start.startswith(b"webvtt") and named == "text":
        return "subtitles"
    return None


def looks_like_text(head: bytes) -> bool:
    """False for bytes that no text encoding of ours makes."""
    if head.startswith(_BOMS):
        return True
    if b"\x00" in head:  # UTF-16 without a mark: every second byte of Latin text is zero
        zeros = max(head[0::2].count(0), head[1::2].count(0)) / (len(head) / 2)
        return zeros > 0.4 and min(head[0::2].count(0), head[1::2].count(0)) == 0
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b\x08" for byte in head)
    if control > len(head) * 0.01:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            # a legacy 8-bit encoding still is mostly letters; media is not
            return sum(byte >= 0x80 for byte in head) < len(head) * 0.7 and control == 0
    return True


def _not(path: Path, why: str, fix: str) -> UnreadableMedia:
    return UnreadableMedia(f"{path.name!r} cannot be read.", why=why, fix=fix, file=path.name)
