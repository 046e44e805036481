"""A member logs in to an app through Chromium, as people do it: the log-in page, consent without a
password the second time, the page on which it all ends again. Chromium is driven over a pipe by its
own protocol (https://chromedevtools.github.io/devtools-protocol/), with nothing but Python.

    login.py BASE_URL NAME PASSWORD [FOLDER]

With a folder it leaves pictures of every page there: narrow and wide, light and dark.
"""
import base64
import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import secrets
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE_S = 60
# A scripted page sees how people see it: phone and desk.
WIDTHS = {"narrow": 360, "wide": 1280}


def wait(what, look):
    """What `look` says once it says something."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    sys.exit(f"login.py: not in {PATIENCE_S} s: {what}")


def check(is_so, what):
    if not is_so:
        sys.exit(f"login.py: {what}")


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


class Chromium:
    """One page in a browser of its own, which goes when this does."""

    def __init__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        check(program, "there is no chromium")
        self.folder = tempfile.mkdtemp(prefix="chromium-")
        ours, theirs = os.pipe(), os.pipe()
        # Its ends must be 3 and 4, and may be taken: moved out of the way first.
        reads = fcntl.fcntl(ours[0], fcntl.F_DUPFD, 20)
        writes = fcntl.fcntl(theirs[1], fcntl.F_DUPFD, 20)

        def place():
            os.dup2(reads, 3)
            os.dup2(writes, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--no-proxy-server",
             "--disable-background-networking", f"--user-data-dir={self.folder}", "about:blank"],
            preexec_fn=place, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (reads, writes, ours[0], theirs[1]):
            os.close(end)
        self.to, self.out, self.read, self.number = ours[1], theirs[0], b"", 0
        self.session = None
        target = self.say("Target.createTarget", url="about:blank")["targetId"]
        attached = self.say("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.say("Page.enable")

    def say(self, method, **parameters):
        """Asks the browser for something, and what it answers."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE_S
        while True:
            line, found, rest = self.read.partition(b"\0")
            if found:
                self.read = rest
                answer = json.loads(line)
                if answer.get("id") == self.number:
                    check("result" in answer, f"{method}: {answer}")
                    return answer["result"]
                continue
            left = end - time.monotonic()
            check(left > 0 and select.select([self.out], [], [], left)[0], f"no answer to {method}")
            more = os.read(self.out, 65536)
            check(more, "chromium ended")
            self.read += more

    def look(self, expression):
        """What an expression is on the page; None while the page is being left."""
        answer = self.say("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer.get("result", {}).get("value")

    def goes(self, do, expects):
        """Does something that leads to another page, and waits for what is expected on it."""
        self.look("window.left = false")
        do()
        ready = f"window.left === undefined && document.readyState === 'complete' && {expects}"
        return wait(f"{expects} on {self.look('location.href')}", lambda: self.look(ready))

    def go(self, url, expects="true"):
        return self.goes(lambda: self.say("Page.navigate", url=url), expects)

    def click(self, selector):
        """Presses the mouse where the element is."""
        at = self.look(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect(); "
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()")
        check(at, f"there is no {selector} on {self.look('location.href')}")
        for kind in ("mousePressed", "mouseReleased"):
            self.say("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left",
                     clickCount=1)

    def type(self, selector, text):
        self.look(f"document.querySelector({json.dumps(selector)}).select()")
        self.say("Input.insertText", text=text)

    def text(self):
        return self.look("document.body.innerText") or ""

    def pictures(self, folder, name):
        """What a page looks like; and that it fits, at every width."""
        for width, pixels in WIDTHS.items():
            self.say("Emulation.setDeviceMetricsOverride", width=pixels, height=800,
                     deviceScaleFactor=1, mobile=False)
            across = self.look("document.documentElement.scrollWidth")
            check(across <= pixels, f"{name} is {across} pixels wide on {pixels}")
            for scheme in ("light", "dark"):
                self.say("Emulation.setEmulatedMedia",
                         features=[{"name": "prefers-color-scheme", "value": scheme}])
                if folder:
                    shot = self.say("Page.captureScreenshot", captureBeyondViewport=True)
                    path = pathlib.Path(folder) / f"{name}-{width}-{scheme}.png"
                    path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


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
