"""Tells whether a zstd file ends where its last frame does, without unpacking it.

The library's reader takes a file that was cut off for one that has ended.

Source: RFC 8878, section 3.
"""

from typing import IO

_MAGIC = 0xFD2FB528
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_RLE_BLOCK = 1


def check_whole(file: IO[bytes]) -> None:
    """Walk over the headers of all frames and blocks.

    Raises:
        EOFError: the file ends inside of a frame.
        ValueError: there is something else between the frames.
    """
    while magic := file.read(4):
        number = int.from_bytes(_whole(magic, 4), "little")
        if number in _SKIPPABLE:
            _skip(file, int.from_bytes(_whole(file.read(4), 4), "little"))
        elif number == _MAGIC:
            _walk_frame(file)
        else:
            raise ValueError("there is something that is no zstd frame")


def _walk_frame(file: IO[bytes]) -> None:
    descriptor = _whole(file.read(1), 1)[0]
    single_segment = bool(descriptor & 0x20)
    content_size = (int(single_segment), 2, 4, 8)[descriptor >> 6]
    _skip(file, int(not single_segment) + (0, 1, 2, 4)[descriptor & 3] + content_size)
    last = False
    while not last:
        header = int.from_bytes(_whole(file.read(3), 3), "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        _skip(file, 1 if kind == _RLE_BLOCK else size)
    if descriptor & 4:
        _skip(file, 4)


def _skip(file: IO[bytes], count: int) -> None:
    if count:
        file.seek(count - 1, 1)
        _whole(file.read(1), 1)


def _whole(data: bytes, count: int) -> bytes:
    if len(data) != count:
        raise EOFError("the file ends inside of a zstd frame")
    return data
