"""Moments as records write them: UTC, to the second, such as 2026-11-21T12:00:00Z."""

from datetime import UTC, date, datetime

from omote.errors import InputError


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def written(moment: datetime) -> str:
    """A moment as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str, label: str) -> datetime:
    """Read what `written` writes.

    Raises:
        InputError: the text is no moment in that form.
    """
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or written(moment) != text:
        raise InputError(f"{label}: no moment such as 2026-11-21T12:00:00Z")
    return moment


def day_of(text: str, label: str) -> date:
    """Read a day, YYYY-MM-DD.

    Raises:
        InputError: the text is no day in that form.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise InputError(f"{label}: no day such as 2026-11-21")
    return day
