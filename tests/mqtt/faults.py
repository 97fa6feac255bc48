#!/usr/bin/env python3
"""Trouble of every kind, each met by its own daemon, all at once, while lines keep coming.

usage: faults.py [--seconds S] [--rate LINES_A_SECOND] [--protocol P] [--ack e2e] [--only NAME,...]

The trouble lasts S seconds (12; `make soak` takes 300), then a good broker is there again, at the
same address. Of every daemon it is asked: did it go on classifying, did its memory and its queue
stay bounded, did it say the trouble once, did it come back by itself, and do the records that
arrived and the losses that it stated make up the lines, each once and each of its own line. With
`e2e` (names that end so, or --ack) nothing may be lost at all, whatever the broker said it took.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import bad_broker
import client
import stage

OUTBOX_KB = 64           # small, so that long trouble makes it overflow
EXPIRES_S = 15           # after its making; daemons are up by then
CEILING_KB = 34 << 10    # what libraries can take at most, where the broker decides how much
GROWTH_KB_SANITIZED = 65536
WAIT_MAX_S = 75          # from good broker to recovery: the daemon's longest wait is 60 s
LINES_OF_SLACK = 30
# With sanitizers a daemon takes ten times the memory and has no ceiling for it, and what an abort
# in libmosquitto leaves behind is a leak: these are left out, and those that have little to parse.
NOT_SANITIZED = ("connack-8", "connack-9", "puback-", "close-", "reset-", "device-", "killed",
                 "huge-", "endless-", "garbage", "bad-properties")


class Trouble:
    """One daemon and what befalls it. Its records go to self.collector."""

    said = ("link-down",) # codes that must be in the log
    protocol = "auto"
    ack = "broker"
    growth_kb_max = 2048  # of resident memory, from calm to the end of all trouble

    def __init__(self, name, good, collector):
        self.good, self.collector = good, collector
        self.title, self.name = name, name.removesuffix("-e2e")
        self.ack = "e2e" if name != self.name else self.ack
        self.dev = re.sub("[^a-z0-9]", "-", name)
        self.daemon = None
        self.calm = self.during = None # (status, rss) before and at the end of the trouble
        self.healed_at = self.back_at = None

    def make(self, port, scheme="mqtt", **broker):
        broker = dict({"keepalive_s": 5, "protocol": self.protocol, "ack": self.ack}, **broker)
        self.daemon = stage.Daemon(
            self.dev, f"{scheme}://127.0.0.1:{port}", broker=broker,
            config={"queue": {"outbox_kb": OUTBOX_KB}})

    def prepare(self):
        """Makes the daemon's config; trouble may be there from the start."""

    def begin(self):
        """Trouble that comes while all is well."""

    def heal(self):
        pass

    def end(self):
        pass


class Misbehaving(Trouble):
    """A broker of bad_broker.py."""

    QUIET = {"polite", "twice", "strangers", "flood", "only-3.1.1", "no-acks", "no-suback", "deaf",
             "backwards", "deaf-later", "some-acks", "wrong-ids", "drip-packet", "huge-length",
             "puback-10", "silent", "drip", "no-pong"}  # nothing to say, or not yet

    ONLY_V5 = ("puback-", "bad-properties", "tight", "size-limits") # nothing wrong in 3.1.1

    def prepare(self):
        self.bad = bad_broker.Broker(self.name)
        self.make(self.bad.port)
        if self.name == "hoard":
            self.growth_kb_max = CEILING_KB
        if self.name in self.QUIET or self.name.startswith(self.ONLY_V5) and \
                self.protocol == "3.1.1":
            self.said = ()
        elif self.name.startswith("puback-"):
            self.said = ("refused",)

    def heal(self):
        self.bad.heal(self.good.port)

    def end(self):
        for topic, payload in self.bad.taken: # it said that these are delivered
            if "/up/" in topic and self.ack == "broker":
                self.collector.keep(topic, payload, False)


class Absent(Trouble):
    """Nobody listens at the broker's address when the daemon starts."""

    def prepare(self):
        self.port = stage.port_free()
        self.make(self.port)

    def heal(self):
        self.bad = bad_broker.Broker("polite", self.port)
        self.bad.heal(self.good.port)


