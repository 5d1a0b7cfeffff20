"""The things that a caption names: "a man riding a wave" gives "a man" and "a wave".

Where spaCy and its English pipeline are installed they do it, as in the original SSA. Else
`noun_phrases` does, below: captions are short and plain, so lists of the words that open or end a
phrase, and rules for those that may do both, go a long way.

- A phrase is a run of articles, numbers, adjectives and nouns that has a noun; the article stays.
- Prepositions, verbs, conjunctions and punctuation end it, so "of" stays outside ("a cup of
  coffee" is two), and "a cat and a dog" is two; but "a black and white cat" is one.
- A participle after a noun ends it ("a man riding", "a car parked on"); before one it belongs to it
  ("a parked car", "a snow covered mountain"); and some pairs are names ("a dining table").
- "on top of", "in front of" and "next to" are prepositions, "there" and pronouns are nothing.
- Possessives and hyphens stay, also with the spaces that BLIP's decoder leaves ("a dog ' s head").
- What is left without a noun ("red and white", "two of") is dropped.

A word in no list is a noun.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from ssa_backend.engine import words

NounPhrases = Callable[[str], list[str]]

SPACY_PIPELINE = "en_core_web_sm"

# A word with its hyphens and its possessive, spaced or not; or any other character.
_TOKEN = re.compile(r"[^\W_]+(?:(?:-| - )[^\W_]+)*(?: ?['\u2019] ?s\b|['\u2019][^\W_]+)?|\S")
_POSSESSIVE = re.compile(r"( ?['\u2019] ?s|s['\u2019])$")


def best_available() -> NounPhrases:
    """spaCy's noun chunks where its pipeline is installed, else `noun_phrases`."""
    try:
        import spacy

        pipeline = spacy.load(SPACY_PIPELINE, exclude=["ner"])
    except (ImportError, OSError):  # OSError: spaCy is there, its pipeline is not
        return noun_phrases
    return lambda caption: [chunk.text for chunk in pipeline(caption).noun_chunks]


def noun_phrases(caption: str) -> list[str]:
    """The noun phrases of an English caption, in its order; see above for the rules.

    Upper and lower case, and repetitions, stay as they are.
    """
    found = list(_TOKEN.finditer(caption))
    text = _Text([match.group().lower() for match in found])
    phrases: list[str] = []
    current: list[int] = []  # indices of the words of the phrase that is being read

    def finish() -> None:
        things = [i for i in current if text.kinds[i] in (_Kind.NOUN, _Kind.OWNER)]
        if things:
            # "gate 5": a number behind the noun belongs to it.
            last = max(i for i in current if i in things or (text.is_number(i) and i > things[0]))
            phrases.append(caption[found[current[0]].start() : found[last].end()])
        current.clear()

    for index in range(len(found)):
        if not text.continues(current, index):
            finish()
        if current or text.kinds[index] not in (_Kind.BREAK, _Kind.AND):
            current.append(index)
    finish()
    return phrases


class _Kind(Enum):
    """What a word does where it stands."""

    OPENER = auto()  # article, number or possessive pronoun
    MODIFIER = auto()  # adjective or participle before a noun
    ADVERB = auto()  # before an adjective
    NOUN = auto()
    OWNER = auto()  # noun with 's
    AND = auto()  # or a comma: joins adjectives, else ends the phrase
    BREAK = auto()


