/** Creates elements. A log text becomes a text node, never markup. */

import { consoleUrl, identityName, toLabel } from "./model.js";
import { formatTime, formatUtc, selectTimeZone, TIME_ZONES, timeZone } from "./time.js";

/** @import { Hint, Resource } from "./model.js" */

/**
 * Returns an element that the page contains.
 *
 * @template {Element} E
 * @param {string} selector
 */
export const find = (selector) => /** @type {E} */ (document.querySelector(selector));

/** @typedef {Record<string, string | boolean | null | ((event: Event) => void)>} Attributes */

/**
 * Returns a text with visible bidirectional control characters, which could otherwise reverse a sentence: `<U+202E>`.
 *
 * @param {string} text
 */
export function visible(text) {
  const code = (/** @type {string} */ control) =>
    `<U+${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}>`;
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, code);
}

/**
 * Creates an element. Functions become event listeners (`onclick`, …), and strings in `children` become text nodes.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} attributes
 * @param {(string | Node)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.map((child) => (typeof child === "string" ? visible(child) : child)));
  return element;
}

/**
 * @param {string} text
 * @param {() => void} onclick
 * @param {Attributes} attributes
 */
export function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, text);
}

/**
 * Gives an element these children. It moves only what is not in its place, because a moved element loses the focus and
 * the selection of its text.
 *
 * @param {Element} parent
 * @param {Element[]} children
 */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

/**
 * Sets the text only if it changed, so that live regions and selections are not disturbed.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

/** @type {WeakMap<Element, string>} What the children of an element show. */
const contents = new WeakMap();

/**
 * Replaces the children of an element only if they show something else, so that the focus and the selection stay.
 *
 * @param {Element} element
 * @param {unknown} content What the children show, as JSON.
 * @param {() => (string | Node)[]} create
 */
export function setChildren(element, content, create) {
  const text = JSON.stringify(content);
  if (contents.get(element) === text) return;
  contents.set(element, text);
  element.replaceChildren(...create());
}

/**
 * @param {HTMLTimeElement} element
 * @param {string} timestamp
 */
export function setTime(element, timestamp) {
  element.dateTime = timestamp;
  element.title = formatUtc(timestamp);
  setText(element, formatTime(timestamp));
}

/** Creates the control that selects the time zone of all times of the page. */
export function timeZoneControl() {
  const select = h(
    "select",
    { onchange: () => selectTimeZone(select.value) },
    ...TIME_ZONES.map((name) => h("option", {}, name)),
  );
  return h("label", { class: "zone" }, "Time zone", select);
}

/**
 * Shows all times in the selected time zone.
 *
 * @param {ParentNode} root
 * @param {HTMLLabelElement} control The control that selects it.
 */
export function showTimes(root, control) {
  if (control.control instanceof HTMLSelectElement) control.control.value = timeZone();
  for (const element of root.querySelectorAll("time")) setTime(element, element.dateTime);
}

/**
 * Creates a box with the full error text and a copy button.
 *
 * @param {string} error
 * @param {string} name The server's name. Empty for an error of the job.
 */
export function errorBox(error, name) {
  const text = h(
    "pre",
    { tabindex: "0", role: "group", "aria-label": visible(`Error for ${name || "the job"}`) },
    error,
  );
  const copyButton = button("Copy error", copy, { class: "small" });
  async function copy() {
    try {
      await navigator.clipboard.writeText(error);
      copyButton.textContent = "Copied";
    } catch {
      // The clipboard requires HTTPS and permission.
      getSelection()?.selectAllChildren(text);
      copyButton.textContent = "Selected. Press Ctrl+C to copy.";
    }
    setTimeout(() => {
      copyButton.textContent = "Copy error";
    }, 3000);
  }
  return h("div", { class: "error" }, text, copyButton);
}

/**
 * Returns the host of an HTTPS URL. Null for any other text, which must not become a link.
 *
 * @param {string | null} source
 */
function hostOf(source) {
  const url = source && URL.canParse(source) ? new URL(source) : null;
  return url?.protocol === "https:" ? url.host : null;
}

/**
 * Creates a link that opens a new tab, which knows nothing about this page.
 *
 * @param {string} url
 * @param {string} text
 */
export function linkTo(url, text) {
  const attributes = { href: url, target: "_blank", rel: "noreferrer noopener" };
  return h("a", attributes, text, h("span", { class: "hidden" }, " (opens a new tab)"));
}

/**
 * Creates an ID that is a link to its page in the AWS console, or only the ID if its Region is not known.
 *
 * @param {"instance" | "server" | "job" | "drs"} kind
 * @param {string} id
 * @param {string | undefined} region
 */
export function consoleLink(kind, id, region) {
  const url = consoleUrl(kind, id, region);
  return url ? linkTo(url, id) : h("span", {}, id);
}

/**
 * Creates the list with the cause, the first step and the source of a hint.
 *
 * @param {Hint} hint
 */
export function hintList({ isKnown, cause, firstStep, source }) {
  const host = hostOf(source);
  const link = host && source && linkTo(source, host);
  const rows = { Cause: cause, "First step": firstStep, Source: link };
  return h(
    "dl",
    { class: isKnown ? "hint" : "hint unknown" },
    ...Object.entries(rows).flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
  );
}

/** @param {string} identity Who started a job. */
export function startedBy(identity) {
  return h("span", { class: "requester", title: visible(identity) }, `Started by: ${identityName(identity)}`);
}

/** @param {Resource} resource */
export function resourceItem({ resourceId, state, error, hint }) {
  return h(
    "li",
    { class: "resource", "data-state": state },
    h("span", { class: "badge", "data-state": state }, toLabel(state)),
    h("span", {}, "Network ", h("span", { class: "id" }, resourceId)),
    ...(error ? [errorBox(error, resourceId)] : []),
    ...(hint ? [hintList(hint)] : []),
  );
}
