/** The library for the sign-in. A page loads this script only if the input `api.jwt.sign_in` is set. */
export { ErrorResponse, UserManager, WebStorageStateStore } from "oidc-client-ts";
