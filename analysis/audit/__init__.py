"""Audit of published tables: what in them cannot be, whatever was rounded.

`forms` makes records of a table, the rules compute from the records alone, `audit` runs them. A number
is an interval here: all that would have been printed like it. Arithmetic is exact, in fractions, so that
a value on the edge of rounding is on it and not beside it.
"""
