"""The chapters of an analysis: each decides, computes and returns one frozen result.

A chapter is the only place where it is decided which test is made, with which threshold, seed, bootstrap
or correction, and why. It says what the numbers are, never how they look:

- ``analysis/chapters/X.py`` has one function ``X_chapter(context, ...)`` for a study. It takes the
  `analysis.chapters.context.ReportContext`, calls the statistics of the other rooms and returns a frozen
  dataclass ``XChapter`` of estimates, numbers, ids and labels; None or an empty tuple where there is
  nothing to say, with the reason beside it where a reader needs one. No cells, no sentences, no figures.
- What does not need a study (two columns, one table of ratings) is a function of its own in the same file,
  from arrays to the same kind of result. The chapter calls it, and so does ``analysis/tables/X.py`` for
  ``evenhand analyse``: one decision, two readers.
- ``analysis/report/sections/X.py`` has one function ``X_section(context)``: it asks for the chapter and lays
  its result out as paragraphs, tables and figures. It may round, sort, and choose words; it calls no
  statistic.
- ``analysis/tables`` reads a person's table, asks for the same result and returns it as blocks
  (`analysis.tables.blocks.ResultBlock`), which the command prints or gives as JSON.

Where several are about one thing they stand in a folder of their own (``answers``, ``judge``).

Chapters import one another where one rests on another (subgroups on the contrast), and nothing of the
report or of the tables.
"""
