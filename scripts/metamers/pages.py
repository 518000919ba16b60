"""Pages of one file: HTML out of the templates that lie beside this module, everything that they are given escaped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from metamers.report_tables import number, percent, significant

TEMPLATES = Path(__file__).parent


def render(template: str, context: Mapping[str, Any]) -> str:
    """A page as HTML.

    Parameters
    ----------
    template
        Name of a template beside this module.
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
