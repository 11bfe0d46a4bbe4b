#!/usr/bin/env python3
"""A proxy before any server on this machine that can lose answers on their way back.

  dropping_proxy.py --to HOST:PORT [--path /oauth2/token]

Requests pass byte for byte, each over a connection of its own, with `Host` as the client sent it. Of the requests to
`--path`, the next so many as `POST /_drop {"count": N}` says are passed on, the server's whole answer is read, and the
connection is then closed without a byte of it ("reset": true: with a RST; "grant_type": only those with that grant
type). `GET /_dropped` says how many still will be and how many were, with the status the server had answered.
"""
import argparse
import http.client
import http.server
import json
import threading
import urllib.parse

from connections import cut
from lifetime import announce, end_with_standard_input

lock = threading.Lock()
plan = {"count": 0, "reset": False, "grant_type": None}
dropped = []


class Proxy(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def takes(self, path, body):
        """Whether the answer to this request is one to lose."""
        if urllib.parse.urlsplit(path).path != arguments.path:
            return False
        sent = urllib.parse.parse_qs(body.decode(errors="replace")).get("grant_type", [None])[0]
        with lock:
            if plan["count"] <= 0 or plan["grant_type"] not in (None, sent):
                return False
            plan["count"] -= 1
            return True

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/_drop":
            with lock:
                plan.update({"reset": False, "grant_type": None, **json.loads(body)})
            return self.answer(plan)
        if self.path == "/_dropped":
            with lock:
                return self.answer({"waiting": plan["count"], "dropped": dropped})
        loses = self.takes(self.path, body)
        upstream = http.client.HTTPConnection(*arguments.to, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "content-length"):
                upstream.putheader(name, value)
        upstream.putheader("Content-Length", str(len(body)))
        upstream.putheader("Connection", "close")
        upstream.endheaders(body)
        response = upstream.getresponse()
        data = response.read()
        self.close_connection = True
        if loses:
            with lock:
                dropped.append({"path": urllib.parse.urlsplit(self.path).path, "status": response.status})
                reset = plan["reset"]
            cut(self.connection, reset)
            return
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=address, required=True)
    parser.add_argument("--path", default="/token")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    proxy = Server(("127.0.0.1", arguments.port), Proxy)
    end_with_standard_input()
    announce(port=proxy.server_port, base=f"http://127.0.0.1:{proxy.server_port}")
    proxy.serve_forever()
