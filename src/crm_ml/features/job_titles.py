"""Job titles of leads, German and English, as function and seniority.

A title is cut into words; each word is looked up in ordered tables of stems (`job_title_words`). The function is that
of the strongest word, among equals of the first; the seniority is the rank that outranks the others. Where nothing in
the tables fits, it is 'unknown'. How it decides in detail, and how often it is right: docs/job-titles.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from crm_ml.features.job_title_words import FUNCTION_WORDS, JOINED, REPLACED, SENIORITY_WORDS

UNKNOWN = "unknown"
FUNCTIONS = (
    "management",
    "purchasing",
    "production",
    "engineering",
    "maintenance",
    "quality",
    "logistics",
    "sales",
    "marketing",
    "finance",
    "hr",
    "it",
    "legal",
    "project",
    "office",
    "research",
    "other",
    UNKNOWN,
)
"""What somebody works on. 'other': an occupation outside this list; 'unknown': the text does not say."""
SENIORITIES = ("executive", "head", "lead", "specialist", "assistant", "trainee", UNKNOWN)
"""Executive runs the firm, head an area or a site, lead a team, a shift or a project."""
MAX_LENGTH = 250
"""Characters; a longer text is no title."""

# what somebody in training or an assistant is outranks the rank of whom they help
_RANKS = ("trainee", "assistant", "executive", "head", "lead", "manager", "partner", "specialist", "staff")
# their managers look after customers or a desk, not after people
_MANAGED_ALONE = ("sales", "office")
_GENDERS = re.compile(r"\(?(?<!\w)[mwfdix](?:\s*[/|,*:]\s*[mwfdix]){1,3}(?!\w)\)?")
_GENDER_ENDING = re.compile(r"(?<=[^\W\d_])(?:\s*[/:*_]\s*-?|\(-?)in(nen)?(?![\w-])\)?")
_ACADEMIC = re.compile(
    r"(?<!\w)(?:(?:dr|prof|mag)(?:\.|(?!\w))|m\.\s?sc|b\.\s?sc|m\.\s?a\.|b\.\s?a\.|mba(?!\w)|\(fh\))"
)
_DOTTED = re.compile(r"(?<!\w)(?:\w\.){2,}\w?(?!\w)")
_LOST = re.compile(r"(?<=\w)[?\ufffd]+(?=\w)")
_UMLAUTS = str.maketrans({"ä": "a", "ö": "o", "ü": "u"})
_WRITTEN_OUT = re.compile(r"([aou])e")
_WORD = re.compile(r"[a-z]+")
_JOINED = re.compile(rf"(?<!\w)(?:{JOINED})(?!\w)")
_REPLACED = tuple((re.compile(rf"(?<!\w)(?:{pattern})"), text) for pattern, text in REPLACED)
_PERSON = re.compile(r".*(?:er|eur|ist|or|ar|ian|ant|mann|frau|leute|kraft|wirt|loge)(?:in|innen|s|n|en)?")
_NO_PERSON = re.compile(r".*(?:isch|lich|ig|end)er|.*lager|labor|plant|customer.*")


@dataclass(frozen=True)
class JobTitle:
    """What a title says.

    Parameters
    ----------
    function : str
        One of `FUNCTIONS`.
    seniority : str
        One of `SENIORITIES`.
    """

    function: str
    seniority: str


def normalise_title(text: str | None) -> JobTitle:
    """Return function and seniority of a job title; never raises, and says 'unknown' where it cannot tell.

    Examples
    --------
    >>> normalise_title("stv. Leiter:in Einkauf (m/w/d)")
    JobTitle(function='purchasing', seniority='head')
    >>> normalise_title("Assistant to the CEO")
    JobTitle(function='office', seniority='assistant')
    >>> normalise_title("n/a")
    JobTitle(function='unknown', seniority='unknown')
    """
    words = _words(text) if isinstance(text, str) else []
    function = _function(words)
    ranks = [rank for word in words if (rank := _rank(word))]
    seniority = min(ranks, key=_RANKS.index, default=UNKNOWN)
    if ranks[:1] == ["staff"] and seniority not in ("trainee", "assistant"):
        # 'Referent der Geschäftsführung': the rank named behind is that of the superior
        seniority = "specialist"
    if seniority == "manager":
        seniority = "specialist" if function in _MANAGED_ALONE else "lead"
    elif seniority == "partner":
        # one of a firm's partners, or the partner of a department as in 'Talent Partner'
        seniority = "executive" if function in ("management", UNKNOWN) else "specialist"
    elif seniority == "staff":
        seniority = "specialist"
    if function == "management" and seniority in ("specialist", "assistant", "trainee"):
        function = "office"
    elif function == UNKNOWN and seniority == "executive":
        function = "management"
    return JobTitle(function, seniority)


def normalise_titles(values: Sequence[str | None]) -> tuple[list[str], list[str]]:
    """Return the functions and the seniorities of many titles, in their order; each distinct text is read once.

    Examples
    --------
    >>> normalise_titles(["Buyer", None, "Plant Manager", "Buyer"])
    (['purchasing', 'unknown', 'production', 'purchasing'], ['specialist', 'unknown', 'head', 'specialist'])
    """
    # a list, because a missing value is not equal to itself: the same object has to be looked up
    texts = list(values)
    titles = {text: normalise_title(text) for text in set(texts)}
    return [titles[text].function for text in texts], [titles[text].seniority for text in texts]


def _words(text: str) -> list[str]:
    """Return the words in small letters without umlauts; what belongs together is one word."""
    # before anything else: composing very long texts is slow. No letter decomposes into more than four characters
    if len(text) > 4 * MAX_LENGTH:
        return []
    text = unicodedata.normalize("NFC", text)
    if len(text) > MAX_LENGTH:
        return []
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _repaired(text)).casefold())
    text = _LOST.sub("", _GENDER_ENDING.sub(r"in\1", _GENDERS.sub(" ", text)))
    text = _DOTTED.sub(lambda found: found[0].replace(".", ""), _ACADEMIC.sub(" ", text))
    text = " ".join(_WORD.findall(_folded(text)))
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return _JOINED.sub(lambda found: found[0].replace(" ", ""), text).split()


def _repaired(text: str) -> str:
    """Return a text that was written as UTF-8 and read as Windows-1252 as it was meant."""
    if "Ã" not in text:
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text


def _folded(text: str) -> str:
    """Return a text without umlauts and accents; ä, ae and a are one."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").translate(_UMLAUTS))
    return _WRITTEN_OUT.sub(r"\1", "".join(letter for letter in plain if not unicodedata.combining(letter)))


