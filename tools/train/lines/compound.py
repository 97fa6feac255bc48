"""Lines of several clauses: a fault among things in order, or a fault that is over."""

FINE = """
temp {T:bearing_ok} ok
current ok
current {A:9..28} normal
pressure good
pressure steady at {P:air_ok}
vibration normal
no alarm on the panel
batteries full
battery {pct:soc_ok}
oil level ok
oil clean
flow normal
voltage fine
volts steady at {V:v230_ok}
running {n:900..2900} rpm
load {pct:30..80}
line still producing
production not affected
started {clock} as usual
serviced last month
new bearing fitted in spring
no leak seen
no smoke
doors closed
RSSI {DBM:rssi_ok}
link good
humidity {RH:35..60}
ambient {n:12..26} C
product {n:2..30}
all other units fine
filters changed
fan running
speed at setpoint
{meas} normal
outside {n:4..24} degrees
the rest is fine
display ok
operator {n:2..40} on duty
recipe {n:2..90}
network fine
valve {n:10..90} % open
hours {n:900..60000}
seq {n:100..9999}
""".strip().split("\n")

OVER = """
repaired and tested, back in service
fixed, steady since
cleared after {DUR:2..30}, no repeat
was only a test
false alarm, checked, all ok
not confirmed, all values normal
resolved yesterday, normal for {n:4..40} h
part replaced, now in range
cause found and removed, running normally
closed, no further action
simulated for training, no real fault
historic entry, acknowledged, healthy now
reset, test run good
cured by {who}, values good
returned to normal
RTN {clock}
gone, system ok
drill only
did not come back, all normal
now ok
solved, all green
nothing found
no longer present
""".strip().split("\n")

JOIN = [", ", ", ", "; ", " but ", ". ", " - ", " and ", ", but ", ", yet ", " / "]


def among(rng, grammar, core):
    """The fault `core` with one or two clauses that are in order around it."""
    fine = [grammar.expand(rng.choice(FINE)) for _ in range(rng.choice([1, 1, 2, 3]))]
    before = fine if rng.random() < 0.5 else fine[: len(fine) // 2]
    after = [] if before is fine else fine[len(fine) // 2 :]
    out = ""
    for part in before + [core] + after:
        out += (rng.choice(JOIN) if out else "") + part
    return out


def over(rng, grammar, core):
    """A fault that is past: the line says normal."""
    end = grammar.expand(rng.choice(OVER))
    head = rng.choice(
        [
            "",
            "",
            "",
            "earlier ",
            "yesterday: ",
            "alarm ",
            "report of ",
            "CLEARED: ",
            "closed WO: ",
            "RTN ",
            "last week ",
        ]
    )
    return head + core + rng.choice([": ", ", ", " - ", ". ", " -> "]) + end


def pair(rng, grammar, first, second):
    """Two statements of the same label."""
    return first + rng.choice([", ", ". ", "; ", " and ", " - "]) + second
