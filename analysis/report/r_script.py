"""An R program that repeats the report's main tables from the exported ratings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.report_data import ReportData
from study.errors import AnalysisError

_HEAD = """\
# Repeats the main tables of the report from ratings.csv and raters.csv, which lie beside this file.
# Run it in their folder:  Rscript report.R
# Base R does the frequencies, totals, paired and subgroup tests, equivalence, families of tests and
# exclusions; the mixed models need the packages
# ordinal and lmerTest and are left out with a note when these are not installed.
{banner}
ratings <- read.csv("ratings.csv", colClasses = c(rater = "character", prompt = "character",
                    system = "character", item = "character"), na.strings = "")
raters <- read.csv("raters.csv", colClasses = "character", na.strings = "")
reference <- {reference}
level <- {level}
scales <- list({scales})
all_items <- {all_items}
total_items <- {total_items}
heading <- function(text) cat("\\n##", text, "\\n")
"""

_FREQUENCIES = """
heading("Frequencies per item and system")
for (item in names(scales)) for (s in unique(ratings$system)) {
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
added <- ratings[ratings$item %in% total_items, ]
sums <- tapply(added$value, list(added$rater, added$system), sum)
print(apply(sums, 2, function(x) c(n = sum(!is.na(x)), mean = mean(x, na.rm = TRUE),
                                   sd = sd(x, na.rm = TRUE))))
p_values <- c()
"""

_PRIMARY = """
primary_contrast <- function(sums) {
  pair <- sums[, c(system, against), drop = FALSE]
  both <- pair[complete.cases(pair), , drop = FALSE]
  d <- both[, system] - both[, against]
  if (length(d) < 2 || sd(d) == 0) {
    cat("undefined: fewer than two raters with both totals, or no variance\\n"); return(NULL)
  }
  test <- t.test(both[, system], both[, against], paired = TRUE, conf.level = level)
  print(test)
  cat("d_z =", format(mean(d) / sd(d), digits = 10), "\\n")
  cat("d_av =", mean(d) / sqrt((var(both[, system]) + var(both[, against])) / 2), "\\n")
  if (!is.null(bounds)) {
    # Two one-sided tests: the larger p counts, and the interval is at 1 - 2 alpha.
    above <- t.test(d, mu = bounds[1], alternative = "greater")$p.value
    below <- t.test(d, mu = bounds[2], alternative = "less")$p.value
    inside <- t.test(d, conf.level = 1 - 2 * (1 - level))$conf.int
    cat("TOST p =", format(max(above, below), digits = 10), "interval", inside,
        if (max(above, below) < 1 - level) "equivalence shown\\n" else "equivalence not shown\\n")
  }
  test$p.value
}
heading("Primary contrast, paired by rater")
p_values["primary"] <- primary_contrast(sums)
"""

_SUBGROUPS = """
subgroup_tests <- function(sums) {
  found <- c()
  for (by in names(subgroups)) for (s in colnames(sums)) {
    group <- raters[match(rownames(sums), raters$rater), by]
    total <- sums[, s]
    if (length(unique(na.omit(group))) < 2) next
    for (pair in combn(sort(unique(na.omit(group))), 2, simplify = FALSE)) {
      x <- na.omit(total[which(group == pair[1])]); y <- na.omit(total[which(group == pair[2])])
      cat("\\n", s, by, ":", pair[1], "minus", pair[2], "\\n")
      if (length(x) < 2 || length(y) < 2 || (sd(x) == 0 && sd(y) == 0)) {
        cat("undefined: each subgroup needs two totals that vary\\n"); next
      }
      student <- t.test(x, y, var.equal = TRUE, conf.level = level)
      welch <- t.test(x, y, conf.level = level)
      print(student); print(welch)
      declared <- if (subgroups[[by]] == "student") student else welch
      found[paste(by, s, pair[1], pair[2], sep = "/")] <- declared$p.value
    }
  }
  found
}
heading("Totals by subgroup: Student and Welch")
p_values <- c(p_values, subgroup_tests(sums))
"""

_FAMILIES = """
heading("p values adjusted within the families of the plan")
for (name in names(families)) {
  family <- families[[name]]
  p <- p_values[sub("/.*", "", names(p_values)) %in% family$tests]
  cat("\\nfamily", name, family$method, "\\n")
  adjusted <- p.adjust(p, family$method)
  for (test in names(p)) cat("adjusted", test, format(p[[test]], digits = 10),
                             format(adjusted[[test]], digits = 10), "\\n")
}
"""

_EXCLUSIONS = """
heading("Raters who fall under the exclusions of the plan")
left_out <- character(0)
if (!is.null(exclusions$minimum_seconds)) {
  pages <- unique(ratings[!is.na(ratings$seconds), c("rater", "system", "prompt", "seconds")])
  medians <- tapply(pages$seconds, pages$rater, median)
  left_out <- c(left_out, names(medians)[medians < exclusions$minimum_seconds])
}
if (!is.null(exclusions$longest_run)) {
  ordered <- ratings[order(ratings$rater, ratings$position, match(ratings$item, all_items)), ]
  runs <- tapply(ordered$value, ordered$rater, function(v) {
    lengths <- rle(ifelse(is.na(v), -Inf, v))
    max(c(0, lengths$lengths[is.finite(lengths$values)]))
  })
  left_out <- c(left_out, names(runs)[runs > exclusions$longest_run])
}
if (isTRUE(exclusions$incomplete)) {
  left_out <- c(left_out, unique(ratings$rater[is.na(ratings$value)]))
}
left_out <- sort(unique(left_out))
cat("left out:", left_out, "\\n")
if (!is.null(exclusions$failed_attention_checks)) {
  cat("The rule on attention checks is not repeated here: their answers are not in ratings.csv.\\n")
}
remaining <- sums[!rownames(sums) %in% left_out, , drop = FALSE]
"""

_MODELS = """
heading("Mixed models of each item")
ratings$system <- relevel(factor(ratings$system), ref = reference)
for (item in all_items) {
  rows <- ratings[ratings$item == item & !is.na(ratings$value), ]
  cat("\\n", item, "\\n")
  if (length(unique(rows$value)) < 2) { cat("undefined: the ratings do not vary\\n"); next }
  if (!item %in% names(scales)) cat("numeric: no cumulative-link model\\n") else
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
_CODES = """
# The systems stand under blind codes, and the difference goes in the order of the codes; the direction
# that the plan declares is put in when the study is unblinded.
"""
_NO_BOUNDS = """\
# Equivalence is tested when the study is unblinded: its bounds are not symmetric about zero and would
# tell the systems apart.
"""
_ADJUSTMENTS = {"holm": "holm", "hommel": "hommel", "bh": "BH", "by": "BY"}


def r_text(text: str) -> str:
    """A string as R source, whatever stands in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _vector(names: Iterable[str]) -> str:
    return f"c({', '.join(map(r_text, names))})"


def r_script(data: ReportData) -> str:
    """The program, for the systems, scales, subgroups and the whole plan of this study.

    Raises
    ------
    AnalysisError
        When the plan names a system that the study does not have.
    """
    plan, known = data.plan, [s.id for s in data.systems]
    primary = plan.primary
    for name in () if primary is None else (primary.system, primary.against):
        if name not in known:
            raise AnalysisError(
                f"the plan names the system {name!r}, which the study does not have (it has "
                f"{', '.join(sorted(known))}); an R script cannot be written"
            )
    if not data.items:
        raise AnalysisError(
            "an R script repeats totals and models of ratings, and no item of this study is answered "
            "with a number; leave out --with-r"
        )
    banner = 'cat("SIMULATED DATA: made by a computer, not by people\\n")' if data.simulated else ""
    on_points = [item for item in data.items if item.kind == "points"]
    head = _HEAD.format(
        banner=banner,
        reference=r_text(known[0] if primary is None else primary.against),
        level=repr(plan.confidence),
        scales=", ".join(
            f"{r_text(item.id)} = c({', '.join(str(value) for value, _ in item.points)})"
            for item in on_points
        ),
        all_items=_vector(item.id for item in data.items),
        total_items=_vector(item.id for item in on_points or data.items),
    )
    return "".join([head, _FREQUENCIES, _TOTALS, *_tests(data), _MODELS, "\nsessionInfo()\n"])


def _tests(data: ReportData) -> list[str]:
    """What the plan declares, and once more without the raters whom it leaves out."""
    plan = data.plan
    asked = [s for s in plan.subgroups if s.by in data.raters.columns]
    parts, again = [], []
    if plan.primary is not None:
        bounds = data.equivalence_bounds
        limits = "NULL" if bounds is None else f"c({bounds[0]!r}, {bounds[1]!r})"
        pair = (r_text(plan.primary.system), r_text(plan.primary.against))
        parts.append("\n" if data.unblinded else _CODES)
        if bounds is None and plan.equivalence is not None:
            parts.append(_NO_BOUNDS)
        parts.append(f"system <- {pair[0]}\nagainst <- {pair[1]}\nbounds <- {limits}")
        parts.append(_PRIMARY)
        again.append("primary_contrast(remaining)")
        if plan.primary.test == "wilcoxon":
            said = "The plan declares Pratt's Wilcoxon test, which base R has not."
            parts.append(f'p_values <- p_values[names(p_values) != "primary"]\ncat("{said}\\n")\n')
    if asked:
        chosen = ", ".join(f"{r_text(s.by)} = {r_text(s.declared)}" for s in asked)
        parts += [f"\nsubgroups <- list({chosen})", _SUBGROUPS]
        again.append("print(subgroup_tests(remaining))")
    if plan.families:
        named = ", ".join(
            f"{r_text(f.name)} = list(method = {r_text(_ADJUSTMENTS[f.adjustment])}, "
            f"tests = {_vector(f.tests)})"
            for f in plan.families
        )
        parts += [f"\nfamilies <- list({named})", _FAMILIES]
    if plan.exclusions is not None:
        rules = ", ".join(
            f"{name} = {str(value).upper() if isinstance(value, bool) else repr(value)}"
            for name, value in plan.exclusions.model_dump(exclude_none=True).items()
        )
        parts += [f"\nexclusions <- list({rules})", _EXCLUSIONS]
        parts += [f'\nheading("Without the raters left out")\n{call}\n' for call in again]
    return parts


def r_tables(data: ReportData) -> dict[str, bytes]:
    """The two files that the program reads; ``simulated`` is the first column of both."""
    mark: Any = "true" if data.simulated else "false"
    ratings = data.ratings.copy()
    raters = data.raters.drop(columns=["simulated"], errors="ignore").copy()
    made = {}
    for name, frame in (("ratings.csv", ratings), ("raters.csv", raters)):
        frame.insert(0, "simulated", mark)
        text: str = pd.DataFrame(frame).to_csv(index=False, lineterminator="\n", na_rep="")
        made[name] = text.encode("utf-8")
    return made
