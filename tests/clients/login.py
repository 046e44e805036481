"""A member logs in to an app through Chromium, as people do it: the log-in page, consent without a
password the second time, the page on which it all ends again.

    login.py BASE_URL NAME PASSWORD [FOLDER]

With a folder it leaves pictures of every page there: narrow and wide, light and dark.
"""
import base64
import hashlib
import http.server
import json
import secrets
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

from chromium import Chromium, check, wait


def ask(url, form=None, token=None):
    """Status and JSON of a request, as an app sends it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or b"null")


class Listener:
    """The app's own address: what browsers bring to it."""

    def __init__(self):
        brought = self.brought = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                if url.path == "/back":
                    brought.append(dict(urllib.parse.parse_qsl(url.query)))
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<title>the app</title>Back in the app.")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/back"

    def next(self):
        return wait("the browser comes back to the app", lambda: self.brought and self.brought.pop(0))


class App:
    """A client with PKCE (RFC 7636), whose members come back to an address of its own."""

    def __init__(self, base, listener):
        self.base, self.listener = base, listener
        status, self.known = ask(f"{base}/api/v1/apps", {
            "client_name": "A reader", "redirect_uris": listener.address,
            "scopes": "read write follow push"})
        check(status == 200, f"no app: {status}")

    def address(self, **more):
        """Where its members are sent."""
        self.verifier, self.state = secrets.token_urlsafe(48), secrets.token_urlsafe(9)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        wish = {
            "response_type": "code", "client_id": self.known["client_id"],
            "redirect_uri": self.listener.address, "scope": "read write:statuses push",
            "state": self.state, "code_challenge_method": "S256",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}
        return f"{self.base}/oauth/authorize?{urllib.parse.urlencode(wish | more)}"

    def token(self):
        """A token for the code that the browser brings."""
        brought = self.listener.next()
        check(brought.get("state") == self.state, f"another state: {brought}")
        check("code" in brought, f"no code: {brought}")
        status, given = ask(f"{self.base}/oauth/token", {
            "grant_type": "authorization_code", "code": brought["code"],
            "client_id": self.known["client_id"], "client_secret": self.known["client_secret"],
            "redirect_uri": self.listener.address, "code_verifier": self.verifier})
        check(status == 200, f"no token: {status} {given}")
        return given["access_token"]


def lives(base, token):
    status, _ = ask(f"{base}/api/v1/accounts/verify_credentials", token=token)
    check(status in (200, 401), f"a token is answered {status}")
    return status == 200


PASSWORD_FIELD = "document.querySelector('input[type=password]')"


def story(base, name, password, folder, browser):
    app = App(base, Listener())
    # The pages have no scripts, and must work where none may run.
    browser.say("Emulation.setScriptExecutionDisabled", value=True)
    browser.go(app.address(scope="nonsense"), "document.body.innerText.includes('does not exist')")
    check(not app.listener.brought, "a wrong request sent the browser away")
    browser.pictures(folder, "misasked")
    browser.go(app.address(), PASSWORD_FIELD + " !== null")
    browser.pictures(folder, "login")
    browser.type("#username", name)
    browser.type("#password", "not the password")
    browser.goes(lambda: browser.click("form button"), "document.querySelector('.wrong') !== null")
    browser.pictures(folder, "wrong")
    browser.type("#username", name)
    browser.type("#password", password)
    browser.goes(lambda: browser.click("form button"), "document.title === 'the app'")
    first = app.token()
    check(lives(base, first), "the first token is refused")

    browser.go(app.address(), "document.querySelector('button[value=allow]') !== null")
    check(not browser.look(PASSWORD_FIELD + " !== null"), "the password is asked once more")
    check(f"@{name}" in browser.text(), "it is not said who consents")
    browser.pictures(folder, "consent")
    browser.goes(lambda: browser.click("button[value=allow]"), "document.title === 'the app'")
    second = app.token()
    check(lives(base, second), "the second token is refused")
    browser.go(app.address(), "document.querySelector('button[value=deny]') !== null")
    browser.goes(lambda: browser.click("button[value=deny]"), "document.title === 'the app'")
    check(app.listener.next().get("error") == "access_denied", "a no is not told")
    browser.go(app.address(force_login="true"), PASSWORD_FIELD + " !== null")

    browser.go(f"{base}/settings", "document.querySelector('.ways') !== null")
    browser.pictures(folder, "settings")
    for page in ("password", "delete"):
        browser.go(f"{base}/settings/{page}", PASSWORD_FIELD + " !== null")
        browser.pictures(folder, page)
    browser.go(f"{base}/logout", "document.querySelector('form button') !== null")
    browser.pictures(folder, "logout")
    tokens = "document.querySelectorAll('button[name=token]').length"
    browser.go(f"{base}/settings/sessions", f"{tokens} === 2")
    browser.pictures(folder, "sessions")
    # The newest is first.
    browser.goes(lambda: browser.click("button[name=token]"), f"{tokens} === 1")
    check(not lives(base, second), "a token that was ended is taken")
    check(lives(base, first), "a token that was not ended is refused")
    browser.goes(lambda: browser.click("button[name=others]"), f"{tokens} === 0")
    check(not lives(base, first), "a token outlived the end of all others")
    browser.goes(lambda: browser.click("button[name=session]"), "location.pathname === '/logout'")
    browser.go(f"{base}/settings", "location.pathname === '/login'")
    browser.pictures(folder, "door")
    browser.go(app.address(), PASSWORD_FIELD + " !== null")

    _, known = ask(f"{base}/api/v1/apps", {
        "client_name": "A terminal", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
        "scopes": "read"})
    wish = {"response_type": "code", "client_id": known["client_id"],
            "redirect_uri": "urn:ietf:wg:oauth:2.0:oob"}
    browser.go(f"{base}/oauth/authorize?{urllib.parse.urlencode(wish)}", PASSWORD_FIELD + " !== null")
    browser.type("#username", name)
    browser.type("#password", password)
    browser.goes(lambda: browser.click("form button"), "document.querySelector('.secret') !== null")
    browser.pictures(folder, "code")


def main():
    base, name, password, *more = sys.argv[1:]
    browser = Chromium()
    try:
        story(base, name, password, more[0] if more else None, browser)
    finally:
        browser.close()
    print("a log-in through Chromium: done")


main()
