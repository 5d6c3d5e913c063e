/**
 * The sign-in at an identity provider with OpenID Connect: authorization code with PKCE. The browser goes to the identity
 * provider and comes back to `/viewer/page`, which opens the page of the user again.
 *
 * The tokens are in the session storage, which only this tab and the tabs that it opens can read.
 */

/** @import { User, UserManager } from "oidc-client-ts" */

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

/** An error that ends the sign-in. Its message is for the user. */
export class SignInError extends Error {}

const redirectUri = () => new URL("../viewer/page", import.meta.url).href;
const startPage = () => new URL("../", import.meta.url).href;

/** Does not resolve, because the browser opens another page. */
const opening = () => new Promise(() => {});

export class Session {
  #manager;
  #authority;
  #library;
  #onToken;
  #origins;
  /** The page to show after the sign-in. Empty: the page on display. */
  #page = "";

  /**
   * @param {typeof import("./oidc.js")} library
   * @param {Settings} settings
   * @param {(token: string) => void} onToken Receives each new token.
   */
  constructor(library, { authority, clientId, scope, parameters, origins }, onToken) {
    const store = new library.WebStorageStateStore({ store: sessionStorage });
    this.#library = library;
    this.#authority = authority;
    this.#origins = origins;
    this.#onToken = onToken;
    /** @type {UserManager} */
    this.#manager = new library.UserManager({
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

  /**
   * Provides a token: the one of this tab, or one from a sign-in. Resolves when `onToken` received it.
   *
   * @throws {SignInError}
   */
  async start() {
    const { origin, pathname, search } = location;
    const answer = new URLSearchParams(search);
    if (`${origin}${pathname}` === redirectUri() && answer.has("state")) return this.#complete();
    const user = await this.#manager.getUser();
    if (user && !user.expired) return this.#onToken(user.access_token);
    if (user && (await this.#renew())) return;
    return this.signIn();
  }

  /**
   * Goes to the identity provider. Does not resolve.
   *
   * @throws {SignInError}
   */
  async signIn() {
    try {
      const { origin } = new URL((await this.#manager.metadataService.getTokenEndpoint()) ?? "");
      if (!this.#origins.includes(origin))
        throw new SignInError(
          `The page may not send requests to ${origin}, the origin of the token endpoint. Add it to the input api.jwt.sign_in.origins.`,
        );
      await this.#manager.signinRedirect({ state: this.#page || location.href });
    } catch (error) {
      throw this.#explain(error);
    }
    await opening();
  }

  /** Opens the page from which the user went to the identity provider. */
  async #complete() {
    this.#page = startPage();
    try {
      const { state } = await this.#manager.signinRedirectCallback();
      this.#page = String(state);
    } catch (error) {
      if (error instanceof this.#library.ErrorResponse) this.#page = String(error.state ?? this.#page);
      throw this.#explain(error);
    }
    location.replace(this.#page);
    await opening();
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

  /** @param {unknown} error */
  #explain(error) {
    if (error instanceof SignInError) return error;
    console.error("The sign-in failed.", error);
    if (error instanceof this.#library.ErrorResponse)
      return new SignInError(`The identity provider refused the sign-in: ${error.error_description ?? error.error}`);
    if (error instanceof TypeError)
      return new SignInError(`The identity provider ${this.#authority} does not respond.`);
    const text = error instanceof Error ? error.message : String(error);
    if (/state/.test(text)) return new SignInError("This sign-in did not begin in this tab, or it is too old.");
    return new SignInError(`The sign-in at ${this.#authority} failed: ${text}`);
  }
}
