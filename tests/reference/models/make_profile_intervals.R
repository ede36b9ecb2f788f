# Writes profile_intervals.csv: profile-likelihood intervals of lme4 and ordinal on long_missing.csv.
# Run in the folder tests/reference/models.
suppressMessages({library(lme4); library(ordinal)})
d <- read.csv("../stats/long_missing.csv")
d$model <- relevel(factor(d$model), ref = "Phi4")
d <- d[!is.na(d$y), ]
out <- data.frame()
add <- function(model, ci) for (r in rownames(ci)) {
  out <<- rbind(out, data.frame(model = model, parameter = r, low = sprintf("%.12g", ci[r, 1]),
                                high = sprintf("%.12g", ci[r, 2])))
}
intercept <- lmer(y ~ model + (1 | rater) + (1 | topic), d)
add("lmer_intercept", confint(intercept, method = "profile", oldNames = FALSE, quiet = TRUE)[1:3, ])
d$o <- factor(d$y, ordered = TRUE)
effect <- confint(clm(o ~ model, data = d))
add("clm", matrix(effect, ncol = 2, dimnames = list("modelEAI", NULL)))
slope <- lmer(y ~ model + (1 + model | rater) + (1 | topic), d)
add("lmer_slope", confint(slope, method = "profile", oldNames = FALSE, quiet = TRUE,
                          parm = "theta_")[c(1, 3, 4, 5), ])
write.csv(out, "profile_intervals.csv", row.names = FALSE, quote = FALSE)
# The mixed model has no profile in R; the effect is held by an offset instead.
d$e <- as.numeric(d$model == "EAI")
whole <- clmm(o ~ model + (1 | rater) + (1 | topic), data = d)
cat("clmm", sprintf("%.10g", as.numeric(logLik(whole))), "\n")
for (held in c(0.4, 1)) {
  d$off <- held * d$e
  part <- clmm(o ~ 1 + offset(off) + (1 | rater) + (1 | topic), data = d)
  cat("clmm held at", held, sprintf("%.10g", as.numeric(logLik(part))), "\n")
}
cat(R.version.string, "lme4", as.character(packageVersion("lme4")), "ordinal",
    as.character(packageVersion("ordinal")), "\n")
