# Makes reference.csv: R's fits of the three data sets beside this file (simulated, seeds 11, 12, 14).
# R 4.2.2, ordinal 2022.11-16, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5-2, geepack 1.3.9.
# lmer runs with a tighter optimizer than its default, whose own error shows in the fourth digit.
suppressMessages({library(ordinal); library(lmerTest); library(geepack)})
rows <- list()
put <- function(data, model, quantity, term, value)
  rows[[length(rows) + 1]] <<- data.frame(data, model, quantity, term, value = unname(value))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5))
for (name in c("three_systems", "many_prompts", "boundary")) {
  d <- read.csv(paste0(name, ".csv"))
  d$model <- relevel(factor(d$model), "Phi4"); d$rater <- factor(d$rater); d$topic <- factor(d$topic)
  d$o <- factor(d$y, ordered = TRUE); d <- d[order(d$rater), ]
  forms <- list(intercept = "model + (1 | rater) + (1 | topic)",
                slope = "model + (1 + model | rater) + (1 | topic)")
  for (kind in names(forms)) {
    m <- clmm(as.formula(paste("o ~", forms[[kind]])), d)
    s <- coef(summary(m)); mod <- paste0("clmm_", kind)
    put(name, mod, "estimate", rownames(s), s[, 1]); put(name, mod, "std_error", rownames(s), s[, 2])
    put(name, mod, "rater_variance", "", VarCorr(m)$rater[1, 1])
    put(name, mod, "prompt_variance", "", VarCorr(m)$topic[1, 1])
    put(name, mod, "log_likelihood", "", as.numeric(logLik(m)))
    l <- lmer(as.formula(paste("y ~", forms[[kind]])), d, control = tight)
    mod <- paste0("lmer_", kind); s <- coef(summary(l)); k <- coef(summary(l, ddf = "Kenward-Roger"))
    put(name, mod, "estimate", rownames(s), s[, 1]); put(name, mod, "std_error", rownames(s), s[, 2])
    put(name, mod, "df", rownames(s), s[, 3]); put(name, mod, "p_value", rownames(s), s[, 5])
    put(name, mod, "kenward_roger_std_error", rownames(k), k[, 2])
    put(name, mod, "kenward_roger_df", rownames(k), k[, 3])
    put(name, mod, "rater_variance", "", VarCorr(l)$rater[1, 1])
    put(name, mod, "prompt_variance", "", VarCorr(l)$topic[1, 1])
    put(name, mod, "residual_variance", "", sigma(l)^2)
    put(name, mod, "log_likelihood", "", as.numeric(logLik(l)))
    a <- anova(l); b <- anova(l, ddf = "Kenward-Roger")
    put(name, mod, "f_satterthwaite_effect", c("F", "df2"), c(a[1, "F value"], a[1, "DenDF"]))
    put(name, mod, "f_kenward_roger_effect", c("F", "df2"), c(b[1, "F value"], b[1, "DenDF"]))
  }
  g <- geeglm(y ~ model, id = as.integer(d$rater), data = d, corstr = "exchangeable")
  s <- coef(summary(g))
  put(name, "gee", "estimate", rownames(s), s[, 1]); put(name, "gee", "std_error", rownames(s), s[, 2])
  put(name, "gee", "exchangeable_correlation", "", summary(g)$corr[1, 1])
  put(name, "gee", "scale", "", summary(g)$dispersion[1, 1])
  m <- clm(o ~ model, data = d); s <- coef(summary(m))
  put(name, "clm", "estimate", rownames(s), s[, 1]); put(name, "clm", "std_error", rownames(s), s[, 2])
  put(name, "clm", "log_likelihood", "", as.numeric(logLik(m)))
  t <- nominal_test(m)
  put(name, "clm", "likelihood_ratio_proportional_odds", "", t["model", "LRT"])
}
out <- do.call(rbind, rows); out$value <- sprintf("%.12g", out$value)
write.csv(out, "reference.csv", row.names = FALSE, quote = FALSE)
