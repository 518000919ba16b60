"""Parts of a large file at an address, read by requests for ranges of bytes (RFC 9110, section 14).

One file of weights is taken from an archive of several gigabytes in this way, without the rest of it. The hash of the
archive is then unknown. The caller checks the hash of the file itself, or states that it was not checked.
"""

import io
from types import SimpleNamespace
from typing import BinaryIO

import requests

from metamers.retrieve import TIMEOUT_S, attempts, is_refusal, not_retrieved

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
        self._session = requests.Session()
        answer = self._request(0, 1)
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if answer.status_code != requests.codes.partial_content or not total.isdigit():
            raise OSError(
                f"{url}: its server sends the whole file only, not ranges of bytes; retrieve the whole archive instead"
            )
        self.size = int(total)

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
            When the server cannot be reached, or sends something else.
        """
        end = min(begin + size, self.size)
        answer = self._request(begin, end - begin)
        if answer.status_code != requests.codes.partial_content or len(answer.content) != end - begin:
            raise OSError(
                f"{self.url}: its server did not send bytes {begin} to {end - 1} (status {answer.status_code})"
            )
        return answer.content

    def _request(self, begin: int, size: int) -> requests.Response:
        headers = {"Range": f"bytes={begin}-{begin + size - 1}", "Accept-Encoding": "identity"}
        problem: Exception | None = None
        for _ in attempts(self.url):
            try:
                with self._session.get(self.url, headers=headers, timeout=TIMEOUT_S, stream=True) as answer:
                    answer.raise_for_status()
                    if answer.status_code == requests.codes.partial_content:
                        answer.content  # noqa: B018 (reads it, while the connection is open)
                    return answer
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
