#!/bin/bash
# kernel.sh SUITE FOLDER - Debian's own arm64 kernel: FOLDER/vmlinuz and FOLDER/modules.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../private_apt.sh"
suite=$1 out=$(realpath -m "$2")
mkdir -p "$out.tmp/debs"
private_apt "$suite" arm64 "$out.tmp/apt"
package=$(apt-cache depends linux-image-arm64 | awk '/Depends:/ { print $2; exit }')
(cd "$out.tmp/debs" && apt-get -qq download "$package")
dpkg-deb --fsys-tarfile "$out.tmp/debs/"*.deb |
    tar -x -C "$out.tmp" --wildcards './boot/vmlinuz-*' './*lib/modules/*'
mv "$out.tmp"/boot/vmlinuz-* "$out.tmp/vmlinuz"
mv "$(find "$out.tmp" -path '*lib/modules' -type d)"/* "$out.tmp/modules"
rm -rf "$out.tmp/debs" "$out.tmp/apt" "$out.tmp/boot" "$out.tmp/lib" "$out.tmp/usr"
rm -rf "$out"
touch "$out.tmp/vmlinuz"
mv "$out.tmp" "$out"
