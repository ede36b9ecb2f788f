"""What is random in a model of ratings: terms that the data can carry, and to whom results then speak."""

from __future__ import annotations

from analysis.rating_models.crossed_effects import (
    RandomTerm,
    prompt_and_response_term,
    random_term,
)
from analysis.rating_models.ratings import CrossedRatings

RESPONSE_UNIT = (
    "rater and response (raters, prompts and responses random: results speak to other raters, other "
    "prompts and other responses of these systems)"
)


def random_terms(
    ratings: CrossedRatings, random_slopes: bool, random_responses: bool = False
) -> tuple[list[RandomTerm], str]:
    """The random terms that these data can carry, and why a prompt term is left out.

    Parameters
    ----------
    random_slopes : bool
        A rater's own effect of each level, correlated with the rater's intercept.
    random_responses : bool
        An intercept of each response (prompt by level) beside the prompt's; only where
        `CrossedRatings.response_obstacle` has nothing against it.
    """
    slopes = ratings.contrasts() if random_slopes else None
    labels = ratings.terms if random_slopes else ()
    terms = [random_term("rater", ratings.rater, len(ratings.raters), slopes, labels)]
    because, n_prompts = ratings.prompt_obstacle(), len(ratings.prompts)
    if random_responses:
        labels = ratings.levels
        terms.append(prompt_and_response_term(ratings.prompt, n_prompts, ratings.level, labels))
    elif not because:
        terms.append(random_term("prompt", ratings.prompt, n_prompts))
    return terms, because


def slope_obstacle(ratings: CrossedRatings, random_slopes: bool) -> str:
    """Why a rater's own effects cannot be estimated; empty when they can or are not asked for."""
    effects = len(ratings.raters) * len(ratings.levels)
    if random_slopes and ratings.n <= effects:
        return (
            f"{ratings.n} ratings for {effects} random effects ({len(ratings.raters)} raters by "
            f"{len(ratings.levels)} levels): a rater's own effect and error cannot be told apart"
        )
    return ""


def inference_unit(ratings: CrossedRatings) -> str:
    """The unit of inference, in words, of a model whose random prompt is an intercept only.

    Where a prompt has responses of several systems its intercept is the same in all of them and
    cancels out of their difference, so these models say nothing about other responses.
    """
    if ratings.prompt_obstacle():
        return "rater (random: results speak to other raters, with these prompts only)"
    if ratings.one_system_per_prompt:
        return (
            "rater and prompt (both random, and each prompt has one system: results speak to other "
            "raters and other prompts)"
        )
    return (
        "rater (random: results speak to other raters who judge these very responses; the random "
        "prompt intercept cancels out of differences between systems)"
    )


def estimate_unit(ratings: CrossedRatings) -> str:
    """The same in short, for the estimates."""
    both = not ratings.prompt_obstacle() and ratings.one_system_per_prompt
    return "rater and prompt" if both else "rater"
