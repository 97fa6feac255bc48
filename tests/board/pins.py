"""pins.py - the world outside a board in QEMU: the PL061's pins of `-M virt` by QMP and qtest.

QMP finds the device; the qtest socket raises and lowers its input pins, which gives the guest real
interrupts, and tells when its output pins change.
"""

import json
import select
import socket
import time


def connect(path, seconds=20):
    end = time.monotonic() + seconds
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
            return sock
        except OSError:
            sock.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Pins:
    """changes: [(seconds, pin, level)] of outputs, as they came."""

    def __init__(self, qtest, qmp):
        self.changes = []
        self.buffer = b""
        self.path = self.find(connect(qmp))
        self.sock = connect(qtest)
        self.command(f"irq_intercept_out {self.path}")

    @staticmethod
    def find(sock):
        stream = sock.makefile("rw", buffering=1)
        stream.readline()

        def ask(execute, **arguments):
            stream.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
            while True:
                answer = json.loads(stream.readline())
                if "return" in answer:
                    return answer["return"]

        ask("qmp_capabilities")
        devices = ask("qom-list", path="/machine/unattached")
        name = next(d["name"] for d in devices if d["type"] == "child<pl061>")
        return "/machine/unattached/" + name

    def lines(self, seconds):
        """Lines that come within the time; none when QEMU has gone."""
        ready, _, _ = select.select([self.sock], [], [], seconds)
        if ready:
            data = self.sock.recv(4096)
            self.buffer += data
            if not data:
                raise EOFError
        *lines, self.buffer = self.buffer.split(b"\n")
        return [line.decode() for line in lines]

    def note(self, line):
        word = line.split()
        if word[0] == "IRQ":
            self.changes.append((time.monotonic(), int(word[2]), int(word[1] == "raise")))
            return None
        return line

    def command(self, text):
        self.sock.sendall(text.encode() + b"\n")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for line in self.lines(0.5):
                if self.note(line):
                    return line
        raise TimeoutError(text)

    def set(self, pin, level):
        self.command(f"set_irq_in {self.path} unnamed-gpio-in {pin} {level}")

    def watch(self, seconds, until=lambda pins: False):
        """Collects changes; True as soon as `until` is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if until(self):
                return True
            try:
                for line in self.lines(min(0.1, seconds)):
                    self.note(line)
            except EOFError:
                break
        return until(self)

    def of(self, pin):
        return [level for _, number, level in self.changes if number == pin]
