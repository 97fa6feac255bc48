#!/usr/bin/env python3
"""An MQTT broker that misbehaves, byte by byte, each in one of many ways.

usage: bad_broker.py --list
       bad_broker.py MODE [--port N] [--seconds S] [--good PORT]

Listens on 127.0.0.1 (a free port unless told; it is printed) and treats every client by MODE. With
--good, after S seconds or on SIGUSR1, it becomes a plain relay to a real broker at PORT: the
trouble is over at the same address. Without --good it leaves after S seconds (60).

As a module: Broker(mode), .port, .heal(good_port), .close(), and counts of what clients did.
"""
import argparse
import random
import select
import signal
import socket
import struct
import sys
import threading
import time

import wire

MODES = {}


def mode(name):
    """Registers a class under a name."""
    def register(made):
        MODES[name] = made
        return made
    return register


class Gone(Exception):
    """The connection is over."""


@mode("polite")
class Session:
    """does all a broker must for a device: the ground on which the others misbehave"""

    def __init__(self, broker, sock):
        self.broker, self.sock = broker, sock
        self.version, self.client = wire.V5, ""
        self.reader = wire.Reader()
        self.published = 0
        self.message = {} # topic and payload by number

    # -- what modes replace --

    def on_open(self):
        pass

    def on_connect(self):
        self.send(wire.connack(self.version))

    def on_publish(self, number):
        self.acknowledge(number)

    def on_subscribe(self, number, count):
        self.send(wire.suback(number, [1] * count, self.version))

    def on_ping(self):
        self.send(wire.packet(wire.PINGRESP))

    def on_wait(self):
        """Nothing came for a fiftieth of a second."""

    # -- plumbing --

    def acknowledge(self, number, reason=0):
        """PUBACK; what it says is delivered is this broker's to account for."""
        refused = self.version == wire.V5 and reason >= 0x80 # 3.1.1 has no reasons
        if number in self.message and not refused:
            self.broker.taken.append(self.message.pop(number))
        if number:
            self.send(wire.ack(wire.PUBACK, number, self.version, reason))

    def send(self, data):
        try:
            self.sock.settimeout(None)
            self.sock.sendall(data)
            self.sock.settimeout(0.02)
        except OSError as error:
            raise Gone from error

    def close(self, reset=False):
        """reset: what was not sent is thrown away, the peer sees ECONNRESET."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def idle(self):
        """Stays connected without a word until the trouble is over or the client leaves."""
        while not self.broker.over.wait(0.05):
            if self.closed_by_peer():
                raise Gone
        raise Gone

    def closed_by_peer(self):
        ready, _, _ = select.select([self.sock], [], [], 0)
        if not ready:
            return False
        try:
            return not self.sock.recv(65536)
        except OSError:
            return True

    def send_for_ever(self, data, at_most=1 << 62, wait=0.0):
        """Sends data again and again, until the client is gone or the trouble is over."""
        self.sock.settimeout(1.0)
        sent = 0
        while sent < at_most and not self.broker.over.is_set():
            try:
                sent += self.sock.send(data)
            except socket.timeout:
                continue
            except OSError as error:
                raise Gone from error
            self.broker.sent_bytes += len(data)
            if wait and self.broker.over.wait(wait):
                break

    def run(self):
        self.on_open()
        self.sock.settimeout(0.02)
        while not self.broker.over.is_set():
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                self.on_wait()
                continue
            except OSError as error:
                raise Gone from error
            if not data:
                raise Gone
            self.reader.feed(data)
            while True:
                found = self.reader.next()
                if not found:
                    break
                self.take(*found)

    def take(self, kind, flags, body):
        self.broker.count(kind)
        if kind == wire.CONNECT:
            self.version, self.client = wire.connect_read(body)
            self.broker.versions.add(self.version)
            self.on_connect()
        elif kind == wire.PUBLISH:
            topic, number, payload = wire.publish_read(flags, body, self.version)
            self.message[number] = (topic, payload)
            self.published += 1
            self.on_publish(number)
        elif kind == wire.SUBSCRIBE:
            self.on_subscribe(*wire.subscribe_read(body, self.version))
        elif kind == wire.PINGREQ:
            self.on_ping()
        elif kind == wire.DISCONNECT:
            raise Gone


# ---- says too little ----

@mode("silent")
class Silent(Session):
    """takes CONNECT and never answers it"""

    def on_connect(self):
        pass


@mode("deaf")
class Deaf(Session):
    """takes the TCP connection and reads nothing, ever"""

    def run(self):
        while not self.broker.over.wait(0.2):
            pass


@mode("deaf-later")
class DeafLater(Session):
    """stops reading after CONNACK: the client's socket fills up"""

    def on_connect(self):
        super().on_connect()
        while not self.broker.over.wait(0.2):
            pass


