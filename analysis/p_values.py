"""How a p value is written, in the report and in the evidence of a check."""

from __future__ import annotations


def p_text(p: float) -> str:
    """A p value for a cell: three decimals without the leading zero, or ``< .001``.

    Examples
    --------
    >>> p_text(0.0526), p_text(0.00003), p_text(1.0)
    ('.053', '< .001', '1.000')
    """
    if p < 0.001:
        return "< .001"
    text = f"{p:.3f}"
    return text[1:] if text.startswith("0") else text


def p_phrase(p: float) -> str:
    """A p value for running text: ``p = .053`` or ``p < .001``."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
