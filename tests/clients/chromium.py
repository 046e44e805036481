"""A page in Chromium, driven over a pipe by its own protocol
(https://chromedevtools.github.io/devtools-protocol/), with nothing but Python. For the scripts beside
this one that go through pages as people do.
"""
import base64
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60
NAME = pathlib.Path(sys.argv[0]).name
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
    sys.exit(f"{NAME}: not in {PATIENCE_S} s: {what}")


def check(is_so, what):
    if not is_so:
        sys.exit(f"{NAME}: {what}")


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
        answer = self.ask(method, parameters)
        check("result" in answer, f"{method}: {answer}")
        return answer["result"]

    def ask(self, method, parameters):
        """The same, whatever becomes of it."""
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
                    return answer
                continue
            left = end - time.monotonic()
            check(left > 0 and select.select([self.out], [], [], left)[0], f"no answer to {method}")
            more = os.read(self.out, 65536)
            check(more, "chromium ended")
            self.read += more

    def look(self, expression):
        """What an expression is on the page; None while the page is being left."""
        asked = {"expression": expression, "returnByValue": True}
        answer = self.ask("Runtime.evaluate", asked).get("result", {})
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