class WrongPassword(Trouble):
    """The password is wrong until someone writes the right one into the file."""

    def prepare(self):
        self.make(self.good.with_password, user="device")
        self.file = os.path.join(stage.folder, "password-" + self.dev)
        self.daemon.config["broker"]["password_file"] = self.file
        self.write("wrong")

    def write(self, password):
        with open(self.file, "w", encoding="ascii") as file:
            file.write(password + "\n")

    def heal(self):
        self.write("right")


class BadServer(Trouble):
    """The broker shows a certificate that must not be trusted; then a good one."""

    def prepare(self):
        self.way = bad_broker.Broker("polite")
        self.way.good = self.good.tls[self.name]
        self.make(self.way.port, "mqtts", tls={"ca": self.good.cert("ca.crt")})

    def heal(self):
        self.way.good = self.good.tls["server"]


class BadDevice(Trouble):
    """The device's own certificate is bad until its files are replaced."""

    def prepare(self):
        self.make(self.good.mutual, "mqtts", tls={
            "ca": self.good.cert("ca.crt"), "cert": self.good.cert("used.crt", self.dev),
            "key": self.good.cert("used.key", self.dev)})
        self.use(self.first())

    def first(self):
        return self.name.replace("device", "dev1")

    def use(self, name):
        for end in ("crt", "key"):
            with open(self.good.cert(f"{name}.{end}"), "rb") as source, \
                    open(self.good.cert("used." + end, self.dev), "wb") as file:
                file.write(source.read())

    def heal(self):
        self.use("dev1")


class Expires(BadDevice):
    """The device's own certificate ends while it is connected; later there is another."""

    def prepare(self):
        super().prepare()
        self.way = bad_broker.Broker("polite")
        self.way.good = self.good.mutual
        self.daemon.config["broker"]["url"] = f"mqtts://127.0.0.1:{self.way.port}"

    def first(self):
        self.over, name = time.time() + EXPIRES_S, self.dev + "-soon"
        self.good.device(name, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(self.over)))
        return name

    def begin(self):
        self.was_up = self.daemon.status()["link"]["state"] == "up"
        time.sleep(max(0.0, self.over + 1.5 - time.time()))
        self.way.cut()

    def end(self):
        stage.ok(f"{self.title}: it was connected before its end", self.was_up)


class SameId(Trouble):
    """A second client comes with the device's id, again and again."""

    def prepare(self):
        self.make(self.good.port)

    def begin(self):
        self.other = client.Client(self.good.port, self.dev, retry_s=0.3)
        self.begun = time.monotonic()

    def heal(self):
        self.seconds = time.monotonic() - self.begun
        self.other.close()

    def end(self):
        times = self.other.connects - 1  # each that the daemon took the place back
        told = f"{times} times in {self.seconds:.0f} s"
        stage.note(f"{self.title}: the device took its place back {told}")
        stage.ok(f"{self.title}: it does so more and more rarely", times <= 3 + self.seconds / 4,
                 told)


class OwnBroker(Trouble):
    """A broker and a collector of its own, as the trouble is the broker's."""
    kept = ""

    def lines(self):
        return ()

    def prepare(self):
        self.broker = stage.Mosquitto(self.lines(), kept=self.kept, name=self.dev)
        self.collector = client.Recorder(self.broker.port, session_s=3600)
        self.collector.wait_ready()
        self.make(self.broker.port)

    def end(self):
        self.collector.close()


class Frozen(OwnBroker):
    """The broker hangs (SIGSTOP) and goes on later."""

    def begin(self):
        self.broker.send(signal.SIGSTOP)

    def heal(self):
        self.broker.send(signal.SIGCONT)


class Killed(OwnBroker):
    """The broker is killed and is started again later, knowing nothing of before."""

    def begin(self):
        self.broker.kill()

    def heal(self):
        self.broker.start()


class KilledKept(Killed):
    """The same with a broker that keeps sessions and retained messages."""
    kept = "always"


class Restarted(KilledKept):
    """The broker is asked to stop, and is started again."""

    def begin(self):
        self.broker.kill(signal.SIGTERM)


