"""Agreement of raters beyond chance: coefficients, their intervals, and agreement on spans and labels."""
