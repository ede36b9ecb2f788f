"""The chapters about the judge: by itself, beside people, and whether it could stand in for them."""
