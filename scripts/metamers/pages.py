"""Pages: HTML out of templates, which lie beside this module and in ``site``, everything they are given escaped."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from metamers.report_tables import number, percent, significant

SITE = Path(__file__).with_name("site")  # of the report: templates, and what goes into its folder as it is
TEMPLATES = (Path(__file__).parent, SITE)


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as an address that holds them, for pages of one file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def svg_uri(figure: bytes) -> str:
    """An SVG as an address that holds it as text, for pages of one file."""
    text = " ".join(figure.decode().split())
    return "data:image/svg+xml;charset=utf-8," + quote(text, safe=" !$&'()*+,-./:;=?@_~|[]{}^`")


def render(template: str, context: Mapping[str, Any]) -> str:
    """A page as HTML.

    Parameters
    ----------
    template
        Name of a template.
    context
        What the template names.

    Raises
    ------
    jinja2.UndefinedError
        When the context lacks something that the template names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number, "significant": significant}
    return environment.get_template(template).render(context)
