"""Models of crossed, repeated ratings: ordinal, linear and population-averaged, with their likelihoods."""
