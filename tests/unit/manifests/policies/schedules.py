"""Schedules can be read, say their time zone, and do not pile up."""

import re
from collections.abc import Iterator
from zoneinfo import available_timezones

from ..complaints import Complaint
from ..objects import Object
from ..render import Render

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NAMES = {
    "month": {name: number for number, name in enumerate(MONTHS, start=1)},
    "weekday": {name: number for number, name in enumerate(DAYS)},
}
PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[1-9][0-9]*))?")
MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def check(render: Render) -> Iterator[Complaint]:
    for item in render.of("CronJob"):
        spec = item["spec"]
        for problem in problems_of(str(spec.get("schedule", ""))):
            yield Complaint(item, "spec.schedule", problem, "write minute hour day month weekday")
        if spec.get("timeZone") not in available_timezones():
            problem = f"{spec.get('timeZone')!r} is no time zone"
            yield Complaint(item, "spec.timeZone", problem, "name one, as Etc/UTC: nodes differ in theirs")
        if spec.get("concurrencyPolicy") not in ("Forbid", "Replace"):
            yield Complaint(item, "spec.concurrencyPolicy", "two runs may overlap", "set Forbid or Replace")
        yield from _ends(item)


def _ends(item: Object) -> Iterator[Complaint]:
    job = item["spec"]["jobTemplate"]["spec"]
    if not job.get("activeDeadlineSeconds"):
        problem = "a run that hangs would hold up all that follow"
        yield Complaint(item, "spec.jobTemplate.spec.activeDeadlineSeconds", problem, "set the longest it may take")


def problems_of(schedule: str) -> Iterator[str]:
    """Yield what is wrong with a cron expression, as Kubernetes reads it."""
    if schedule in MACROS:
        return
    parts = schedule.split()
    if len(parts) != len(FIELDS):
        yield f"{schedule!r} has {len(parts)} fields, not {len(FIELDS)}"
        return
    for (field, lowest, highest), text in zip(FIELDS, parts, strict=True):
        for part in text.split(","):
            matched = PART.fullmatch(part)
            bounds = [] if matched is None else [bound for bound in (matched["first"], matched["last"]) if bound]
            numbers = [NAMES.get(field, {}).get(bound.lower(), bound) for bound in bounds]
            if matched is None or not all(str(number).isdigit() for number in numbers):
                yield f"{part!r} is no {field}"
            elif not all(lowest <= int(number) <= highest for number in numbers) or numbers != sorted(numbers, key=int):
                yield f"{part!r} is no {field} from {lowest} to {highest}"
