"""What the scripted system recognises and what it says: words, topics and sentences as data.

Every sentence stands on its own, so any choice of one per slot gives a grammatical reply. Nothing
here diagnoses, advises on treatment or names a service: emergency services are only called local.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Feeling:
    """A feeling that the rules can reflect.

    Parameters
    ----------
    pattern : str
        Regular expression, matched at word boundaries, case ignored.
    adjective : str
        Fits "you are feeling ...".
    noun : str
        Fits "there is ... in what you write"; used when the feeling may be another person's.
    pleasant : bool
    """

    pattern: str
    adjective: str
    noun: str
    pleasant: bool = False


@dataclass(frozen=True)
class TopicRule:
    """A topic that the rules can reflect, with its sentences and open questions."""

    pattern: str
    reflections: tuple[str, ...]
    questions: tuple[str, ...]


FEELINGS = (
    Feeling(r"overwhelm\w*|too much for me|drowning in", "overwhelmed", "a sense of overload"),
    Feeling(r"panic\w*", "panicky", "panic"),
    Feeling(
        r"anxi\w+|worr(?:y|ied|ies|ying)|nervous\w*|on edge|uneasy"
        r"|heart (?:\w+ )?(?:rac|pound)\w+",
        "anxious",
        "worry",
    ),
    Feeling(r"scared|afraid|frighten\w*|terrif\w+|fear\w*|dread\w*", "frightened", "fear"),
    Feeling(r"stress\w*|under pressure|pressured", "under pressure", "pressure"),
    Feeling(r"lonel\w+|all alone|so alone|isolated|left out|no friends", "lonely", "loneliness"),
    Feeling(
        r"exhaust\w*|tired|drained|worn out|burn(?:ed|t)[ -]?out|burnout|no energy",
        "worn out",
        "tiredness",
    ),
    Feeling(
        r"sad|sadness|unhappy|not (?:very |really |that )?happy|depress\w+|miserable"
        r"|down lately|miss (?:him|her|them)|cry(?:ing)?|cried|tears"
        r"|feel(?:ing)? (?:so |very |really )?(?:down|low)",
        "very low",
        "sadness",
    ),
    Feeling(r"hopeless\w*|no hope|pointless|giv(?:e|ing) up", "short of hope", "discouragement"),
    Feeling(
        r"worthless\w*|not good enough|never good enough|a failure|useless|hate myself|stupid"
        r"|self[- ]doubt|insecure|not smart enough",
        "not good enough",
        "self-doubt",
    ),
    Feeling(r"guilt\w*|my (?:own )?fault|blam(?:e|ing) myself", "guilty", "guilt"),
    Feeling(r"asham\w+|shame|embarrass\w*|humiliat\w*", "ashamed", "shame"),
    Feeling(r"angry|anger|furious|rage|resent\w*", "angry", "anger"),
    Feeling(r"frustrat\w*|fed up|annoyed|irritat\w+", "frustrated", "frustration"),
    Feeling(r"betray\w*|heart ?broken|hurt by|so hurt|rejected|rejection", "hurt", "hurt"),
    Feeling(r"numb|numbness|empty|emptiness", "numb", "numbness"),
    Feeling(
        r"confus\w+|feel(?:ing)? lost|so lost|torn between", "unsure of the way", "uncertainty"
    ),
    Feeling(r"jealous\w*|envious|envy", "envious", "envy"),
    Feeling(r"homesick\w*", "homesick", "homesickness"),
    Feeling(r"griev\w+|grief|mourn\w*", "grief-stricken", "grief"),
    Feeling(r"happy|glad|joy\w*|delighted|excited", "glad", "joy", True),
    Feeling(r"proud|pride", "proud", "pride", True),
    Feeling(r"relieved|relief|calmer", "relieved", "relief", True),
    Feeling(r"grateful|thankful", "grateful", "gratitude", True),
    Feeling(r"hopeful|optimistic", "hopeful", "hope", True),
)

TOPICS = (
    TopicRule(
        r"died|death|passed away|funeral|griev\w+|grief|lost my (?:\w+ )?(?:mother|father|mum|mom"
        r"|dad|grand\w+|sister|brother|friend|son|daughter|wife|husband|partner|dog|cat)",
        (
            "Losing someone can change the shape of every ordinary day.",
            "Missing someone this much says something about what the bond means.",
        ),
        (
            "What would you like me to know about the one who is missed?",
            "Which moments of the day are hardest without them?",
        ),
    ),
    TopicRule(
        r"break[- ]?up|broke up|boyfriend|girlfriend|divorc\w*|my ex|partner|husband|wife"
        r"|relationship|dating",
        (
            "When things change with somebody close, a great deal can feel uncertain at once.",
            "Closeness matters so much that trouble in it can spread into everything else.",
        ),
        (
            "What do you find yourself needing most from the people close to you at the moment?",
            "What part of this relationship is on your mind most often?",
        ),
    ),
    TopicRule(
        r"exam\w*|test results?|grades?|homework|assignments?|thesis|dissertation|deadline\w*"
        r"|stud(?:y|ies|ying)|school|university|college|semester|professor|lecture\w*|class(?:es)?",
        (
            "Studying can take up so much room that little is left for anything else.",
            "When so much seems to depend on results, it is hard to put the books out of mind.",
        ),
        (
            "Which part of your studies weighs on you the most just now?",
            "What would a slightly easier week of studying look like for you?",
        ),
    ),
    TopicRule(
        r"job|work|working|boss|colleague\w*|co-?workers?|office|shift|career|unemploy\w+|fired"
        r"|laid off|interview\w*",
        (
            "Work can ask for more than anybody has to give, and it tends to follow people home.",
            "So much of a day belongs to work that trouble there is hard to leave behind.",
        ),
        (
            "What happens on the days when work feels heaviest?",
            "What would need to change at work for you to breathe a little easier?",
        ),
    ),
    TopicRule(
        r"mother|father|mum|mom|dad|parents?|family|sister|brother|siblings?|grandm\w+|grandf\w+"
        r"|my (?:son|daughter|kids?|child(?:ren)?)|baby",
        (
            "Family can be where people feel closest and also where things hurt the most.",
            "What happens in a family often touches people more deeply than anything outside it.",
        ),
        (
            "What do you wish your family understood about this?",
            "How do you look after yourself when things at home are tense?",
        ),
    ),
    TopicRule(
        r"sleep\w*|slept|insomnia|awake|nightmares?|at night|3 ?am",
        (
            "When sleep does not come, the nights get long and the days get harder.",
            "Being short of rest makes nearly everything feel heavier.",
        ),
        (
            "What goes through your mind when you lie awake?",
            "What are your evenings like before you try to sleep?",
        ),
    ),
    TopicRule(
        r"friends?|friendship|lonel\w+|alone|isolated|nobody|no one|left out|social\w*"
        r"|part(?:y|ies)|presentation|blush\w*|groups?|people (?:look|stare) at me",
        (
            "Wanting to be with people who really know you is a very human wish.",
            "Being among others and still feeling apart from them can be painful.",
        ),
        (
            "When did you last feel at ease with somebody?",
            "What kind of company are you missing most?",
        ),
    ),
    TopicRule(
        r"money|debts?|rent|bills?|afford|loans?|financ\w+|broke",
        (
            "Worries about money have a way of following people into every corner of the day.",
            "When money is short, even small decisions can become tiring.",
        ),
        (
            "Which of these money worries is the most pressing for you?",
            "Who, if anybody, knows about this worry so far?",
        ),
    ),
    TopicRule(
        r"my (?:body|weight|looks|appearance)|mirror|overweight|ugly|eating|diet\w*",
        (
            "Living with harsh thoughts about one's own body takes a lot of strength.",
            "The way we look at ourselves can be far less kind than the way others see us.",
        ),
        (
            "When do these thoughts about yourself get loudest?",
            "How would you speak to a good friend who felt this way?",
        ),
    ),
    TopicRule(
        r"social media|instagram|online|phone|followers|scroll\w*|compar(?:e|ing) myself",
        (
            "Seeing everybody's best moments all day can make one's own life look smaller.",
            "It is hard not to measure oneself against what others choose to show.",
        ),
        (
            "How do you usually feel right after you put the phone away?",
            "What do you value in your life that no picture would show?",
        ),
    ),
    TopicRule(
        r"mov(?:ed|ing) (?:to|away|here|out)|(?:new|another|foreign) (?:city|town|country|place)"
        r"|homesick\w*|abroad|far from home|miss (?:my )?home",
        (
            "Starting over in a new place means losing many small things that felt like home.",
            "A move can leave a person between two places for quite a while.",
        ),
        (
            "What do you miss most about where you were before?",
            "What has felt a little familiar in the new place so far?",
        ),
    ),
    TopicRule(
        r"bull(?:y|ied|ying|ies)|teas(?:e|ed|ing)|mock\w*|picked on|laugh(?:ed|ing)? at me",
        (
            "Being treated badly by others wears a person down, and it is not deserved.",
            "Words and actions like that can stay with a person long after they happen.",
        ),
        (
            "Who around you knows what has been happening?",
            "What would help you feel a little safer among these people?",
        ),
    ),
    TopicRule(
        r"ill(?:ness)?|sick|pain|doctor|hospital|health|diagnos\w+|treatment|symptoms?|medication",
        (
            "Worries about health can make the ground feel less steady.",
            "Living with something like this in body or mind takes energy that others may not see.",
        ),
        (
            "How has this been changing your days?",
            "What kind of support do you have around this at present?",
        ),
    ),
    TopicRule(
        r"nothing is fun|no (?:fun|joy|energy|motivation)|out of bed|get(?:ting)? up|energy"
        r"|low mood|no interest",
        (
            "When even small things take so much effort, a day can feel very long.",
            "It is a heavy thing when what used to be pleasant no longer is.",
        ),
        (
            "What are your days like at the moment?",
            "Is there a part of the day that is a little lighter than the others?",
        ),
    ),
    TopicRule(
        r"panic\w*|anxi\w+|heart (?:is )?(?:rac\w+|pound\w+)|breath\w*|worr(?:y|ied|ies|ying)",
        (
            "Worry can take hold of the body as well as the mind, and that is frightening.",
            "When worry keeps circling, it is hard to find a quiet moment.",
        ),
        (
            "What do you notice first when the worry begins?",
            "What, if anything, makes the worry a little quieter?",
        ),
    ),
    TopicRule(
        r"future|decision\w*|decide|what to do with my life|direction|purpose|meaning",
        (
            "Not knowing what comes next can be tiring, above all when others seem so sure.",
            "Big questions about the way ahead rarely have quick answers.",
        ),
        (
            "What matters to you most when you think about the time ahead?",
            "If one thing became clearer, which one would help you most?",
        ),
    ),
)

NO_TOPIC = TopicRule(
    r"",
    (
        "What you describe deserves time and attention.",
        "I would like to understand better how this is for you.",
        "It can take courage to put something like this into words.",
    ),
    (
        "What feels most important for you to talk about first?",
        "Could you tell me a little more about how this has been for you?",
        "What has been on your mind the most in the last few days?",
    ),
)

OPENINGS_OWN = (
    "It sounds like you are feeling {feelings}.",
    "From what you write, you seem to be feeling {feelings}.",
    "I hear that you are feeling {feelings}.",
)
OPENINGS_NOUN = (
    "I hear {feelings} in what you write.",
    "There seems to be {feelings} in what you describe.",
    "What you tell me carries {feelings} with it.",
)
OPENINGS_NO_FEELING = (
    "Thank you for telling me about this.",
    "I am glad that you put this into words.",
    "Thank you for sharing what is on your mind.",
)
VALIDATIONS_HARD = (
    "It makes sense that this is hard, and it is all right to feel the way you do.",
    "That is a lot to carry, and your reaction is understandable.",
    "Anybody in your place might find this difficult.",
)
VALIDATIONS_GLAD = (
    "It is good to hear what is going well, and it deserves to be noticed.",
    "Moments like this are worth staying with for a while.",
)
VALIDATIONS_NEUTRAL = (
    "Whatever you feel about it is welcome here.",
    "There is no right or wrong way to feel about it.",
)
INVITATIONS = (
    "We can take this one small piece at a time, at your pace.",
    "You do not have to sort all of it out at once.",
    "I am here to listen for as long as you want to talk about it.",
)
QUESTIONS_GLAD = (
    "What do you think helped to bring this about?",
    "What would you like to keep from this for harder days?",
)
