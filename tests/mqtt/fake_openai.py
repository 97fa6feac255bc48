"""fake_openai.py - a server with /v1/chat/completions that answers by rule and misbehaves by order.

What it does with a request says a word in the line that is asked about: `mode:500x2` answers twice
with status 500, then well. Alone it serves other clients, too: fake_openai.py PORT
"""

import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODES = ("plain", "429", "500", "slow", "cut", "json", "label", "range", "huge", "type", "refuse")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(body)
        line = json.loads(asked["messages"][1]["content"])["line"]
        found = re.search(r"mode:([a-z0-9]+?)(?:x(\d+))?(?: |$)", line)
        mode, times = (found.group(1), int(found.group(2) or 99)) if found else ("plain", 0)
        with self.server.lock:
            self.server.seen.append((self.path, dict(self.headers), asked, time.monotonic()))
            self.server.count[line] = self.server.count.get(line, 0) + 1
            if self.server.count[line] > times:
                mode = "plain"
        try:
            self.answer(mode, line, asked)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def think(self):
        """Counted as busy: only before the answer, as the next request may follow it at once."""
        with self.server.lock:
            self.server.busy += 1
            self.server.most = max(self.server.most, self.server.busy)
        time.sleep(self.server.delay_s)
        with self.server.lock:
            self.server.busy -= 1

    def answer(self, mode, line, asked):
        self.think()
        schema = asked["response_format"]["json_schema"]["schema"]
        labels = schema["properties"]["label"]["enum"]
        label = next((one for one in labels if one in line), labels[0])
        said = {"label": label, "evidence": [line.split()[0], "never said"], "percent": 90}
        if mode == "429":
            return self.send(429, b"{}", extra={"Retry-After": "1"})
        if mode in ("500", "503", "400"):
            return self.send(int(mode), b"{}")
        if mode == "slow":
            time.sleep(self.server.slow_s)
        if mode == "label":
            said["label"] = "no such label"
        if mode == "range":
            said["percent"] = 700
        content = json.dumps(said)
        if mode == "json":
            content = content[:-5]
        if mode == "refuse":
            content = "I cannot help with that."
        if mode == "huge":
            content = "x" * (2 << 20)
        if asked["stream"]:
            return self.stream(content, mode == "cut")
        body = json.dumps(
            {
                "object": "chat.completion",
                "usage": self.usage(),
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": content},
                    }
                ],
            }
        ).encode()
        if mode == "cut":
            self.send(200, body[:40], length=len(body))
            self.close_connection = True
            return None
        return self.send(200, body, "text/html" if mode == "type" else "application/json")

    @staticmethod
    def usage():
        return {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}

    def send(self, status, body, kind="application/json", extra=None, length=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(body)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, content, cut):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for at in range(0, len(content), 7 if len(content) < 4096 else 65536):
            step = 7 if len(content) < 4096 else 65536
            self.event({"choices": [{"index": 0, "delta": {"content": content[at : at + step]}}]})
            if cut and at > 20:
                return
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.event({"choices": [], "usage": self.usage()})
        self.wfile.write(b"data: [DONE]\r\n\r\n")

    def event(self, piece):
        self.wfile.write(b": a comment\ndata: " + json.dumps(piece).encode() + b"\n\n")
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.lock, self.seen, self.count = threading.Lock(), [], {}
        self.delay_s, self.slow_s, self.busy, self.most = 0.0, 10.0, 0, 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def times(self, word):
        """How often lines with this word were asked about."""
        with self.lock:
            return sum(n for line, n in self.count.items() if word in line)


if __name__ == "__main__":
    server = Server(int(sys.argv[1]))
    threading.Event().wait()
