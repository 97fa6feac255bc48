#!/usr/bin/env python3
"""House rules as a test (TAP): layers, freestanding core, style, names, function length, recursion.

usage: check.py [BUILD_FOLDER...]    default: every build/<triple> with a libleafcutter.a
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RANKS = {"kernels": 0, "runtime": 1, "board/node": 2, "board/linux": 3, "board/bare": 3,
         "tools": 4, "tests": 5}
CORE = ("kernels/", "runtime/")
CORE_HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "string.h", "float.h", "arm_neon.h",
                "immintrin.h"}
CORE_CALLS = {"memcpy", "memmove", "memset", "memcmp", "lc_panic",
              "_GLOBAL_OFFSET_TABLE_"}  # the last one is the linker's
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|atof|strtok|system|alloca|gets)"
                    r"\s*\(")
ELSEWHERE = re.compile(r"/(work|home|root|mnt)/|/tmp/(?!\S*XXXXXX)")
WRITTEN = (".c", ".h", ".S", ".py", ".sh", ".md", "Makefile", ".ci/run")
WORD_LISTS = "tools/train/"  # word lists and patterns: data in the shape of Python
LINES_MAX, COLUMNS_MAX, FUNCTION_MAX = 800, 100, 120

results = []


def report(name, faults, note=""):
    """One TAP line; faults as comments under it."""
    results.append(not faults)
    word = "ok" if not faults else "not ok"
    print(f"{word} {len(results)} - {name}{': ' + note if note else ''}")
    for fault in faults[:40]:
        print(f"#   {fault}")
    if len(faults) > 40:
        print(f"#   and {len(faults) - 40} more")


def installed(program):
    return any(os.access(os.path.join(folder, program), os.X_OK)
               for folder in os.environ["PATH"].split(":"))


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout.decode()


def project_files():
    """Files that belong to the project: known to git or new, or without git all but build/."""
    if os.path.exists(os.path.join(ROOT, ".git")) and installed("git"):
        names = run("git", "-c", f"safe.directory={ROOT}", "ls-files", "-co",
                    "--exclude-standard").splitlines()
    else:
        names = [os.path.relpath(os.path.join(folder, name), ROOT)
                 for folder, _, found in os.walk(ROOT) for name in found]
        names = [name for name in names if not name.startswith(("build/", ".git/"))]
    return sorted(name for name in names if os.path.isfile(os.path.join(ROOT, name)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def rank(name):
    fits = [folder for folder in RANKS if name.startswith(folder + "/")]
    return RANKS[max(fits, key=len)] if fits else None


def without_comments(text):
    """C without comments and string contents; line numbers stay."""
    def blank(match):
        kept = '""' if match.group(0)[0] in "\"'" else " "
        return kept + "\n" * match.group(0).count("\n")
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def includes(name):
    """Project files and system headers that a C file includes."""
    own, system = [], []
    for quote, target in re.findall(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', read(name), re.M):
        if quote == "<":
            system.append(target)
            continue
        places = [os.path.dirname(name), "kernels", "tests/kernels"]
        found = [os.path.normpath(os.path.join(place, target)) for place in places]
        own.append(next((path for path in found if os.path.exists(os.path.join(ROOT, path))),
                        found[0]))
    return own, system


def circle(graph):
    """A circle in {node: [nodes]} as text, or None."""
    state = {}
    for start in sorted(graph):
        stack = [(start, iter(graph[start]))] if start not in state else []
        state.setdefault(start, "open")
        while stack:
            node, rest = stack[-1]
            follower = next(rest, None)
            if follower is None:
                state[node] = "done"
                stack.pop()
            elif state.get(follower) == "open":
                path = [name for name, _ in stack]
                return " -> ".join(path[path.index(follower):] + [follower])
            elif follower not in state:
                state[follower] = "open"
                stack.append((follower, iter(graph.get(follower, ()))))
    return None


def check_layers(sources):
    faults, graph = [], {}
    for name in sources:
        if name == "tests/example/example.c":  # a stranger's program: it sees installed headers
            continue
        own, system = includes(name)
        graph[name] = own
        if rank(name) is None:
            faults.append(f"{name}: in no layer")
            continue
        for target in own:
            if not os.path.exists(os.path.join(ROOT, target)):
                faults.append(f"{name}: {target} does not exist")
            elif rank(target) is None or rank(target) > rank(name):
                faults.append(f"{name}: includes {target} of a higher layer")
        if name.startswith(CORE):
            faults += [f"{name}: includes <{header}>" for header in system
                       if header not in CORE_HEADERS]
    report("layers", faults, f"{len(sources)} files")
    found = circle(graph)
    report("no circle of includes", [found] if found else [])


def check_style(sources, files):
    faults = []
    written = sources + [name for name in files if name.endswith((".py", ".sh", ".S"))]
    for name in sorted(set(written)):
        lines = read(name).split("\n")
        if len(lines) - 1 > LINES_MAX:
            faults.append(f"{name}: {len(lines) - 1} lines")
        for number, line in enumerate(lines, 1):
            if "\t" in line:
                faults.append(f"{name}:{number}: tab")
            if len(line) > COLUMNS_MAX and not name.startswith(WORD_LISTS):
                faults.append(f"{name}:{number}: {len(line)} columns")
            if line != line.rstrip():
                faults.append(f"{name}:{number}: blank at the end")
    report("lines and columns", faults, f"{len(written)} files")

    faults = []
    for name in sources:
        for number, line in enumerate(without_comments(read(name)).split("\n"), 1):
            for word in BANNED.findall(line):
                faults.append(f"{name}:{number}: {word}")
    report("no banned function", faults)

    faults = []
    for name in files:
        if name == "tests/house/check.py" or not name.endswith(WRITTEN):
            continue
        for number, line in enumerate(read(name).split("\n"), 1):
            if re.search(r"\b(TODO|FIXME)\b", line):
                faults.append(f"{name}:{number}: unfinished")
            if ELSEWHERE.search(line):
                faults.append(f"{name}:{number}: a path of some machine")
    report("nothing unfinished, no paths of some machine", faults)


def check_documents(sources, files):
    """Paths and functions that documents name exist."""
    code = "".join(read(name) for name in sources)
    folders = {os.path.dirname(name) for name in files}
    faults = []
    for name in [name for name in files if name.endswith(".md")]:
        here = os.path.dirname(name)
        for number, line in enumerate(read(name).split("\n"), 1):
            for path in re.findall(r"(?<![\w/.-])(?:kernels|runtime|board|tools|tests|cross|models)"
                                   r"/[\w./-]*[\w-]", line):
                near = os.path.normpath(os.path.join(here, path))
                if not {path, near} & (set(files) | folders) and not any(
                        other.startswith(path + ".") for other in files):
                    faults.append(f"{name}:{number}: {path} does not exist")
            for function in re.findall(r"\b(lc_\w+)\(\)", line):
                if not re.search(rf"\b{function}\(", code):
                    faults.append(f"{name}:{number}: {function} does not exist")
    report("what documents name exists", faults)


def functions(name):
    """(name, lines) of each function: from its opening line to the brace in the first column."""
    start = None
    for number, line in enumerate(without_comments(read(name)).split("\n"), 1):
        head = re.match(r"[A-Za-z_].*?(\w+)\(", line)
        if head and start is None and not line.startswith(("#", "typedef")):
            start = (head.group(1), number)
        if start and line.rstrip().endswith(";") and not line.startswith((" ", "}")):
            start = None
        if line.startswith("}"):
            if start:
                yield start[0], number - start[1] + 1
            start = None


def check_functions(sources):
    sizes = [(lines, f"{name}: {function} has {lines} lines") for name in sources
             for function, lines in functions(name)]
    sizes.sort()
    if not sizes:
        report("function length", ["no function found"])
        return
    over = [text for lines, text in sizes if lines > FUNCTION_MAX]
    long = sum(1 for lines, _ in sizes if lines > 70)
    report("function length", over, f"{len(sizes)} functions, median {sizes[len(sizes) // 2][0]}, "
           f"{long} over 70, longest {sizes[-1][0]} lines")


def binutil(build, tool):
    named = os.path.basename(build) + "-" + tool
    return named if installed(named) else tool


def symbols(build, library):
    """(member, kind, name, section) of each symbol of an archive."""
    member = ""
    for line in run(binutil(build, "nm"), "-f", "sysv",
                    os.path.join(build, library)).splitlines():
        if line.endswith("]:"):
            member = line[line.index("[") + 1:-2]
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7 and len(fields[2]) == 1:
            yield member, fields[2], fields[0], fields[6]


def check_freestanding(build, triple):
    core = list(symbols(build, "libleafcutter.a"))
    own = {name for _, kind, name, _ in core if kind not in "Uwv"}
    outside = [f"{member} calls {name}" for member, kind, name, _ in core
               if kind in "Uwv" and name not in own | CORE_CALLS]
    report(f"freestanding core ({triple})", outside, f"{len(own)} symbols")
    # .data.rel.ro holds constants with addresses; a board maps or stores it read-only.
    report(f"core has no writable data ({triple})",
           [f"{member}: {name} in {section}" for member, kind, name, section in core
            if kind in "BbDdCcSsGg" and not section.startswith(".data.rel.ro")])
    faults = [f"{member}: {name}" for library in ("libleafcutter.a", "librest.a")
              for member, kind, name, _ in symbols(build, library)
              if kind in "TDBRCV" and not name.startswith("lc_")]
    report(f"names start with lc_ ({triple})", faults)


def call_graph(build):
    """{function: [functions]} from the machine code; calls through pointers are not seen."""
    graph, caller, member, guess = {}, None, "", False

    def full(name):
        return name if name.startswith("lc_") else f"{member}:{name}"

    for library in ("libleafcutter.a", "librest.a"):
        for line in run(binutil(build, "objdump"), "-dr", "--no-show-raw-insn",
                        os.path.join(build, library)).splitlines():
            file = re.match(r"(\S+\.o):\s+file format", line)
            head = re.match(r"[0-9a-f]+ <([^>]+)>:", line)
            call = re.search(r"\s(?:call|bl|jmp|b)\s.*<([\w.]+)>", line)
            if call and re.search(r"\s(?:jmp|b)\s", line) and full(call.group(1)) == caller:
                call = None  # a loop that starts with the function's first instruction
            reloc = re.search(r"R_(?:X86_64_P\w+32|AARCH64_CALL26|AARCH64_JUMP26)\s+([\w.]+)",
                              line)
            if file:
                member = file.group(1)
            elif head:
                caller = full(head.group(1))
                graph.setdefault(caller, [])
            elif reloc and caller:
                if guess:  # before linking, the call itself points just behind itself
                    graph[caller].pop()
                graph[caller].append(full(reloc.group(1)))
            elif call and caller:
                graph[caller].append(full(call.group(1)))
            guess = bool(call)
    return graph


def check_recursion(build, triple):
    graph = call_graph(build)
    for function, calls in graph.items():
        graph[function] = [name for name in calls if name in graph]
    found = circle(graph)
    report(f"no recursion ({triple})", [found] if found else [], f"{len(graph)} functions")


def build_folders():
    if len(sys.argv) > 1:
        return sys.argv[1:]
    folder = os.path.join(ROOT, "build")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names
            if re.fullmatch(r"\w+-linux-gnu", name)
            and os.path.exists(os.path.join(folder, name, "libleafcutter.a"))]


def main():
    files = project_files()
    sources = [name for name in files if name.endswith((".c", ".h"))]
    check_layers(sources)
    check_style(sources, files)
    check_documents(sources, files)
    check_functions(sources)
    builds = build_folders()
    report("there is a build to look at", [] if builds else ["no build/<triple>/libleafcutter.a"])
    for build in builds:
        triple = os.path.basename(build.rstrip("/"))
        check_freestanding(build, triple)
        check_recursion(build, triple)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
