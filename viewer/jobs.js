/** The list of jobs. */

import { consoleLink, h, resourceItem, setChildren, setText, setTime, startedBy } from "./elements.js";
import { jobLabel, statusLabel } from "./model.js";
import { formatDuration } from "./time.js";

/** @import { Job } from "./model.js" */

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
    setChildren(this.#resources, job.resources, () => job.resources.map(resourceItem));
    this.#resources.hidden = !job.resources.length;
  }
}
