/**
 * The sign-in of the pages, for an API that requires a token. The page keeps the token in memory only.
 *
 * The user enters the token in the form #sign-in, or the page that opened this page provides it: this page sends the
 * message {type: "drs-job-log:ready"} to its opener. The opener can answer with {type: "drs-job-log:token", token: "…"}
 * any number of times. This page answers the pages that it opens in the same way, if they have its own origin.
 */

/** @import { Fetch } from "./poll.js" */

export class SignIn {
  #form = /** @type {HTMLFormElement} */ (document.querySelector("#sign-in"));
  #field = /** @type {HTMLInputElement} */ (document.querySelector("#token"));
  #onToken;
  #token = "";

  /** @param {(fetch: Fetch) => void} onToken Receives a function that sends requests with a new token. */
  constructor(onToken) {
    this.#onToken = onToken;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      // Remove the scheme, spaces and other characters that can be copied with a token.
      this.#use(this.#field.value.replace(/^\s*Bearer\s/i, "").replace(/[^\x21-\x7e]/g, ""));
      this.#field.value = "";
    });
    window.addEventListener("message", (event) => this.#onMessage(event));
    window.opener?.postMessage({ type: "drs-job-log:ready" }, "*");
  }

  /** Reports whether this page has a token, which it can pass to the pages that it opens. */
  get hasToken() {
    return this.#token !== "";
  }

  /** Shows the form. */
  ask() {
    if (!this.#form.hidden) return;
    this.#form.hidden = false;
    // Do not take the focus from another input field.
    if (document.activeElement === document.body) this.#field.focus();
  }

  /** Hides the form. */
  end() {
    this.#form.hidden = true;
  }

  /** @param {string} token */
  #use(token) {
    this.#token = token;
    this.#onToken((url, options) =>
      fetch(url, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } }),
    );
  }

  /** @param {MessageEvent} event */
  #onMessage({ source, origin, data }) {
    if (window.opener && source === window.opener && data?.type === "drs-job-log:token") {
      if (typeof data.token === "string") this.#use(data.token);
    } else if (this.#token && origin === location.origin && data?.type === "drs-job-log:ready") {
      source?.postMessage({ type: "drs-job-log:token", token: this.#token }, { targetOrigin: origin });
    }
  }
}
