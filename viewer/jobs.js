/** The list of jobs. */

import { consoleLink, h, resourceItem, setChildren, setText, setTime, startedBy } from "./elements.js";
import { jobLabel, statusLabel } from "./model.js";
import { formatDuration } from "./time.js";

/** @import { DrillInstances, Job } from "./model.js" */

/** An item of the list of jobs. It is created once and updated in place, so that the selection of its text remains. */
export class JobItem {
  #rendered = "";
  #status = h("span", { class: "badge" });
  #name = h("strong");
  #label = h("span", { class: "label" });
  #text = h("span");
  #start = h("time");
  #requester = h("span");
  #duration = h("span");
  #instances = h("span", { class: "note drill-instances" });
  #resources = h("ul", { class: "resources" });
  #id = h("span", { class: "muted id" });

  element = h(
    "li",
    {},
    this.#status,
    this.#name,
    this.#id,
    this.#label,
    this.#text,
    h("span", {}, "Started: ", this.#start),
    this.#requester,
    this.#duration,
    this.#instances,
    this.#resources,
  );

  /**
   * @param {Job} job
   * @param {{ name: string, text: string, region: string | undefined }} shown `text`: what the job did so far.
   */
  update(job, { name, text, region }) {
    setText(this.#name, name);
    setText(this.#text, text);
    this.#text.hidden = !text;
    const content = JSON.stringify([job, region]);
    if (content === this.#rendered) return;
    this.#rendered = content;
    this.#status.dataset.state = job.status;
    setText(this.#status, statusLabel(job.status));
    setChildren(this.#id, [job.jobId, region], () => [consoleLink("job", job.jobId, region)]);
    setText(this.#label, jobLabel(job));
    setTime(this.#start, job.startedAt);
    setChildren(this.#requester, job.requestedBy ?? "", () => (job.requestedBy ? [startedBy(job.requestedBy)] : []));
    this.#requester.hidden = !job.requestedBy;
    const milliseconds = job.endedAt ? Date.parse(job.endedAt) - Date.parse(job.startedAt) : null;
    setText(this.#duration, milliseconds === null ? "" : `Duration: ${formatDuration(milliseconds)}`);
    this.#duration.hidden = milliseconds === null;
    setChildren(this.#instances, [job.drillInstances, region], () => instancesLeft(job.drillInstances, region));
    this.#instances.hidden = !job.drillInstances;
    setChildren(this.#resources, job.resources, () => job.resources.map(resourceItem));
    this.#resources.hidden = !job.resources.length;
  }
}

/**
 * Says which drill instances were not terminated at the newest check. They can be terminated since then.
 *
 * @param {DrillInstances | null | undefined} left
 * @param {string | undefined} region
 */
function instancesLeft(left, region) {
  if (!left) return [];
  const time = h("time");
  setTime(time, left.checkedAt);
  const links = left.instanceIds.flatMap((id, index) => [index ? ", " : "", consoleLink("instance", id, region)]);
  const more = left.count > left.instanceIds.length ? `, and ${left.count - left.instanceIds.length} more` : "";
  const what = left.count === 1 ? "1 drill instance was" : `${left.count} drill instances were`;
  return [`${what} not terminated at `, time, ": ", ...links, more];
}
