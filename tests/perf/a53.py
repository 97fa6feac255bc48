"""a53.py - how many cycles a straight loop takes on an in-order dual-issue core (Cortex-A53).

There is no published schedule of this core and no board here, so this is a model, and a simple one:

- two instructions a cycle, in program order, each when its sources are ready;
- one 128-bit vector operation a cycle (or two 64-bit ones), and one load or store;
- a 128-bit vector load, ld1r included, issues alone and takes two cycles (a pair of them four), a
  64-bit one issues alone and takes one; an integer load, a pair too, issues beside anything;
- results after 4 cycles for multiplies, dot products, sadalp, float and vector loads, 3 for adds,
  shifts, permutations and integer loads, 2 for logic and moves, 1 for integer arithmetic.

The rules of issue are those that the ncnn project measured and published for A53 and A55; the
latencies are from memory. Cycles are taken over 40 passes after 20 to warm up.
"""

import re

WARM, PASSES = 20, 40
# Read their destination, too.
ACCUMULATES = re.compile(r"^(s|u)mlal2?$|^(s|u|us)dot$|^smmla$|^(s|u)adalp$|^f?mla$|^f?mls$|^bsl$")
LATENCY_4 = re.compile(
    r"^(s|u)(mull|mlal)2?$|^(s|u)dot$|^smmla$|^(s|u)adalp$|^(s|u)addlp$|^mul$|^mla$|" r"^f|^scvtf$"
)
LATENCY_2 = re.compile(r"^(and|orr|eor|bic|movi|mvni|mov|dup|ins)$")
REGISTER = re.compile(r"\b([vqdsbh]|x|w)(\d+)\b|\b(sp|xzr|wzr)\b")


def registers(text):
    """Names without width: v0 for q0, d0, v0.4s; x0 for w0."""
    found = []
    for kind, number, special in REGISTER.findall(text):
        if special:
            found += ["sp"] if special == "sp" else []
        else:
            found.append(("x" if kind in "xw" else "v") + number)
    return found


class Instruction:
    def __init__(self, text):
        self.text = text
        self.op, _, rest = text.partition(" ")
        rest = re.sub(r"<.*>|//.*", "", rest)
        self.branch = bool(re.match(r"^(b|b\..*|cbn?z|tbn?z)$", self.op))
        self.load = self.op.startswith("ld")
        self.store = self.op.startswith("st")
        outside, _, address = rest.partition("[") if self.load or self.store else (rest, "", "")
        operands = registers(outside)
        base = registers(address)[:1]
        writes_back = bool(re.search(r"\],|\]!", rest))
        self.sources = registers(address) if address else []
        if self.store or self.branch or self.op in ("cmp", "tst", "cmn"):
            self.results = []
            self.sources = self.sources + operands
        elif self.load:
            self.results = operands
        else:
            self.results = operands[:1]
            self.sources = self.sources + operands[1:]
            if ACCUMULATES.match(self.op) or (
                self.op in ("mov", "ins") and "[" in outside.split(",")[0]
            ):
                self.sources = self.sources + operands[:1]
        self.base = base if writes_back else []
        self.flags_out = self.op in ("cmp", "tst", "cmn", "subs", "adds", "ands")
        self.flags_in = self.op.startswith("b.") or self.op in ("csel", "csinc", "cset")
        self.vector = any(r[0] == "v" for r in self.results + self.sources)
        self.wide = bool(re.search(r"\bq\d|\.(16b|8h|4s|2d)", rest))
        self.shape()

    def shape(self):
        """alone: cycles that it issues alone for, or 0; latency: until results are ready."""
        self.alone = 0
        if self.load and self.vector:
            count = max(1, len(self.results))
            self.alone = 2 * count if self.wide else count
            self.latency = 4
        elif self.load:
            self.latency = 3
        elif not self.vector:
            self.latency = 1
        elif LATENCY_4.match(self.op):
            self.latency = 4
        else:
            self.latency = 2 if LATENCY_2.match(self.op) else 3


class Core:
    def __init__(self):
        self.now = 0
        self.slots = self.vectors = self.memory = 0
        self.ready = {}

    def advance(self, to):
        if to > self.now:
            self.now = to
            self.slots = self.vectors = self.memory = 0

    def fits(self, i):
        if self.slots == 2 or (i.alone and self.slots):
            return False
        if (i.load or i.store) and self.memory:
            return False
        lanes = (2 if i.wide else 1) if i.vector and not (i.load or i.store) else 0
        return self.vectors + lanes <= 2

    def issue(self, i):
        needs = i.sources + i.base + (["flags"] if i.flags_in else [])
        self.advance(max([self.ready.get(r, 0) for r in needs], default=0))
        while not self.fits(i):
            self.advance(self.now + 1)
        start = self.now
        self.slots += 1
        self.memory += i.load or i.store
        if i.vector and not (i.load or i.store):
            self.vectors += 2 if i.wide else 1
        for r in i.results:
            self.ready[r] = start + i.latency
        for r in i.base:
            self.ready[r] = start + 1
        if i.flags_out:
            self.ready["flags"] = start + 1
        if i.alone:
            self.advance(start + i.alone)


def cycles(loop):
    """Cycles of one pass of a loop, given as instruction texts."""
    body = [Instruction(text) for text in loop]
    core = Core()
    start = 0
    for turn in range(WARM + PASSES):
        if turn == WARM:
            start = core.now
        for i in body:
            core.issue(i)
    return (core.now - start) / PASSES
