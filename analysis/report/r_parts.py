"""The parts of the R program that repeats the report's main tables; ``r_script`` puts them together."""

from __future__ import annotations

HEAD = """\
# Repeats main tables of the report from the CSV files that lie beside this file; README.md there says
# which ones. Run it in their folder:  Rscript report.R
# Base R does everything but the mixed models, which need the packages ordinal and lmerTest and are left
# out with a note when these are not installed.
{banner}
level <- {level}
systems <- {systems}
heading <- function(text) cat("\\n##", text, "\\n")
# What R cannot compute is said, and the program goes on with the next number.
try_or_say <- function(expression) tryCatch(expression, error = function(e) {{
  cat("not computed by R:", conditionMessage(e), "\\n"); NULL
}})
"""

NUMBERS = """
ratings <- read.csv("ratings.csv", colClasses = c(rater = "character", prompt = "character",
                    system = "character", item = "character"), na.strings = "")
raters <- read.csv("raters.csv", colClasses = "character", na.strings = "")
reference <- {reference}
scales <- list({scales})
all_items <- {all_items}
total_items <- {total_items}
"""

FREQUENCIES = """
heading("Frequencies per item and system")
for (item in names(scales)) for (s in systems) {
  rows <- ratings[ratings$item == item & ratings$system == s, ]
  points <- scales[[item]]
  n <- as.vector(table(factor(rows$value, levels = points)))
  cat("\\n", item, s, "\\n")
  print(data.frame(point = points, frequency = n, percent = 100 * n / sum(n),
                   cumulative = 100 * cumsum(n) / sum(n)), row.names = FALSE)
  if (anyNA(rows$value)) print(table(rows$missing_reason[is.na(rows$value)]))
}
"""

TOTALS = """
heading("Totals per rater and system; a rater with a missing answer has none")
added <- ratings[ratings$item %in% total_items, ]
sums <- tapply(added$value, list(added$rater, factor(added$system, levels = systems)), sum)
print(apply(sums, 2, function(x) c(n = sum(!is.na(x)), mean = mean(x, na.rm = TRUE),
                                   sd = sd(x, na.rm = TRUE))))
p_values <- c()
"""

PRIMARY = """
primary_contrast <- function(sums) {
  pair <- sums[, c(system, against), drop = FALSE]
  both <- pair[complete.cases(pair), , drop = FALSE]
  d <- both[, system] - both[, against]
  if (length(d) < 2 || sd(d) == 0) {
    cat("undefined: fewer than two raters with both totals, or no variance\\n"); return(NULL)
  }
  test <- try_or_say(t.test(both[, system], both[, against], paired = TRUE, conf.level = level))
  if (is.null(test)) return(NULL)
  print(test)
  cat("difference totals", system, "minus", against, format(mean(d), digits = 10), "\\n")
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

DECLARED = """
declared_contrast <- function(rows) {
  if (is.null(declared$on)) {
    rows <- aggregate(value ~ rater + prompt + system, rows[rows$item %in% total_items, ], sum,
                      na.action = na.pass)
    # As a difference of totals: a sum counts as often as a rater meets responses of one system.
    if (declared$test == "linear-mixed") rows$value <- rows$value * max(table(rows$rater, rows$system))
  } else rows <- rows[rows$item == declared$on, ]
  rows <- rows[!is.na(rows$value), ]
  for (name in c("rater", "prompt", "system")) rows[[name]] <- factor(rows[[name]])
  rows$system <- relevel(rows$system, ref = against)
  several <- sum(rowSums(table(rows$prompt, rows$system) > 0) > 1)
  if (declared$responses && several < 5) {
    cat("The declared model needs five prompts that several systems answered; the paired test counts.\\n")
    return(NULL)
  }
  slopes <- nrow(rows) > nlevels(rows$rater) * nlevels(rows$system)
  terms <- c("system", if (slopes) "(1 + system | rater)" else "(1 | rater)",
             if (nlevels(rows$prompt) > 1) "(1 | prompt)",
             if (declared$responses) "(1 | prompt:system)")
  name <- paste0("system", system)
  if (declared$test == "linear-mixed") {
    fit <- lmerTest::lmer(reformulate(terms, "value"), data = rows)
    table <- coef(summary(fit, ddf = "Kenward-Roger"))
    print(table)
    p <- table[name, "Pr(>|t|)"]
  } else {
    rows$answer <- factor(rows$value, ordered = TRUE)
    fit <- ordinal::clmm(reformulate(terms, "answer"), data = rows)
    table <- coef(summary(fit))
    print(table)
    cat("The report's p is of the likelihood ratio with small-sample degrees of freedom; clmm has none.\\n")
    p <- NA
  }
  cat("difference declared", system, "minus", against, format(table[name, 1], digits = 10), "\\n")
  p
}
heading("Primary contrast, by the declared model")
p_declared <- try_or_say(declared_contrast(ratings))
if (!is.null(p_declared)) p_values["primary"] <- p_declared
p_values <- p_values[!is.na(p_values)]
"""

SUBGROUPS = """
subgroup_tests <- function(sums) {
  found <- c()
  for (by in names(subgroups)) for (s in colnames(sums)) {
    group <- raters[match(rownames(sums), raters$rater), by]
    total <- sums[, s]
    # In the order of the questionnaire's options, as in the report: the sign hangs on it.
    present <- intersect(subgroups[[by]]$options, raters[[by]])
    if (length(present) < 2) next
    for (pair in combn(present, 2, simplify = FALSE)) {
      x <- na.omit(total[which(group == pair[1])]); y <- na.omit(total[which(group == pair[2])])
      cat("\\n", s, by, ":", pair[1], "minus", pair[2], "\\n")
      if (length(x) < 2 || length(y) < 2 || (sd(x) == 0 && sd(y) == 0)) {
        cat("undefined: each subgroup needs two totals that vary\\n"); next
      }
      student <- try_or_say(t.test(x, y, var.equal = TRUE, conf.level = level))
      welch <- try_or_say(t.test(x, y, conf.level = level))
      if (is.null(student) || is.null(welch)) next
      print(student); print(welch)
      cat("difference", by, s, pair[1], "minus", pair[2], format(mean(x) - mean(y), digits = 10), "\\n")
      declared <- if (subgroups[[by]]$test == "student") student else welch
      found[paste(by, s, pair[1], pair[2], sep = "/")] <- declared$p.value
    }
  }
  found
}
heading("Totals by subgroup: Student and Welch")
p_values <- c(p_values, subgroup_tests(sums))
"""

FAMILIES = """
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

