/** Creates elements. A text becomes a text node, never markup. */

/** @import { Hint } from "./model.js" */

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
 * Returns the host of an HTTPS URL. Null for any other text, which must not become a link.
 *
 * @param {string | null} source
 */
function hostOf(source) {
  const url = source && URL.canParse(source) ? new URL(source) : null;
  return url?.protocol === "https:" ? url.host : null;
}

/**
 * Creates the list with the cause, the first step and the source of a hint.
 *
 * @param {Hint} hint
 */
export function hintList({ isKnown, cause, firstStep, source }) {
  const host = hostOf(source);
  const attributes = { href: source, target: "_blank", rel: "noreferrer noopener" };
  const link = host && h("a", attributes, host, h("span", { class: "hidden" }, " (opens a new tab)"));
  const rows = { Cause: cause, "First step": firstStep, Source: link };
  return h(
    "dl",
    { class: isKnown ? "hint" : "hint unknown" },
    ...Object.entries(rows).flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
  );
}
