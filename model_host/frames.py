"""The one framing of every socket of the model host: a JSON head and raw binary parts.

    frame  = u32 head length | u64 length of all parts | head (UTF-8 JSON) | part | part …
    head   = {"type": …, "body": …, "parts": [length, …]}     big-endian lengths

In `body`, an array stands as {"$array": part, "dtype": …, "shape": […]} and bytes as
{"$bytes": part}; so audio, images and vectors cross a socket as they lie in memory. (A key that
begins with $ gets another one.) A frame over `MAX_FRAME_BYTES` or one that does not parse raises
WorkerMisbehaved.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from model_host.errors import TooLarge, WorkerMisbehaved

HEAD = struct.Struct(">IQ")
MAX_FRAME_BYTES = 1 << 30
_DTYPES = {"float32", "float16", "uint8", "int16", "int32", "int64"}


class Frame(NamedTuple):
    type: str
    body: Any


def encode(type_: str, body: object = None) -> bytes:
    """One frame as bytes. `body` is JSON, pydantic models, arrays and bytes, nested freely.

    Raises TooLarge, and ValueError for an array of a type that does not travel."""
    parts: list[bytes | memoryview] = []
    packed = _pack(body, parts)
    lengths = [len(part) for part in parts]
    if sum(lengths) > MAX_FRAME_BYTES:
        raise TooLarge(
            f"{sum(lengths):,} bytes are too much for one call.",
            why=f"The limit is {MAX_FRAME_BYTES:,} bytes.",
            fix="Send it in parts.",
        )
    text = json.dumps({"type": type_, "body": packed, "parts": lengths}, ensure_ascii=False)
    head = text.encode("utf-8", "surrogatepass")  # file names may have them
    head += b" " * (-len(head) % 8)  # so that the first array is aligned
    return b"".join((HEAD.pack(len(head), sum(lengths)), head, *parts))


def sizes(prefix: bytes | memoryview) -> tuple[int, int]:
    """Head and parts length in bytes from the first `HEAD.size` bytes.

    Raises WorkerMisbehaved when they are out of bounds."""
    head, parts = HEAD.unpack(prefix)
    if head > MAX_FRAME_BYTES or parts > MAX_FRAME_BYTES:
        raise WorkerMisbehaved(
            f"A frame of {head + parts} bytes was announced.", why="The limit is 1 GiB."
        )
    return head, parts


def decode(head: bytes | memoryview, parts: bytes | memoryview) -> Frame:
    """The frame again; arrays are views of `parts`, without a copy."""
    try:
        message = json.loads(bytes(head))
        view = memoryview(parts)
        cut: list[memoryview] = []
        at = 0
        for length in message["parts"]:
            if not 0 <= length <= len(view) - at:
                raise ValueError("part lengths do not add up")
            cut.append(view[at : at + length])
            at += length
        if at != len(view):
            raise ValueError("part lengths do not add up")
        return Frame(str(message["type"]), _unpack(message["body"], cut))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError) as error:
        raise WorkerMisbehaved(
            "A frame could not be read.", why=f"{type(error).__name__}: {error}."
        ) from error


async def read_frame(readexactly: Callable[[int], Awaitable[bytes]]) -> tuple[Frame, int]:
    """The next frame of a stream and its size in bytes. Raises what the stream raises at its end
    (IncompleteReadError), and WorkerMisbehaved."""
    head, parts = sizes(await readexactly(HEAD.size))
    body = memoryview(await readexactly(head + parts))
    return decode(body[:head], body[head:]), head + parts


def slices(frame: bytes, size_bytes: int = 1 << 20) -> Iterator[memoryview]:
    """A frame in pieces, so that no transport copies all of it at once."""
    view = memoryview(frame)
    for at in range(0, len(view), size_bytes):
        yield view[at : at + size_bytes]


def split(buffer: bytes | memoryview) -> Frame:
    """A whole frame in one buffer (a WebSocket message, an HTTP body)."""
    view = memoryview(buffer)
    if len(view) < HEAD.size:
        raise WorkerMisbehaved("A frame ended early.")
    head, parts = sizes(view[: HEAD.size])
    if len(view) != HEAD.size + head + parts:
        raise WorkerMisbehaved("A frame has the wrong length.")
    return decode(view[HEAD.size : HEAD.size + head], view[HEAD.size + head :])


def _pack(value: object, parts: list[bytes | memoryview]) -> Any:
    if isinstance(value, BaseModel):
        return {name: _pack(item, parts) for name, item in value}
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        if str(array.dtype) not in _DTYPES:
            raise ValueError(f"an array of {array.dtype} does not travel")
        parts.append(array.reshape(-1).view(np.uint8).data if array.size else b"")
        return {"$array": len(parts) - 1, "dtype": str(array.dtype), "shape": list(value.shape)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        parts.append(value if isinstance(value, bytes) else memoryview(value).cast("B"))
        return {"$bytes": len(parts) - 1}
    if isinstance(value, Mapping):
        return {_escape(str(key)): _pack(item, parts) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_pack(item, parts) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _escape(key: str) -> str:
    return f"${key}" if key.startswith("$") else key


def _unpack(value: Any, parts: list[memoryview]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, parts) for item in value]
    if isinstance(value, dict):
        if "$array" in value:
            if value["dtype"] not in _DTYPES:
                raise ValueError(f"dtype {value['dtype']} is not allowed")
            if any(side < 0 for side in value["shape"]):
                raise ValueError("a side of an array is negative")
            flat = np.frombuffer(_part(value["$array"], parts), dtype=value["dtype"])
            return np.require(flat.reshape(value["shape"]), requirements="A")
        if "$bytes" in value:
            return bytes(_part(value["$bytes"], parts))
        return {
            key.removeprefix("$") if key.startswith("$$") else key: _unpack(item, parts)
            for key, item in value.items()
        }
    return value


def _part(index: int, parts: list[memoryview]) -> memoryview:
    if type(index) is not int or index < 0:
        raise IndexError("no such part")
    return parts[index]
