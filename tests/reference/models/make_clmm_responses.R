# Makes clmm_*.csv and clmm_reference.csv: clmm with a random intercept of each response (topic by model),
# glmer on two points, clmm by adaptive quadrature, clmm2 with an effect at each threshold.
# R 4.2.2, ordinal 2022.11-16, lme4 1.1-31. Run in the folder tests/reference/models.
suppressMessages({library(ordinal); library(lme4)})
rows <- list()
put <- function(data, model, quantity, term, value)
  rows[[length(rows) + 1]] <<- data.frame(data, model, quantity, term, value = unname(value))
make <- function(name, seed, n, cuts, slope = 0.4, missing = 0.06, effect = c(0, 0.5, 0.9), twist = 0) {
  set.seed(seed)
  systems <- c("Phi4", "EAI", "Zed")[seq_len(n[3])]
  d <- expand.grid(model = systems, topic = sprintf("T%02d", seq_len(n[2])),
                   rater = sprintf("R%02d", seq_len(n[1])), stringsAsFactors = FALSE)
  r <- as.integer(factor(d$rater)); t <- as.integer(factor(d$topic)); m <- match(d$model, systems)
  own <- matrix(rnorm(n[1] * n[3], 0, slope), n[1]); response <- matrix(rnorm(n[2] * n[3], 0, 0.6), n[2])
  latent <- rnorm(n[1], 0, 0.8)[r] + rnorm(n[2], 0, 0.5)[t] + own[cbind(r, m)] + response[cbind(t, m)] +
    effect[m] + rlogis(nrow(d)) * ifelse(m == 2, 1 + twist, 1)
  d$y <- findInterval(latent, cuts) + 1
  d <- d[runif(nrow(d)) > missing, c("rater", "topic", "model", "y")]
  write.csv(d, paste0("clmm_", name, ".csv"), row.names = FALSE, quote = FALSE)
  d
}
coded <- function(d) {
  d$model <- relevel(factor(d$model), "Phi4"); d$rater <- factor(d$rater); d$topic <- factor(d$topic)
  d$o <- factor(d$y, ordered = TRUE); d
}
record <- function(name, model, fit) {
  s <- coef(summary(fit))
  put(name, model, "estimate", rownames(s), s[, 1]); put(name, model, "std_error", rownames(s), s[, 2])
  for (term in c(rater_variance = "rater", prompt_variance = "topic", response_variance = "topic:model"))
    if (!is.null(VarCorr(fit)[[term]]))
      put(name, model, names(which(c(rater_variance = "rater", prompt_variance = "topic",
        response_variance = "topic:model") == term)), "", VarCorr(fit)[[term]][1, 1])
  put(name, model, "log_likelihood", "", as.numeric(logLik(fit)))
}
five <- c(-2.2, -0.9, 0.4, 1.9)
response <- "model + (1 | rater) + (1 | topic) + (1 | topic:model)"
slopes <- "model + (1 + model | rater) + (1 | topic) + (1 | topic:model)"
tight <- clmm.control(gradTol = 1e-7)
two <- coded(make("two", 71, c(24, 8, 2), five))
record("two", "clmm_response", clmm(as.formula(paste("o ~", response)), two, control = tight))
record("two", "clmm_slope_response", clmm(as.formula(paste("o ~", slopes)), two, control = tight))
three <- coded(make("three", 72, c(14, 6, 3), five, slope = 1))
record("three", "clmm_response", clmm(as.formula(paste("o ~", response)), three, control = tight))
record("three", "clmm_slope_response", clmm(as.formula(paste("o ~", slopes)), three, control = tight))
seven <- coded(make("seven", 73, c(10, 16, 2), c(-3, -2, -1, 0, 1.2, 2.4), slope = 0, missing = 0.3))
record("seven", "clmm_response", clmm(as.formula(paste("o ~", response)), seven, control = tight))
binary <- coded(make("binary", 74, c(30, 9, 2), 0.3))
binary$b <- as.integer(binary$y == 2)
g <- glmer(as.formula(paste("b ~", response)), binary, family = binomial, control = glmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), tolPwrss = 1e-12))
record("binary", "glmer_response", g)
record("binary", "clmm_response", clmm(as.formula(paste("o ~", response)), binary, control = tight))
one <- coded(make("one_prompt", 75, c(60, 1, 3), five, slope = 0, missing = 0, twist = 1.2))
for (nodes in c(1, 15))
  record("one_prompt", paste0("clmm_", nodes), clmm(o ~ model + (1 | rater), one, nAGQ = nodes, control = tight))
m <- clmm2(o ~ 1, nominal = ~model, random = rater, data = one, Hess = TRUE,
           control = clmm2.control(gradTol = 1e-7))
s <- summary(m)$coefficients
put("one_prompt", "clmm2_nominal", "estimate", rownames(s)[seq_len(12)], s[seq_len(12), 1])
put("one_prompt", "clmm2_nominal", "std_error", rownames(s)[seq_len(12)], s[seq_len(12), 2])
put("one_prompt", "clmm2_nominal", "log_likelihood", "", as.numeric(logLik(m)))
out <- do.call(rbind, rows); out$value <- sprintf("%.12g", out$value)
write.csv(out, "clmm_reference.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "ordinal", as.character(packageVersion("ordinal")), "lme4",
    as.character(packageVersion("lme4")), "\n")
