"""An identity provider on the loopback address. It signs tokens and publishes its keys over HTTPS."""

from __future__ import annotations

import json
import ssl
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

_KEY_ID = "1"


class Issuer:
    """The identity provider, as a context manager.

    Attributes
    ----------
    address
        The ``iss`` claim of its tokens.
    ca_file
        The CA certificate. Set ``SSL_CERT_FILE`` of the process that reads the keys to this path.
    """

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._folder = tempfile.TemporaryDirectory(prefix="issuer-")
        self.ca_file = Path(self._folder.name) / "ca.pem"
        ca = trustme.CA()
        ca.cert_pem.write_to_path(self.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)

        documents: dict[str, Any] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                document = documents.get(self.path)
                self.send_response(404 if document is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self._server.server_port}"
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        documents["/.well-known/openid-configuration"] = {
            "issuer": self.address,
            "jwks_uri": f"{self.address}/keys",
        }
        documents["/keys"] = {"keys": [public | {"kid": _KEY_ID, "alg": "RS256", "use": "sig"}]}

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
