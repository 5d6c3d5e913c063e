"""The two real drills of tests/data/drs_drills.json, as "DRS Job Log" events."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

DRILLS: Final = Path(__file__).resolve().parents[1] / "data/drs_drills.json"

# Events of a server that launches, in order.
STEPS: Final = (
    "SNAPSHOT_STARTED",
    "SNAPSHOT_COMPLETED",
    "CONVERSION_STARTED",
    "CONVERSION_COMPLETED",
    "SERVER_LAUNCHING",
    "SERVER_LAUNCHED",
)


@dataclass(frozen=True, slots=True)
class Item:
    """A log item and its job (``Job`` of the DRS API)."""

    job: dict[str, Any]
    item: dict[str, Any]

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.item["logDateTime"])

    def detail(self, time: datetime | None = None) -> dict[str, Any]:
        """Return the item as the detail of an event, with ``time`` as its time."""
        data = self.item["eventData"]
        identity = json.dumps([self.job["jobID"], self.item], sort_keys=True)
        detail = {
            "jobID": self.job["jobID"],
            "eventType": self.item["event"],
            "eventId": hashlib.sha256(identity.encode()).hexdigest()[:32],
            "logDateTime": (time or self.time).isoformat(),
            "sourceServerID": data.get("sourceServerID"),
            "ec2InstanceID": data.get("targetInstanceID"),
            "conversionServerID": data.get("conversionServerID"),
            "sourceServerIDs": self.servers if self.item["event"] == "JOB_START" else None,
            "isDrill": self.job["initiatedBy"] == "START_DRILL",
        }
        return {name: value for name, value in detail.items() if value is not None}

    @property
    def servers(self) -> list[str]:
        return [server["sourceServerID"] for server in self.job["participatingServers"]]


def items() -> list[Item]:
    """Return the 28 items of both drills, oldest first."""
    drills = json.loads(DRILLS.read_text())["drills"]
    return sorted((Item(drill["job"], item) for drill in drills for item in drill["items"]), key=lambda i: i.time)


def entry(detail: dict[str, Any], source: str) -> dict[str, Any]:
    """Return an entry for the PutEvents operation of EventBridge."""
    return {"Source": source, "DetailType": "DRS Job Log", "Detail": json.dumps(detail)}


def compressed(items: list[Item], start: datetime, speed: float) -> list[tuple[datetime, Item]]:
    """Return the time of each item in a replay that starts at ``start`` and is ``speed`` times faster."""
    return [(start + timedelta(seconds=(i.time - items[0].time).total_seconds() / speed), i) for i in items]
