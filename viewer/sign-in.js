/**
 * The sign-in of the pages, for an API that requires a token.
 *
 * With the input `api.jwt.sign_in`, the user signs in at the identity provider, see `Session`. Without it, the user enters
 * the token in the form #sign-in, or the page that opened this page provides it: this page sends the message
 * {type: "drs-job-log:ready"} to its opener. The opener can answer with {type: "drs-job-log:token", token: "…"} any number
 * of times. This page answers the pages that it opens in the same way, if they have its own origin. It keeps such a token
 * in memory only.
 */

import { find, visible } from "./elements.js";

/** @import { Fetch } from "./poll.js" */
/** @import { Session, Settings } from "./session.js" */

export class SignIn {
  #form = /** @type {HTMLFormElement} */ (find("#sign-in"));
  #field = /** @type {HTMLInputElement} */ (find("#token"));
  #panel = /** @type {HTMLElement} */ (find("#session"));
  #onToken;
  #token = "";
  /** @type {Session | null} */
  #session = null;

  /** @param {(fetch: Fetch) => void} onToken Receives a function that sends requests with a new token. */
  constructor(onToken) {
    this.#onToken = onToken;
  }

  /** Reports whether this page has a token that it must pass to the pages that it opens. */
  get mustPassToken() {
    return this.#token !== "" && !this.#session;
  }

  /** Resolves when the page can send requests. It does not resolve if the sign-in failed, which the page then shows. */
  async start() {
    const settings = /** @type {Settings | null} */ (
      JSON.parse(find("meta[name=sign-in]").getAttribute("content") || "null")
    );
    if (!settings) return this.#listen();
    const use = (/** @type {string} */ token) => this.#use(token);
    await this.#try(async () => {
      const { Session } = await import("./session.js");
      const session = new Session(settings, use);
      this.#session = session;
      find("#session button").addEventListener("click", () => this.#try(() => session.signIn()));
      await session.start();
    });
  }

  /** Shows that the API refused a request of the page. */
  ask() {
    if (this.#session) {
      this.#show(
        "The API does not accept the sign-in. It is expired, or its token does not match the inputs api.jwt.audience and api.jwt.scopes.",
      );
    } else if (this.#form.hidden) {
      this.#form.hidden = false;
      // Do not take the focus from another input field.
      if (document.activeElement === document.body) this.#field.focus();
    }
  }

  /** Hides what `ask` shows. */
  end() {
    this.#form.hidden = true;
    this.#panel.hidden = true;
  }

  /** Uses the tokens of the form and of the page that opened this page. */
  #listen() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      // Remove the scheme, spaces and other characters that can be copied with a token.
      this.#use(this.#field.value.replace(/^\s*Bearer\s/i, "").replace(/[^\x21-\x7e]/g, ""));
      this.#field.value = "";
    });
    window.addEventListener("message", (event) => this.#onMessage(event));
    window.opener?.postMessage({ type: "drs-job-log:ready" }, "*");
  }

  /**
   * Signs in. Does not resolve if this fails.
   *
   * @param {() => Promise<void>} signIn
   */
  async #try(signIn) {
    try {
      await signIn();
    } catch (error) {
      console.error("The sign-in failed.", error);
      this.#show(error instanceof Error ? error.message : String(error));
      await new Promise(() => {});
    }
  }

  /** @param {string} text */
  #show(text) {
    find("#session p").textContent = visible(text);
    this.#panel.hidden = false;
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
