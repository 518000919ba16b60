"""Parts of a large file at an address, read by requests for ranges of bytes (RFC 9110, section 14).

One file of weights is taken from an archive of several gigabytes in this way, without the rest of it. The hash of the
archive is then unknown. The caller checks the hash of the file itself, or states that it was not checked.
"""

import io
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import BinaryIO

import requests

from metamers.retrieve.transfer import (
    DEADLINE_S,
    UNPACKED,
    attempts,
    content_range,
    is_refusal,
    not_retrieved,
    opened,
    read_body,
    strong_etag,
)

FIRST_BYTES = 1 << 16  # of the first request at a place: the header of a member of an archive
MAX_BYTES = 1 << 25  # of a request; each is twice as large as the one before it


class _Ranges(io.RawIOBase):
    """The content of the file, with one request for each part."""

    def __init__(self, archive: "RemoteArchive"):
        self._archive, self._place = archive, 0
        self._begin, self._part, self._bytes = 0, b"", FIRST_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._archive.size}[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: memoryview) -> int:
        if self._place >= self._archive.size:
            return 0
        if not self._begin <= self._place < self._begin + len(self._part):
            follows = self._part and self._place == self._begin + len(self._part)
            self._bytes = min(2 * self._bytes, MAX_BYTES) if follows else FIRST_BYTES
            self._begin, self._part = self._place, self._archive.read(self._place, self._bytes)
        first = self._place - self._begin
        part = self._part[first : first + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)


class RemoteArchive:
    """An archive at an address, as ``metamers.foreign.archives.extract_file`` takes a local one.

    Parameters
    ----------
    url
        Its address.

    Raises
    ------
    OSError
        When the server cannot be reached, or does not answer requests for ranges.
    """

    def __init__(self, url: str):
        self.url = url
        self.size: int | None = None
        self._etag: str | None = None
        self._deadline = time.monotonic() + DEADLINE_S
        self._part(0, 1)

    def __str__(self) -> str:
        return self.url

    def open(self, _mode: str = "rb") -> BinaryIO:
        """The content, to be read at any place."""
        return io.BufferedReader(_Ranges(self), io.DEFAULT_BUFFER_SIZE)

    def stat(self) -> SimpleNamespace:
        """``st_size``, as of ``pathlib.Path``."""
        return SimpleNamespace(st_size=self.size)

    def read(self, begin: int, size: int) -> bytes:
        """The bytes from ``begin`` on, ``size`` at most.

        Raises
        ------
        OSError
            When the server cannot be reached, sends something else, or the file has changed.
        """
        return self._part(begin, min(begin + size, self.size))

    def _part(self, begin: int, end: int) -> bytes:
        headers = {"Range": f"bytes={begin}-{end - 1}", **UNPACKED}
        headers |= {"If-Range": self._etag} if self._etag else {}
        problem: Exception | None = None
        for _ in attempts(self.url, self._deadline):
            try:
                body = self._request(headers, begin, end)
                if len(body) == end - begin:
                    return body
                problem = OSError(f"{len(body)} bytes arrived, expected {end - begin}")
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                problem = error
            except requests.HTTPError as error:
                problem = error
                if is_refusal(error.response.status_code):
                    break
            except requests.RequestException as error:
                problem = error
                break
        raise not_retrieved(self.url, problem) from problem

    def _request(self, headers: Mapping[str, str], begin: int, end: int) -> bytes:
        body = bytearray()
        with opened(self.url, headers, self._deadline, lambda: len(body)) as answer:
            answer.raise_for_status()
            self._check(answer, begin, end)
            for chunk in read_body(answer):
                body += chunk
                if len(body) > end - begin:
                    break
        return bytes(body)

    def _check(self, answer: requests.Response, begin: int, end: int) -> None:
        """Check that a response is the part that was requested, of the same file as the first part."""
        part = content_range(answer)
        if self.size is None and part:
            self.size, self._etag = part[2], strong_etag(answer)
        if self.size is None:
            raise OSError(
                f"{self.url}: its server sends the whole file only, not ranges of bytes; retrieve the whole archive "
                "instead"
            )
        if part != (begin, end - 1, self.size) or strong_etag(answer) != self._etag:
            raise OSError(
                f"{self.url}: its server did not send bytes {begin} to {end - 1} (status {answer.status_code}), or the "
                "file has changed; run again"
            )