class Rights(OwnBroker):
    """The device loses the right to write, and gets it back."""
    said = ("refused",)

    def lines(self):
        self.file = os.path.join(stage.folder, self.dev + ".acl")
        self.write("topic readwrite #")
        return (f"acl_file {self.file}", "allow_anonymous true")

    def write(self, *lines):
        with open(self.file, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def begin(self):
        self.write("topic read #", "topic write leafcutter/v1/+/dn/ack")
        self.broker.send(signal.SIGHUP)

    def heal(self):
        self.write("topic readwrite #")
        self.broker.send(signal.SIGHUP)


OTHERS = {"absent": Absent, "password": WrongPassword, "server-expired": BadServer,
          "server-name": BadServer, "server-ca": BadServer, "device-expired": BadDevice,
          "device-ca": BadDevice, "same-id": SameId, "frozen": Frozen, "killed": Killed,
          "killed-kept": KilledKept, "restarted": Restarted, "rights": Rights,
          "expires": Expires}
# Besides: with the collector's word alone. Of the misbehaving those that lie about what they took.
E2E = ("same-id", "frozen", "killed", "restarted", "rights", "expires", "twice", "no-acks",
       "some-acks", "wrong-ids", "deaf-later", "close-publish", "garbage")


class Good(stage.Mosquitto):
    """The broker that is there when trouble is over, with a listener for each need."""

    def __init__(self):
        subprocess.run([os.path.join(stage.ROOT, "tests/mqtt/certs.sh"), self.cert(""), "dev1"],
                       check=True)
        self.with_password, self.mutual = stage.port_free(), stage.port_free()
        self.tls = {name: stage.port_free() for name in
                    ("server", "server-expired", "server-name", "server-ca")}
        passwords = self.cert("passwords")
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "device", "right"], check=True,
                       stderr=subprocess.DEVNULL)
        os.chmod(passwords, 0o644)
        lines = [f"listener {self.with_password} 127.0.0.1", "allow_anonymous false",
                 f"password_file {passwords}"]
        for name, port in self.tls.items():
            lines += [f"listener {port} 127.0.0.1", "allow_anonymous true"] + self.server(name)
        lines += [f"listener {self.mutual} 127.0.0.1", "allow_anonymous false",
                  "require_certificate true", "use_identity_as_username true",
                  f"cafile {self.cert('ca.crt')}"] + self.server("server")
        super().__init__(["allow_anonymous true"] + lines, each=True)

    def device(self, name, until):
        """One more certificate of dev1."""
        authority = self.cert("ca.d")
        subprocess.run(
            [os.path.join(stage.ROOT, "tools/dist/leafcutter-ca"), "--dir", authority, "renew",
             "dev1", "--until", until], check=True, stdout=subprocess.DEVNULL)
        for end in ("crt", "key"):
            shutil.copy(f"{authority}/devices/dev1.{end}", self.cert(f"{name}.{end}"))

    def server(self, name):
        return [f"certfile {self.cert(name + '.crt')}", f"keyfile {self.cert(name + '.key')}"]

    @staticmethod
    def cert(name, *more):
        return os.path.join(stage.folder, "certs", "-".join(more + (name,)))


# ---- the questions ----

def look(trouble):
    """(status, resident kB); None and 0 of a daemon that is dead."""
    status = trouble.daemon.status()
    return status, trouble.daemon.rss_kb() if status else 0


def check_during(trouble, seconds, rate):
    """At the end of the trouble."""
    d, name = trouble.daemon, trouble.title
    trouble.during = look(trouble)
    status = trouble.during[0]
    if not stage.ok(f"{name}: alive", status and trouble.calm[0], d.log()):
        return
    made, before = status["records"]["made"], trouble.calm[0]["records"]["made"]
    stage.ok(f"{name}: goes on classifying", made - before >= seconds * rate * 0.8 - LINES_OF_SLACK
             and made >= len(d.lines) - LINES_OF_SLACK, f"{before} to {made} of {len(d.lines)}")
    used, limit = status["bytes"]["outbox"]
    stage.ok(f"{name}: queue bounded", used <= limit <= OUTBOX_KB * 1024 + 64, status["bytes"])
    missing = [word for word in trouble.said if not d.said(word)]
    stage.ok(f"{name}: says so, once", not missing and not stage.said_twice(d),
             f"{missing} {stage.said_twice(d)}\n{d.log()}")


