"""stage.py - what the tests of the daemon stand on: brokers, daemons, lines, TAP.

Everything runs on 127.0.0.1 at free ports, in a folder that goes at the end; every process that was
started is ended by its own number, whatever happens. Environment, as tests/run.sh gives it:
LC_BUILD the build folder, LC_RUN an emulator for programs of the tested architecture.
"""
import atexit
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("LC_BUILD", "build/x86_64-linux-gnu"))
RUN = os.environ.get("LC_RUN", "").split()
DAEMON = os.path.join(BUILD, "leafcutterd")
TOOL = os.path.join(BUILD, "leafcutter")
SANITIZED = BUILD.rstrip("/").endswith("-san")
ENCODING = "latin-1" # of lines: any bytes can be one
PATIENCE = 4         # how much longer than a quiet machine a busy one may take

folder = tempfile.mkdtemp(prefix="lc-")
started = []  # processes, to be ended
tests = []    # results


def _end():
    for process in started:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)


atexit.register(_end)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


# ---- TAP ----

def ok(name, good, why=""):
    tests.append(bool(good))
    print(f"{'ok' if good else 'not ok'} {len(tests)} - {name}", flush=True)
    if not good:
        for line in str(why).splitlines()[:20]:
            print(f"#   {line[:300]}")
    return good


def skip(name, why):
    tests.append(True)
    print(f"skipped: {why}\nok {len(tests)} - {name} # SKIP {why}", flush=True)


def note(text):
    print(f"# {text}", flush=True)


def done():
    print(f"1..{len(tests)}")
    return 0 if tests and all(tests) else 1


class Fits:
    """Are messages as their schema says? Keeps what is not."""

    def __init__(self, payload):
        sys.path.insert(0, os.path.join(ROOT, "tests/tool"))
        import schema # tests/tool/schema.py

        path = os.path.join(ROOT, "tools/dist/schemas", payload + ".schema.json")
        with open(path, encoding="utf-8") as file:
            self.schema = json.load(file)
        self.check, self.payload = schema.Check(self.schema), payload
        self.seen, self.faults = 0, []

    def take(self, one):
        fault = self.check.fault(self.schema, one)
        self.seen += 1
        if fault:
            self.faults.append(f"{fault}: {json.dumps(one)[:200]}")

    def judge(self):
        ok(f"all are as {self.payload}.schema.json says", self.seen and not self.faults,
           "\n".join(self.faults[:5]))
        note(f"{self.seen} of {self.payload}")


def limit(seconds):
    """The whole script ends after this time, whatever hangs."""
    def late(*_):
        ok(f"done within {seconds} s", False, "too slow")
        done()
        sys.exit(1)
    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)


def until(check, seconds, step=0.05):
    """Waits for something to come true, `seconds` on a quiet machine; its last value."""
    end = time.monotonic() + PATIENCE * seconds
    while True:
        value = check()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


# ---- processes ----

def port_free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start(command, **options):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    started.append(process)
    return process


