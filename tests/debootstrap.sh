#!/bin/bash
# debootstrap.sh - does the README work on a machine that has nothing? (`make check-fresh`, root)
#
# Makes a minimal Debian 12, copies only the committed files into it, installs only git, make and
# certificates, and runs `make demo` and `make check` (or what TARGETS names) twice each. FRESH
# names the folder to use (removed first; default build/fresh), KEEP=1 keeps it.
set -eu -o pipefail
cd "$(dirname "$0")/.."
. cross/private_apt.sh
[ "$(id -u)" = 0 ] || { echo "debootstrap.sh: must be root" >&2; exit 1; }
command -v debootstrap > /dev/null || apt-get -qq -y install debootstrap > /dev/null
root=$(realpath -m "${FRESH:-build/fresh}")
mirror=$(debian_mirror)

leave() {
    for dir in proc dev/pts dev; do
        mountpoint -q "$root/$dir" && umount -l "$root/$dir"
    done
    [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$root"
}
[ ! -e "$root" ] || rm -rf --one-file-system "$root"
trap leave EXIT

debootstrap --variant=minbase --include=ca-certificates,git,make bookworm "$root" "$mirror" \
    > /dev/null
# The network as this machine sees it: names, its own certificates, its apt settings for them.
cp /etc/resolv.conf "$root/etc/resolv.conf"
if ls /usr/local/share/ca-certificates/*.crt > /dev/null 2>&1; then
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates > /dev/null 2>&1
fi
echo "deb $mirror bookworm main" > "$root/etc/apt/sources.list"
echo "deb ${mirror%/debian}/debian-security bookworm-security main" >> "$root/etc/apt/sources.list"
mkdir -p "$root/proc" "$root/dev/pts"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"

mkdir -p "$root/leafcutter"
git archive HEAD | tar -x -C "$root/leafcutter"

for round in 1 2; do
    for target in ${TARGETS:-demo check}; do
        start=$(date +%s%N)
        printf '\n#### make %s, round %d\n' "$target" "$round"
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            chroot "$root" make -C /leafcutter --no-print-directory "$target"
        ms=$((($(date +%s%N) - start) / 1000000))
        echo "#### make $target, round $round: $((ms / 1000)).$((ms % 1000 / 100)) s"
    done
done
