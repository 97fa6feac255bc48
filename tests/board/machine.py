"""machine.py - a board in QEMU with Debian's kernel, its work folder and its pins, from outside.

LC_VM: folder with kernel and root.cpio; LC_DEBS: the arm64 packages.
"""

import glob
import os
import shutil
import subprocess

from pins import Pins

HERE = os.path.dirname(os.path.abspath(__file__))


class Machine:
    """Its folder `work` is shared with the guest, which runs the script `job` in it."""

    def __init__(self, folder, script):
        self.folder, self.work = folder, os.path.join(folder, "work")
        os.makedirs(self.work)
        shutil.copy(os.path.join(HERE, script), self.path("job"))
        for deb in glob.glob(os.path.join(os.environ["LC_DEBS"], "leafcutter_*_arm64.deb")):
            shutil.copy(deb, self.work)
        self.process = self.pins = None

    def power_on(self, seconds, qemu=(), options=()):
        """For so long at most; qemu: more of its arguments, options: of board.sh."""
        vm = os.environ["LC_VM"]
        sockets = [os.path.join(self.folder, name) for name in ("qtest", "qmp")]
        qemu = [*qemu, "-qtest", f"unix:{sockets[0]},server=on,wait=off", "-qtest-log", "none"]
        qemu += ["-qmp", f"unix:{sockets[1]},server=on,wait=off"]
        command = [os.path.join(HERE, "../../cross/vm/board.sh"), "-t", str(seconds), *options]
        command += [word for one in qemu for word in ("-x", one)]
        command += [os.path.join(vm, "kernel"), os.path.join(vm, "root.cpio"), self.work]
        self.process = subprocess.Popen(command)
        self.pins = Pins(*sockets)

    def path(self, name):
        return os.path.join(self.work, name)

    def text(self, name):
        try:
            with open(self.path(name), errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def there(self, name):
        return os.path.exists(self.path(name))

    def runs(self):
        return self.process.poll() is None
