"""wire.py - MQTT packets, 3.1.1 and 5: for a small client and for a broker that misbehaves."""

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, \
    UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(1, 16)
V311, V5 = 4, 5
LENGTH_MAX = 268435455  # of a packet, by the standard


class Broken(Exception):
    """Bytes that are no MQTT packet."""


# ---- making ----

def varint(number):
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def u16(number):
    return number.to_bytes(2, "big")


def u32(number):
    return number.to_bytes(4, "big")


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return u16(len(data)) + data


def packet(kind, body=b"", flags=0):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def properties(version, data=b""):
    """The property block, which 3.1.1 does not have."""
    return varint(len(data)) + data if version == V5 else b""


def connect(client, version=V5, keepalive=30, user=None, password=None, clean=True, session_s=0,
            will=None):
    """will: (topic, payload), retained."""
    flags = (0x80 if user else 0) | (0x40 if password else 0) | (0x02 if clean else 0)
    flags |= 0x2c if will else 0
    about = b"\x21" + u16(65535) + (b"\x11" + u32(session_s) if session_s else b"")
    body = text("MQTT") + bytes([version, flags]) + u16(keepalive) + properties(version, about)
    body += text(client)
    if will:
        body += properties(version) + text(will[0]) + text(will[1])
    for part in (user, password):
        if part:
            body += text(part)
    return packet(CONNECT, body)


def connack(version, code=0, session=False, about=b""):
    return packet(CONNACK, bytes([session, code]) + properties(version, about))


def publish(topic, payload, qos=0, number=0, retain=False, version=V5, dup=False):
    body = text(topic) + (u16(number) if qos else b"") + properties(version)
    body += payload.encode() if isinstance(payload, str) else payload
    return packet(PUBLISH, body, dup << 3 | qos << 1 | retain)


def ack(kind, number, version=V5, reason=0):
    """PUBACK and its like; a reason only where the protocol has one."""
    body = u16(number) + (bytes([reason]) if version == V5 and reason else b"")
    return packet(kind, body, 2 if kind == PUBREL else 0)


def subscribe(number, filters, qos=1, version=V5):
    body = u16(number) + properties(version)
    return packet(SUBSCRIBE, body + b"".join(text(one) + bytes([qos]) for one in filters), 2)


def suback(number, codes, version=V5):
    return packet(SUBACK, u16(number) + properties(version) + bytes(codes))


# ---- reading ----

class Reader:
    """Cuts a stream of bytes into packets (kind, flags, body)."""

    def __init__(self):
        self.data = bytearray()

    def feed(self, data):
        self.data += data

    def next(self):
        """The next whole packet, None while it is not there."""
        size, shift, at = 0, 0, 1
        while True:
            if at >= len(self.data):
                return None
            size |= (self.data[at] & 0x7f) << shift
            at += 1
            if not self.data[at - 1] & 0x80:
                break
            shift += 7
            if shift > 21:
                raise Broken("length of more than four bytes")
        if len(self.data) < at + size:
            return None
        first, body = self.data[0], bytes(self.data[at:at + size])
        del self.data[:at + size]
        return first >> 4, first & 15, body


class Body:
    """Fields of a packet, from left to right."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Broken("a field leaves its packet")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def text(self):
        return self.take(self.number(2))

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.number(1)
            value |= (byte & 0x7f) << shift
            if not byte & 0x80:
                return value
            shift += 7

    def properties(self, version):
        return self.take(self.varint()) if version == V5 else b""

    def rest(self):
        return self.take(len(self.data) - self.at)


def connect_read(body):
    """(version, client id) of a CONNECT."""
    fields = Body(body)
    fields.text()
    version = fields.number(1)
    fields.take(3)
    fields.properties(version)
    return version, fields.text().decode()


def publish_read(flags, body, version):
    """(topic, number, payload); number 0 at QoS 0."""
    fields = Body(body)
    topic = fields.text().decode()
    number = fields.number(2) if flags & 6 else 0
    fields.properties(version)
    return topic, number, fields.rest()


def ack_read(body):
    """(number, reason)"""
    fields = Body(body)
    return fields.number(2), body[2] if len(body) > 2 else 0


def subscribe_read(body, version):
    """(number, how many filters)"""
    fields = Body(body)
    number, count = fields.number(2), 0
    fields.properties(version)
    while fields.at < len(body):
        fields.text()
        fields.take(1)
        count += 1
    return number, count
