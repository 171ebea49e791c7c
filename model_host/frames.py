"""The one framing of every socket of the model host: a JSON head and raw binary parts.

    frame  = u32 head length | u64 length of all parts | head (UTF-8 JSON) | part | part …
    head   = {"type": …, "body": …, "parts": [length, …]}     big-endian lengths

In `body`, an array stands as {"$array": part, "dtype": …, "shape": […]} and bytes as
{"$bytes": part}; so audio, images and vectors cross a socket as they lie in memory.
A frame over `MAX_FRAME_BYTES` or one that does not parse raises WorkerMisbehaved.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from model_host.errors import WorkerMisbehaved

HEAD = struct.Struct(">IQ")
MAX_FRAME_BYTES = 1 << 30
_DTYPES = {"float32", "float16", "uint8", "int16", "int32", "int64"}


class Frame(NamedTuple):
    type: str
    body: Any


def encode(type_: str, body: object = None) -> bytes:
    """One frame as bytes. `body` is JSON, pydantic models, arrays and bytes, nested freely."""
    parts: list[bytes | memoryview] = []
    packed = _pack(body, parts)
    lengths = [len(part) for part in parts]
    head = json.dumps(
        {"type": type_, "body": packed, "parts": lengths}, ensure_ascii=False
    ).encode()
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
            cut.append(view[at : at + length])
            at += length
        if at != len(view):
            raise ValueError("part lengths do not add up")
        return Frame(str(message["type"]), _unpack(message["body"], cut))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise WorkerMisbehaved(
            "A frame could not be read.", why=f"{type(error).__name__}: {error}."
        ) from error


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
        parts.append(memoryview(array.reshape(-1)).cast("B") if array.size else b"")
        return {"$array": len(parts) - 1, "dtype": str(array.dtype), "shape": list(array.shape)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        parts.append(value if isinstance(value, bytes) else memoryview(value).cast("B"))
        return {"$bytes": len(parts) - 1}
    if isinstance(value, Mapping):
        return {str(key): _pack(item, parts) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_pack(item, parts) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _unpack(value: Any, parts: list[memoryview]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, parts) for item in value]
    if isinstance(value, dict):
        if "$array" in value:
            if value["dtype"] not in _DTYPES:
                raise ValueError(f"dtype {value['dtype']} is not allowed")
            return np.frombuffer(parts[value["$array"]], dtype=value["dtype"]).reshape(
                value["shape"]
            )
        if "$bytes" in value:
            return bytes(parts[value["$bytes"]])
        return {key: _unpack(item, parts) for key, item in value.items()}
    return value
