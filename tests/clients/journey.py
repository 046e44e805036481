"""A person's first day, through Mastodon.py, unmodified.

Registers an app, goes through the log-in and consent pages as a browser does (cookies, hidden
fields), then posts, follows, reads, streams, searches, edits, deletes and keeps lists. Each step
says what it did; the first that is not as it should be ends the run.

    journey.py http://ADDRESS:PORT PASSWORD        (the accounts ada and grace exist)
"""

import io
import os
import sys
import threading
import time
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlparse

import requests
from mastodon import (Mastodon, MastodonIllegalArgumentError, MastodonNotFoundError,
                      MastodonUnauthorizedError, StreamListener)
from PIL import Image

SCOPES = ["read", "write", "follow", "push"]
REDIRECT = "http://127.0.0.1:1/landed"
PATIENCE_S = 15


class Forms(HTMLParser):
    """The forms of a page: where each goes, and its fields with their values."""

    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append({"action": attributes.get("action") or "",
                               "method": (attributes.get("method") or "get").lower(),
                               "fields": {}, "passwords": []})
        elif tag in ("input", "button") and self.forms and attributes.get("name"):
            form = self.forms[-1]
            kind = attributes.get("type", "text").lower()
            if tag == "button" or kind == "submit":
                # The first button is the one that the Enter key presses.
                form.setdefault("button", (attributes["name"], attributes.get("value") or ""))
            elif kind in ("checkbox", "radio") and "checked" not in attributes:
                pass
            else:
                form["fields"][attributes["name"]] = attributes.get("value") or ""
            if kind == "password":
                form["passwords"].append(attributes["name"])


def step(text):
    print(f"  {text}", flush=True)


def expect(fact, text):
    if not fact:
        raise AssertionError(text)


