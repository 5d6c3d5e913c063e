"""A proxy on this machine that signs the requests of a browser, for the viewer of an API with AWS_IAM.

    python3 viewer_proxy.py https://abc123.execute-api.eu-west-1.amazonaws.com

It needs Python 3.11 or later and botocore, and uses the AWS credentials of the environment or of the profile. It
listens on 127.0.0.1 only. It answers only requests for localhost or 127.0.0.1, so that no website can read the API: a
website can point its own name to 127.0.0.1 (DNS rebinding), but the browser then sends this name in the header Host.
"""

from __future__ import annotations

import argparse
import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.session import Session
from botocore.utils import get_environ_proxies

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORWARDED_TO_API: Final = ("Accept-Encoding", "If-None-Match")

# No headers of CORS: other origins must not read the answers.
_FORWARDED_TO_BROWSER: Final = (
    *("Content-Type", "Content-Encoding", "Content-Security-Policy", "ETag", "Vary"),
    *("Cache-Control", "Referrer-Policy", "Retry-After", "X-Content-Type-Options"),
)


class Api:
    """The API, called with Signature Version 4."""

    def __init__(self, endpoint: str, region: str, session: Session) -> None:
        self._endpoint = endpoint
        self._region = region
        self._session = session
        self._http = URLLib3Session(
            verify=session.get_config_variable("ca_bundle") or True, proxies=get_environ_proxies(endpoint)
        )

    def get(self, target: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Return the status, the headers and the body of an answer. ``target`` is the path with the query.

        The body has the encoding that the header Content-Encoding says.

        Raises
        ------
        botocore.exceptions.BotoCoreError
            If there are no valid credentials, or if the API cannot be reached.
        """
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        request = AWSRequest("GET", self._endpoint + target)
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(request)
        signed = request.prepare()
        signed.headers.update(headers)  # without a signature, because other proxies can change them
        answer = self._http.send(signed)
        return answer.status_code, answer.headers, answer.content


class Proxy(ThreadingHTTPServer):
    """Serves the API on a port of 127.0.0.1. Port 0 is any free port."""

    daemon_threads = True

    def __init__(self, api: Api, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.api = api
        self.hosts = {f"{name}:{self.server_port}" for name in ("localhost", "127.0.0.1")}


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            self.send_error(HTTPStatus.FORBIDDEN, explain=f"Open http://localhost:{self.server.server_port} instead.")
        elif not self.path.startswith("/"):
            self.send_error(HTTPStatus.BAD_REQUEST, explain="The request must have a path.")
        else:
            self._forward()

    def _forward(self) -> None:
        try:
            asked = {name: self.headers[name] for name in _FORWARDED_TO_API if name in self.headers}
            status, headers, body = self.server.api.get(self.path, asked)
        except BotoCoreError as error:
            self.send_error(HTTPStatus.BAD_GATEWAY, explain=str(error))
            return
        self.send_response(status)
        for name in _FORWARDED_TO_BROWSER:
            if name in headers:
                self.send_header(name, headers[name])
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve the viewer until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Signs the requests of a browser for the viewer.")
    parser.add_argument("endpoint", type=lambda text: text.rstrip("/"), help="URL of the API: the output api_endpoint")
    parser.add_argument("--port", type=int, default=8080, help="port on 127.0.0.1 (default: %(default)s)")
    parser.add_argument("--region", help="Region of the API, if its URL has a custom domain")
    options = parser.parse_args()
    named = re.match(r"https://[^./]+\.execute-api\.([a-z0-9-]+)\.", options.endpoint)
    region = options.region or (named and named[1])
    if not region:
        parser.error("The URL contains no Region. Set --region.")
    with Proxy(Api(options.endpoint, region, Session()), options.port) as proxy:
        print(f"The viewer is at http://localhost:{proxy.server_port}/. Press Ctrl-C to stop.", flush=True)
        try:
            proxy.serve_forever()
        except KeyboardInterrupt:
            sys.exit()


if __name__ == "__main__":
    main()
