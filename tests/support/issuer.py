"""An identity provider on the loopback address, over HTTPS: it signs tokens, publishes its keys and signs users in."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import tempfile
import threading
import time
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

_KEY_ID: Final = "1"


class Issuer:
    """The identity provider, as a context manager. It signs in each user without a question.

    It accepts the authorization code flow with PKCE (RFC 7636), and refresh tokens. Each code and each refresh token is
    accepted once.

    Attributes
    ----------
    address
        The ``iss`` claim of its tokens.
    ca_file
        The CA certificate. Set ``SSL_CERT_FILE`` of the process that reads the keys to this path.
    redirect_uri
        The redirect URI of its client.
    token_address
        The origin of the token endpoint.
    refusal
        If set, the error with which it refuses sign-ins.
    is_down
        Whether it closes each connection without a response.
    lifetime
        The lifetime of an access token, in seconds.
    gives_refresh_tokens
        Whether a client gets a refresh token.
    access_tokens
        The access tokens of all sign-ins.
    asked
        The parameters of all authorization requests.
    happened
        The number of accepted requests for tokens, by ``grant_type``.
    """

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._folder = tempfile.TemporaryDirectory(prefix="issuer-")
        self.ca_file = Path(self._folder.name) / "ca.pem"
        ca = trustme.CA()
        ca.cert_pem.write_to_path(self.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        self._server = _Server(self)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self._server.server_port}"
        self.token_address = self.address
        self.redirect_uri = ""
        self.refusal = ""
        self.is_down = False
        self.lifetime = 600
        self.gives_refresh_tokens = False
        self.access_tokens: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.happened: Counter[str] = Counter()
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: set[str] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()

    def token(self, **claims: Any) -> str:
        """Return a token with these claims. By default, it is valid for ten minutes."""
        now = int(time.time())
        defaults = {"iss": self.address, "sub": "somebody", "iat": now, "exp": now + 600}
        return jwt.encode(defaults | claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def document(self, path: str) -> dict[str, Any] | None:
        """Return a published document. None if there is none at this path."""
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.address,
                "jwks_uri": f"{self.address}/keys",
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.token_address}/token",
            }
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [public | {"kid": _KEY_ID, "alg": "RS256", "use": "sig"}]} if path == "/keys" else None

    def authorize(self, asked: dict[str, str]) -> str:
        """Return the URL to which the browser goes after an authorization request."""
        self.asked.append(asked)
        assert (asked["redirect_uri"], asked["response_type"]) == (self.redirect_uri, "code")
        assert asked["code_challenge_method"] == "S256"
        if self.refusal:
            answer = {"error": "access_denied", "error_description": self.refusal}
        else:
            answer = {"code": secrets.token_urlsafe()}
            self._codes[answer["code"]] = asked
        return f"{self.redirect_uri}?{urlencode(answer | {'state': asked['state']})}"

    def grant(self, asked: dict[str, str]) -> dict[str, Any] | None:
        """Return the response to a request for tokens. None if the code or the refresh token is not valid."""
        if asked["grant_type"] == "refresh_token":
            if asked["refresh_token"] not in self._refresh_tokens:
                return None
            self._refresh_tokens.remove(asked["refresh_token"])
        else:
            authorized = self._codes.pop(asked["code"], None)
            digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            if authorized is None or challenge != authorized["code_challenge"]:
                return None
            assert (asked["client_id"], asked["redirect_uri"]) == (authorized["client_id"], self.redirect_uri)
        self.happened[asked["grant_type"]] += 1
        self.access_tokens.append(self.token(aud="recovery", jti=secrets.token_hex()))
        answer = {"access_token": self.access_tokens[-1], "token_type": "Bearer", "expires_in": self.lifetime}
        if self.gives_refresh_tokens:
            answer["refresh_token"] = secrets.token_urlsafe()
            self._refresh_tokens.add(answer["refresh_token"])
        return answer | {"id_token": self.token(aud=asked["client_id"])}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, issuer: Issuer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = issuer

    def handle_error(self, *_: object) -> None:
        """Print nothing: a browser can close a connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        issuer, url = self.server.issuer, urlsplit(self.path)
        if issuer.is_down:
            return
        if url.path == "/authorize":
            location = issuer.authorize(dict(parse_qsl(url.query)))
            self._send(HTTPStatus.FOUND, {}, Location=location)
            return
        document = issuer.document(url.path)
        self._send(HTTPStatus.NOT_FOUND if document is None else HTTPStatus.OK, document)

    def do_POST(self) -> None:
        issuer = self.server.issuer
        if issuer.is_down:
            return
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = issuer.grant(dict(parse_qsl(body)))
        if answer is None:
            self._send(HTTPStatus.BAD_REQUEST, {"error": "invalid_grant"})
        else:
            self._send(HTTPStatus.OK, answer)

    def _send(self, status: HTTPStatus, document: dict[str, Any] | None, **headers: str) -> None:
        self.send_response(status)
        # The viewer has another origin.
        for name, value in (headers | {"Access-Control-Allow-Origin": "*"}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""
