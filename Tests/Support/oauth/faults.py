"""What a token endpoint does when it is not well, one fault for each of the next so many requests.

A fault is `{"kind": …, "count": 1, "grant_type": null, …}`; with a grant type it waits for a request of that type.

  hang                 carries the request out, and answers only after POST /_release ("before": true: carries it out
                       after the release too)
  drop-after-rotation  carries it out, then closes the connection without an answer ("reset": true: with a RST)
  drop-before          closes the connection without carrying it out
  status               answers `status`, `body` (a text, or JSON) and `headers`; "process": true carries it out first
  truncate             carries it out; announces the whole answer, sends half of it and closes
  drip                 carries it out; sends one byte every `interval` seconds (0.1)
  expires_in           carries it out; `value` stands as expires_in ("omit": none)
  no_rotation          carries it out without a new refresh token
  error                answers the OAuth error `error`, with `status` (400) and `description`
  redirect             307 to `location`
  html                 200 with the log-in page of a captive portal
  gzip                 carries it out; sends the answer compressed though nobody asked for that
  patch                carries it out; `set` replaces members of the answer, null takes one out
"""
import gzip
import json
import threading
import time

import connections

KINDS = {
    "hang", "drop-after-rotation", "drop-before", "status", "truncate", "drip", "expires_in", "no_rotation", "error",
    "redirect", "html", "gzip", "patch",
}
PORTAL = b"<!doctype html><title>Welcome to Hotel Wi-Fi</title><form action=/login><input name=room></form>"


class Faults:
    def __init__(self):
        self.condition = threading.Condition()
        self.queue = []
        self.hanging = 0
        self.releases = 0

    def add(self, faults):
        for fault in faults:
            if fault.get("kind") not in KINDS:
                raise ValueError(f"no such fault: {fault.get('kind')}")
        with self.condition:
            self.queue += [dict(fault, count=fault.get("count", 1)) for fault in faults]

    def clear(self):
        with self.condition:
            self.queue = []

    def take(self, grant_type):
        with self.condition:
            for fault in self.queue:
                if fault.get("grant_type") in (None, grant_type):
                    fault["count"] -= 1
                    if fault["count"] <= 0:
                        self.queue.remove(fault)
                    return fault
        return {"kind": None}

    def hang(self):
        with self.condition:
            self.hanging += 1
            release = self.releases
            self.condition.notify_all()
            self.condition.wait_for(lambda: self.releases != release)
            self.hanging -= 1

    def release(self):
        with self.condition:
            self.releases += 1
            released = self.hanging
            self.condition.notify_all()
            return released


def cut(environ, reset=False):
    connections.cut(environ["werkzeug.socket"], reset)


def send_raw(environ, response, body, part=None, interval=None, reset=False):
    """Writes an answer by hand, whole or in part, at once or byte by byte, and closes the connection."""
    connection = environ["werkzeug.socket"]
    lines = [f"HTTP/1.1 {response.status}"]
    lines += [f"{name}: {value}" for name, value in response.headers if name.lower() not in ("content-length", "connection")]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    data = "\r\n".join(lines).encode("latin-1") + body[:part]
    try:
        if interval is None:
            connection.sendall(data)
        else:
            for index in range(len(data)):
                connection.sendall(data[index : index + 1])
                time.sleep(interval)
    except OSError:
        pass
    cut(environ, reset)


def without_processing(fault, make):
    """The answer of a fault that keeps the request from being carried out; None for every other fault."""
    kind = fault["kind"]
    if kind == "status":
        body = fault.get("body", "")
        is_text = isinstance(body, str)
        headers = {"Content-Type": "text/plain" if is_text else "application/json", **fault.get("headers", {})}
        return make(body if is_text else json.dumps(body), fault.get("status", 500), headers)
    if kind == "error":
        body = {"error": fault["error"]}
        if "description" in fault:
            body["error_description"] = fault["description"]
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **fault.get("headers", {})}
        return make(json.dumps(body), fault.get("status", 400), headers)
    if kind == "redirect":
        return make("", fault.get("status", 307), {"Location": fault["location"]})
    if kind == "html":
        return make(PORTAL, 200, {"Content-Type": "text/html"})
    return None


def altered(fault, response):
    """The answer of a request that was carried out, as the fault has it."""
    kind = fault["kind"]
    if kind in ("expires_in", "patch") and response.status_code == 200:
        body = json.loads(response.get_data())
        changes = fault.get("set", {}) if kind == "patch" else {"expires_in": fault.get("value")}
        for name, value in changes.items():
            if value is None and kind == "patch" or value == "omit":
                body.pop(name, None)
            else:
                body[name] = value
        response.set_data(json.dumps(body))
    if kind == "gzip":
        response.set_data(gzip.compress(response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
    return response