@dataclass
class _Text:
    """A caption's words in lower case, and the kind of each, found from left to right."""

    words: Sequence[str]
    kinds: list[_Kind] = field(default_factory=list)

    def __post_init__(self) -> None:
        for index in range(len(self.words)):
            self.kinds.append(self._kind(index))

    def is_number(self, index: int) -> bool:
        return self.words[index].isdigit()

    def continues(self, current: Sequence[int], index: int) -> bool:
        """Whether a word goes on with the phrase of the words `current`."""
        kind = self.kinds[index]
        if kind is _Kind.BREAK or not current:
            return False
        has_noun = any(self.kinds[i] is _Kind.NOUN for i in current)
        if kind is _Kind.AND:
            return not has_noun and self.kinds[current[-1]] is _Kind.MODIFIER and self._joins(index)
        if kind is _Kind.OPENER:
            # "all the people", "a number 5"; but the next article is the next phrase's.
            only_adverbs = all(self.kinds[i] is _Kind.ADVERB for i in current)
            return self.is_number(index) if has_noun else not only_adverbs
        return not (kind is _Kind.ADVERB and has_noun)

    def _joins(self, index: int) -> bool:
        """Whether an "and" or comma stands between adjectives."""
        following = self._word(index + 1)
        if self.words[index] == "," and following == "and":
            following = self._word(index + 2)
        return following in words.ADJECTIVES

    def _word(self, index: int) -> str:
        return self.words[index] if 0 <= index < len(self.words) else ""

    def _last(self) -> _Kind:
        return self.kinds[-1] if self.kinds else _Kind.BREAK

    def _kind(self, index: int) -> _Kind:
        """The kind of a word, those before it being known."""
        word, following = self.words[index], self._word(index + 1)
        if word in (",", "and", "&", "or"):
            return _Kind.AND
        if not word[0].isalnum():
            # Of "two dogs ' heads", the apostrophe.
            owner = (
                word in ("'", "\u2019") and self._last() is _Kind.NOUN and _is_content(following)
            )
            return _Kind.OWNER if owner and self._word(index - 1).endswith("s") else _Kind.BREAK
        if self._is_preposition(index):
            return _Kind.BREAK
        if _POSSESSIVE.search(word):
            no_noun = _POSSESSIVE.sub("", word) in words.BREAKS | {"that", "let"}
            return _Kind.BREAK if no_noun else _Kind.OWNER
        if word == "that":
            # "a dog that is", "that dog"
            opens = self._last() is _Kind.BREAK and _is_content(following)
            return _Kind.OPENER if opens else _Kind.BREAK
        if word in words.PLACES and self._last() is _Kind.OPENER:
            return _Kind.NOUN
        if word in words.BREAKS:
            return _Kind.BREAK
        if word in words.OPENERS or word.isdigit():
            return _Kind.OPENER
        if following in words.COMPOUNDS.get(word, ()):
            return _Kind.MODIFIER
        return self._open_kind(index)

    def _is_preposition(self, index: int) -> bool:
        """Whether a word is part of a preposition of several words."""
        before, word, following = (self._word(index + i) for i in (-1, 0, 1))
        return (
            (following == "of" and before in ("on", "in", "at") and word in ("top", "front"))
            or (following == "to" and word in ("next", "close", "adjacent"))
            or (following == "other" and word == "each")
            or (following == "another" and word == "one")
            or (before == "each" and word == "other")
            or (before == "one" and word == "another")
        )

    def _open_kind(self, index: int) -> _Kind:
        """The kind of a noun, verb, adjective or adverb."""
        word = self.words[index]
        if word in words.ADJECTIVES:
            thing = word in words.NOUN_ADJECTIVES and not self._joins_behind(index)
            return _Kind.NOUN if thing and not self._goes_on(index) else _Kind.MODIFIER
        if word in words.ADVERBS or (word.endswith("ly") and word not in words.NO_ADVERBS):
            return _Kind.ADVERB
        if _is_gerund(word):
            return self._gerund(index)
        if _is_participle(word):
            return self._participle(index)
        return _Kind.BREAK if self._is_verb(index) else _Kind.NOUN

    def _goes_on(self, index: int) -> bool:
        """Whether the next word can be a noun or stand before one."""
        following = self._word(index + 1)
        if _is_gerund(following):
            return self._word(index + 2) in words.COMPOUNDS.get(following, ())
        return _is_content(following) and not self._is_preposition(index + 1)

    def _joins_behind(self, index: int) -> bool:
        return self._word(index + 1) in (",", "and", "or") and self._joins(index + 1)

    def _gerund(self, index: int) -> _Kind:
        """Of a word in -ing: "a man riding", "a smiling man", "of running water"."""
        following = self._goes_on(index)
        if self._last() in (_Kind.OPENER, _Kind.MODIFIER, _Kind.ADVERB, _Kind.OWNER):
            return _Kind.MODIFIER if following else _Kind.NOUN
        after_preposition = self._word(index - 1) in words.PREPOSITIONS
        return _Kind.MODIFIER if after_preposition and following else _Kind.BREAK

    def _participle(self, index: int) -> _Kind:
        """Of a word in -ed: "a car parked on", "a parked car", "a snow covered mountain"."""
        following = self._word(index + 1)
        in_phrase = self._last() is not _Kind.BREAK or self._word(index - 1) not in words.PRONOUNS
        joined = following in ("and", ",") and self._joins(index + 1)
        before_noun = self._goes_on(index) or joined
        return _Kind.MODIFIER if in_phrase and before_noun else _Kind.BREAK

    def _is_verb(self, index: int) -> bool:
        """Whether a word that may be a verb or a noun is a verb."""
        word, before = self.words[index], self._word(index - 1)
        last = self._last()
        if word in words.VERBS_S:
            return last in (_Kind.NOUN, _Kind.ADVERB) or before in words.BEFORE_VERBS
        if word not in words.VERBS:
            return False
        plural = before in words.PLURALS or (before.endswith("s") and not before.endswith("ss"))
        return before in words.BEFORE_VERBS or (last is _Kind.NOUN and plural)


def _is_gerund(word: str) -> bool:
    return word.endswith("ing") and len(word) > 4 and word not in words.NO_GERUNDS


def _is_participle(word: str) -> bool:
    regular = word.endswith("ed") and len(word) > 3 and word not in words.NO_PARTICIPLES
    return regular or word in words.PARTICIPLES


def _is_content(word: str) -> bool:
    """Whether a word, met inside a phrase, can be a noun or stand before one."""
    return (
        word[:1].isalnum()
        and word not in words.BREAKS
        and word not in words.OPENERS
        and word not in ("and", "or", "that")
        and not (_is_gerund(word) and word not in words.COMPOUNDS)
    )
