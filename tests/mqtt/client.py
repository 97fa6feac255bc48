"""client.py - a small MQTT client on a thread: a collector that connects again by itself."""
import collections
import json
import socket
import threading
import time

import wire


class Client:
    """Connects, subscribes and calls on_message(topic, payload, retained), again after each break.

    Every message is acknowledged after on_message, so a broker keeps what was not taken.
    """

    def __init__(self, port, name, filters=(), version=wire.V5, session_s=0, on_message=None,
                 retry_s=0.005, tls=None, user=None, password=None):
        self.port, self.name, self.filters, self.version = port, name, list(filters), version
        self.session_s, self.retry_s, self.tls = session_s, retry_s, tls
        self.user, self.password = user, password
        self.on_message = on_message or (lambda *_: None)
        self.sock, self.lock = None, threading.Lock()
        self.ready, self.stop = threading.Event(), threading.Event()
        self.acks, self.acked = {}, threading.Condition()
        self.number, self.connects, self.refused, self.dup = 0, 0, None, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    # -- what tests call --

    def wait_ready(self, seconds=10):
        if not self.ready.wait(seconds):
            raise TimeoutError(f"{self.name} could not subscribe at port {self.port}")
        return self

    def publish(self, topic, payload, qos=1, retain=False, wait_s=10):
        """The reason of PUBACK at QoS 1; None when none came."""
        with self.acked:
            self.number = self.number % 65535 + 1
            number = self.number
        self.send(wire.publish(topic, payload, qos, number, retain, self.version))
        if qos == 0:
            return 0
        with self.acked:
            self.acked.wait_for(lambda: number in self.acks, wait_s)
            return self.acks.pop(number, None)

    def close(self):
        self.stop.set()
        sock = self.sock
        if sock:
            try:
                self.send(wire.packet(wire.DISCONNECT))
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(5)

    # -- its thread --

    def send(self, data):
        with self.lock:
            if not self.sock:
                raise ConnectionError("not connected")
            self.sock.sendall(data)

    def run(self):
        while not self.stop.is_set():
            try:
                self.session()
            except (OSError, wire.Broken):
                pass
            self.ready.clear()
            sock, self.sock = self.sock, None
            if sock:
                sock.close()
            self.stop.wait(self.retry_s)

    def session(self):
        sock = socket.create_connection(("127.0.0.1", self.port), 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            sock = self.tls.wrap_socket(sock, server_hostname="localhost")
        sock.sendall(wire.connect(self.name, self.version, 0, self.user, self.password,
                                  clean=not self.session_s, session_s=self.session_s))
        sock.settimeout(None)
        self.sock = sock
        reader = wire.Reader()
        while True:
            data = sock.recv(262144)
            if not data:
                return
            reader.feed(data)
            found = reader.next()
            while found:
                self.take(*found)
                found = reader.next()

    def take(self, kind, flags, body):
        if kind == wire.CONNACK:
            self.refused = body[1]
            if body[1]:
                raise wire.Broken("refused")
            self.connects += 1
            if self.filters:
                self.send(wire.subscribe(1, self.filters, 1, self.version))
            else:
                self.ready.set()
        elif kind == wire.SUBACK:
            self.ready.set()
        elif kind == wire.PUBLISH:
            topic, number, payload = wire.publish_read(flags, body, self.version)
            self.dup = bool(flags & 8) # the broker did not see the acknowledgement
            self.on_message(topic, payload, bool(flags & 1))
            if flags & 6:
                self.send(wire.ack(wire.PUBACK, number, self.version))
        elif kind == wire.PUBACK:
            number, reason = wire.ack_read(body)
            with self.acked:
                self.acks[number] = reason
                self.acked.notify_all()


class Collector(Client):
    """Keeps every record, gap and other message of all devices below a root.

    again: records that a device sent a second time; the broker's own repetitions are not counted.
    """

    def __init__(self, port, root="leafcutter/v1", **options):
        self.record, self.gap, self.other = collections.defaultdict(dict), {}, {}
        self.again, self.differ, self.broken = {}, [], []
        self.order, self.arrived = {}, {}
        super().__init__(port, "collector", [f"{root}/+/up/#"], on_message=self.keep, **options)

    def keep(self, topic, payload, _retained):
        parts = topic.split("/up/")
        dev, what = parts[0].rsplit("/", 1)[1], parts[1]
        if what.startswith(("res/", "gap")):
            try:
                found = json.loads(payload)
            except ValueError:
                self.broken.append((topic, payload))
                return
            for one in found if isinstance(found, list) else [found]:
                if what == "gap":
                    self.gap.setdefault(dev, {})[(one["boot"], one["gap"])] = one
                else:
                    self.keep_record(dev, one)
        else:
            self.other.setdefault((dev, what), []).append(payload)

    def keep_record(self, dev, one):
        key = (one["boot"], one["seq"])
        held = self.record[dev]
        self.arrived[dev] = time.monotonic()
        if key in held:
            self.again[dev] = self.again.get(dev, 0) + (not self.dup)
            if held[key] != one:
                self.differ.append((held[key], one))
            return
        held[key] = one
        self.order.setdefault((dev, one["src"]), []).append(key)

    def count(self, dev):
        return len(self.record.get(dev, ()))

    def stated(self, dev):
        """Records and lines that the device says are lost."""
        found = list(self.gap.get(dev, {}).values())
        return sum(one.get("count", 0) for one in found), sum(one.get("lines", 0) for one in found)


class Recorder(Collector):
    """A collector that says what it has, as `broker.ack` e2e asks: dn/ack {boot, seq, no, audit},
    as far as nothing is missing; when that grows, and again each second."""

    NUMBERED = {"event/": "no", "audit": "audit"}  # topic, its key in dn/ack

    def __init__(self, port, root="leafcutter/v1", **options):
        self.root, self.reach, self.told = root, {}, {}
        self.numbers = {}  # of what is numbered, by (device, start, key)
        super().__init__(port, root, **options)
        threading.Thread(target=self.tell, daemon=True).start()

    def keep(self, topic, payload, retained):
        super().keep(topic, payload, retained)
        dev, what = topic[len(self.root) + 1:].split("/up/")
        for start, key in self.NUMBERED.items():
            if what.startswith(start):
                found = json.loads(payload)
                for one in found if isinstance(found, list) else [found]:
                    self.numbers.setdefault((dev, one["boot"], key), set()).add(one["no"])

    def whole_to(self, dev, boot):
        """The last number up to which every record is here or stated as lost."""
        held, at = self.record.get(dev, {}), self.reach.get((dev, boot), 0)
        gaps = [one for one in list(self.gap.get(dev, {}).values()) if one.get("of") == boot]
        while True:
            lost = [g["to"] for g in gaps if g.get("count") and g["from"] <= at + 1 <= g["to"]]
            if (boot, at + 1) in held:
                at += 1
            elif lost:
                at = max(lost)
            else:
                self.reach[dev, boot] = at
                return at

    def has(self, dev, boot):
        has = {"v": 1, "boot": boot, "seq": self.whole_to(dev, boot)}
        for key in self.NUMBERED.values():
            held, has[key] = self.numbers.get((dev, boot, key), ()), 0
            while has[key] + 1 in held:
                has[key] += 1
        return has

    def tell(self):
        while not self.stop.wait(0.1):
            starts = {(dev, boot) for dev, boot, _ in list(self.numbers)}
            for dev in list(self.record):
                starts |= {(dev, boot) for boot, _ in list(self.record[dev])}
            for dev, boot in sorted(starts):
                has, now = self.has(dev, boot), time.monotonic()
                before, at = self.told.get((dev, boot), (None, 0))
                if has == before and now - at < 1:
                    continue
                self.told[dev, boot] = (has, now)
                try:
                    self.publish(f"{self.root}/{dev}/dn/ack", json.dumps(has), qos=0)
                except OSError:
                    break