def memory_kb(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


class Mosquitto:
    """A real broker. kept: what outlives its end: nothing, all when it is asked to leave ("end"),
    all at any time ("always", slow)."""

    def __init__(self, lines=(), port=None, kept="", name="broker", each=False):
        """each: listeners in `lines` have their own users."""
        self.port, self.name = port or port_free(), name
        self.conf = os.path.join(folder, name + ".conf")
        text = ["per_listener_settings true"] if each else []
        text += [f"listener {self.port} 127.0.0.1", "set_tcp_nodelay true",
                 "max_inflight_messages 0", "max_queued_messages 0"]
        text += ["user root"] if os.getuid() == 0 else []
        if kept:
            path = os.path.join(folder, name + "-kept")
            os.makedirs(path, exist_ok=True)
            text += ["persistence true", f"persistence_location {path}/"]
        if kept == "always":
            text += ["autosave_interval 1", "autosave_on_changes true"]
        if not any(line.startswith("allow_anonymous") for line in lines):
            text.append("allow_anonymous true")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("\n".join(text + list(lines)) + "\n")
        self.process = None
        self.start()

    def start(self):
        with open(os.path.join(folder, self.name + ".log"), "ab") as log:
            self.process = start(["mosquitto", "-c", self.conf], stdout=log, stderr=log,
                                 env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin"))
        if not until(self.listens, 10, 0.01):
            raise RuntimeError(f"mosquitto does not start: {self.log()}")

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def log(self):
        with open(os.path.join(folder, self.name + ".log"), encoding="utf-8") as file:
            return file.read()

    def send(self, number):
        self.process.send_signal(number)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()


class Daemon:
    """A daemon with one FIFO (source `lines`), its config, log and status."""

    def __init__(self, dev, url, config=None, broker=None, environment=None, command=(), job=None,
                 daemon=None, run=None):
        """command: what runs the daemon, besides an emulator; daemon, run: another one than the
        tested build's."""
        self.dev, self.place = dev, os.path.join(folder, dev)
        os.makedirs(self.place, exist_ok=True)
        self.fifo, self.socket = self.path("in"), self.path("s")
        self.environment = environment or {}
        self.command = list(command) + (RUN if run is None else run) + [daemon or DAEMON]
        self.config = {
            "version": 1, "device": {"id": dev}, "broker": dict({"url": url}, **(broker or {})),
            "inputs": [{"source": "fifo", "path": self.fifo, "id": "lines"}],
            "job": job or os.path.join(ROOT, "models/triage/triage.leaf"),
            "storage": {"path": self.path("store")}, "status": {"socket": self.socket},
            "threads": {"prefill": 1}}
        self.config.update(config or {})
        self.process, self.runs, self.lines = None, 0, []
        self.writer, self.held = None, b""

    def path(self, name):
        return os.path.join(self.place, name)

    def start(self):
        with open(self.path("config.json"), "w", encoding="utf-8") as file:
            json.dump(self.config, file)
        self.runs += 1
        with open(self.path("log"), "ab") as log:
            self.process = start(
                self.command + ["--config", self.path("config.json")], stdout=log, stderr=log,
                env=dict(os.environ, **self.environment))
        return self

    def wait_ready(self, seconds=30):
        if not until(self.status, seconds):
            raise RuntimeError(f"{self.dev} does not answer on its status socket: {self.log()}")
        return self

    def status(self):
        """What the daemon says of itself; None while it says nothing."""
        try:
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(10)
                one.connect(self.socket)
                one.shutdown(socket.SHUT_WR)  # nothing to say: the status as it is
                data = b""
                while True:
                    more = one.recv(65536)
                    if not more:
                        return json.loads(data) if data else None
                    data += more
        except OSError:
            return None

    def log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def said(self, word):
        """Lines of the log with this code."""
        return [line for line in self.log().splitlines() if f">{word}:" in line]

    def rss_kb(self, field="VmRSS"):
        return memory_kb(self.process.pid, field)

    # -- lines --

    def feed(self, text):
        """Offers one line; False when the FIFO is full: then the same is to be offered again."""
        if self.writer is None:
            try:
                self.writer = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                return False
        try:
            os.write(self.writer, text.encode(ENCODING) + b"\n") # < PIPE_BUF: whole or not at all
        except OSError:
            return False
        self.lines.append(text)
        return True

    def feed_all(self, texts, per_s=None, seconds=600):
        end, begun = time.monotonic() + seconds, time.monotonic()
        for number, one in enumerate(texts):
            if per_s:
                time.sleep(max(0.0, begun + number / per_s - time.monotonic()))
            while not self.feed(one):
                if time.monotonic() > end:
                    raise TimeoutError(f"{self.dev} takes no more lines")
                time.sleep(0.001)

    def feed_end(self):
        if self.writer is not None:
            os.close(self.writer)
            self.writer = None

    # -- the end --

    def ask_to_stop(self):
        self.feed_end()
        self.process.send_signal(signal.SIGTERM)

    def stopped(self, seconds=20):
        """Its exit status, None when it had to be killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def stop(self, seconds=20):
        self.ask_to_stop()
        return self.stopped(seconds)

    def salt(self):
        """From the newest sector of the store's first cell: length, counter, value with boot."""
        with open(self.path("store/state"), "rb") as file:
            data = file.read()
        sectors = [data[at : at + 512] for at in (0, 4096) if data[at : at + 4] == b"Lell"]
        return max(sectors, key=lambda one: one[8:16][::-1])[20:36]

    def hash_of(self, text):
        return hashlib.sha256(self.salt() + text.encode(ENCODING)).hexdigest()[:16]


class Feeder:
    """Feeds several daemons at so many lines a second each, on a thread."""

    def __init__(self, daemons, per_s):
        self.daemons, self.per_s = daemons, per_s
        self.pause, self.stop = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        begun, given = time.monotonic(), 0
        while not self.stop.wait(0.02):
            due = int((time.monotonic() - begun) * self.per_s)
            for _ in range(due - given):
                for one in self.daemons:
                    one.feed(line(len(one.lines)))
            given = due

    def end(self):
        self.stop.set()
        self.thread.join()


WORDS = ("pump {} temp {} C, bearing warm", "fan {} vib {} mm/s", "tank {} level {} %, valve open",
         "line {} current {} A, motor trips", "door {} open for {} s", "hall {} smoke {} ppm")


def line(number):
    """Line `number` of an endless list without repeats."""
    return WORDS[number % len(WORDS)].format(number, number * 7 % 113)


# ---- what must hold ----

def account(daemon, collector, others=0):
    """Faults: records received and losses stated make up the lines fed, and those of other sources,
    each once; the records of the FIFO belong to its lines, in order."""
    dev, total, faults = daemon.dev, len(daemon.lines) + others, []
    held, (lost, lost_lines) = collector.record.get(dev, {}), collector.stated(dev)
    if len(held) + lost + lost_lines != total:
        faults.append(f"{total} lines, {len(held)} records, {lost} + {lost_lines} stated lost")
    gaps = [(one.get("of", one["boot"]), one["from"], one["to"])
            for one in collector.gap.get(dev, {}).values() if one.get("count")]
    last = {}
    for boot, number in held:
        last[boot] = max(last.get(boot, 0), number)
    missing = [(boot, n) for boot, most in last.items() for n in range(1, most + 1)
               if (boot, n) not in held]
    faults += [f"record {n} of start {boot} is in no gap" for boot, n in missing
               if not any(b == boot and a <= n <= z for b, a, z in gaps)][:5]
    faults += strangers(daemon, [held[key] for key in sorted(held)])
    faults += [f"two records with one number: {pair}" for pair in collector.differ[:2]]
    faults += [f"not JSON: {pair}" for pair in collector.broken[:2]]
    return faults


def strangers(daemon, records):
    """Records of the FIFO that are of no line, or not of a later one than the record before."""
    at, place, faults = {}, -1, []
    for number, text in enumerate(daemon.lines):
        at[daemon.hash_of(text)] = number
    for one in records:
        if one["src"] == "lines":
            mine = at.get(one["in"], -1)
            if mine <= place:
                faults.append(f"record {one['seq']} is of line {mine}, the one before of {place}")
            place = max(mine, place)
    return faults[:5]


def ordered(collector, dev):
    """Sources whose records did not first come in order."""
    return [src for (one, src), keys in collector.order.items() if one == dev
            and keys != sorted(keys)]


def tangled(collector, dev):
    """Sources whose records did not come in two orders, those of now and those of the journal's
    backlog: some three of them came in falling order."""
    faults = []
    for (one, src), keys in collector.order.items():
        ends = []  # of the longest rising runs that no earlier one could take
        for key in keys if one == dev else ():
            place = next((i for i, end in enumerate(ends) if end < key), None)
            if place is None:
                ends.append(key)
            else:
                ends[place] = key
        if len(ends) > 2:
            faults.append(f"records of {src} came in {len(ends)} orders")
    return faults


def said_twice(daemon):
    """Warnings that stand in the log more than once; a link goes down once for each reason."""
    seen = {}
    for line in daemon.log().splitlines():
        found = re.match(r"<[0-4]>([a-z-]+): .*?(about=\S+)?( count=\d+)?$", line)
        if found:
            key = (found.group(1), found.group(2))
            seen[key] = seen.get(key, 0) + 1
    return [f"{word} {about or ''}: {count} times" for (word, about), count in seen.items()
            if count > 1]
