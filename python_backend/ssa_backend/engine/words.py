"""The words that rules for noun phrases need to know; see `noun_phrases`.

Chosen for image captions: what opens or ends a phrase is complete, adjectives and verbs are the
usual ones of captions. Every other word passes for a noun.
"""

from __future__ import annotations

from typing import Final


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPENERS: Final = _set("""
a an the this these those some any each every no another both all several many few half
my your his her its their our
one two three four five six seven eight nine ten eleven twelve dozen hundred
""")

PRONOUNS: Final = _set("""
i you he she it we they me him us them myself himself herself itself themselves
who whom whose which what where when why how there here
someone somebody something anyone anybody anything everyone everybody everything nobody nothing
""")

PREPOSITIONS: Final = _set("""
about above across after against along alongside amid among amongst around as at atop before behind
below beneath beside besides between beyond by down during except for from in inside into like near
nearby of off on onto opposite out outside over past per since than through throughout to toward
towards under underneath until up upon via while with within without
""")

_OTHERS: Final = _set("""
is are was were be been being am has have had having do does did done can could will would may might
must shall should not n't but if because so then also just only even still again ago away back
forward together apart ahead aside else instead either neither nor yet etc maybe perhaps now today
goes go went gone gets get got comes come came
""")

# Of these, the ones that are nouns behind an article: "the back of a truck".
PLACES: Final = _set("back inside outside past down")

BREAKS: Final = PRONOUNS | PREPOSITIONS | _OTHERS

ADVERBS: Final = _set("very really quite extremely too rather pretty almost")

# Words in -ly that are nouns or adjectives.
NO_ADVERBS: Final = _set("""
family fly butterfly dragonfly belly jelly lily bully gully ally reply supply assembly monopoly
friendly curly ugly silly lovely early elderly hilly woolly bubbly lively daily lonely holy wooly
""")

ADJECTIVES: Final = _set("""
black white red green blue yellow brown gray grey orange purple pink beige tan gold golden silver
dark light bright pale colorful colourful multicolored clear transparent shiny
big large huge giant small little tiny tall short long high low wide narrow thick thin deep
old young new modern ancient antique vintage fresh elderly adult
wooden metallic stone brick concrete plastic glass leather woolen grassy rocky sandy snowy icy
cloudy foggy rainy sunny stormy wet dry muddy dirty clean dusty rusty
round square circular rectangular oval curved straight flat steep sharp curly fluffy furry fuzzy
striped spotted plaid checkered floral bald hairy bare empty full open closed hot cold warm cool
beautiful pretty nice cute funny strange happy sad busy quiet calm lush leafy
left right upper lower front rear top bottom main central other same different various
male female human wild tropical urban rural residential
close single double whole several electric
""")

# Adjectives that are things by themselves: "an orange", "a light".
NOUN_ADJECTIVES: Final = _set("""
orange light dark glass stone brick concrete plastic leather gold silver front rear top bottom left
right square white tan human adult plaid
""")

# Participles without -ed, and what looks like a participle and is none.
PARTICIPLES: Final = _set("""
worn made seen taken shown hung built held lit drawn written broken torn woven blown grown frozen
sliced cut eaten kept left set laid thrown hidden bent shut stuck sunk known upholstered
""")
NO_PARTICIPLES: Final = _set("""
bed shed sled weed seed speed red feed moped waterbed flowerbed bobsled hundred reed
""")

# Nouns in -ing.
NO_GERUNDS: Final = _set("""
building buildings ceiling clothing painting railing awning siding lighting crossing string spring
ring king wing swing sling evening morning thing wedding drawing carving frosting icing topping
stuffing dressing covering flooring paneling molding opening landing clearing feeding sibling
duckling gosling sapling earring awing bring sting lightning herring pudding scaffolding bedding
""")

# Names of two words that begin like a verb.
COMPOUNDS: Final = {
    "dining": _set("table tables room rooms area chair chairs hall set"),
    "parking": _set("lot lots meter meters garage space spaces spot sign structure area"),
    "swimming": _set("pool pools suit trunks"),
    "living": _set("room rooms area"),
    "washing": _set("machine machines"),
    "cutting": _set("board boards"),
    "shopping": _set("cart carts center centre mall bag bags area street"),
    "waiting": _set("room area"),
    "sewing": _set("machine machines"),
    "baking": _set("sheet pan dish tray"),
    "frying": _set("pan pans"),
    "mixing": _set("bowl bowls"),
    "rolling": _set("pin hill hills"),
    "fishing": _set("boat boats pole rod net nets"),
    "sailing": _set("boat boats ship"),
    "walking": _set("path trail stick"),
    "running": _set("shoe shoes track water"),
    "reading": _set("glasses lamp"),
    "sleeping": _set("bag bags"),
    "rocking": _set("chair chairs horse"),
    "sliding": _set("door doors"),
    "changing": _set("table"),
    "landing": _set("strip gear"),
    "recycling": _set("bin bins"),
    "ironing": _set("board"),
    "vending": _set("machine machines"),
    "filing": _set("cabinet"),
    "drinking": _set("fountain glass"),
    "hanging": _set("basket baskets lamp light lights"),
    "skating": _set("rink"),
    "skiing": _set("slope"),
    "stuffed": _set("animal animals bear toy"),
}

# Verbs of captions in the third person, and bare.
VERBS_S: Final = _set("""
sits stands rides walks holds wears looks plays flies runs swims lies lays hangs eats drinks jumps
reads sleeps waits watches carries pulls pushes throws catches hits kicks talks smiles poses leans
rests grazes drives shows contains says reads features depicts appears seems crosses passes
overlooks surrounds covers sails skates skis surfs performs prepares cuts feeds touches
""")
VERBS: Final = _set("""
sit stand ride walk hold wear look play fly run swim lie lay hang eat drink jump read sleep wait
watch carry pull push throw catch hit kick talk smile pose lean rest graze drive show cross pass
line surround cover sail skate ski surf perform prepare cut feed make take see
""")
BEFORE_VERBS: Final = _set("to can will that who which and it he she they")

PLURALS: Final = _set("people men women children cattle sheep deer police geese mice")
