"""An R program that repeats the report's main tables from the exported ratings."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.report_data import ReportData
from study.errors import AnalysisError

_HEAD = """\
# Repeats the main tables of the report from ratings.csv and raters.csv, which lie beside this file.
# Run it in their folder:  Rscript report.R
# Base R does the frequencies, totals, paired and subgroup tests; the mixed models need the packages
# ordinal and lmerTest and are left out with a note when these are not installed.
{banner}
ratings <- read.csv("ratings.csv", colClasses = c(rater = "character", prompt = "character",
                    system = "character", item = "character"), na.strings = "")
raters <- read.csv("raters.csv", colClasses = "character", na.strings = "")
system <- {system}
against <- {against}
level <- {level}
heading <- function(text) cat("\\n##", text, "\\n")
"""

_FREQUENCIES = """
heading("Frequencies per item and system")
for (item in unique(ratings$item)) for (s in unique(ratings$system)) {
  rows <- ratings[ratings$item == item & ratings$system == s, ]
  points <- scales[[item]]
  n <- as.vector(table(factor(rows$value, levels = points)))
  cat("\\n", item, s, "\\n")
  print(data.frame(point = points, frequency = n, percent = 100 * n / sum(n),
                   cumulative = 100 * cumsum(n) / sum(n)), row.names = FALSE)
  if (anyNA(rows$value)) print(table(rows$missing_reason[is.na(rows$value)]))
}
"""

_TOTALS = """
heading("Totals per rater and system; a rater with a missing answer has none")
sums <- tapply(ratings$value, list(ratings$rater, ratings$system), sum)
print(apply(sums, 2, function(x) c(n = sum(!is.na(x)), mean = mean(x, na.rm = TRUE),
                                   sd = sd(x, na.rm = TRUE))))

heading("Primary contrast, paired by rater")
both <- sums[complete.cases(sums[, c(system, against), drop = FALSE]), , drop = FALSE]
if (nrow(both) > 1 && sd(both[, system] - both[, against]) > 0) {
  print(t.test(both[, system], both[, against], paired = TRUE, conf.level = level))
  d <- both[, system] - both[, against]
  cat("d_z =", mean(d) / sd(d), "\\n")
  cat("d_av =", mean(d) / sqrt((var(both[, system]) + var(both[, against])) / 2), "\\n")
} else cat("undefined: fewer than two raters with both totals, or no variance\\n")
"""

_SUBGROUPS = """
heading("Totals by subgroup: Student and Welch")
for (by in subgroups) for (s in colnames(sums)) {
  group <- raters[match(rownames(sums), raters$rater), by]
  total <- sums[, s]
  if (length(unique(na.omit(group))) < 2) next
  for (pair in combn(sort(unique(na.omit(group))), 2, simplify = FALSE)) {
    x <- na.omit(total[group == pair[1]]); y <- na.omit(total[group == pair[2]])
    cat("\\n", s, by, ":", pair[1], "minus", pair[2], "\\n")
    if (length(x) < 2 || length(y) < 2 || (sd(x) == 0 && sd(y) == 0)) {
      cat("undefined: each subgroup needs two totals that vary\\n"); next
    }
    print(t.test(x, y, var.equal = TRUE, conf.level = level))
    print(t.test(x, y, conf.level = level))
  }
}
"""

_MODELS = """
heading("Mixed models of each item")
ratings$system <- relevel(factor(ratings$system), ref = against)
for (item in unique(ratings$item)) {
  rows <- ratings[ratings$item == item & !is.na(ratings$value), ]
  cat("\\n", item, "\\n")
  if (length(unique(rows$value)) < 2) { cat("undefined: the ratings do not vary\\n"); next }
  if (requireNamespace("ordinal", quietly = TRUE)) {
    rows$answer <- factor(rows$value, ordered = TRUE)
    print(coef(summary(ordinal::clmm(answer ~ system + (1 | rater) + (1 | prompt), data = rows))))
  } else cat("package ordinal is not installed\\n")
  if (requireNamespace("lmerTest", quietly = TRUE)) {
    fit <- lmerTest::lmer(value ~ system + (1 + system | rater) + (1 | prompt), data = rows)
    print(coef(summary(fit)))
  } else cat("package lmerTest is not installed\\n")
}
"""


def r_text(text: str) -> str:
    """A string as R source, whatever stands in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def r_script(data: ReportData) -> str:
    """The program, for the systems, scales and subgroups of this study.

    Raises
    ------
    AnalysisError
        When the plan names a system that the study does not have.
    """
    plan = data.plan
    known = {s.id for s in data.systems}
    for name in (plan.primary.system, plan.primary.against):
        if name not in known:
            raise AnalysisError(
                f"the plan names the system {name!r}, which the study does not have (it has "
                f"{', '.join(sorted(known))}); an R script cannot be written"
            )
    scales = ", ".join(
        f"{r_text(item.id)} = c({', '.join(str(value) for value, _ in item.points)})"
        for item in data.items
    )
    asked = [s.by for s in plan.subgroups if s.by in data.raters.columns]
    banner = 'cat("SIMULATED DATA: made by a computer, not by people\\n")' if data.simulated else ""
    head = _HEAD.format(
        banner=banner,
        system=r_text(plan.primary.system),
        against=r_text(plan.primary.against),
        level=repr(plan.confidence),
    )
    parts = [head, f"scales <- list({scales})\n", _FREQUENCIES, _TOTALS]
    if asked:
        parts += [f"subgroups <- c({', '.join(map(r_text, asked))})\n", _SUBGROUPS]
    return "".join([*parts, _MODELS, "\nsessionInfo()\n"])


def r_tables(data: ReportData) -> dict[str, bytes]:
    """The two files that the program reads; ``simulated`` is the first column of both."""
    mark: Any = "true" if data.simulated else "false"
    ratings = data.ratings.drop(columns=["seconds"], errors="ignore").copy()
    raters = data.raters.drop(columns=["simulated"], errors="ignore").copy()
    made = {}
    for name, frame in (("ratings.csv", ratings), ("raters.csv", raters)):
        frame.insert(0, "simulated", mark)
        text: str = pd.DataFrame(frame).to_csv(index=False, lineterminator="\n", na_rep="")
        made[name] = text.encode("utf-8")
    return made