@mode("no-acks")
class NoAcks(Session):
    """never acknowledges a message"""

    def on_publish(self, number):
        pass


@mode("no-suback")
class NoSuback(Session):
    """never acknowledges a subscription"""

    def on_subscribe(self, number, count):
        pass


@mode("no-pong")
class NoPong(Session):
    """acknowledges messages and never answers a ping"""

    def on_ping(self):
        pass


@mode("some-acks")
class SomeAcks(Session):
    """acknowledges every second message"""

    def on_publish(self, number):
        if self.published % 2 == 0:
            super().on_publish(number)


# ---- acknowledges wrongly ----

@mode("wrong-ids")
class WrongIds(Session):
    """acknowledges messages that were never sent"""

    def on_publish(self, number):
        self.send(wire.ack(wire.PUBACK, (number + 1000) % 65535 + 1, self.version))


@mode("zero-ids")
class ZeroIds(Session):
    """acknowledges message number 0, which does not exist"""

    def on_publish(self, number):
        self.send(wire.ack(wire.PUBACK, 0, self.version))


@mode("twice")
class Twice(Session):
    """acknowledges everything twice"""

    def on_publish(self, number):
        self.acknowledge(number)
        self.acknowledge(number)


@mode("backwards")
class Backwards(Session):
    """acknowledges in the opposite order, in fours"""
    held = ()

    def on_publish(self, number):
        self.held = (number,) + self.held
        if len(self.held) == 4:
            for one in self.held:
                super().on_publish(one)
            self.held = ()


@mode("before")
class Before(Session):
    """acknowledges messages 1 to 64 before they are sent, and before CONNACK"""

    def on_connect(self):
        for number in range(1, 65):
            self.send(wire.ack(wire.PUBACK, number, self.version))
        super().on_connect()


@mode("qos2-acks")
class Qos2Acks(Session):
    """answers QoS 1 messages with the packets of QoS 2"""

    def on_publish(self, number):
        for kind in (wire.PUBREC, wire.PUBREL, wire.PUBCOMP):
            self.send(wire.ack(kind, number, self.version))


@mode("short-ack")
class ShortAck(Session):
    """sends PUBACK with one byte where the number should be"""

    def on_publish(self, number):
        self.send(wire.packet(wire.PUBACK, b"\x01"))


class Reason(Session):
    """acknowledges with this reason"""
    reason = 0

    def on_publish(self, number):
        self.acknowledge(number, self.reason)


for _reason, _about in ((0x10, "no matching subscribers"), (0x80, "unspecified error"),
                        (0x83, "implementation specific error"), (0x87, "not authorised"),
                        (0x97, "quota exceeded"), (0x99, "payload format invalid")):
    mode(f"puback-{_reason:02x}")(type(f"Puback{_reason:02x}", (Reason,), {
        "reason": _reason, "__doc__": f"acknowledges with reason 0x{_reason:02x}, {_about}"}))


# ---- wrong lengths, broken packets ----

@mode("huge-length")
class HugeLength(Session):
    """announces a message of 256 MB and sends 16 bytes of it"""

    def on_connect(self):
        super().on_connect()
        self.send(bytes([wire.PUBLISH << 4]) + wire.varint(wire.LENGTH_MAX) + b"\0\x04abcd" +
                  b"x" * 10)
        self.idle()


@mode("huge-message")
class HugeMessage(Session):
    """sends a message of 256 MB, all of it"""

    def on_connect(self):
        super().on_connect()
        self.send(bytes([wire.PUBLISH << 4]) + wire.varint(wire.LENGTH_MAX) + b"\0\x04abcd")
        self.send_for_ever(b"x" * 65536, wire.LENGTH_MAX - 6)


