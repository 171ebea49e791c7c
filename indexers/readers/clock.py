"""Wall-clock times as integer microseconds since the Unix epoch."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant_us(value: str | datetime, timezone: str) -> int:
    """An ISO 8601 time; without a zone it is in `timezone`. Raises ValueError for anything else."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    return (moment - _EPOCH) // timedelta(microseconds=1)


def day_us(day: date, timezone: str) -> tuple[int, int]:
    """The day from its first to the next day's first instant in `timezone`."""
    zone = ZoneInfo(timezone)
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    end = start.date() + timedelta(days=1)
    return (
        instant_us(start, timezone),
        instant_us(datetime(end.year, end.month, end.day, tzinfo=zone), timezone),
    )
