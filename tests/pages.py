"""Pages for their tests: elements, words, table cells, and where the links lead."""

import posixpath
from collections.abc import Collection, Mapping
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

VOID = {"meta", "link", "img", "br", "wbr", "input", "hr", "path"}  # elements without an end tag
LOADING = ("src", "data", "srcset", "poster", "action")


class Page(HTMLParser):
    """A page's content.

    Attributes
    ----------
    elements
        (tag, attributes) in order.
    words
        The text, on one line.
    rows
        Cells of the rows of all tables.
    faults
        End tags that are not of the element that was opened last, and elements that are left open.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.rows: list[list[str]] = []
        self._texts: list[str] = []
        self._in_cell = False
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.faults += self._open
        self.words = " ".join("".join(self._texts).split())
        self.rows = [[" ".join(cell.split()) for cell in row] for row in self.rows]

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element."""
        if tag not in VOID and (not self._open or self._open.pop() != tag):
            self.faults.append(tag)
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        """Note words."""
        self._texts.append(data)
        if self._in_cell:
            self.rows[-1][-1] += data

    @property
    def ids(self) -> list[str]:
        """The names of places."""
        return [attributes["id"] for _, attributes in self.elements if attributes.get("id")]

    @property
    def links(self) -> list[str]:
        """Addresses of links."""
        return [attributes["href"] for tag, attributes in self.elements if tag == "a" and "href" in attributes]

    @property
    def loaded(self) -> list[str]:
        """Addresses of everything that a browser loads or sends to without a click on a link."""
        linked = ("stylesheet", "icon", "preload", "preconnect")
        return [
            address
            for tag, attributes in self.elements
            for name, address in attributes.items()
            if address and (name in LOADING or (tag == "link" and name == "href" and attributes.get("rel") in linked))
        ]


def broken_links(pages: Mapping[str, Page], files: Collection[str] = ()) -> list[tuple[str, str]]:
    """Find the links that lead to no page, no file, or no place of a page: (page, link).

    Links with a scheme are not followed. A fragment with ``=`` names a state of a page, not a place.

    Parameters
    ----------
    pages
        Path below the folder of the site → page.
    files
        Paths of other files, and of pages whose places do not matter.
    """
    places = {name: set(page.ids) for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = (
                posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
            )
            if path not in pages and (index := posixpath.normpath(f"{path}/index.html")) in pages:
                path = index
            place = unquote(parts.fragment)
            of_place = place and "=" not in place and path in pages
            if (path not in pages and path not in files) or (of_place and place not in places[path]):
                broken.append((name, link))
    return broken
