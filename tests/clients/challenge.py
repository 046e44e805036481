"""Visitors while the server has far more to do than it can: Chromium with scripts does the
challenge's work, Chromium without waits, and both get to the page. The server is flooded for it, from
addresses all over the loopback; when this ends, so does that.

    challenge.py BASE_URL PATH [FOLDER]

PATH is a page that many addresses can be made of by a `max_id`. With a folder it leaves pictures
there.
"""
import multiprocessing
import random
import selectors
import socket
import sys
import time
import urllib.parse

from chromium import Chromium, check, wait

# What they ask for at once is seconds of work for a server that counts on a tenth of its machine.
CONNECTIONS = 1_000
# Whatever happens, the flood ends after so long.
FLOOD_S = 240


def flood(host, port, path, is_over):
    """Asks on each connection for a page that nobody asked for yet, again and again."""
    chance = random.Random(7)
    looks = selectors.DefaultSelector()
    begun, opened = time.monotonic(), 0

    def ask(line):
        request = (f"GET {path}?max_id={chance.randrange(1, 1 << 62)} HTTP/1.1\r\nhost: {host}:{port}\r\n"
                   "accept: text/html\r\nuser-agent: a flood\r\n\r\n")
        line.send(request.encode())

    while not is_over.is_set() and time.monotonic() < begun + FLOOD_S:
        while len(looks.get_map()) < CONNECTIONS and opened < 20 * CONNECTIONS:
            opened += 1
            line = socket.socket()
            line.setblocking(False)
            line.bind((f"127.{chance.randrange(16, 200)}.{chance.randrange(256)}.1", 0))
            line.connect_ex((host, port))
            looks.register(line, selectors.EVENT_WRITE)
        for key, event in looks.select(0.5):
            line = key.fileobj
            try:
                if event & selectors.EVENT_READ and not line.recv(65_536):
                    raise ConnectionError
                # One answer may come in pieces; asking once more for each does no harm here.
                ask(line)
                looks.modify(line, selectors.EVENT_READ)
            except BlockingIOError:
                pass
            except OSError:
                looks.unregister(line)
                line.close()


TITLE = "document.readyState === 'complete' && document.title"
CHALLENGE = "One moment, please"
COOKIES = ("challenge", "clearance", "visit")


def cookies(browser):
    """Ours by name."""
    kept = browser.say("Network.getCookies")["cookies"]
    return {cookie["name"]: cookie for cookie in kept if cookie["name"] in COOKIES}


def visit(browser, url, name, folder):
    """Goes to a page and stays until it is there; says what was met on the way."""
    met = []
    browser.say("Page.navigate", url=url)

    def look():
        title = browser.look(TITLE)
        if title and title not in met:
            met.append(title)
            if folder and title.startswith(CHALLENGE):
                browser.pictures(folder, "waiting-room")
        return title and name in title

    wait(f"{name} on {url}", look)
    return met


def story(base, path, has_scripts, folder):
    name, how = path.strip("/@"), "with scripts" if has_scripts else "without scripts"
    browser = Chromium()
    try:
        browser.say("Network.enable")
        browser.say("Emulation.setScriptExecutionDisabled", value=not has_scripts)
        for _ in range(10):
            begun = time.monotonic()
            # Without scripts the page stays for three seconds, and can be looked at.
            met = visit(browser, base + path, name, None if has_scripts else folder)
            kept = cookies(browser)
            print(f"{how}: there after {time.monotonic() - begun:.1f} s by way of {met}, with {list(kept)}")
            check("visit" not in kept, "a visit under attack counts as one in peace")
            if any(title.startswith(CHALLENGE) for title in met):
                break
            # Who asks as fast as a flood is taken for one.
            time.sleep(3)
        else:
            check(False, f"{how}: no challenge in ten visits")
        if has_scripts:
            check("challenge" not in kept, "the answered challenge is kept")
            check(kept.get("clearance", {}).get("httpOnly"), f"no clearance: {kept}")
        else:
            check("clearance" not in kept, "a clearance without any work")
    finally:
        browser.close()


def main():
    base, path, *more = sys.argv[1:]
    url = urllib.parse.urlsplit(base)
    check(url.hostname and url.hostname.startswith("127."), "this floods the loopback alone")
    is_over = multiprocessing.Event()
    flooding = multiprocessing.Process(
        target=flood, args=(url.hostname, url.port, path, is_over), daemon=True)
    flooding.start()
    try:
        # Its flood is to be noticed first.
        time.sleep(3)
        for has_scripts in (True, False):
            story(base, path, has_scripts, more[0] if more else None)
    finally:
        is_over.set()
        flooding.join(5)
        flooding.kill()
    print("challenges through Chromium: done")


main()
