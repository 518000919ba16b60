"""HTML from the templates in ``templates`` and ``site``; all inserted values are escaped.

The values come from ``metamers.report.pages`` and the modules of the other pages.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from metamers.modalities import MODALITIES
from metamers.report.looks import mark
from metamers.report.tables import counted, number, percent, significant

SITE = Path(__file__).with_name("site")  # templates of the report, and files that are copied into its folder
TEMPLATES = (Path(__file__).with_name("templates"), SITE)


def svg_uri(figure: bytes) -> str:
    """An SVG as a text data URI, for single-file pages."""
    text = " ".join(figure.decode().split())
    return "data:image/svg+xml;charset=utf-8," + quote(text, safe=" !$&'()*+,-./:;=?@_~|[]{}^`")


def breakable(name: str) -> Markup:
    """A name that a narrow line may break after its underscores."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def render(template: str | Path, context: Mapping[str, Any]) -> str:
    """A page as HTML.

    Parameters
    ----------
    template
        Name of a template, or a template of another folder, which may extend those of the library.
    context
        Variable of the template → value.

    Raises
    ------
    jinja2.UndefinedError
        When the context lacks a variable of the template.
    """
    folders = TEMPLATES if isinstance(template, str) else (template.parent, *TEMPLATES)
    return _environment(folders).get_template(Path(template).name).render(context)


@cache
def _environment(folders: tuple[Path, ...]) -> jinja2.Environment:
    """Return the environment of templates in these folders, which compiles each template once."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (percent, number, significant, counted, breakable)
    environment.filters |= {function.__name__: function for function in filters}
    environment.globals |= {"modalities": MODALITIES, "mark": mark}
    return environment