EXCLUSIONS = """
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

MODELS = """
heading("Mixed models of each item: every system minus the reference")
differences <- function(model, item, estimates, base) {
  for (s in setdiff(systems, base)) if (paste0("system", s) %in% names(estimates))
    cat("difference", model, item, s, "minus", base,
        format(estimates[[paste0("system", s)]], digits = 10), "\\n")
}
cumulative_link <- function(rows, item) {
  n <- c(rater = length(unique(rows$rater)), prompt = length(unique(rows$prompt)))
  # With one prompt there is nothing to say about others, and the report leaves its term out, too.
  kept <- names(n)[n > 1]
  if (any(n[kept] < 3)) {
    cat("clmm: not repeated, because ordinal::clmm takes no random effect with fewer than three levels\\n")
    return(NULL)
  }
  formula <- reformulate(c("system", sprintf("(1 | %s)", kept)), "answer")
  rows$answer <- factor(rows$value, ordered = TRUE)
  fit <- ordinal::clmm(formula, data = rows)
  print(coef(summary(fit)))
  if (!all(is.finite(diag(vcov(fit)))) || any(diag(vcov(fit)) <= 0)) {
    cat("clmm: R found no standard errors, so its estimates are no maximum to compare with\\n")
    return(NULL)
  }
  differences("clmm", item, coef(fit), levels(rows$system)[1])
}
linear <- function(rows, item) {
  prompts <- if (length(unique(rows$prompt)) > 1) "(1 | prompt)"
  fit <- lmerTest::lmer(reformulate(c("system", "(1 + system | rater)", prompts), "value"), data = rows)
  print(coef(summary(fit)))
  differences("lmer", item, lme4::fixef(fit), levels(rows$system)[1])
}
for (item in all_items) {
  rows <- ratings[ratings$item == item & !is.na(ratings$value), ]
  cat("\\n", item, "\\n")
  if (length(unique(rows$value)) < 2) { cat("undefined: the ratings do not vary\\n"); next }
  rated <- intersect(systems, rows$system)
  if (length(rated) < 2) { cat("undefined: only one system has ratings\\n"); next }
  # Of this item alone: where nobody rated the reference, the next item still has it.
  base <- if (reference %in% rated) reference else rated[1]
  rows$system <- relevel(factor(rows$system, levels = rated), ref = base)
  if (!item %in% names(scales)) cat("numeric: no cumulative-link model\\n") else
  if (requireNamespace("ordinal", quietly = TRUE)) try_or_say(cumulative_link(rows, item)) else
    cat("package ordinal is not installed\\n")
  if (requireNamespace("lmerTest", quietly = TRUE)) try_or_say(linear(rows, item)) else
    cat("package lmerTest is not installed\\n")
}
"""
CHOICES = """
heading("Items with options: how often each was chosen, by system")
choices <- read.csv("choices.csv", colClasses = c(system = "character", item = "character"),
                    na.strings = "")
options_of <- list({options})
for (item in names(options_of)) for (s in systems) {{
  chosen <- choices$value[choices$item == item & choices$system == s]
  n <- as.vector(table(factor(chosen, levels = options_of[[item]])))
  for (k in seq_along(n)) cat("chosen", item, s, names(options_of[[item]])[k], n[k],
                              format(100 * n[k] / sum(n), digits = 10), "\\n")
}}
"""
COMPARISONS = """
heading("Comparisons of two responses: wins, ties and losses of the first system")
comparisons <- read.csv("comparisons.csv", colClasses = "character", na.strings = "")
for (item in {compared}) for (pair in combn(systems, 2, simplify = FALSE)) {{
  own <- comparisons$chosen[comparisons$item == item & comparisons$place_a %in% pair
                            & comparisons$place_b %in% pair]
  cat("compared", item, pair[1], "against", pair[2], "wins", sum(own == pair[1], na.rm = TRUE),
      "ties", sum(own == "tie", na.rm = TRUE), "losses", sum(own == pair[2], na.rm = TRUE), "\\n")
}}
"""
CODES = """
# The systems stand under blind codes, and the difference goes in the order of the codes; the direction
# that the plan declares is put in when the study is unblinded.
"""
NO_BOUNDS = """\
# Equivalence is tested when the study is unblinded: its bounds are not symmetric about zero and would
# tell the systems apart.
"""