@mode("length-5")
class LengthFive(Session):
    """sends a length of five bytes, which no packet may have"""

    def on_connect(self):
        super().on_connect()
        self.send(bytes([wire.PUBLISH << 4]) + b"\xff\xff\xff\xff\x7f" + b"abc")
        self.idle()


@mode("truncated")
class Truncated(Session):
    """sends half a message, then closes"""

    def on_connect(self):
        super().on_connect()
        whole = wire.publish("leafcutter/v1/x/dn/text", "y" * 100, version=self.version)
        self.send(whole[:len(whole) // 2])
        self.close()


class Packets(Session):
    """sends these after CONNACK"""

    def packets(self):
        return []

    def on_connect(self):
        super().on_connect()
        for one in self.packets():
            self.send(one)


@mode("long-topic")
class LongTopic(Packets):
    """sends messages whose topic is longer than the packet"""

    def packets(self):
        return [wire.packet(wire.PUBLISH, b"\xff\xffabc"), wire.packet(wire.PUBLISH, b"\x00")]


@mode("bad-topic")
class BadTopic(Packets):
    """sends messages with topics of invalid UTF-8, wildcards, NUL, nothing"""

    def packets(self):
        return [wire.packet(wire.PUBLISH, wire.text(topic) + wire.properties(self.version) + b"z")
                for topic in (b"a\xff\xfeb", b"a/#", b"a\0b", b"", b"\xed\xa0\x80")]


@mode("bad-kinds")
class BadKinds(Packets):
    """sends every kind of packet that a broker must not send, and kinds that do not exist"""

    def packets(self):
        return [wire.packet(kind, b"\0\1\0\1", flags) for kind in
                (0, wire.CONNECT, wire.SUBSCRIBE, wire.UNSUBSCRIBE, wire.PINGREQ, wire.AUTH)
                for flags in (0, 15)]


@mode("qos3")
class QosThree(Packets):
    """sends messages of QoS 3, and of QoS 2 that are never released"""

    def packets(self):
        body = wire.text("leafcutter/v1/x/dn/text") + b"\0\x07" + wire.properties(self.version)
        return [wire.packet(wire.PUBLISH, body + b"two", 4)] * 50 + \
            [wire.packet(wire.PUBLISH, body + b"three", 6)]


@mode("hoard")
class Hoard(Session):
    """sends messages of QoS 2 without end, which the client must keep until they are released"""
    number = 0

    def on_wait(self):
        for _ in range(200 if self.client else 0):
            self.number = self.number % 65535 + 1
            self.send(wire.publish("leafcutter/v1/x/dn/text", "z" * 1000, 2, self.number,
                                   version=self.version))


@mode("strangers")
class Strangers(Packets):
    """sends messages of topics that nobody subscribed to, and subscriptions nobody asked for"""

    def packets(self):
        lines = [wire.publish(f"other/{i}", "temp 99 C", version=self.version) for i in range(50)]
        return lines + [wire.suback(77, [0x80], self.version),
                        wire.packet(wire.UNSUBACK, b"\0\x4d\0")]


@mode("connack-twice")
class ConnackTwice(Packets):
    """sends CONNACK a second and a third time"""

    def packets(self):
        return [wire.connack(self.version), wire.connack(self.version, code=0x87)]


# ---- says too much, or too slowly ----

@mode("drip")
class Drip(Session):
    """sends everything at one byte a second"""

    def send(self, data):
        for byte in data:
            super().send(bytes([byte]))
            if self.broker.over.wait(1.0):
                raise Gone


@mode("drip-packet")
class DripPacket(Session):
    """connects as it should, then sends one long message at a byte a second"""

    def on_connect(self):
        super().on_connect()
        head = bytes([wire.PUBLISH << 4]) + wire.varint(60000) + b"\0\x04abcd"
        for byte in head:
            self.send(bytes([byte]))
        self.send_for_ever(b"x", wait=1.0)


@mode("garbage")
class Garbage(Session):
    """sends random bytes after CONNACK"""

    def on_connect(self):
        super().on_connect()
        self.send(self.broker.random.randbytes(4096))


@mode("garbage-first")
class GarbageFirst(Session):
    """sends random bytes instead of CONNACK"""

    def on_connect(self):
        self.send(self.broker.random.randbytes(4096))


@mode("not-mqtt")
class NotMqtt(Session):
    """is a web server"""

    def on_connect(self):
        self.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        self.close()


@mode("flood")
class Flood(Session):
    """sends 25,000 lines to classify in ten seconds, and is polite otherwise"""

    def on_wait(self):
        if self.client and self.broker.sent_lines < 25000:
            topic = f"leafcutter/v1/{self.client}/dn/text"
            self.send(wire.publish(topic, "temp 99 C, bearing hot, oil pressure 1.1 bar",
                                   version=self.version) * 50)
            self.broker.sent_lines += 50


@mode("endless-properties")
class EndlessProperties(Session):
    """sends a CONNACK whose properties do not end"""

    def on_connect(self):
        body = wire.LENGTH_MAX
        self.send(bytes([wire.CONNACK << 4]) + wire.varint(body) + b"\0\0" +
                  wire.varint(body - 6))
        self.send_for_ever((b"\x26" + wire.text("key") + wire.text("value" * 20)) * 500, body - 6)


@mode("bad-properties")
class BadProperties(Session):
    """sends a CONNACK with unknown, repeated and cut-off properties, another on each connection"""

    def on_connect(self):
        blocks = [b"\x7f\x01", b"\x21\0\x08\x21\0\x08", b"\x26\xff\xff", b"\x21", b"\x11\0"]
        about = blocks[self.broker.connections % len(blocks)]
        self.send(wire.packet(wire.CONNACK, b"\0\0" + wire.varint(len(about)) + about))


@mode("tight")
class Tight(Session):
    """grants hardly anything: 1 message in flight, 300 bytes, QoS 0, no retain, a ping a second"""

    def on_connect(self):
        about = b"\x21" + wire.u16(1) + b"\x27" + wire.u32(300) + b"\x24\0\x25\0\x13" + wire.u16(1)
        self.send(wire.connack(self.version, about=about if self.version == wire.V5 else b""))


@mode("size-limits")
class SizeLimits(Session):
    """grants a packet size just below or above that of the messages, another on each connection"""

    def on_connect(self):
        about = b"\x27" + wire.u32(self.broker.size_limit)
        self.send(wire.connack(self.version, about=about if self.version == wire.V5 else b""))

    def on_publish(self, number):
        """The next limit is 1, 2 or 3 bytes less than a message that came."""
        topic, payload = self.message[number]
        if number and "/res/" in topic:
            size = len(wire.publish(topic, payload, 1, 1, version=self.version))
            self.broker.size_limit = size - 1 - self.broker.connections % 3
            self.close()
        super().on_publish(number)


# ---- refuses ----

class Refuse(Session):
    """refuses the connection with this code"""
    code = 0

    def on_connect(self):
        old = {0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5}
        code = self.code if self.version == wire.V5 else old.get(self.code, 3)
        self.send(wire.connack(self.version, code))
        self.close()


for _code, _about in ((0x80, "unspecified error"), (0x81, "malformed packet"),
                      (0x82, "protocol error"), (0x84, "unsupported version"),
                      (0x85, "client id not valid"), (0x86, "bad user name or password"),
                      (0x87, "not authorised"), (0x88, "server unavailable"),
                      (0x89, "server busy"), (0x8a, "banned"), (0x95, "packet too large"),
                      (0x97, "quota exceeded"), (0x9c, "use another server"),
                      (0x9f, "connection rate exceeded"), (0xff, "no such code")):
    mode(f"connack-{_code:02x}")(type(f"Connack{_code:02x}", (Refuse,), {
        "code": _code, "__doc__": f"refuses to connect: 0x{_code:02x}, {_about}"}))


@mode("only-3.1.1")
class OnlyOld(Session):
    """refuses MQTT 5 as a broker of 3.1.1 does, and takes 3.1.1"""

    def on_connect(self):
        if self.version == wire.V5:
            self.send(b"\x20\x02\0\x01")
            self.close()
        super().on_connect()


class Leave(Session):
    """goes away with a DISCONNECT that has this reason"""
    reason = 0

    def on_subscribe(self, number, count):
        super().on_subscribe(number, count)
        self.send(wire.packet(wire.DISCONNECT, bytes([self.reason, 0])))
        self.close()


for _reason, _about in ((0x8b, "shutting down"), (0x8e, "session taken over"),
                        (0x9d, "server moved")):
    mode(f"disconnect-{_reason:02x}")(type(f"Disconnect{_reason:02x}", (Leave,), {
        "reason": _reason, "__doc__": f"disconnects after the first subscription: "
        f"0x{_reason:02x}, {_about}"}))


# ---- closes ----

@mode("close-open")
class CloseOpen(Session):
    """closes each connection at once"""

    def on_open(self):
        self.close()


@mode("close-connect")
class CloseConnect(Session):
    """closes when CONNECT comes"""

    def on_connect(self):
        self.close()


@mode("close-connack")
class CloseConnack(Session):
    """closes after CONNACK"""

    def on_connect(self):
        super().on_connect()
        self.close()


@mode("close-subscribe")
class CloseSubscribe(Session):
    """closes when SUBSCRIBE comes"""

    def on_subscribe(self, number, count):
        self.close()


@mode("close-publish")
class ClosePublish(Session):
    """closes when the first message comes"""

    def on_publish(self, number):
        self.close()


@mode("close-tenth")
class CloseTenth(Session):
    """closes when the tenth message comes; nine were acknowledged"""

    def on_publish(self, number):
        if self.published == 10:
            self.close()
        super().on_publish(number)


@mode("reset-open")
class ResetOpen(Session):
    """resets each connection at once"""

    def on_open(self):
        self.close(reset=True)


@mode("reset-publish")
class ResetPublish(Session):
    """resets the connection when the third message comes; none was acknowledged"""

    def on_publish(self, number):
        if self.published == 3:
            self.close(reset=True)


# ---- the broker ----

class Broker:
    """Listens and gives each connection a thread."""

    def __init__(self, name, port=0, seed=1):
        self.name, self.make = name, MODES[name]
        self.random = random.Random(f"{name} {seed}")
        self.over = threading.Event()  # of the trouble
        self.good = None               # port of a real broker
        self.connections, self.sent_bytes, self.sent_lines = 0, 0, 0
        self.kinds, self.versions = {}, set()
        self.size_limit = 65536
        self.taken = []                # (topic, payload) of acknowledged messages
        self.relayed = set()           # connections that are a relay
        self.connected_at = []         # times, for the pace of a client's attempts
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def count(self, kind):
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.connected_at.append(time.monotonic())
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            if self.good:
                self.relayed.add(sock)
                relay(sock, self.good)
            else:
                self.make(self, sock).run()
        except (Gone, wire.Broken, OSError):
            pass
        finally:
            self.relayed.discard(sock)
            sock.close()

    def cut(self):
        """Ends all connections that it relays; others may come."""
        for sock in list(self.relayed):
            sock.shutdown(socket.SHUT_RDWR)

    def heal(self, good):
        """From now on a relay; connections of before are closed."""
        self.good = good
        self.over.set()

    def close(self):
        self.over.set()
        self.listener.close()


def relay(sock, port):
    """Copies both ways until either side ends."""
    with socket.create_connection(("127.0.0.1", port)) as other:
        other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        to = {sock: other, other: sock}
        while True:
            ready, _, _ = select.select(list(to), [], [])
            for one in ready:
                data = one.recv(65536)
                if not data:
                    return
                to[one].sendall(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", nargs="?", choices=sorted(MODES), metavar="MODE")
    parser.add_argument("--list", action="store_true", help="every mode and what it does")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--good", type=int, help="port of a real broker, for afterwards")
    options = parser.parse_args()
    if options.list or not options.mode:
        for name, made in MODES.items():
            print(f"{name:20} {made.__doc__}")
        return 0
    broker = Broker(options.mode, options.port)
    print(broker.port, flush=True)
    asked = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: asked.set())
    asked.wait(options.seconds)
    if options.good:
        broker.heal(options.good)
        while True:
            time.sleep(3600)
    broker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
