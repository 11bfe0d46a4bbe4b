#!/usr/bin/env python3
"""A server that says what a description makes it say, and remembers what it was asked.

  lying_resource.py DESCRIPTION.json [--bind ADDRESS] [--port N] [--name HOST] [--certificate PEM --key PEM]

The description maps a path, or "METHOD path", to a list of answers: each is given once, the last one for ever; "*" is
for whatever else is asked, which is 404 otherwise. An answer has

  status    200 without one
  headers   a map; a list for a name that comes several times
  body      text as it is; anything else as JSON
  echo      instead of `body`, the JSON (or form) that was asked with, with these members replaced (null takes one out,
            "now+N" is that many seconds after the answer)
  padding   so many more spaces after the body
  drop      true closes the connection without an answer
  raw       instead of all this, bytes as Latin-1 text, after which nothing comes and the connection stays open

`{base}` in any text is the server's own address. Prints one JSON line when it listens; ends when its standard input
closes. `GET /_log` says what it was asked, `POST /_answers` replaces the description. In Python: `Liar(answers)`.
"""
import argparse
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.parse

from lifetime import announce, end_with_standard_input


class Liar:
    def __init__(self, answers, bind="127.0.0.1", port=0, name=None, certificate=None, key=None):
        self.answers, self.asked, self.lock = dict(answers), [], threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
                if self.path == "/_log":
                    return self.send({"body": owner.asked}, "")
                if self.path == "/_answers":
                    owner.answers = json.loads(body)
                    return self.send({"body": {}}, "")
                self.send(owner.answer(self.command, self.path, dict(self.headers), body), body)

            def send(self, answer, asked):
                if answer.get("drop"):
                    self.close_connection = True
                    return self.connection.shutdown(socket.SHUT_RDWR)
                if "raw" in answer:
                    return self.hold(owner.filled(answer["raw"]).encode("latin-1"))
                body = answer.get("body", "")
                if "echo" in answer:
                    echo = {name: owner.moment(value) for name, value in answer["echo"].items()}
                    body = {name: value for name, value in (owner.fields(asked) | echo).items() if value is not None}
                is_text = isinstance(body, str)
                text = owner.filled(body if is_text else json.dumps(body))
                data = text.encode() + b" " * answer.get("padding", 0)
                self.send_response(answer.get("status", 200))
                headers = {"Content-Type": "text/plain" if is_text else "application/json"} | answer.get("headers", {})
                for header, values in headers.items():
                    for value in values if isinstance(values, list) else [values]:
                        self.send_header(header, owner.filled(value))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass  # A client that has read enough.

            def hold(self, data):
                """Sends bytes as they are, and waits for the client to go."""
                self.close_connection = True
                try:
                    self.wfile.write(data)
                    while self.rfile.read1():
                        pass
                except OSError:
                    pass  # It is gone.

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = handle_any

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in bind else socket.AF_INET
            daemon_threads, request_queue_size = True, 128

            def handle_error(self, request, client_address):
                pass

            def finish_request(self, request, client_address):
                # Here and not in the listening socket: the handshake of one client keeps no other waiting.
                if certificate:
                    try:
                        request = context.wrap_socket(request, server_side=True)
                    except OSError as error:
                        with owner.lock:
                            owner.asked.append({"method": "TLS", "path": "", "failed": str(error)})
                        return
                super().finish_request(request, client_address)

        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
        self.server = Server((bind, port), Handler)
        self.port = self.server.server_address[1]
        host = name or (f"[{bind}]" if ":" in bind else bind)
        scheme = "https" if certificate else "http"
        self.base = f"{scheme}://{host}" + ("" if (scheme, self.port) == ("https", 443) else f":{self.port}")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def filled(self, text):
        return text.replace("{base}", self.base)

    @staticmethod
    def moment(value):
        is_relative = isinstance(value, str) and value.startswith("now+")
        return int(time.time()) + int(value.removeprefix("now+")) if is_relative else value

    @staticmethod
    def fields(text):
        try:
            return json.loads(text)
        except ValueError:
            return dict(urllib.parse.parse_qsl(text))

    def answer(self, method, path, headers, body):
        bare = path.partition("?")[0]
        with self.lock:
            self.asked.append({"method": method, "path": path, "headers": headers, "body": body})
            for key in (f"{method} {bare}", bare, "*"):
                if given := self.answers.get(key):
                    count = sum(entry["path"].partition("?")[0] == bare and entry["method"] == method for entry in self.asked)
                    return given[min(count, len(given)) - 1]
        return {"status": 404, "body": "nothing here"}

    def requests(self):
        """What was asked, a line each."""
        with self.lock:
            return [f"{entry['method']} {entry['path'].partition('?')[0]}" for entry in self.asked]

    def of(self, path):
        """The requests for a path."""
        with self.lock:
            return [entry for entry in self.asked if entry["path"].partition("?")[0] == path]

    def close(self):
        """Frees the port; a second time does nothing."""
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("description")
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    with open(arguments.description) as file:
        answers = json.load(file)
    liar = Liar(answers, arguments.bind, arguments.port, arguments.name, arguments.certificate, arguments.key)
    end_with_standard_input()
    announce(port=liar.port, base=liar.base)
    threading.Event().wait()
