"""When units were enrolled in a rollout, from the event stream and the lake."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mediareview.contracts import Exposure
from mediareview.settings import Settings
from serving.rollouts.evidence import CANARY, CONTROL, Group
from serving.rollouts.rollout import Rollout
from serving.rollouts.sources.journals import JournalTail


def enrolled_at(settings: Settings, rollout: Rollout) -> dict[Group, list[datetime]]:
    """Return when the units of each group were enrolled, in order; those seen in both groups belong to neither.

    Args:
        settings: where the event stream and the lake are.
        rollout: under way or ended.
    """
    groups: dict[str, Group] = {rollout.candidate.predictor: CANARY, rollout.stable_predictor: CONTROL}
    first: dict[str, datetime] = {}
    group_of: dict[str, Group | None] = {}
    for row in _exposures(settings, rollout):
        group = groups.get(row["variant"])
        if group is None:
            continue
        unit, moment = row["unit"], row["occurred_at"]
        first[unit] = min(first.get(unit, moment), moment)
        group_of[unit] = group if group_of.get(unit, group) == group else None
    return {
        group: sorted(moment for unit, moment in first.items() if group_of[unit] == group)
        for group in (CANARY, CONTROL)
    }


def _exposures(settings: Settings, rollout: Rollout) -> Iterator[dict[str, Any]]:
    for line in JournalTail(settings.events / Exposure.table, rollout.started_at).lines():
        try:
            row = json.loads(line)
            if row["experiment"] == rollout.id:
                yield {**row, "occurred_at": datetime.fromisoformat(row["occurred_at"])}
        except (ValueError, KeyError, TypeError):
            continue  # of another release, or what a crash left
    yield from _lake_exposures(settings, rollout)


def _lake_exposures(settings: Settings, rollout: Rollout) -> Iterator[dict[str, Any]]:
    import pyarrow.dataset as ds

    from mediareview.lake import Lake

    lake = Lake.from_settings(settings)
    if lake.exists(Exposure.table):
        columns = ["unit", "variant", "occurred_at"]
        yield from lake.read(Exposure.table, columns=columns, where=ds.field("experiment") == rollout.id).to_pylist()
