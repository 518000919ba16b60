"""Equations: from TeX between dollars to MathML, which browsers draw and screen readers speak without a script."""

import html
import re

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml

# What pymdownx.arithmatex makes of $…$ and of $$…$$.
FOUND = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>',
    flags=re.DOTALL,
)
# An accented letter with an index, which docutils has as a letter between the index, below, and the accent, above.
ACCENTED = re.compile(
    r"<munderover>(<mi>[^<]*</mi>)(<m\w+>[^<]*</m\w+>|<mrow>(?:(?!mrow|munderover).)*</mrow>)"
    r'(<mo stretchy="false">[^<]*</mo>)</munderover>'
)


def mathml(tex: str, block: bool) -> str:
    """One equation as MathML.

    Parameters
    ----------
    tex
        In TeX's mathematics, without its dollars.
    block
        Whether it stands in a line of its own, where a reader of a narrow page can scroll it.

    Raises
    ------
    ValueError
        When the TeX is not understood.
    """
    try:
        equation = tex2mathml(tex.strip(), as_block=block)
    except MathError as error:
        raise ValueError(f"equation {tex.strip()!r}: {error}") from None
    # Line breaks between elements would be text where HTML is searched.
    equation = ACCENTED.sub(r'<msub><mover accent="true">\1\3</mover>\2</msub>', re.sub(r"\n\s*", "", equation))
    return f'<div class="equation" tabindex="0">{equation}</div>' if block else equation


def with_equations(page: str) -> str:
    """A page's HTML, its equations made into MathML.

    Raises
    ------
    ValueError
        As ``mathml``.
    """
    return FOUND.sub(lambda found: mathml(html.unescape(found["tex"]), found["tag"] == "div"), page)
