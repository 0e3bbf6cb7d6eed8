"""Mutations of bytes: seeded, fast, and without knowledge of the format but for a dictionary of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

WORDS = (
    *(b"\0", b"\n", b"\r", b"\t", b" ", b'"', b"'", b",", b";", b"#", b"*", b"-", b"=", b"\\", b"%s", b"{}", b"[]"),
    *(b"nan", b"inf", b"-inf", b"NaN", b"1e308", b"1e-320", b"-1", b"0", b"1e999", b"0x10", b"1_0", b"null", b"true"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"\xe2\x80\xa8", b"\xc2\x85", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9"),
    *(b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80", b"\0" * 16),
)
"""Words of any format."""

NUMBERS = (
    *(b"0", b"-0", b"-1", b"1", b"255", b"256", b"65535", b"65536", b"2147483647", b"2147483648", b"4294967296"),
    *(b"9223372036854775807", b"9223372036854775808", b"99999999999999999999", b"1e308", b"-1e308", b"1e-308"),
    *(b"nan", b"inf", b"9" * 400, b"9" * 5000, b"0.1", b"1.5", b"1e5", b"100000000", b"999", b"1000"),
)
"""What a number in text becomes."""

EDGES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
"""Integers at the ends of what bytes can hold."""

LARGEST = 2**17
"""Bytes of a mutant, at most."""

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")

Mutation = Callable[[bytearray, Random, Sequence[bytes], Sequence[bytes]], None]


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> tuple[int, bytes]:
    """One of some valid contents after one to six changes.

    Args:
        seeds: valid contents.
        words: of the format.
        random: source of randomness; the same state gives the same mutant.

    Returns:
        the number of the seed, and the mutant.
    """
    chosen = random.randrange(len(seeds))
    data = bytearray(seeds[chosen])
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        random.choice(MUTATIONS)(data, random, seeds, words)
    return chosen, bytes(data[:LARGEST])


def flip_bits(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Flip one to four bits."""
    for _ in range(random.randint(1, 4) if data else 0):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def replace_byte(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Replace one byte by any other."""
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def truncate(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Cut the end off, or the beginning."""
    place = random.randint(0, len(data))
    if random.randrange(4):
        del data[place:]
    else:
        del data[:place]


def delete(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Take some bytes out."""
    place = random.randint(0, len(data))
    del data[place : place + random.choice((1, 1, 2, 4, 8, 40))]


def insert_word(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Insert a word, or write one over what is there."""
    word = random.choice(words if words and random.randrange(2) else WORDS)
    place = random.randint(0, len(data))
    data[place : place + len(word) * random.randrange(2)] = word


def repeat(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Insert a part of the content, or one byte of it, many times."""
    start = random.randint(0, len(data))
    part = data[start : start + random.choice((1, 1, 4, 16, 80, 400))]
    place = random.randint(0, len(data))
    data[place:place] = part * random.choice((1, 1, 2, 10, 100))


def splice(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Write a part of a valid content over another place, or exchange the rest for that of another one."""
    other = random.choice(seeds)
    source, place = random.randint(0, len(other)), random.randint(0, len(data))
    if random.randrange(2):
        data[place:] = other[source:]
    else:
        length = random.choice((4, 16, 64, 256))
        data[place : place + length] = other[source : source + length]


def blow_up_number(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Replace a number in text by one at the edge of what can be held."""
    found = list(_NUMBER.finditer(data[: 2**15]))
    if found:
        start, end = random.choice(found).span()
        data[start:end] = random.choice(NUMBERS)


def blow_up_integer(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Replace two, four or eight bytes by an integer at the edge of what they can hold; more often near the start."""
    width = random.choice((2, 4, 4, 8))
    if len(data) >= width:
        last = len(data) - width
        place = random.randint(0, min(last, random.choice((64, 1024, last))))
        value = random.choice(EDGES) & ((1 << 8 * width) - 1)
        data[place : place + width] = value.to_bytes(width, random.choice(("little", "big")))


def swap_lines(data: bytearray, random: Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Exchange, double or drop lines."""
    lines = data.split(b"\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(3):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(one, lines[other])
        case _:
            del lines[one]
    data[:] = b"\n".join(lines)


MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bits, replace_byte, truncate, delete, insert_word, insert_word, repeat, splice),
    *(blow_up_number, blow_up_number, blow_up_integer, swap_lines),
)
