"""Going back to rated responses: which one is shown stands in the page's address."""

from __future__ import annotations

import streamlit as st

from survey_app.visit import Visit

AGAIN = "again"


def wanted_position(visit: Visit) -> int | None:
    """The position of the rated response that the address asks for; None without one."""
    wanted, present = st.query_params.get(AGAIN, ""), visit.place.assignment
    if present is None or not (wanted.isascii() and wanted.isdigit() and len(wanted) < 5):
        return None
    may = visit.study.protocol.design.may_go_back and 1 <= int(wanted) < present.position
    return int(wanted) if may else None


def may_go_back(visit: Visit) -> bool:
    """Whether there is a rated response before the present one, and the protocol lets raters back."""
    return visit.study.protocol.design.may_go_back and visit.place.rated > 0


def go_to(visit: Visit, position: int) -> None:
    """Have the next run show a rated response or, after the last one, the one to be rated."""
    present = visit.place.assignment
    if present is not None and 1 <= position < present.position:
        st.query_params[AGAIN] = str(position)
    elif AGAIN in st.query_params:
        del st.query_params[AGAIN]
