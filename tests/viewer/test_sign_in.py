"""The sign-in of the viewer at an identity provider, with the input ``api.jwt.sign_in``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from drs_job_log.api import handler as api
from drs_job_log.config import SignInSettings
from playwright.sync_api import expect

from tests.support import scripts
from tests.support.issuer import Issuer
from tests.viewer.conftest import NOW, SERVERS, Opener, events_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

    from tests.support.recovery import Recovery

FINISHED = events_of(scripts.launch(SERVERS), ago=timedelta(hours=2))
RUNNING = events_of(scripts.launch(SERVERS), ago=timedelta(minutes=1))[:6]

Open = Callable[..., "Page"]


@pytest.fixture
def issuer(address: str, recovery: Recovery) -> Iterator[Issuer]:
    """The identity provider. The API accepts its access tokens."""
    with Issuer() as issuer:
        issuer.redirect_uri = f"{address}/viewer/page"
        recovery.gateway.tokens = issuer.access_tokens
        yield issuer


@pytest.fixture(autouse=True)
def _no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start page has no recoveries."""
    monkeypatch.setitem(api.HISTORY_ROUTES, "GET /executions", lambda *_: {"executions": [], "nextToken": None})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def set_origins(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Configure the sign-in. Pages may send requests to these origins."""

    def set_them(*origins: str) -> None:
        settings = {"authority": issuer.address, "clientId": "viewer", "scope": "openid logs.read"}
        page = json.dumps(settings | {"parameters": {"audience": "recovery"}, "origins": origins})
        sign_in = SignInSettings(page=page, origins=origins)
        monkeypatch.setattr(api, "settings", replace(api.settings, sign_in=sign_in))

    set_them(issuer.address)
    return set_them


@pytest.fixture
def open_page(context: BrowserContext, address: str) -> Open:
    """Open a page with a paused clock."""

    def open_it(path: str = "executions/exec-1") -> Page:
        page = context.new_page()
        page.clock.install(time=NOW)
        page.clock.pause_at(NOW + timedelta(seconds=1))
        page.goto(f"{address}/{path}")
        return page

    return open_it


def expect_panel(page: Page, text: str) -> None:
    expect(page.locator("#session")).to_contain_text(text)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def remove_errors(page_errors: list[str], *texts: str) -> None:
    """Remove the lines of the browser's console. Each must contain one of the texts."""
    assert page_errors
    assert [line for line in page_errors if not any(text in line for text in texts)] == []
    page_errors.clear()


def test_user_signs_in_and_returns_to_the_page(
    recovery: Recovery, issuer: Issuer, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*FINISHED)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    path = f"executions/exec-1?server={SERVERS[1]}"

    page = open_viewer(path).page

    expect(page.locator(".big")).to_have_text("3 of 3 servers launched")
    expect(page.locator("#sign-in, #session").filter(visible=True)).to_have_count(0)
    assert page.url.endswith(path)
    # The page without a token, and the page to which the identity provider returns.
    assert sum(url.endswith("/viewer/page.js") for url in asked) == 2
    (authorized,) = issuer.asked
    expected = {"client_id": "viewer", "scope": "openid logs.read", "audience": "recovery"}
    assert {name: authorized[name] for name in expected} == expected
    assert set(recovery.gateway.answered) == {200}
    assert page.evaluate("localStorage.length") == 0

    page.reload()
    expect(page.locator(".big")).to_have_text("3 of 3 servers launched")
    page.get_by_role("link", name="All recoveries").click()
    expect(page.get_by_role("heading", name="Recoveries", level=1)).to_be_visible()
    assert len(issuer.asked) == 1


def test_start_page_opens_other_pages_in_its_tab(
    recovery: Recovery, issuer: Issuer, open_page: Open, context: BrowserContext
) -> None:
    recovery.happen(*FINISHED)
    page = open_page("")
    expect(page.get_by_text("The page refreshes every 15 s.")).to_be_visible()

    page.get_by_label("ID of an execution").fill("exec-1")
    page.keyboard.press("Enter")

    expect(page.locator(".big")).to_have_text("3 of 3 servers launched")
    assert len(context.pages) == len(issuer.asked) == 1


def test_refusal_of_the_identity_provider(
    recovery: Recovery, issuer: Issuer, open_page: Open, page_errors: list[str]
) -> None:
    recovery.happen(*FINISHED)
    issuer.refusal = "The user is not assigned to this client.\u202e"
    page = open_page()

    expect_panel(page, "The identity provider refused the sign-in: The user is not assigned to this client.<U+202E>")

    assert recovery.polls == 0
    issuer.refusal = ""
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".big")).to_have_text("3 of 3 servers launched")
    assert page.url.endswith("/executions/exec-1")
    remove_errors(page_errors, "The user is not assigned")


@pytest.mark.parametrize("path", ["", "executions/exec-1"])
def test_identity_provider_that_does_not_answer(
    path: str, recovery: Recovery, issuer: Issuer, open_page: Open, page_errors: list[str]
) -> None:
    recovery.happen(*FINISHED)
    issuer.is_down = True
    page = open_page(path)

    expect_panel(page, f"The identity provider {issuer.address} does not respond.")

    expect(page.get_by_text("Loading")).to_be_hidden()
    issuer.is_down = False
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".big").or_(page.get_by_text("The page refreshes"))).to_be_visible()
    expect(page.locator("#session")).to_be_hidden()
    remove_errors(page_errors, "does not respond")


