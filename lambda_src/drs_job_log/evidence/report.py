"""The report of an execution: one HTML page to read or to print, also years later. It loads nothing and has no script.

The page depends on the arguments only. Each text from outside is escaped, and it cannot change the order of the page.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from drs_job_log.model.events import InvalidEventError, event_key, job_label, parse_time
from drs_job_log.model.plans import FAILED_STEPS, STEP_FAILURES
from drs_job_log.model.words import (
    INVISIBLE,
    code_point,
    exact_duration_words,
    second_words,
    visible,
    with_line_feeds,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# The names in one entry of the list of failures. The table of servers has all of them.
_MAX_LISTED: Final = 20

# The characters of an error in the list of failures. The table of servers has the whole error.
_MAX_LISTED_ERROR: Final = 600

# A longer ID is cut at the bottom of the printed pages only.
_MAX_FOOTER_ID: Final = 80

_NOTHING: Final = "\N{EN DASH}"
_NOT_KNOWN: Final = "not known"

# States of servers that did not do what their job is for.
_NOT_LAUNCHED: Final = ("FAILED", "SKIPPED")

_RESULTS: Final[Mapping[object, str]] = {"MET": "Met", "MISSED": "Missed"}

# The widths of columns, in percent.
_WIDTHS: Final = " ".join(
    f".n{width} {{ width: {width}%; }}" for width in (7, 8, 10, 11, 12, 13, 14, 16, 18, 20, 21, 23, 24)
)

_STYLE: Final = """
:root { color-scheme: light; background: #fff; color: #111; }
body { max-width: 1120px; margin: 0 auto; padding: 24px 20px 40px; font: 13px/1.45 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
header { padding-bottom: 12px; border-bottom: 2px solid #111; }
h1 { margin: 2px 0 6px; font-size: 24px; line-height: 1.2; }
h2 { margin: 28px 0 6px; font-size: 16px; line-height: 1.3; }
p { margin: 4px 0; }
a { color: inherit; }
.kicker, .note, caption, footer, .sub { color: #4d4d4d; }
.kicker { font-size: 12px; font-weight: 600; letter-spacing: 0.04em; text-transform: uppercase; }
.result { font-size: 15px; }
.result strong { margin-right: 8px; padding: 1px 8px; border: 1.5px solid #111; border-radius: 3px; }
.revision { margin-top: 10px; padding: 6px 10px; border: 2px solid #111; }
.note { font-size: 12px; max-width: 82em; }
.none { margin-top: 14px; }
nav { margin-top: 10px; }
nav a { margin-right: 14px; }
dl { margin: 6px 0; }
dl div { display: grid; grid-template-columns: 11em 1fr; gap: 0 14px; padding: 1px 0; }
dt { color: #4d4d4d; }
dd { margin: 0; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; font-size: 12px; }
caption { padding: 0 0 6px; font-size: 12px; text-align: left; }
th, td { padding: 4px 8px 4px 0; text-align: left; vertical-align: top; font-weight: 400; }
td:not(:last-child), th { text-wrap: balance; }
thead th { border-bottom: 1.5px solid #111; font-weight: 600; vertical-align: bottom; }
.log td { padding: 2px 8px 2px 0; line-height: 1.35; }
tbody tr { border-top: 1px solid #d0d0d0; }
tbody tr.more { border-top: 0; }
.more td { padding-top: 0; }
th[scope="row"], .name { font-weight: 600; }
.id, .sub { font-weight: 400; }
.id { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 0.92em; }
.sub, .line, .error { display: block; }
.error { white-space: pre-wrap; }
.error b, .bad { color: #8f0b20; }
.bad { font-weight: 700; }
.failures { margin-top: 18px; padding: 8px 14px 10px; border: 1.5px solid #8f0b20; }
.failures h2 { margin-top: 0; }
.failures ul { margin: 4px 0; padding-left: 20px; }
.failures li { margin: 6px 0; }
.u { padding: 0 1px; border: 1px solid #767676; border-radius: 2px; font-size: 0.85em; }
footer { margin-top: 32px; padding-top: 10px; border-top: 2px solid #111; }
footer h2 { margin-top: 0; color: #111; }
WIDTHS
@media print {
  @page {
    margin: 15mm 13mm 17mm;
    @bottom-left { content: "EXECUTION"; color: #4d4d4d; font: 8pt system-ui, sans-serif; }
    @bottom-right { content: "Page " counter(page) " of " counter(pages); color: #4d4d4d;
      font: 8pt system-ui, sans-serif; }
  }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  table, caption, .note, .kicker { font-size: 8.5pt; }
  h1 { font-size: 17pt; }
  h2 { font-size: 12pt; }
  nav { display: none; }
  a { text-decoration: none; }
  thead { display: table-header-group; }
  tr, .grouped tbody, .revision, .failures li, dl > * { break-inside: avoid; }
  caption, .note, footer { break-inside: avoid; }
  h2, dl, .note, caption, thead { break-after: avoid; }
  p, li { orphans: 3; widows: 3; }
}
""".replace("WIDTHS", _WIDTHS)


def report(
    summary: Mapping[str, Any], servers: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the parts of the page, in their order. The caller writes them to a file in UTF-8.

    Parameters
    ----------
    summary
        The content of summary.json without ``files``: see docs/evidence.schema.json.
    servers
        The lines of servers.ndjson, in any order. They are read once, and are all in memory.
    events
        The stored events as in log.ndjson, in the order of time. They are read once, while the caller reads the parts.
    """
    lines = sorted(servers, key=_place)
    job_names = {job["jobId"]: f"Job {number}" for number, job in enumerate(summary["jobs"], 1)}
    yield _head(summary)
    yield _header(summary)
    yield "<main>\n"
    yield _failures(summary, lines)
    yield _totals(summary)
    yield _objectives(summary)
    yield _waves(summary, job_names)
    yield from _servers(lines, summary, job_names)
    yield _jobs(summary, job_names)
    yield from _log(events, summary, job_names)
    yield "</main>\n"
    yield _FOOTER


# ----------------------------------------------------------------------------------------------------------------------
# The head and the header
# ----------------------------------------------------------------------------------------------------------------------


def _head(summary: Mapping[str, Any]) -> str:
    # Percent-encoded, the ID has no character with a meaning in a style sheet.
    style = _STYLE.replace("EXECUTION", quote(_plain(summary["id"]), safe="")[:_MAX_FOOTER_ID])
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'"
    title = f"{_kind(summary)} {_plain(_subject(summary))}: {_plain(_label(summary['status']))}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )


def _header(summary: Mapping[str, Any]) -> str:
    sections = {"objectives": "Objectives", "waves": _waves_name(summary), "servers": "Servers", "jobs": "Jobs"}
    links = [f'<a href="#{id_}">{name}</a>' for id_, name in {"totals": "Totals", **sections, "log": "Log"}.items()]
    return (
        "<header>\n"
        '<p class="kicker">Evidence of a recovery with AWS Elastic Disaster Recovery</p>\n'
        f"<h1>{_kind(summary)} {_text(_subject(summary))}</h1>\n"
        f'<p class="result"><strong>{_state(summary["status"])}</strong> {_counts(summary["counts"])}.</p>\n'
        f"{_revision(summary)}"
        f'<nav aria-label="Sections">{" ".join(links)}</nav>\n'
        "</header>\n"
    )


def _revision(summary: Mapping[str, Any]) -> str:
    if summary["revision"] <= 1:
        return ""
    number, earlier = summary["revision"], summary["revision"] - 1
    return (
        f'<p class="revision"><strong>Revision {number}.</strong> It replaces revision {earlier}: a fact changed or '
        f"became known later, or revision {earlier} was missing in the bucket. The summary.json of revision {earlier} "
        f'has the SHA-256 <span class="id">{_text(summary["supersedes"] or _NOT_KNOWN)}</span>.</p>\n'
    )


def _counts(counts: Mapping[str, Any]) -> str:
    """Return the servers by state: "3 of 6 servers launched, 2 failed, 1 skipped"."""
    total = counts.get("totalServers", 0)
    if not total:
        return "No servers"
    order = dict.fromkeys(["failed", *counts])
    others = [
        f", {_text(counts[name])} {_text(name)}"
        for name in order
        if name not in {"totalServers", "launched"} and counts.get(name)
    ]
    return f"{counts.get('launched', 0)} of {_number(total, 'server')} launched{''.join(others)}"


def _kind(summary: Mapping[str, Any]) -> str:
    is_drill = summary["isDrill"]
    if is_drill is None:
        return "Execution" if summary["executionId"] else "Job"
    return "Drill" if is_drill else "Recovery"


def _subject(summary: Mapping[str, Any]) -> object:
    return summary["name"] or summary["executionId"] or summary["jobId"] or summary["id"]


# ----------------------------------------------------------------------------------------------------------------------
# The failures
# ----------------------------------------------------------------------------------------------------------------------


def _failures(summary: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    items = [
        *_missed(summary),
        *_failed_plan(summary),
        *_failed_servers(lines),
        *_failed_actions(lines),
        *_failed_jobs(summary, lines),
    ]
    if not items and summary["status"] in {"FAILED", "PARTIAL"}:
        items = [
            f"The status is {_state(summary['status'])}. {_text(summary['statusReason'] or 'The log has the events.')}"
        ]
    if not items:
        return '<p class="note none">No server, step, job or post-launch action failed or was skipped.</p>\n'
    listed = "\n".join(f"<li>{item}</li>" for item in items)
    return f'<section class="failures">\n<h2 id="failures">Failures</h2>\n<ul>\n{listed}\n</ul>\n</section>\n'


def _missed(summary: Mapping[str, Any]) -> Iterator[str]:
    objectives = {
        "recovery time objective (RTO)": ("rto", _rto_note),
        "recovery point objective (RPO)": ("rpo", _rpo_note),
    }
    for name, (key, note) in objectives.items():
        objective = summary[key]
        if objective and objective["result"] == "MISSED":
            yield f"The {name} of {_target(objective)} is missed{note(objective)}."


def _failed_plan(summary: Mapping[str, Any]) -> Iterator[str]:
    plan = summary["recoveryPlan"]
    if plan and plan["error"]:
        yield f"The recovery plan reports an error.{_listed_error(plan['error'])}"
    noun = _wave_noun(summary)
    for wave in summary["waves"]:
        if wave["status"] in {*FAILED_STEPS, "SKIPPED"}:
            name = f' "{_text(wave["name"])}"' if wave["name"] else ""
            verb = {"SKIPPED": "was skipped", "TIMED_OUT": "timed out"}.get(wave["status"], "failed")
            yield f'<span class="name">{noun} {_text(wave["number"])}{name}</span> {verb}.'


def _failed_servers(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield an entry for each state and shape of an error."""
    groups: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for state in _NOT_LAUNCHED:
        for line in lines:
            if line["state"] == state:
                groups.setdefault((state, line["errorShape"] or line["error"]), []).append(line)
    launched = {line["sourceServerId"] for line in lines if line["state"] == "LAUNCHED"}
    for (state, shape), found in groups.items():
        group = _distinct(found)
        verb = "failed" if state == "FAILED" else f"{'were' if len(group) > 1 else 'was'} skipped"
        error = group[0]["error"]
        later = sum(line["sourceServerId"] in launched for line in group)
        notes = [
            f" Another job launched {'it' if len(group) == 1 else f'{later} of them'}." if later else "",
            " DRS reported no error." if state == "FAILED" and not error else "",
            " The errors differ in IDs and numbers only. The first one:"
            if shape and len({line["error"] for line in found}) > 1
            else "",
        ]
        yield f"{_number(len(group), 'server')} {verb}: {_names(group)}.{''.join(notes)}{_listed_error(error)}"


def _failed_actions(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    groups: dict[str | None, list[tuple[Mapping[str, Any], str | None]]] = {}
    for line in lines:
        for action in line["failedActions"]:
            groups.setdefault(action["name"], []).append((line, action["error"]))
    for name, found in groups.items():
        servers = _distinct(line for line, _ in found)
        named = f'The post-launch action <span class="name">{_text(name)}</span>' if name else "A post-launch action"
        errors = list(dict.fromkeys(error for _, error in found if error))
        note = " The errors differ. The first one:" if len(errors) > 1 else "" if errors else " DRS reported no error."
        listed = _listed_error(errors[0]) if errors else ""
        yield f"{named} failed on {_number(len(servers), 'server')}: {_names(servers)}.{note}{listed}"


def _failed_jobs(summary: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the failed jobs without a failed server, for example a network recovery."""
    explained = {line["jobId"] for line in lines if line["state"] in _NOT_LAUNCHED}
    for job in summary["jobs"]:
        if job["status"] == "FAILED" and job["jobId"] not in explained:
            yield f'{_job_type(job)} <span class="id">{_text(job["jobId"])}</span> failed. The log has its events.'


def _distinct(lines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first line of each server."""
    first: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        first.setdefault(line["sourceServerId"], line)
    return list(first.values())


def _names(lines: Sequence[Mapping[str, Any]]) -> str:
    names = [f'<span class="name">{_text(line["serverName"] or line["sourceServerId"])}</span>' for line in lines]
    more = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {more} more, which the table of servers has" if more > 0 else "")


def _listed_error(error: str | None) -> str:
    if not error:
        return ""
    cut = "" if len(error) <= _MAX_LISTED_ERROR else " \N{HORIZONTAL ELLIPSIS} (cut here)"
    return f'<span class="error"><b>Error:</b> {_text(error[:_MAX_LISTED_ERROR])}{cut}</span>'


# ----------------------------------------------------------------------------------------------------------------------
# The totals and the objectives
# ----------------------------------------------------------------------------------------------------------------------


def _totals(summary: Mapping[str, Any]) -> str:
    ids = {"Execution ID": "executionId", "Job ID": "jobId"}
    fields = {
        **{name: f'<span class="id">{_text(summary[key])}</span>' for name, key in ids.items() if summary[key]},
        "Recovery plan": _text(summary["name"]) if summary["name"] else None,
        "Type": {True: "Drill", False: "Recovery"}.get(summary["isDrill"], _NOT_KNOWN),
        "Status": _state(summary["status"]),
        "Status reason": _text(summary["statusReason"]) if summary["statusReason"] else None,
        "Start": _time(summary["startedAt"]),
        "End": _time(summary["endedAt"]),
        "Duration": _duration(summary["durationSeconds"]),
        "Servers": _counts(summary["counts"]),
        "Started by": _text(summary["requestedBy"]) if summary["requestedBy"] else _NOT_KNOWN,
        "Accounts": ", ".join(map(_text, summary["accounts"])) or _NOT_KNOWN,
        "Regions": ", ".join(map(_text, summary["regions"])) or _NOT_KNOWN,
        "Events in the log": f"{summary['eventCount']:,}, the last one of {_time(summary['lastEventAt'])}",
        "Revision": _text(summary["revision"]),
    }
    return f'<section>\n<h2 id="totals">Totals</h2>\n{_list(fields)}</section>\n'


def _objectives(summary: Mapping[str, Any]) -> str:
    rto, rpo = summary["rto"], summary["rpo"]
    rows = [
        ("Recovery time (RTO)", rto, rto and rto["actualSeconds"], _rto_note(rto)),
        ("Recovery point (RPO)", rpo, rpo and rpo["seconds"], _rpo_note(rpo)),
    ]
    body = "".join(
        f'<tr><th scope="row">{name}</th><td>{_target(objective)}</td><td>{_exact(achieved)}</td>'
        f"<td>{_result(objective)}{note}</td></tr>\n"
        for name, objective, achieved, note in rows
    )
    note = (
        "RTO: the time from the creation of the first launch job until the last server was launched. RPO: the age of "
        "the recovery point of a server when its job was created. The largest of all launched servers counts."
    )
    columns = [("n24", "Objective"), ("n16", "Target"), ("n24", "Achieved"), ("", "Result")]
    return (
        '<section>\n<h2 id="objectives">Objectives</h2>\n'
        f'<p class="note">{note}</p>\n'
        f"{_table('Objectives and what was achieved', columns)}<tbody>\n{body}</tbody>\n</table>\n</section>\n"
    )


def _target(objective: Mapping[str, Any] | None) -> str:
    if objective is None or objective["targetMinutes"] is None:
        return "no objective"
    return f"{_text(objective['targetMinutes'])} min"


def _result(objective: Mapping[str, Any] | None) -> str:
    if objective is None or objective["targetMinutes"] is None:
        return "no objective"
    word = _RESULTS.get(objective["result"])
    return f'<span class="{"bad" if word == "Missed" else "name"}">{word}</span>' if word else _NOT_KNOWN


def _rto_note(rto: Mapping[str, Any] | None) -> str:
    # The time until the last launch would look as if the objective was met.
    if rto is None or rto["targetMinutes"] is None or rto["result"] != "MISSED":
        return ""
    is_in_time = rto["actualSeconds"] is None or rto["actualSeconds"] <= 60 * rto["targetMinutes"]
    return ": not all servers are launched" if is_in_time else ""


def _rpo_note(rpo: Mapping[str, Any] | None) -> str:
    over = rpo and rpo["serversOver"]
    return f": {_number(over, 'server')} over the target" if over else ""


def _exact(seconds: float | None) -> str:
    """Return a duration, with its exact seconds if they decide whether an objective is met."""
    if seconds is None:
        return _NOT_KNOWN
    return f'{_duration(seconds)} <span class="sub">{seconds:,.1f} s</span>' if seconds >= 60 else f"{seconds:.1f} s"


# ----------------------------------------------------------------------------------------------------------------------
# The waves or the steps of the recovery plan
# ----------------------------------------------------------------------------------------------------------------------


def _waves_name(summary: Mapping[str, Any]) -> str:
    return "Steps of the recovery plan" if summary["recoveryPlan"] else "Waves"


def _wave_noun(summary: Mapping[str, Any]) -> str:
    return "Step" if summary["recoveryPlan"] else "Wave"


def _waves(summary: Mapping[str, Any], job_names: Mapping[str, str]) -> str:
    noun = _wave_noun(summary)
    columns = [
        *(("n18", noun), ("n12", "Status"), ("n18", "Start"), ("n18", "End"), ("n12", "Duration")),
        *(("n12", "Servers launched"), ("", "Jobs")),
    ]
    rows = "".join(_wave(wave, job_names) for wave in summary["waves"])
    caption = f"{noun}s in their order ({_NOTHING}: not known, or it does not apply)"
    table = f"{_table(caption, columns)}<tbody>\n{rows}</tbody>\n</table>\n"
    return (
        f'<section>\n<h2 id="waves">{_waves_name(summary)}</h2>\n{_plan(summary["recoveryPlan"])}'
        f"{table if rows else _none(f'No {noun.lower()} is known.')}</section>\n"
    )


def _plan(plan: Mapping[str, Any] | None) -> str:
    if plan is None:
        return ""
    texts = {"Recovery plan": "name", "Plan ARN": "planArn", "Execution ARN": "executionArn"}
    return _list(
        {name: _text(plan[key]) if plan[key] else _NOT_KNOWN for name, key in texts.items()}
        | {
            "Status in DRS": _state(plan["status"]) if plan["status"] else _NOT_KNOWN,
            "Error": f'<span class="error">{_text(plan["error"])}</span>' if plan["error"] else None,
        }
    )


def _wave(wave: Mapping[str, Any], job_names: Mapping[str, str]) -> str:
    name = f" {_text(wave['name'])}" if wave["name"] else ""
    attempt = f'<span class="sub">Attempt {_text(wave["attempt"])}</span>' if (wave["attempt"] or 0) > 1 else ""
    if wave["waitMinutes"] is not None:
        servers = f"Wait of {_text(wave['waitMinutes'])} min"
    else:
        failed = f'<span class="sub bad">{wave["failed"]} failed</span>' if wave["failed"] else ""
        servers = f"{wave['launched']} of {wave['servers']}{failed}" if wave["servers"] else _NOTHING
    cells = [
        f"{_state(wave['status'])}{attempt}",
        *(_time(wave[key]) if wave[key] else _NOTHING for key in ("startedAt", "endedAt")),
        _between(wave["startedAt"], wave["endedAt"]),
        servers,
        ", ".join(_job(job_id, job_names) for job_id in wave["jobIds"]) or _NOTHING,
    ]
    return f'<tr><th scope="row">{_text(wave["number"])}{name}</th>{_cells(cells)}</tr>\n'


# ----------------------------------------------------------------------------------------------------------------------
# The servers
# ----------------------------------------------------------------------------------------------------------------------


def _place(line: Mapping[str, Any]) -> tuple[bool, int, str, str, str, str]:
    """Return the place of a server: by wave, name and job. Servers without a wave come last."""
    wave, id_ = line["wave"], line["sourceServerId"]
    return wave is None, wave or 0, line["serverName"] or id_, id_, line["jobCreatedAt"] or "", line["jobId"]


def _servers(
    lines: Sequence[Mapping[str, Any]], summary: Mapping[str, Any], job_names: Mapping[str, str]
) -> Iterator[str]:
    noun = _wave_noun(summary)
    columns = [
        *(("n7", noun), ("n21", "Server"), ("n11", "State"), ("n10", "Snapshot"), ("n7", "Wait")),
        *(("n12", "Conversion"), ("n8", "Launch"), ("n8", "Total"), ("", "Recovery point")),
    ]
    note = (
        "A server has one entry for each job that launches it. Wait: from the snapshot until the "
        "conversion. Total: from the creation of the job until the server reached its state. Age: that of the recovery "
        "point when the job was created."
    )
    yield '<section>\n<h2 id="servers">Servers</h2>\n'
    if lines:
        caption = f"Servers by {noun.lower()} and name ({_NOTHING}: not known, or the step did not end)"
        yield f'<p class="note">{note}</p>\n{_table(caption, columns, "grouped")}'
        for line in lines:
            yield _server(line, job_names)
        yield "</table>\n"
    else:
        yield _none("No server is known.")
    yield "</section>\n"


def _server(line: Mapping[str, Any], job_names: Mapping[str, str]) -> str:
    id_, instance = line["sourceServerId"], line["ec2InstanceId"]
    names = [
        _text(line["serverName"] or id_),
        _sub_id(id_) if line["serverName"] else "",
        _sub_id(instance) if instance else '<span class="sub">no instance</span>',
    ]
    point = line["pointInTime"]
    age = f'<span class="sub">Age {_duration(line["rpoSeconds"])}</span>' if line["rpoSeconds"] is not None else ""
    steps = ("snapshotSeconds", "waitSeconds", "conversionSeconds", "launchSeconds", "seconds")
    cells = [
        _state(line["state"]),
        *(_duration(line[key], _NOTHING) for key in steps),
        f"{_time(point)}{age}" if point else _NOTHING,
    ]
    wave = _NOTHING if line["wave"] is None else _text(line["wave"])
    job = f'<span class="sub">{_job(line["jobId"], job_names)}</span>'
    more = [f'<p class="error"><b>Error:</b> {_text(line["error"])}</p>'] if line["error"] else []
    more += [_action(action) for action in line["failedActions"]]
    more += [f"<p>Instance terminated: {_time(line['terminatedAt'])}</p>"] if line["terminatedAt"] else []
    return (
        f'<tbody>\n<tr><td>{wave}{job}</td><th scope="row">{"".join(names)}</th>{_cells(cells)}</tr>\n'
        + (f'<tr class="more"><td></td><td colspan="8">{"".join(more)}</td></tr>\n' if more else "")
        + "</tbody>\n"
    )


def _action(action: Mapping[str, Any]) -> str:
    name = f" {_text(action['name'])}" if action["name"] else ""
    error = f": {_text(action['error'])}" if action["error"] else ". DRS reported no error."
    return f'<p class="error"><b>Failed post-launch action{name}</b>{error}</p>'


# ----------------------------------------------------------------------------------------------------------------------
# The jobs
# ----------------------------------------------------------------------------------------------------------------------


def _jobs(summary: Mapping[str, Any], job_names: Mapping[str, str]) -> str:
    columns = [
        *(("n23", "Job"), ("n14", "Type"), ("n11", "Status"), ("n13", "Start"), ("n13", "End")),
        *(("n11", "Duration"), ("", "Account, Region")),
    ]
    rows = "".join(_job_row(job, job_names) for job in summary["jobs"])
    table = f"{_table('DRS jobs (the other tables use their numbers)', columns, 'grouped')}{rows}</table>\n"
    return f'<section>\n<h2 id="jobs">Jobs</h2>\n{table if rows else _none("There is no job.")}</section>\n'


def _job_row(job: Mapping[str, Any], job_names: Mapping[str, str]) -> str:
    place = "".join(f'<span class="line">{_text(job[key])}</span>' for key in ("account", "region") if job[key])
    cells = [
        f"{_job_type(job)}" + (f'<span class="sub">{_name(job["initiatedBy"])}</span>' if job["initiatedBy"] else ""),
        _state(job["status"]),
        _time(job["createdAt"]),
        _time(job["endedAt"]) if job["endedAt"] else _NOTHING,
        _between(job["createdAt"], job["endedAt"]),
        place or _NOT_KNOWN,
    ]
    requester = _text(job["requestedBy"]) if job["requestedBy"] else _NOT_KNOWN
    return (
        f'<tbody>\n<tr><th scope="row">{job_names[job["jobId"]]}{_sub_id(job["jobId"])}</th>{_cells(cells)}</tr>\n'
        f'<tr class="more"><td colspan="7">Started by: {requester}</td></tr>\n</tbody>\n'
    )


def _job_type(job: Mapping[str, Any]) -> str:
    label = job_label(job["initiatedBy"])
    return _text(_label(job["jobType"])) if label == "Job" and job["jobType"] else label


def _job(job_id: str, job_names: Mapping[str, str]) -> str:
    return job_names.get(job_id) or f'<span class="id">{_text(job_id)}</span>'


# ----------------------------------------------------------------------------------------------------------------------
# The log
# ----------------------------------------------------------------------------------------------------------------------


def _log(
    events: Iterable[Mapping[str, Any]], summary: Mapping[str, Any], job_names: Mapping[str, str]
) -> Iterator[str]:
    columns = [("n14", "Time"), ("n20", "Event"), ("n20", "Server"), ("n7", "Job"), ("", "Message and error")]
    count = 0
    yield '<section>\n<h2 id="log">Log</h2>\n'
    yield f"{_table('All stored events in the order of time', columns, 'log')}<tbody>\n"
    for count, event in enumerate(events, 1):  # noqa: B007 (the count is used after the loop)
        yield _event(event, summary, job_names)
    yield '</tbody>\n</table>\n<p class="note">End of the log: '
    yield f"{_number(count, 'event')}.</p>\n"
    if count != summary["eventCount"]:
        yield f'<p class="bad">The totals state {summary["eventCount"]:,}. The log is not complete.</p>\n'
    yield "</section>\n"


def _event(event: Mapping[str, Any], summary: Mapping[str, Any], job_names: Mapping[str, str]) -> str:
    data = event.get("EventData") or {}
    id_, name, error = event.get("SourceServerId"), event.get("SourceServerName"), event.get("Error")
    event_type = event["EventType"]
    is_bad = bool(error) or event_type in STEP_FAILURES or event_type.endswith(("_FAILED", "_FAIL"))
    resource = id_ or data.get("resourceID")
    server = _text(name) + (_sub_id(resource) if resource else "") if name else _sub_id(resource) if resource else ""
    is_of_plan = event["JobId"] == summary["executionId"] and event["JobId"] not in job_names
    parts = [
        _text(event["Message"]) if event.get("Message") else "",
        f'<span class="error"><b>Error:</b> {_text(error)}</span>' if error else "",
        *_origin(event),
        '<span class="sub">The event was cut when it was stored.</span>' if event.get("Truncated") else "",
    ]
    cells = [
        _time(event["Timestamp"]),
        f'<span class="{"bad" if is_bad else "type"}">{_name(event_type)}</span>',
        server or _NOTHING,
        "Plan" if is_of_plan else _job(event["JobId"], job_names),
        "".join(parts) or _NOTHING,
    ]
    return f"<tr>{_cells(cells)}</tr>\n"


def _origin(event: Mapping[str, Any]) -> list[str]:
    """Return who sent an event that neither the module nor AWS sent."""
    is_foreign = event["EventKey"] != event_key(event["Timestamp"], event["EventId"])
    return [f'<span class="sub">Sent by another source: {_text(event["Source"])}</span>'] if is_foreign else []


# ----------------------------------------------------------------------------------------------------------------------
# Parts
# ----------------------------------------------------------------------------------------------------------------------

_FOOTER: Final = f"""<footer>
<h2>About this file</h2>
<p>The Terraform module terraform-aws-drs-job-log wrote this report from the events that it stored about the recovery.
The folder of this file has the same facts for programs: summary.json, servers.ndjson.gz and log.ndjson.gz.</p>
<p>All times are in UTC. Times and durations are rounded down to the second. log.ndjson.gz has the exact times.</p>
<p>To check that no file was changed, run the script verify_evidence.py of the module, or compare the SHA-256 value of
each file with the one in summary.json. A later revision states the SHA-256 of the summary.json that it replaces.</p>
<p>A character that cannot be seen, or that changes the direction of a text, is shown as its code, for example
<span class="u">{escape(code_point(chr(0x202E)))}</span>.</p>
</footer>
</body>
</html>
"""


def _plain(value: object) -> str:
    return visible(with_line_feeds(str(value)))


def _text(value: object) -> str:
    """Return a text from outside as HTML. It has the codes of characters that cannot be seen."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return escape(text)  # almost every text: without a letter of another script, it has only one direction
    return f"<bdi>{INVISIBLE.sub(_code, escape(with_line_feeds(text)))}</bdi>"


def _code(match: Any) -> str:
    return f'<span class="u">{escape(code_point(match[0]))}</span>'


def _label(name: object) -> str:
    """Return a status, a state or a type in words: "In progress"."""
    return str(name).replace("_", " ").capitalize()


def _state(name: object) -> str:
    """Return a status or a state as HTML."""
    label = _text(_label(name))
    return f'<span class="bad">{label}</span>' if name in FAILED_STEPS else label


def _name(value: object) -> str:
    """Return a name of AWS, such as START_RECOVERY, as HTML. A line can break after each underscore."""
    return _text(value).replace("_", "_<wbr>")


def _time(value: object) -> str:
    """Return a time, or a text that is none as it is."""
    if value is None:
        return _NOT_KNOWN
    try:
        return second_words(parse_time("time", value))
    except InvalidEventError:
        return _text(value)


def _duration(seconds: float | None, unknown: str = _NOT_KNOWN) -> str:
    return unknown if seconds is None else exact_duration_words(seconds)


def _between(start: str | None, end: str | None) -> str:
    try:
        return _duration((parse_time("end", end) - parse_time("start", start)).total_seconds())
    except InvalidEventError:
        return _NOTHING


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _sub_id(id_: object) -> str:
    return f'<span class="sub id">{_text(id_)}</span>'


def _list(fields: Mapping[str, str | None]) -> str:
    """Return a list of names and values, which are HTML. A field without a value is left out."""
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>\n" for name, value in fields.items() if value)
    return f"<dl>\n{rows}</dl>\n"


def _table(caption: str, columns: Sequence[tuple[str, str]], kind: str = "") -> str:
    """Return the begin of a table, to its body.

    ``columns``: the class with the width, and the name of each. ``kind``: the class of the table, "grouped" if each
    entry has its own body.
    """
    cols = "".join(f'<col class="{width}">' if width else "<col>" for width, _ in columns)
    names = "".join(f'<th scope="col">{name}</th>' for _, name in columns)
    start = f'<table class="{kind}">' if kind else "<table>"
    return f"{start}\n<caption>{caption}</caption>\n<colgroup>{cols}</colgroup>\n<thead><tr>{names}</tr></thead>\n"


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _none(text: str) -> str:
    return f"<p>{text}</p>\n"
