"""Names in zip archives that are not UTF-8: in which code page they were written.

The format has a flag for UTF-8; without it, names are in the code page of the machine that packed them, and nothing says
which. charset-normalizer, made for texts, takes the two bytes of "cat" in GBK for Big5: names are too short for it. So each
code page that can be is judged by how usual the characters are that it gives.
"""

from __future__ import annotations

import functools
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Sequence

# the more usual first, which decides between equals
PAGES = ("gb18030", "cp932", "big5", "cp949", "cp1251", "cp866", "cp437", "cp850", "cp1252")
LEAST = 0.6  # of the score, from which on a guess is taken
_SCRIPTS = {  # by the first word of the names of their characters
    "CJK": "han", "HIRAGANA": "han", "KATAKANA": "han", "HANGUL": "hangul", "CYRILLIC": "cyrillic", "GREEK": "greek",
    "LATIN": "latin",
}  # fmt: skip
# the syllables that make up most of Korean writing
_HANGUL = set(
    "이가다는의에고을한사지나기어리하자로인대도시아서스장일정그라주보전해수부상성구적원제동마개여진선조음안소미과모들은신"
    "우비트무방유강연국문위회계관공재경치화드양물운세내영학생중교산바말차람명노토끼호랑새꽃개야나무집류오파치닭돼곰과배와늑북버럭컵책꿀벌쥐뱀곤충빵밥귤딸포감"
)


def zip_names(members: Sequence[zipfile.ZipInfo]) -> tuple[list[str], str]:
    """The names of an archive's members, in their order, and a note where they had to be guessed."""
    out, unknown = [member.orig_filename for member in members], dict[int, bytes]()
    for i, member in enumerate(members):
        if member.flag_bits & 0x800 or member.orig_filename.isascii():
            continue
        raw = member.orig_filename.encode("cp437")  # as which Python reads what has no flag
        if (unicode := _unicode_path(member.extra, raw)) is None:
            unknown[i] = raw
        else:
            out[i] = unicode
    if not unknown:
        return out, ""
    page, sure = guess(unknown.values())
    for i, raw in unknown.items():
        out[i] = raw.decode(page, "replace")
    if page == "utf-8":
        return out, ""
    said = f"{len(unknown):,} names in the archive are not Unicode: read as {page}, a guess"
    return out, said if sure else f"{said} that may be wrong, so class names may be garbled"


def guess(names: Iterable[bytes]) -> tuple[str, bool]:
    """(the code page, whether it is likely) of names that are in one.

    >>> guess(["猫/1.png".encode("gbk"), "狗/1.png".encode("gbk")])
    ('gb18030', True)
    >>> guess(["café/1.png".encode("cp437")])[0], guess(["кошка".encode("cp1251")])[0]
    ('cp437', 'cp1251')
    """
    raw = b"\n".join({part for name in names for part in re.split(rb"[/\n]", name) if not part.isascii()})
    best, most = "cp437", 0.0
    for page in ("utf-8", *PAGES):
        try:
            text = raw.decode(page)
        except UnicodeDecodeError:
            continue
        if page == "utf-8":  # which other code pages hardly ever look like
            return page, True
        if (score := _score(text)) > most + 1e-9:
            best, most = page, score
    return best, most >= LEAST


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in an Info-ZIP Unicode path field, if it belongs to this one."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == 0x7075 and len(body) > 5 and body[0] == 1 and int.from_bytes(body[1:5], "little") == zlib.crc32(raw):
            return body[5:].decode("utf-8", "replace")
    return None


def _score(text: str) -> float:
    """How usual the characters are, 0 to 1; those of ASCII don't count."""
    scores, scripts = [], set()
    for word in re.split(r"[\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+", text):
        ascii_lower = sum("a" <= c <= "z" for c in word)
        marked = sum(not c.isascii() for c in word)
        for before, c, after in zip(" " + word, word, word[1:] + " ", strict=False):
            if not c.isascii():
                script = _SCRIPTS.get(unicodedata.name(c, "").replace("-", " ").partition(" ")[0], "")
                scripts.add(script)
                inside = script in ("han", "hangul") and (before + after).strip().isascii() and ascii_lower
                scores.append(0.4 if inside else _usual(c, before, script, ascii_lower, marked))
    mixed = len(scripts - {""}) > 1
    return sum(scores) / len(scores) * (0.3 if mixed else 1.0)


def _usual(c: str, before: str, script: str, ascii_lower: int, marked: int) -> float:
    if script == "han":
        if unicodedata.name(c).startswith(("HIRAGANA", "KATAKANA")):
            return 1.0
        return 0.4 + 0.3 * _common(c)
    if script == "hangul":
        return 1.0 if c in _HANGUL else 0.4
    if script == "cyrillic":
        if before.isascii() and before.isalpha():
            return 0.2
        usual = c.lower() in "абвгдежзийклмнопрстуфхцчшщъыьэюя"
        return (0.2 if c.isupper() and before.islower() else 1.0) if usual else 0.5
    if script == "latin":
        if c.isupper() and before.islower():
            return 0.3
        return 1.0 if ascii_lower >= marked else 0.4
    return 0.4 if script == "greek" and not (before.isascii() and before.isalpha()) else 0.0


@functools.cache
def _common(c: str) -> int:
    """In how many of the lists of everyday characters this one stands, of Chinese (both) and Japanese; at most 2."""
    count = 0
    for page, low, high in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6), ("shift_jis", 0x88, 0x97)):
        raw = c.encode(page, "ignore")
        count += len(raw) == 2 and low <= raw[0] <= high
    return min(count, 2)
