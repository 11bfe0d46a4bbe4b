#!/usr/bin/env python3
"""Completes a login without a browser: drive_login.py AUTHORIZATION_URL [--user U] [--password P] [--deny] [--deliver]

Follows redirects and answers the pages of authorization_server.py, oidc_provider_mock and canaille, until it is sent to
a loopback address that is not the server's. Prints that URL on standard output; with --deliver it asks for it too, as a
browser does, and prints the page it got on standard error.
"""
import argparse
import html.parser
import sys
import urllib.parse

import requests


class Form(html.parser.HTMLParser):
    """The forms of a page: where they go, their fields, and their buttons."""

    def __init__(self, text):
        super().__init__()
        self.forms = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append({"action": attributes.get("action"), "fields": {}, "buttons": []})
        elif tag in ("input", "button") and self.forms and attributes.get("name"):
            if tag == "button" or attributes.get("type") == "submit":
                self.forms[-1]["buttons"].append((attributes["name"], attributes.get("value", "")))
            else:
                self.forms[-1]["fields"][attributes["name"]] = attributes.get("value", "")


def fill(form, user, password, deny):
    """What a person would send with this form; None where it is not one for the login."""
    fields, buttons = dict(form["fields"]), dict(form["buttons"])
    choices = [value for name, value in form["buttons"] if name == "answer" and value in ("allow", "accept", "deny")]
    if "deny" in choices:
        return fields | {"answer": "deny" if deny else next(value for value in choices if value != "deny")}
    if buttons.get("action") == "deny":
        return {"action": "deny"} if deny else None
    if "sub" in fields and not deny:
        return {"sub": user}
    if "login" in fields:
        return fields | {"login": user}
    if "password" in fields:
        return fields | {"password": password}
    return None


def is_callback(url, server):
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost") and parts.netloc != server


def drive(url, user="alice", password="correct horse battery", deny=False):
    """Returns the URL of the loopback redirect."""
    session = requests.Session()
    server = urllib.parse.urlsplit(url).netloc
    response = session.get(url, allow_redirects=False, timeout=30)
    for _ in range(20):
        if response.is_redirect:
            url = urllib.parse.urljoin(response.url, response.headers["Location"])
            if is_callback(url, server):
                return url
            response = session.get(url, allow_redirects=False, timeout=30)
            continue
        response.raise_for_status()
        filled = [(form, fill(form, user, password, deny)) for form in Form(response.text).forms]
        form, fields = next(((form, fields) for form, fields in filled if fields is not None), (None, None))
        if form is None:
            raise RuntimeError(f"no form to fill in at {urllib.parse.urlsplit(response.url).path}")
        target = urllib.parse.urljoin(response.url, form["action"] or response.url)
        response = session.post(target, data=fields, headers={"Referer": response.url}, allow_redirects=False, timeout=30)
    raise RuntimeError("no redirect to a loopback address after 20 steps")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--user", default="alice")
    parser.add_argument("--password", default="correct horse battery")
    parser.add_argument("--deny", action="store_true")
    parser.add_argument("--deliver", action="store_true")
    options = parser.parse_args()
    callback = drive(options.url, options.user, options.password, options.deny)
    print(callback)
    if options.deliver:
        answer = requests.get(callback, timeout=30)
        print(f"{answer.status_code}\n{answer.text}", file=sys.stderr)