def _function(words: list[str]) -> str:
    found = [use for word in words if (use := _use(word))]
    # max keeps the first of equals
    return max(found, key=lambda use: use[1])[0] if found else UNKNOWN


def _pattern(globs: str) -> re.Pattern[str]:
    """Return one regular expression for patterns with stars, also where the umlauts were lost."""
    ways = {_folded(way) for glob in globs.split() for way in (glob, re.sub("[äöü]", "", glob))}
    return re.compile("|".join(sorted(way.replace("*", ".*") for way in ways)))


_FUNCTIONS_OF = tuple((function, strength, _pattern(globs)) for function, strength, globs in FUNCTION_WORDS)
_RANK_OF = tuple((rank, _pattern(globs)) for rank, globs in SENIORITY_WORDS)


@lru_cache(maxsize=50_000)
def _use(word: str) -> tuple[str, int] | None:
    """Return the function that a word names and how strongly."""
    return next(((name, strength) for name, strength, pattern in _FUNCTIONS_OF if pattern.fullmatch(word)), None)


@lru_cache(maxsize=50_000)
def _rank(word: str) -> str | None:
    """Return the rank that a word names; a word of a function with the ending of a person is a specialist's."""
    for rank, pattern in _RANK_OF:
        if pattern.fullmatch(word):
            if rank == "none":
                break
            return rank
    person = _use(word) and _PERSON.fullmatch(word) and not _NO_PERSON.fullmatch(word)
    return "specialist" if person else None
