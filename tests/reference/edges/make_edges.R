# Makes edges.csv: R's fits whose maximum lies on the edge of the model, and the log-likelihoods of the
# models without the raters' own effects. R 4.2.2, lme4 1.1-31, ordinal 2022.11-16.
suppressMessages({library(lme4); library(ordinal)})
rows <- list()
put <- function(data, model, quantity, value)
  rows[[length(rows) + 1]] <<- data.frame(data, model, quantity, value = unname(value))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5),
                     check.conv.singular = "ignore")
for (name in c("no_slope", "two_raters", "plus_one", "three_levels", "zero_rater")) {
  d <- read.csv(paste0(name, ".csv"), stringsAsFactors = TRUE)
  d$o <- factor(d$y, ordered = TRUE)
  s <- suppressMessages(lmer(y ~ model + (1 + model | rater) + (1 | topic), d, control = tight))
  i <- suppressMessages(lmer(y ~ model + (1 | rater) + (1 | topic), d, control = tight))
  put(name, "lmer", "singular", as.numeric(isSingular(s)))
  put(name, "lmer", "rater_std_dev", sqrt(VarCorr(s)$rater[1, 1]))
  put(name, "lmer", "likelihood_ratio", 2 * as.numeric(logLik(s) - logLik(i)))
  if (name %in% c("no_slope", "plus_one")) {
    cs <- clmm(o ~ model + (1 + model | rater) + (1 | topic), d)
    ci <- clmm(o ~ model + (1 | rater) + (1 | topic), d)
    # Where raters are as many as topics, clmm gives the two terms each other's name; the raters' is 2 x 2.
    wide <- Filter(function(m) ncol(m) == 2, VarCorr(cs))[[1]]
    put(name, "clmm", "rater_std_dev", sqrt(wide[1, 1]))
    put(name, "clmm", "likelihood_ratio", 2 * as.numeric(logLik(cs) - logLik(ci)))
  }
}
write.csv(do.call(rbind, rows), "edges.csv", row.names = FALSE)
