"""The container: whole files read back, damaged ones give what is whole."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan.codec.container import BLOCK, MAGIC, MARK, NAMES, TAIL, FileHead, Writer, packed, records, scan
from aegan.errors import UserError

HEAD = FileHead("lossy", "ab" * 16, "runs/a", 512, (1, 16, 16))
CONTENTS = [b"first" * 5, MARK * 3 + b"marks inside", b"", b"last"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    with io.BytesIO() as file:
        writer = Writer(file, HEAD)
        writer.name_part(b"names")
        for content in CONTENTS:
            writer.block(content)
        writer.close(7)
        (tmp_path / "a.aeg").write_bytes(file.getvalue())
    return tmp_path / "a.aeg"


def test_a_whole_file(written: Path) -> None:
    found = scan(written)
    assert (found.head, found.tail, found.blocks, found.names, found.images, found.lost_bytes) == (
        HEAD,
        True,
        4,
        1,
        7,
        0,
    )
    assert list(records(written, BLOCK)) == list(enumerate(CONTENTS))
    assert list(records(written, NAMES)) == [(0, b"names")]


def test_every_bit_flipped(written: Path, tmp_path: Path) -> None:
    """What is given back was written, at most one record is missing, and the damage is noticed."""
    raw, path = bytearray(written.read_bytes()), tmp_path / "b.aeg"
    for bit in range(8 * len(raw)):
        raw[bit // 8] ^= 1 << bit % 8
        path.write_bytes(raw)
        found, blocks = scan(path), dict(records(path, BLOCK))
        assert found.head == HEAD
        assert all(CONTENTS[i] == content for i, content in blocks.items())
        whole = [len(blocks) == 4, found.tail, len(list(records(path, NAMES))) == 1]
        assert sum(whole) >= 2 and (found.lost_bytes > 0 or bit < 8 * len(MAGIC)), bit
        raw[bit // 8] ^= 1 << bit % 8


def test_cut_anywhere(written: Path, tmp_path: Path) -> None:
    raw, path = written.read_bytes(), tmp_path / "b.aeg"
    seen = set()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        if length < len(MAGIC) + len(packed(1, 0, json.dumps(asdict(HEAD), separators=(",", ":")).encode())):
            with pytest.raises(UserError, match=r"not an \.aeg"):
                scan(path)
            continue
        found = scan(path)
        blocks = list(records(path, BLOCK))
        assert not found.tail and blocks == list(enumerate(CONTENTS))[: len(blocks)]
        seen.add(len(blocks))
    assert seen == {0, 1, 2, 3, 4}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.binary(max_size=70_000), st.sampled_from([MAGIC, MARK, packed(BLOCK, 0, b"x")])), max_size=6)
)
def test_any_bytes(tmp_path: Path, parts: list[bytes]) -> None:
    path = tmp_path / "any.aeg"
    path.write_bytes(b"".join(parts))
    with pytest.raises(UserError, match=r"not an \.aeg file"):
        scan(path)
    assert len(list(records(path, BLOCK))) <= parts.count(packed(BLOCK, 0, b"x")) + b"".join(parts).count(MARK)


def test_rubbish_before_a_record_is_passed_over(tmp_path: Path) -> None:
    """Of any length, so that marks lie across the pieces in which a file is read."""
    head, path = packed(TAIL, 0, b"{}"), tmp_path / "a.aeg"
    for length in (1, 2, 3, 65_533, 65_534, 65_535, 65_536, 65_537, 131_072):
        path.write_bytes(MAGIC + b"\xf5" * length + head + packed(BLOCK, 3, b"here"))
        assert list(records(path, BLOCK)) == [(3, b"here")], length


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[1]", b'{"format": 1}', b"\xff",
     b'{"format": 1, "mode": "lossy", "model": 3, "run": "", "step": 1, "shape": [1]}',
     b'{"format": 1, "mode": "lossy", "model": "", "run": "", "step": 1, "shape": [1, -4, 4]}', b"[" * 100_000],
)  # fmt: skip
def test_a_head_that_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.aeg"
    path.write_bytes(MAGIC + packed(1, 0, content))
    with pytest.raises(UserError, match=r"not an \.aeg"):
        scan(path)


def test_a_newer_format(tmp_path: Path) -> None:
    path = tmp_path / "a.aeg"
    path.write_bytes(MAGIC + packed(1, 0, b'{"format": 2}'))
    with pytest.raises(UserError, match="newer than this aegan"):
        scan(path)


def test_a_length_that_no_record_has(tmp_path: Path) -> None:
    body = struct.pack("<BII", BLOCK, 0, 2**32 - 1)
    path = tmp_path / "a.aeg"
    path.write_bytes(MAGIC + MARK + body + struct.pack("<I", zlib.crc32(body)) + b"x" * 50 + packed(BLOCK, 1, b"next"))
    assert list(records(path, BLOCK)) == [(1, b"next")]


@pytest.mark.parametrize("what", ["folder", "missing"])
def test_no_file(tmp_path: Path, what: str) -> None:
    with pytest.raises(UserError, match="is a folder" if what == "folder" else "There is no file"):
        scan(tmp_path if what == "folder" else tmp_path / "none.aeg")