def recovered(trouble):
    status = trouble.daemon.status()
    return bool(status) and status["link"]["state"] == "up" and \
        status["records"]["waiting"] < LINES_OF_SLACK and \
        trouble.collector.arrived.get(trouble.dev, 0) > trouble.healed_at


def wait_back(troubles):
    """Each is looked at until it is back."""
    end = time.monotonic() + WAIT_MAX_S
    waiting = list(troubles)
    while waiting and time.monotonic() < end:
        for one in waiting[:]:
            if recovered(one):
                one.back_at = time.monotonic()
                waiting.remove(one)
        time.sleep(0.1)


def settle(trouble):
    """All is delivered; then it is asked to leave."""
    d = trouble.daemon
    stage.until(lambda: (d.status() or {}).get("records", {}).get("waiting") == 0, 20)
    lines = d.status()["lines"]
    trouble.others = lines["in"] + lines["lost"] - len(d.lines)
    trouble.rss = max(d.rss_kb(), d.rss_kb("VmHWM"))
    d.ask_to_stop()


def check_after(trouble):
    d, name, c = trouble.daemon, trouble.title, trouble.collector
    growth = trouble.rss - trouble.calm[1]
    bound = GROWTH_KB_SANITIZED if stage.SANITIZED else trouble.growth_kb_max
    stage.ok(f"{name}: memory flat", growth < bound, f"{trouble.calm[1]} kB, then {trouble.rss} kB")
    stage.ok(f"{name}: leaves when asked", d.stopped() == 0, d.log())
    trouble.end()
    faults = stage.account(d, c, trouble.others)
    if trouble.ack == "e2e" and any(c.stated(trouble.dev)):
        faults.append(f"lost: {c.stated(trouble.dev)}")
    stage.ok(f"{name}: records and stated losses make up the lines", not faults,
             "\n".join(faults))
    stage.note(f"{name}: {len(d.lines)} lines, {c.count(trouble.dev)} records, "
               f"{sum(c.stated(trouble.dev))} stated lost, {c.again.get(trouble.dev, 0)} twice, "
               f"back after {trouble.back_at - trouble.healed_at:.1f} s, {growth} kB more")


def campaign(names, seconds, rate):
    good = Good()
    collector = client.Recorder(good.port).wait_ready()
    troubles = [OTHERS.get(name.removesuffix("-e2e"), Misbehaving)(name, good, collector)
                for name in names]
    for one in troubles:
        one.prepare()
        one.daemon.start()
    for one in troubles:
        one.daemon.wait_ready()
    feeder = stage.Feeder([one.daemon for one in troubles], rate)
    time.sleep(3)
    for one in troubles:
        one.calm = look(one)
    begun = time.monotonic()
    for one in troubles:
        one.begin()
    time.sleep(max(0.0, begun + seconds - time.monotonic()))
    for one in troubles:
        check_during(one, seconds, rate)
    for one in troubles:
        one.healed_at = time.monotonic()
        one.heal()
    wait_back(troubles)
    time.sleep(2)
    feeder.end()
    back = [one for one in troubles if stage.ok(
        f"{one.title}: comes back by itself", one.back_at, f"{one.daemon.log()}")]
    for one in back:
        settle(one)
    for one in back:
        check_after(one)
    collector.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--rate", type=float, default=1 if stage.SANITIZED else 5)
    parser.add_argument("--protocol", default="auto", help="auto, 5 or 3.1.1")
    parser.add_argument("--ack", default="broker", choices=("broker", "e2e"))
    parser.add_argument("--only", help="names with commas between; all unless given")
    options = parser.parse_args()
    stage.limit(options.seconds + 240)
    Trouble.protocol, Trouble.ack = options.protocol, options.ack
    names = list(OTHERS) + list(bad_broker.MODES)
    if options.ack == "e2e":  # too large for one broker: stated, and yet sent to the next
        names.remove("size-limits")
    else:
        names = [name + "-e2e" for name in E2E] + names
    if options.protocol == "3.1.1":  # it acknowledges what is not allowed
        names = [name for name in names if not name.startswith("rights")]
    names.sort(key=lambda name: name.startswith("expires"))  # it waits for its moment
    if stage.SANITIZED:
        names = [name for name in names if not name.startswith(NOT_SANITIZED)]
    campaign(options.only.split(",") if options.only else names, options.seconds, options.rate)
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
