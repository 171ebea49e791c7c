"""Frames: what goes in comes out, and nothing hostile does anything but WorkerMisbehaved."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import BaseModel

from model_host.errors import TooLarge, WorkerMisbehaved
from model_host.frames import HEAD, MAX_FRAME_BYTES, encode, read_frame, slices, split
from model_host.tasks import Echo, Transcribe

DTYPES = ("float32", "float16", "uint8", "int16", "int32", "int64")
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=5))
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=100)
    | arrays
)
bodies = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$array"), inner),
    max_leaves=10,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


@given(st.text(), bodies)
def test_round_trip(type_: str, body: Any) -> None:
    frame = split(encode(type_, body))
    assert frame.type == type_
    assert same(body, frame.body)


@given(st.lists(bodies, max_size=4))
def test_frames_follow_each_other_in_a_stream(values: list[Any]) -> None:
    async def run() -> list[Any]:
        reader = asyncio.StreamReader()
        for value in values:
            for piece in slices(encode("x", value), 7):
                reader.feed_data(bytes(piece))
        reader.feed_eof()
        got = [(await read_frame(reader.readexactly))[0].body for _ in values]
        with pytest.raises(asyncio.IncompleteReadError):
            await read_frame(reader.readexactly)
        return got

    assert same(values, asyncio.run(run()))


def test_the_first_array_is_aligned_and_not_copied() -> None:
    async def run() -> Any:
        reader = asyncio.StreamReader()
        reader.feed_data(encode("transcribe", Transcribe(audio=np.ones(999, np.float32))))
        return (await read_frame(reader.readexactly))[0].body["audio"]

    audio = asyncio.run(run())
    assert audio.flags.aligned
    assert not audio.flags.owndata
    assert not audio.flags.writeable


@given(st.integers(0, 40), st.integers(1, 3))
def test_every_array_is_aligned(pad: int, count: int) -> None:
    body = [b"x" * pad, *(np.arange(5, dtype=np.int64) for _ in range(count))]
    frame = split(encode("x", body))
    assert all(array.flags.aligned for array in frame.body[1:])
    assert same(body, frame.body)


def test_models_arrays_of_any_layout_and_numpy_numbers() -> None:
    class Inner(BaseModel):
        name: str

    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)[:, ::-1]
    frame = split(encode("x", {"model": Inner(name="é"), "image": image, "n": np.float32(0.5)}))
    assert frame.body["model"] == {"name": "é"}
    assert (frame.body["image"] == image).all()
    assert frame.body["n"] == 0.5
    assert split(encode("echo", Echo(payload=b"\0"))).body["payload"] == b"\0"


def test_file_names_that_are_not_unicode() -> None:
    name = b"\xff.wav".decode("utf-8", "surrogateescape")
    assert split(encode("x", name)).body == name


@pytest.mark.parametrize("dtype", ["float64", "complex64", ">f4", "object", "bool"])
def test_other_arrays_do_not_leave(dtype: str) -> None:
    with pytest.raises(ValueError, match="does not travel"):
        encode("x", np.zeros(2, dtype))


def test_what_is_too_large_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_host.frames.MAX_FRAME_BYTES", 10)
    with pytest.raises(TooLarge, match="11 bytes"):
        encode("x", b"x" * 11)


def raw(head: object, parts: bytes = b"", announced: int | None = None) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return HEAD.pack(len(text), len(parts) if announced is None else announced) + text + parts


def message(body: object, *lengths: object) -> dict[str, object]:
    return {"type": "x", "body": body, "parts": list(lengths)}


def array(**fields: object) -> dict[str, object]:
    return message({"$array": 0, "dtype": "uint8", "shape": [4], **fields}, 4)


HOSTILE = {
    "nothing": b"",
    "a short prefix": b"\0\0\0",
    "text": b"HTTP/1.1 200 OK\r\n\r\n",
    "a huge head": HEAD.pack(MAX_FRAME_BYTES + 1, 0),
    "huge parts": HEAD.pack(0, 2**63),
    "more announced than sent": raw(message(None), announced=5),
    "more sent than announced": raw(message(None)) + b"x",
    "no JSON": raw(b"{"),
    "no UTF-8": raw(b"\xff\xfe\xfd"),
    "no object": raw([1, 2]),
    "no type": raw({"body": 1, "parts": []}),
    "no parts": raw({"type": "x", "body": 1}),
    "nested without end": raw(b"[" * 100_000),
    "lengths that do not add up": raw(message(None, 3), b"abcd"),
    "lengths beyond the end": raw(message(None, 5), b"abcd"),
    "a negative length": raw(message(None, -1, 5), b"abcd"),
    "a length that is no number": raw(message(None, "4"), b"abcd"),
    "a length that is a fraction": raw(message(None, 4.0), b"abcd"),
    "a negative part": raw(array(**{"$array": -1}), b"abcd"),
    "a part that is not there": raw(array(**{"$array": 1}), b"abcd"),
    "a part that is no number": raw(array(**{"$array": True}), b"abcd"),
    "a negative part of bytes": raw(message({"$bytes": -1}, 4), b"abcd"),
    "an unknown dtype": raw(array(dtype="object"), b"abcd"),
    "a dtype that is no name": raw(array(dtype=["u1"]), b"abcd"),
    "no dtype": raw(message({"$array": 0}, 4), b"abcd"),
    "a shape too large": raw(array(shape=[5]), b"abcd"),
    "a shape too small": raw(array(shape=[3]), b"abcd"),
    "a negative side": raw(array(shape=[-1]), b"abcd"),
    "a shape that overflows": raw(array(shape=[2**62, 2**62]), b"abcd"),
    "a shape of text": raw(array(shape="ab"), b"abcd"),
    "bytes that do not fill the dtype": raw(array(dtype="int64"), b"abcd"),
}


@pytest.mark.parametrize("buffer", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile(buffer: bytes) -> None:
    with pytest.raises(WorkerMisbehaved):
        split(buffer)


@given(st.binary(max_size=300))
def test_noise(buffer: bytes) -> None:
    with pytest.raises(WorkerMisbehaved):
        split(buffer)


@given(bodies, st.data())
def test_a_frame_with_flipped_bits_is_read_or_refused(body: Any, data: st.DataObject) -> None:
    buffer = bytearray(encode("x", body))
    at = data.draw(st.integers(0, len(buffer) - 1))
    buffer[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(WorkerMisbehaved):
        split(bytes(buffer))
