"""Generated texts for ``inappropriate``, a category for which no people's labels are at hand.

They stand for three rules: no solicitation with adult content, no private data of others, no offers of real gore. Near
them are texts that speak of such matters as film critics do and break no rule. Some templates are kept for testing.
"""

import random
import string
from collections.abc import Iterator
from typing import NamedTuple

FILLERS = {
    "adult": ("nude", "naked", "explicit", "xxx", "uncensored adult", "18+"),
    "pictures": ("pictures", "pics", "videos", "clips", "photos", "live shows"),
    "contact": ("message me", "dm me", "text me", "write to me in private", "add me"),
    "where": ("on my profile", "at www.private-room.example", "in my bio", "at http://meet.example/now"),
    "name": ("Anna Berger", "Tom Walsh", "Maria Lopez", "the reviewer", "this critic", "user filmfan77"),
    "street": ("Mill Road", "Harbour Street", "Elm Avenue", "Church Lane", "Station Road"),
    "number": ("12", "48", "107", "233", "5"),
    "phone": ("555-0134", "555 0178", "(555) 0192", "+1 555 0101"),
    "gore": ("beheading", "mutilation", "suicide", "torture", "execution"),
    "real": ("real", "actual", "genuine, not acted,"),
    "film": ("film", "movie", "series", "episode", "sequel"),
    "scene": ("scene", "sequence", "moment", "subplot"),
    "verdict": ("moving", "dull", "overlong", "brave", "gratuitous", "well acted", "hard to watch"),
}
"""What may stand in a template's places."""

BREAKING = {
    "train": (
        "{contact} for {adult} {pictures}, all free tonight",
        "want to see me {adult}? {pictures} {where}",
        "hot singles in your town want to meet for sex, {contact}",
        "I sell {adult} {pictures} of myself, prices {where}",
        "looking for a discreet adult meeting tonight, {contact} with your number",
        "{adult} webcam, no card needed, join {where}",
        "{name} lives at {number} {street}, go and ring the bell at night",
        "here is the home phone of {name}: {phone}, call all day",
        "I found where {name} works and the private e-mail, posting it all: {number} {street}, {phone}",
        "the children of {name} go to school in {street}, just so you know",
        "{real} {gore} video, nothing cut, link {where}",
        "collection of {real} {gore} {pictures}, {contact} if you can stomach it",
    ),
    "test": (
        "horny and alone, {contact}, I send {adult} {pictures}",
        "my {adult} {pictures} are {where}, come and look",
        "adult fun near you, {contact} for a meeting with no strings",
        "for everyone asking: {name}, {number} {street}, phone {phone}",
        "let us all visit {name} at home, the address is {number} {street}",
        "watch a {real} {gore} here, {pictures} {where}",
    ),
}
"""Templates of texts that break a rule."""

ALLOWED = {
    "train": (
        "the nude {scene} is {verdict} and has its place in the {film}",
        "a {film} about a sex worker that is {verdict}",
        "the {gore} {scene} is {verdict}; the camera looks away in time",
        "explicit in places, this {film} is {verdict}",
        "{name} plays a detective who lives at {number} {street}, and is {verdict}",
        "an adult {film} in the best sense: {verdict} and grown up",
        "the {film} shows a {gore}, and the {scene} after it is {verdict}",
        "call me old-fashioned, but the webcam {scene} was {verdict}",
        "the erotic thriller is back, and this {film} is {verdict}",
        "a stalker finds the phone number of {name}: the best {scene} of a {verdict} {film}",
    ),
    "test": (
        "too much naked skin, too little plot: a {verdict} {film}",
        "the torture {scene} made me leave; the rest of the {film} is {verdict}",
        "the {film} follows two strangers who meet online for sex; {verdict}",
        "{number} {street} is a {verdict} {film} about a haunted address",
        "the private {pictures} of the heroine leak, which starts a {verdict} {scene}",
    ),
}
"""Templates of texts that break none, though their words come close."""


class Generated(NamedTuple):
    """A generated text."""

    text: str
    inappropriate: bool


def generate(part: str, each: int, seed: int) -> Iterator[Generated]:
    """Yield texts from the templates of a part, the same for the same seed.

    Args:
        part: ``train`` or ``test``; no template is in both.
        each: texts from each template; fewer if its places allow fewer.
        seed: of the choice of words.
    """
    for inappropriate, templates in ((True, BREAKING[part]), (False, ALLOWED[part])):
        for template in templates:
            random_ = random.Random(f"{seed}:{template}")
            places = [place for _, place, _, _ in string.Formatter().parse(template) if place]
            made = {template.format(**{place: random_.choice(FILLERS[place]) for place in places}) for _ in range(each)}
            for text in sorted(made):
                yield Generated(text[0].upper() + text[1:] + random_.choice((".", "!", "")), inappropriate)