def until(what, look):
    """Looks until something is there; what is stored in groups may take a moment."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.05)


def forms_of(page):
    parser = Forms()
    parser.feed(page.text)
    return parser.forms


def browse(start, base, name, password):
    """Goes from the authorisation link to the redirect as a browser with cookies; the code."""
    browser = requests.Session()
    browser.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) Journey/1"
    page, seen = browser.get(start, allow_redirects=False, timeout=PATIENCE_S), start
    for _ in range(12):
        if page.is_redirect:
            seen = urljoin(seen, page.headers["Location"])
            if seen.startswith(REDIRECT):
                answer = parse_qs(urlparse(seen).query)
                expect("code" in answer, f"no code in {seen}")
                return answer["code"][0], answer.get("state", [None])[0]
            expect(seen.startswith(base), f"sent away to {seen}")
            page = browser.get(seen, allow_redirects=False, timeout=PATIENCE_S)
            continue
        expect(page.status_code == 200, f"{seen} answered {page.status_code}: {page.text[:300]}")
        forms = [form for form in forms_of(page) if form["method"] == "post"]
        expect(forms, f"no form on {seen}")
        form = next((form for form in forms if form["passwords"]), forms[0])
        fields = dict(form["fields"])
        if form["passwords"]:
            for field in form["passwords"]:
                fields[field] = password
            named = [field for field in fields
                     if any(word in field.lower() for word in ("user", "name", "mail", "login"))]
            expect(named, f"no field for a name among {sorted(fields)}")
            fields[named[0]] = name
        if "button" in form:
            fields[form["button"][0]] = form["button"][1]
        seen = urljoin(seen, form["action"])
        origin = "{0.scheme}://{0.netloc}".format(urlparse(base))
        page = browser.post(seen, data=fields, allow_redirects=False, timeout=PATIENCE_S,
                            headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})
    raise AssertionError("the log-in pages do not end")


def log_in(base, name, password, leak=True):
    """Through the pages; with `leak` the code is shown twice first, as a thief would."""
    client_id, secret = Mastodon.create_app("Journey", scopes=SCOPES, redirect_uris=REDIRECT,
                                            api_base_url=base, website="https://journey.example")
    app = Mastodon(client_id=client_id, client_secret=secret, api_base_url=base)
    start = app.auth_request_url(redirect_uris=REDIRECT, scopes=SCOPES, state="kept",
                                 allow_http=True)
    code, state = browse(start, base, name, password)
    expect(state == "kept", f"the state came back as {state}")
    token = app.log_in(code=code, redirect_uri=REDIRECT, scopes=SCOPES, allow_http=True)
    expect(token and app.account_verify_credentials().username == name, "not who logged in")
    if not leak:
        return app
    try:
        Mastodon(client_id=client_id, client_secret=secret, api_base_url=base).log_in(
            code=code, redirect_uri=REDIRECT, scopes=SCOPES, allow_http=True)
    except MastodonIllegalArgumentError:  # the library's word for every refusal of this call
        pass
    else:
        raise AssertionError("a code worked twice")
    # A code that comes twice has leaked, so the token that it gave is dead (RFC 6749, 4.1.2).
    try:
        app.account_verify_credentials()
    except MastodonUnauthorizedError:
        return log_in(base, name, password, leak=False)
    raise AssertionError("the token of a leaked code lives on")


def picture():
    data = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((640, 480)).save(data, "PNG")
    return data.getvalue()


class Heard(StreamListener):
    """Keeps what a stream brought."""

    def __init__(self):
        self.updates, self.notifications, self.deleted, self.edited = [], [], [], []

    def on_update(self, status):
        self.updates.append(status.id)

    def on_notification(self, notification):
        self.notifications.append(notification.type)

    def on_delete(self, status_id):
        self.deleted.append(str(status_id))

    def on_status_update(self, status):
        self.edited.append(status.id)


def publish(ada, grace):
    media = ada.media_post(picture(), mime_type="image/png", description="A grey slope",
                           focus=(0.1, -0.2))
    media = until("the picture is ready", lambda: (lambda m: m.url and m)(ada.media(media.id)))
    expect(media.description == "A grey slope" and media.blurhash, "description or blurhash lost")
    expect(requests.get(media.preview_url, timeout=PATIENCE_S).status_code == 200, "no thumbnail")
    post = ada.status_post("A slope for @grace #harbour https://example.org/a", media_ids=[media],
                           language="en", idempotency_key="first")
    again = ada.status_post("A slope for @grace #harbour https://example.org/a", language="en",
                            idempotency_key="first")
    expect(again.id == post.id, "an idempotency key made two posts")
    expect(len(post.media_attachments) == 1 and post.tags[0].name == "harbour", "post is not whole")
    expect([who.acct for who in post.mentions] == ["grace"], "the mention is lost")
    step("post with picture, mention, tag and link; its key holds")
    ballot = ada.status_post("Which?", poll=ada.make_poll(["this", "that"], 3600, multiple=False))
    voted = grace.poll_vote(ballot.poll.id, [1])
    expect(voted.voted and voted.options[1].votes_count == 1, "the vote is not counted")
    step("poll, and a vote on it")
    return post


def talk(ada, grace, post):
    ada_account = grace.account_lookup("ada")
    relation = grace.account_follow(ada_account.id)
    expect(relation.following, "follow did not hold")
    listener = Heard()
    stream = grace.stream_user(listener, run_async=True, timeout=PATIENCE_S)
    until("the stream is open", stream.is_receiving)
    try:
        said = ada.status_post("Heard live?")
        until("a post on the stream", lambda: said.id in listener.updates)
        until("the post at home", lambda: said.id in [s.id for s in grace.timeline_home()])
        answer = grace.status_reply(to_status=post, status="It is steep.", untag=False)
        grace.status_favourite(post.id)
        grace.status_reblog(post.id)
        ada.status_update(said.id, "Heard live, and corrected?")
        until("the edit on the stream", lambda: said.id in listener.edited)
        expect(len(ada.status_history(said.id)) == 2, "the history has not two versions")
        ada.status_delete(said.id)
        until("the deletion on the stream", lambda: str(said.id) in listener.deleted)
    finally:
        stream.close()
    step("follow, home, live updates, edit with history, delete")
    kinds = until("ada's notifications", lambda: (lambda kinds: kinds if
                  {"follow", "mention", "favourite", "reblog"} <= kinds else None)(
                  {n.type for n in ada.notifications()}))
    expect("poll" not in kinds, "the poll has not ended yet")
    thread = ada.status_context(post.id)
    expect([reply.id for reply in thread.descendants] == [answer.id], "the thread is not whole")
    expect(ada.status(post.id).favourites_count == 1 or until(
        "the count", lambda: ada.status(post.id).favourites_count == 1), "the count is wrong")
    step("notifications, thread, counts")


def find(ada, grace):
    until("the post is found", lambda: ada.search("slope", result_type="statuses").statuses)
    expect(ada.search("grace", result_type="accounts").accounts[0].acct == "grace", "grace is lost")
    expect(ada.search("harbour", result_type="hashtags").hashtags[0].name == "harbour", "no tag")
    expect(grace.timeline_hashtag("harbour"), "the tag's timeline is empty")
    step("search: posts, accounts, tags")


def keep(ada, grace):
    ada_account, grace_account = ada.me(), grace.me()
    friends = grace.list_create("friends")
    grace.list_accounts_add(friends.id, [ada_account.id])
    said = ada.status_post("For the list")
    until("the post on the list", lambda: said.id in [s.id for s in grace.timeline_list(friends.id)])
    grace.list_update(friends.id, "old friends")
    expect([one.title for one in grace.lists()] == ["old friends"], "the list has another title")
    grace.list_accounts_delete(friends.id, [ada_account.id])
    grace.list_delete(friends.id)
    expect(grace.lists() == [], "the list is still there")
    step("lists: made, filled, read, renamed, emptied, gone")
    grace.status_bookmark(said.id)
    expect([s.id for s in grace.bookmarks()] == [said.id], "the bookmark is lost")
    private = ada.status_post("Only for followers", visibility="private")
    expect(grace.status(private.id).id == private.id, "a follower cannot read it")
    ada.account_block(grace_account.id)
    for hidden in (private.id, said.id):
        try:
            grace.status(hidden)
        except MastodonNotFoundError:
            continue
        raise AssertionError("who is blocked still reads")
    ada.account_unblock(grace_account.id)
    step("bookmarks, followers-only, block and what it hides")


def page_through(ada):
    ids = [ada.status_post(f"Page {number}", visibility="unlisted").id for number in range(45)]
    page, seen = ada.account_statuses(ada.me().id, limit=20), []
    while page:
        seen += [status.id for status in page]
        page = ada.fetch_next(page)
    expect(len(seen) == len(set(seen)), "paging repeats")
    expect([i for i in seen if i in set(ids)] == list(reversed(ids)), "paging loses or reorders")
    step(f"paging through {len(seen)} posts, none twice, none lost")


def leave(ada, base):
    token = ada.access_token
    ada.revoke_access_token(allow_http=True)
    try:
        Mastodon(access_token=token, api_base_url=base).account_verify_credentials()
    except MastodonUnauthorizedError:
        step("log-out: the token is dead")
    else:
        raise AssertionError("a revoked token still works")


def main():
    base, password = sys.argv[1].rstrip("/"), sys.argv[2]
    watchdog = threading.Timer(240, lambda: (print("the journey hangs", flush=True), os._exit(1)))
    watchdog.daemon = True
    watchdog.start()
    ada = log_in(base, "ada", password)
    grace = log_in(base, "grace", password)
    step("two people logged in through the pages")
    post = publish(ada, grace)
    talk(ada, grace, post)
    find(ada, grace)
    keep(ada, grace)
    page_through(ada)
    leave(ada, base)
    watchdog.cancel()


if __name__ == "__main__":
    main()
