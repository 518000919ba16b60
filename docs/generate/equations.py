"""Equations: from TeX between dollar signs to MathML, which browsers show and screen readers read without a script."""

import html
import re

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml

# The output of pymdownx.arithmatex for $…$ and $$…$$.
FOUND = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>',
    flags=re.DOTALL,
)
# An accented letter with an index. docutils puts the index below the letter and the accent above it.
ACCENTED = re.compile(
    r"<munderover>(<mi>[^<]*</mi>)(<m\w+>[^<]*</m\w+>|<mrow>(?:(?!mrow|munderover).)*</mrow>)"
    r'(<mo stretchy="false">[^<]*</mo>)</munderover>'
)


def mathml(tex: str, block: bool) -> str:
    """Return one equation as MathML.

    Parameters
    ----------
    tex
        The equation in TeX, without dollar signs.
    block
        Whether it is on its own line, where it can be scrolled on a narrow page.

    Raises
    ------
    ValueError
        When the TeX cannot be parsed.
    """
    try:
        equation = tex2mathml(tex.strip(), as_block=block)
    except MathError as error:
        raise ValueError(f"equation {tex.strip()!r}: {error}") from None
    # The index of the search would contain line breaks between elements as text.
    equation = ACCENTED.sub(r'<msub><mover accent="true">\1\3</mover>\2</msub>', re.sub(r"\n\s*", "", equation))
    return f'<div class="equation" tabindex="0">{equation}</div>' if block else equation


def with_equations(page: str) -> str:
    """Return a page's HTML with its equations in MathML.

    Raises
    ------
    ValueError
        When the TeX of an equation cannot be parsed.
    """
    return FOUND.sub(lambda found: mathml(html.unescape(found["tex"]), found["tag"] == "div"), page)
