/**
 * The sign-in at an identity provider with OpenID Connect: authorization code with PKCE. The browser goes to the identity
 * provider and comes back to `/viewer/page`, which opens the page of the user again.
 *
 * The tokens are in the session storage, which only this tab and the tabs that it opens can read.
 */

import { ErrorResponse, UserManager, WebStorageStateStore } from "oidc-client-ts";

/**
 * The input `api.jwt.sign_in`.
 *
 * @typedef {object} Settings
 * @property {string} authority
 * @property {string} clientId
 * @property {string} scope
 * @property {Record<string, string>} parameters Further parameters of the authorization request.
 * @property {string[]} origins The policy of the page allows requests to them.
 */

const redirectUri = () => new URL("../viewer/page", import.meta.url).href;
const startPage = () => new URL("../", import.meta.url).href;

/** Does not resolve, because the browser opens another page. */
const opening = () => new Promise(() => {});

/** Signs the user in. The messages of all errors are for the user. */
export class Session {
  #manager;
  #authority;
  #onToken;
  #origins;
  /** The page to show after the sign-in. Empty: the page on display. */
  #page = "";

  /**
   * @param {Settings} settings
   * @param {(token: string) => void} onToken Receives each new token.
   */
  constructor({ authority, clientId, scope, parameters, origins }, onToken) {
    const store = new WebStorageStateStore({ store: sessionStorage });
    this.#authority = authority;
    this.#origins = origins;
    this.#onToken = onToken;
    this.#manager = new UserManager({
      authority,
      client_id: clientId,
      redirect_uri: redirectUri(),
      scope,
      extraQueryParams: parameters,
      userStore: store,
      stateStore: store,
      redirectMethod: "replace",
      requestTimeoutInSeconds: 10,
      automaticSilentRenew: false, // Without a refresh token, it needs a frame, which the policy of the page forbids.
    });
    this.#manager.events.addUserLoaded((user) => this.#onToken(user.access_token));
    this.#manager.events.addAccessTokenExpiring(async () => {
      await this.#renew();
    });
  }

  /** Provides a token: the one of this tab, or one from a sign-in. Resolves when `onToken` received it. */
  async start() {
    const { origin, pathname, search } = location;
    if (`${origin}${pathname}` === redirectUri() && new URLSearchParams(search).has("state")) return this.#complete();
    const user = await this.#manager.getUser();
    if (user && !user.expired) return this.#onToken(user.access_token);
    if (user && (await this.#renew())) return;
    return this.signIn();
  }

  /** Goes to the identity provider. Does not resolve. */
  async signIn() {
    const endpoint = await this.#explained(() => this.#manager.metadataService.getTokenEndpoint());
    const { origin } = new URL(endpoint ?? "");
    if (!this.#origins.includes(origin))
      throw new Error(
        `The page may not send requests to ${origin}, the origin of the token endpoint. Add it to the input api.jwt.sign_in.origins.`,
      );
    await this.#explained(() => this.#manager.signinRedirect({ state: this.#page || location.href }));
    await opening();
  }

  /** Shows the page from which the user went to the identity provider. */
  async #complete() {
    this.#page = startPage();
    const { state } = await this.#explained(() => this.#manager.signinRedirectCallback());
    const page = new URL(String(state));
    if (`${page.origin}${page.pathname}` === startPage()) {
      location.replace(page);
      await opening();
    }
    // Each other page is this document. To load it again costs requests of the API's burst limit.
    history.replaceState(null, "", page);
    this.#page = "";
  }

  /** Gets a new token with the refresh token. Reports whether there is one. */
  async #renew() {
    const user = await this.#manager.getUser();
    if (!user?.refresh_token) return false;
    try {
      return Boolean(await this.#manager.signinSilent());
    } catch (error) {
      console.warn("The sign-in was not renewed.", error);
      return false;
    }
  }

  /**
   * Runs a request to the identity provider. Throws an error with an explanation.
   *
   * @template T
   * @param {() => Promise<T>} request
   */
  async #explained(request) {
    try {
      return await request();
    } catch (error) {
      if (error instanceof ErrorResponse) this.#page = String(error.state ?? this.#page);
      throw new Error(explain(error, this.#authority), { cause: error });
    }
  }
}

/**
 * @param {unknown} error
 * @param {string} authority
 */
function explain(error, authority) {
  if (error instanceof ErrorResponse)
    return `The identity provider refused the sign-in: ${error.error_description ?? error.error}`;
  if (error instanceof TypeError) return `The identity provider ${authority} does not respond.`;
  const text = error instanceof Error ? error.message : String(error);
  // The text of the library if the session storage does not have the "state" of the callback.
  if (text === "No matching state found in storage") return "This sign-in did not begin in this tab, or it is too old.";
  return `The sign-in at ${authority} failed: ${text}`;
}
