#!/usr/bin/env python3
"""The broker that misbehaves does so: mosquitto's own client meets every mode, in both versions."""
import subprocess
import sys

import bad_broker
import client
import stage

# What becomes of mosquitto_pub with one QoS 1 message. In modes not named here it fails.
GOOD = {"close-subscribe", "close-tenth", "disconnect-8b", "disconnect-8e", "disconnect-9d",
        "no-pong", "no-suback", "polite", "size-limits", "tight", "twice"}
# What still comes when it leaves can reset the connection before its DISCONNECT is out; not always.
LEAVES = {"flood", "hoard", "strangers"}
HANGS = {"silent", "deaf", "deaf-later", "no-acks", "some-acks", "wrong-ids", "backwards", "drip",
         "drip-packet", "huge-length", "reset-publish"}
EITHER = {"huge-message", "garbage", "endless-properties"}  # it may be killed before it gives up
TIMEOUT_STATUS = 124


def expected(name, protocol):
    if name in GOOD or name in LEAVES or name.startswith("puback-"):
        return "succeeds"
    if protocol == "mqttv311" and name in ("only-3.1.1", "bad-properties"):
        return "succeeds"
    return "hangs" if name in HANGS else "fails"


def meet_all(protocol):
    brokers = {name: bad_broker.Broker(name) for name in bad_broker.MODES}

    def publish(broker):
        return stage.start(
            ["timeout", "6", "mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port),
             "-V", protocol, "-i", "lc-test", "-t", "a/b", "-m", "x", "-q", "1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    jobs = {name: publish(broker) for name, broker in brokers.items()}
    for name, job in jobs.items():
        status = job.wait()
        for _ in range(5 if name in LEAVES else 0):
            status = status and publish(brokers[name]).wait()
        seen = {0: "succeeds", TIMEOUT_STATUS: "hangs"}.get(status, "fails")
        want = expected(name, protocol)
        good = seen == want or (name in EITHER and seen != "succeeds")
        stage.ok(f"{protocol} {name}: mosquitto_pub {want}", good, f"it {seen}")
        brokers[name].close()


def meet_after():
    """When the trouble is over, the same port leads to the real broker."""
    real = stage.Mosquitto()
    got = []
    reader = client.Client(real.port, "reader", ["a/#"], on_message=lambda *it: got.append(it[1]))
    reader.wait_ready()
    broker = bad_broker.Broker("close-open")
    writer = client.Client(broker.port, "writer")
    stage.ok("bad: no connection", not writer.ready.wait(0.5) and broker.connections > 1)
    broker.heal(real.port)
    writer.wait_ready()
    stage.ok("healed: acknowledged", writer.publish("a/b", b"hello") == 0)
    stage.ok("healed: received", stage.until(lambda: got == [b"hello"], 5), got)
    stage.ok("nobody listens: 0x10", writer.publish("b", b"hello") == 0x10)
    writer.close()
    reader.close()


def main():
    stage.limit(60)
    for protocol in ("mqttv5", "mqttv311"):
        meet_all(protocol)
    meet_after()
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
