/** Creates and updates elements. A text becomes a text node, never markup. */

import { formatTime, formatUtc } from "./time.js";

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
 * Sets the text only if it changed, so that live regions and selections are not disturbed.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
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