def test_origin_of_the_token_endpoint(
    recovery: Recovery, issuer: Issuer, open_page: Open, set_origins: Callable[..., None], page_errors: list[str]
) -> None:
    """With Amazon Cognito, it is not the origin of the authority."""
    recovery.happen(*FINISHED)
    issuer.token_address = issuer.address.replace("127.0.0.1", "localhost")
    page = open_page()

    expect_panel(page, f"The page may not send requests to {issuer.token_address}, the origin of the token endpoint.")

    set_origins(issuer.address, issuer.token_address)
    page.reload()
    expect(page.locator(".big")).to_have_text("3 of 3 servers launched")
    remove_errors(page_errors, "may not send requests")


def test_sign_in_that_did_not_begin_in_this_tab(
    recovery: Recovery, issuer: Issuer, open_page: Open, address: str, page_errors: list[str]
) -> None:
    """Somebody else could have sent the link, with a code for their own account and a text of their own."""
    page = open_page("viewer/page?code=theirs&state=theirs&error=x&error_description=Call+us")

    expect_panel(page, "This sign-in did not begin in this tab, or it is too old.")

    expect(page.get_by_text("Call us")).to_have_count(0)
    assert (recovery.polls, issuer.asked, issuer.happened.total()) == (0, [], 0)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Recoveries", level=1)).to_be_visible()
    assert page.url == f"{address}/"
    remove_errors(page_errors, "did not begin in this tab")


def test_refresh_token_renews_the_access_token(recovery: Recovery, issuer: Issuer, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING)
    issuer.lifetime, issuer.gives_refresh_tokens = 300, True
    viewer = open_viewer()
    expect(viewer.find(".row")).to_have_count(6)

    viewer.move_on(230)
    assert issuer.happened["refresh_token"] == 0
    viewer.move_on(15)
    wait_until(viewer.page, lambda: issuer.happened["refresh_token"] == 1)
    new = issuer.access_tokens[1]
    wait_until(
        viewer.page, lambda: viewer.page.evaluate("token => JSON.stringify(sessionStorage).includes(token)", new)
    )
    viewer.page.wait_for_load_state("networkidle")
    recovery.gateway.tokens = issuer.access_tokens[1:]
    viewer.poll(2)

    assert not {401, 403} & set(recovery.gateway.answered)
    assert len(issuer.asked) == 1
    expect(viewer.find("#session")).to_be_hidden()


@pytest.mark.parametrize("has_refresh_token", [True, False])
def test_page_that_is_opened_with_an_expired_token(
    has_refresh_token: bool, recovery: Recovery, issuer: Issuer, open_viewer: Opener
) -> None:
    recovery.happen(*RUNNING)
    issuer.gives_refresh_tokens = has_refresh_token
    page = open_viewer().page
    page.evaluate("""() => {
      const key = Object.keys(sessionStorage).find((name) => name.includes("user"));
      sessionStorage.setItem(key, JSON.stringify({...JSON.parse(sessionStorage.getItem(key)), expires_at: 1}));
    }""")
    recovery.gateway.tokens = Later(issuer)

    page.reload()

    expect(page.locator(".row")).to_have_count(6)
    assert len(issuer.asked) == (1 if has_refresh_token else 2)
    assert not {401, 403} & set(recovery.gateway.answered)


class Later:
    """The access tokens that an identity provider issues from now on."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._before = set(issuer.access_tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._issuer.access_tokens and token not in self._before


def test_token_that_the_api_refuses(recovery: Recovery, issuer: Issuer, open_viewer: Opener) -> None:
    """The page does not go to the identity provider on its own, which would go on for ever."""
    recovery.happen(*RUNNING)
    recovery.gateway.tokens = []
    viewer = open_viewer()

    expect_panel(viewer.page, "The API does not accept the sign-in. It is expired, or its token")

    viewer.poll(3)
    assert len(issuer.asked) == 1
    recovery.gateway.tokens = issuer.access_tokens
    viewer.page.evaluate("history.replaceState(null, '', '?text=snapshot')")  # as the page does for a filter
    viewer.page.get_by_role("button", name="Sign in").click()
    viewer.page.wait_for_url("**/executions/exec-1?text=snapshot")
    expect(viewer.find(".row").first).to_be_visible()
    expect(viewer.find("#session")).to_be_hidden()
    assert len(issuer.asked) == 2


def test_other_pages_do_not_get_the_token(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    recovery.happen(*FINISHED)
    page = open_viewer().page
    with context.expect_page() as opened:
        page.evaluate("url => void window.open(url)", f"{page.url}?other")

    opened.value.evaluate("""() => {
      window.received = [];
      addEventListener("message", ({data}) => received.push(data));
      opener.postMessage({type: "drs-job-log:ready"}, "*");
    }""")
    opened.value.wait_for_timeout(300)

    assert opened.value.evaluate("received") == []
