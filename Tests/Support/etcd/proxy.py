#!/usr/bin/env python3
"""proxy.py PORT MODE: stands between a client and a member of etcd, as a bad line or a bad member would.

MODE is `drop` (the answer to the first transaction that puts a record is lost, after it was carried out), `half` (every
answer breaks off and nothing more comes), or text that is given as the answer to everything. Prints its own port; ends with its input.
"""
import http.client
import http.server
import json
import sys
import threading

member, mode = int(sys.argv[1]), sys.argv[2]
dropped = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if mode == "half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"header":')
            self.wfile.flush()
            threading.Event().wait()
        if mode != "drop":
            if mode.startswith("HTTP/"):
                self.wfile.write(mode.encode().decode("unicode_escape").encode())
                self.close_connection = True
                return
            return self.answer(200, mode.encode())
        line = http.client.HTTPConnection("127.0.0.1", member)
        line.request("POST", self.path, body, {"Content-Type": "application/json"})
        response = line.getresponse()
        got = response.read()
        if self.path == "/v3/kv/txn" and b"request_put" in body and json.loads(body)["compare"][1:]:
            if not dropped.is_set():
                dropped.set()
                self.close_connection = True
                return
        self.answer(response.status, got)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
