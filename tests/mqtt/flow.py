#!/usr/bin/env python3
"""Lines through a real broker: every record once, in order, of its own line, whatever the sources,
the version of MQTT, and the broker's death half-way.

usage: flow.py [--lines N]    10,000 unless told; 2,000 with sanitizers
"""
import argparse
import json
import signal
import sys
import threading
import time

import client
import stage


def drained(daemon, collector, count, seconds):
    """Waits until so many records have come, then a little for those that should not."""
    stage.until(lambda: collector.count(daemon.dev) + sum(collector.stated(daemon.dev)) >= count,
                seconds)
    stage.until(lambda: daemon.status()["records"]["waiting"] == 0, 5)
    time.sleep(0.3)


def judge(name, daemon, collector, others=0, again_max=0):
    faults = stage.account(daemon, collector, others)
    faults += [f"out of order: {src}" for src in stage.ordered(collector, daemon.dev)]
    again = collector.again.get(daemon.dev, 0)
    if again > again_max:
        faults.append(f"{again} records came twice")
    stage.ok(f"{name}: each once, in order, of its own line", not faults, "\n".join(faults))


def leave(name, daemon):
    stage.ok(f"{name}: leaves when asked", daemon.stop() == 0, daemon.log())


def all_lines(name, dev, count, broker=None, queue=None):
    """Lines as fast as they are taken."""
    real = stage.Mosquitto(name=dev)
    collector = client.Collector(real.port).wait_ready()
    d = stage.Daemon(dev, f"mqtt://127.0.0.1:{real.port}", broker=broker,
                     config={"queue": queue or {}}).start().wait_ready()
    begun = time.monotonic()
    d.feed_all(stage.line(n) for n in range(count))
    drained(d, collector, count, 60)
    took = time.monotonic() - begun
    judge(name, d, collector)
    status = d.status()
    stage.ok(f"{name}: no line lost, no gap", collector.count(dev) == count and
             sum(collector.stated(dev)) == 0, status)
    leave(name, d)
    stage.note(f"{name}: {count} lines in {took:.1f} s, {count / took:.0f} a second, "
               f"{status['bytes']['rss'] // 1024} kB resident, {status['lines']['pauses']} pauses")
    collector.close()


def sources(count):
    """A FIFO, an MQTT topic, a JSON message through a template, and dn/text, all at once."""
    real = stage.Mosquitto(name="sources")
    collector = client.Collector(real.port).wait_ready()
    d = stage.Daemon("sources", f"mqtt://127.0.0.1:{real.port}")
    d.config["inputs"] += [
        {"source": "mqtt", "topic": "plant/+/text", "id": "plant"},
        {"source": "mqtt", "topic": "zigbee/pump", "id": "zigbee",
         "template": "pump temp {temperature} C, vib {vib} mm/s"}]
    d.start().wait_ready()
    stage.until(lambda: d.status()["link"]["state"] == "up", 10)
    time.sleep(0.2)

    def publish(name, message):
        writer = client.Client(real.port, name).wait_ready()
        for n in range(count):
            time.sleep(0.002)
            writer.publish(*message(n))
        writer.close()

    messages = {"plant": lambda n: (f"plant/{n % 7}/text", f"motor {n} current {n % 50} A"),
                "zigbee": lambda n: ("zigbee/pump", json.dumps({"temperature": n, "vib": n % 9})),
                "dn": lambda n: ("leafcutter/v1/sources/dn/text", f"tank {n} level {n % 100} %")}
    threads = [threading.Thread(target=publish, args=it) for it in messages.items()]
    for one in threads:
        one.start()
    d.feed_all((stage.line(n) for n in range(count)), per_s=300)
    for one in threads:
        one.join()
    drained(d, collector, 4 * count, 60)
    judge("four sources", d, collector, others=3 * count)
    texts = {"plant": lambda n: f"motor {n} current {n % 50} A",
             "zigbee": lambda n: f"pump temp {n} C, vib {n % 9} mm/s",
             "dn": lambda n: f"tank {n} level {n % 100} %"}
    for src, text in texts.items():
        records = [collector.record["sources"][key] for key in collector.order["sources", src]]
        stage.ok(f"four sources: records of {src} are its lines, in order",
                 [one["in"] for one in records] == [d.hash_of(text(n)) for n in range(count)])
    leave("four sources", d)
    collector.close()


def died(name, dev, count, kept):
    """The broker is killed half-way and comes back two seconds later."""
    real = stage.Mosquitto(name=dev, kept=kept)
    collector = client.Collector(real.port, session_s=3600).wait_ready()
    d = stage.Daemon(dev, f"mqtt://127.0.0.1:{real.port}").start().wait_ready()
    stage.until(lambda: d.status()["link"]["state"] == "up", 10)
    feeding = threading.Thread(target=lambda: d.feed_all(
        (stage.line(n) for n in range(count)), per_s=max(1250, count / 8)))
    feeding.start()
    stage.until(lambda: collector.count(dev) >= count // 2, 60)
    real.kill(signal.SIGKILL)
    time.sleep(2)
    made = d.status()["records"]["made"]
    real.start()
    feeding.join()
    drained(d, collector, count, 60)
    judge(name, d, collector, again_max=16 * 8)
    stage.ok(f"{name}: goes on classifying meanwhile", made > count // 2 + count // 8, made)
    stage.ok(f"{name}: says it once", d.said("link-down") and not stage.said_twice(d), d.log())
    leave(name, d)
    stage.note(f"{name}: {collector.count(dev)} records, {sum(collector.stated(dev))} stated lost, "
               f"{collector.again.get(dev, 0)} twice")
    collector.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=2000 if stage.SANITIZED else 10000)
    lines = parser.parse_args().lines
    stage.limit(300)
    all_lines("all lines", "all", lines)
    all_lines("MQTT 3.1.1", "old", lines // 5, {"protocol": "3.1.1"})
    all_lines("one at a time", "single", lines // 10, queue={"window": 1, "batch": 1})
    sources(lines // 10)
    died("broker killed", "killed", lines, kept="")
    died("broker killed, it keeps", "kept", lines // 4, kept="always")
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
