"""Whether the creator of a run can make entries of a shared leaderboard."""

from collections.abc import Mapping, Sized
from typing import Any

from metamers.config.settings import Creator
from metamers.leaderboard.texts import CREATOR_LETTERS, is_address, misleading_form, unwanted_character


def unavailable_entries(plan: Any) -> dict[str, str]:
    """The target of entries, if a run cannot make them → why, and which configuration could."""
    reason = _no_entry(plan.settings.creator, plan.generation_models) or _penalized(plan.penalties)
    return {"leaderboard_entries": reason} if reason else {}


def _no_entry(creator: Creator, generation_models: Sized) -> str | None:
    if not generation_models:
        return "generation_models: there is no model to make an entry of. Name one, such as generation_models: [NAME]."
    lacking = [key for key in ("name", "license") if not getattr(creator, key)]
    if not creator.email and not creator.url:
        lacking.append("url")
    if not lacking:
        return _unfit_creator(creator)
    return (
        f"creator.{lacking[0]}: missing; an entry states who made it, how to reach them (email or url), and its terms "
        "of use. Set these in the run's configuration, such as creator: {name: NAME, url: https://ADDRESS, license: "
        "CC-BY-4.0}."
    )


def _penalized(penalties: Mapping[str, str]) -> str | None:
    if not penalties:
        return None
    return (
        f"synthesis.penalty: the metamers of {', '.join(penalties)} have a penalty; a shared leaderboard compares "
        "metamers without. Make entries in a run without it."
    )


def _unfit_creator(creator: Creator) -> str | None:
    """Why the check of an entry would refuse the creator, if it would (``metamers.leaderboard.check_entry``)."""
    for key, most in CREATOR_LETTERS.items():
        value = getattr(creator, key) or ""
        sign, form = unwanted_character(value), misleading_form(value)
        if sign is not None:
            return f"creator.{key}: found the character {sign!a}; wanted text without <, > and invisible characters."
        if form or len(value) > most:
            return f"creator.{key}: found {form or f'{len(value)} letters'}; wanted a plain text of at most {most}."
    if (url := creator.url) and not is_address(url):
        return f"creator.url: found {url!r}; wanted an address such as https://HOST/PAGE, with a host in ASCII."
    return None
