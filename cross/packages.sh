#!/bin/sh
# packages.sh build|demo|check|static|board|arm64|armhf|riscv64|ci - the Debian packages that
# a target needs.
#
# Installs the missing ones when root; else prints the command to type and fails.
set -eu
build="gcc libc6-dev make libcjson-dev libssl-dev libmosquitto-dev libgpiod-dev
    libasound2-dev libcurl4-openssl-dev libsqlite3-dev"
case ${1:-build} in
build) need=$build ;;
demo) need="$build mosquitto mosquitto-clients" ;;
static) need="$build dpkg-dev patch" ;;
board) need="$build gcc-aarch64-linux-gnu qemu-user mandoc python3 qemu-system-arm cpio xz-utils
    zstd" ;;
arm64) need="$build gcc-aarch64-linux-gnu qemu-user" ;;
armhf) need="$build gcc-arm-linux-gnueabihf qemu-user" ;;
riscv64) need="$build gcc-riscv64-linux-gnu qemu-user" ;;
check) need="$build libcmocka-dev python3 python3-jinja2 xz-utils binutils gcc-aarch64-linux-gnu
    qemu-user g++ pkg-config qemu-system-arm mosquitto mosquitto-clients openssl mandoc systemd" ;;
ci) need="$build clang libclang-rt-14-dev lintian dpkg-dev patch" ;; # clang, static builds
*) echo "usage: packages.sh build|demo|check|static|board|arm64|armhf|riscv64|ci" >&2; exit 2 ;;
esac
command -v dpkg-query > /dev/null || {
    echo "packages.sh: not a Debian system; needed there: $need" >&2
    exit 0
}

missing=
for package in $need; do
    case $(dpkg-query -W -f '${Status}' "$package" 2> /dev/null) in
    *" installed") ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "Packages are missing. Type this, then try again:" >&2
    echo "  sudo apt-get update && sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
install="apt-get -qq -y --no-install-recommends install"
log=$(mktemp)
# Lists may be missing or old; a first try without fetching them saves the usual case some time.
# shellcheck disable=SC2086
if ! $install $missing > "$log" 2>&1; then
    if ! { apt-get -qq update && $install $missing; } > "$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        exit 1
    fi
fi
rm -f "$log"
