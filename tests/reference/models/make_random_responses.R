# Makes random_responses.csv, small_five_by_three.csv and random_responses_reference.csv: lmer with a
# random intercept of each response (topic by model), and Kenward-Roger at four degrees of freedom.
# R 4.2.2, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5-2. Run in the folder tests/reference/models.
# lmer runs with a tighter optimizer than its default, whose own error shows in the fourth digit.
suppressMessages(library(lmerTest))
rows <- list()
put <- function(data, model, quantity, term, value)
  rows[[length(rows) + 1]] <<- data.frame(data, model, quantity, term, value = unname(value))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5))

set.seed(61)
systems <- c("Phi4", "EAI", "Zed")
d <- expand.grid(model = systems, topic = sprintf("T%02d", 1:12), rater = sprintf("R%02d", 1:20),
                 stringsAsFactors = FALSE)
r <- as.integer(factor(d$rater)); t <- as.integer(factor(d$topic)); m <- match(d$model, systems)
slope <- matrix(rnorm(20 * 3, 0, 0.4), 20); response <- matrix(rnorm(12 * 3, 0, 0.5), 12)
d$y <- round(3 + rnorm(20, 0, 0.6)[r] + rnorm(12, 0, 0.4)[t] + slope[cbind(r, m)] +
             response[cbind(t, m)] + c(0, 0.3, 0.6)[m] + rnorm(nrow(d), 0, 0.9), 2)
d <- d[runif(nrow(d)) > 0.08, c("rater", "topic", "model", "y")]
write.csv(d, "random_responses.csv", row.names = FALSE, quote = FALSE)

set.seed(53)
repeat {
  # A balanced draw with a rater slope and neither error nor prompt variance in its way: df is 4.
  small <- expand.grid(model = c("Phi4", "EAI"), topic = paste0("T", 1:3), rater = paste0("R", 1:5),
                       stringsAsFactors = FALSE)
  small$y <- sample(1:5, nrow(small), replace = TRUE)
  small <- small[, c("rater", "topic", "model", "y")]
  small$model <- factor(small$model, c("Phi4", "EAI"))
  fit <- suppressMessages(lmer(y ~ model + (1 + model | rater) + (1 | topic), small, control = tight))
  k <- coef(summary(fit, ddf = "Kenward-Roger"))
  if (abs(k[2, 3] - 4) < 1e-6 && VarCorr(fit)$rater[2, 2] > 0.1) break
}
write.csv(small, "small_five_by_three.csv", row.names = FALSE, quote = FALSE)

record <- function(name, mod, l, response) {
  s <- coef(summary(l)); k <- coef(summary(l, ddf = "Kenward-Roger"))
  put(name, mod, "estimate", rownames(s), s[, 1]); put(name, mod, "std_error", rownames(s), s[, 2])
  if (response) {
    put(name, mod, "df", rownames(s), s[, 3]); put(name, mod, "p_value", rownames(s), s[, 5])
    put(name, mod, "response_variance", "", VarCorr(l)$`topic:model`[1, 1])
    put(name, mod, "prompt_variance", "", VarCorr(l)$topic[1, 1])
    put(name, mod, "rater_variance", "", VarCorr(l)$rater[1, 1])
    put(name, mod, "residual_variance", "", sigma(l)^2)
    a <- anova(l); b <- anova(l, ddf = "Kenward-Roger")
    put(name, mod, "f_satterthwaite_effect", c("F", "df2"), c(a[1, "F value"], a[1, "DenDF"]))
    put(name, mod, "f_kenward_roger_effect", c("F", "df2"), c(b[1, "F value"], b[1, "DenDF"]))
  }
  put(name, mod, "kenward_roger_std_error", rownames(k), k[, 2])
  put(name, mod, "kenward_roger_df", rownames(k), k[, 3])
  put(name, mod, "kenward_roger_p_value", rownames(k), k[, 5])
  put(name, mod, "log_likelihood", "", as.numeric(logLik(l)))
}
d <- read.csv("random_responses.csv"); d$model <- relevel(factor(d$model), "Phi4")
record("random_responses", "lmer_response", lmer(
  y ~ model + (1 | rater) + (1 | topic) + (1 | topic:model), d, control = tight), TRUE)
record("random_responses", "lmer_slope_response", lmer(
  y ~ model + (1 + model | rater) + (1 | topic) + (1 | topic:model), d, control = tight), TRUE)
record("small_five_by_three", "lmer_slope", fit, FALSE)
out <- do.call(rbind, rows); out$value <- sprintf("%.12g", out$value)
write.csv(out, "random_responses_reference.csv", row.names = FALSE, quote = FALSE)
