#!/bin/bash
# build.sh TREE TRIPLE OUT - Debian packages from what `make install DESTDIR=TREE PREFIX=/usr` put
# there: leafcutter (programs, shipped job, unit) and libleafcutter-dev (archive, headers).
#
# Plain dpkg-deb, so that packages for a board come from any machine without its debhelper. The
# same tree gives the same bytes: times are those of the last commit (or SOURCE_DATE_EPOCH).
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
tree=$1 triple=$2 out=$3
version=$(cat "$top/VERSION")
case $triple in
x86_64-*) arch=amd64 ;;
aarch64-*) arch=arm64 ;;
arm-*-gnueabihf) arch=armhf ;; # for Debian 12: 13 has these libraries under other names
*) echo "build.sh: no Debian architecture known for $triple" >&2; exit 2 ;;
esac
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2> /dev/null || echo 0)}
export SOURCE_DATE_EPOCH
strip=${STRIP:-$triple-strip}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

# The libraries a program is linked with, as packages of Debian 12. Debian 13's libssl3t64 and
# libmosquitto1 provide the same names.
libraries() {
    local needs
    needs=$("${READELF:-readelf}" -d "$@" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
    for so in $needs; do
        case $so in
        libc.so.6 | libm.so.6 | ld-linux-*) echo "libc6 (>= 2.34)" ;;
        libcjson.so.1) echo "libcjson1 (>= 1.7.15)" ;;
        libmosquitto.so.1) echo "libmosquitto1 (>= 2.0.11)" ;;
        libssl.so.3 | libcrypto.so.3) echo "libssl3 (>= 3.0.0)" ;;
        libcurl.so.4) echo "libcurl4 (>= 7.88)" ;;
        libsqlite3.so.0) echo "libsqlite3-0 (>= 3.40)" ;;
        libasound.so.2) echo "libasound2 (>= 1.2.8)" ;;
        *) echo "build.sh: no package known for $so" >&2; return 1 ;;
        esac
    done | sort -u | paste -sd, | sed 's/,/, /g'
}

# begin NAME: an empty package; finish NAME SECTION DEPENDS SUMMARY < long description
begin() {
    root=$work/$1
    doc=$root/usr/share/doc/$1
    mkdir -p "$doc" "$root/DEBIAN"
    sed 's/^/ /; s/^ $/ ./' "$top/LICENSE" | cat "$here/copyright.in" - > "$doc/copyright"
    gzip -9nc "$top/CHANGELOG.md" > "$doc/CHANGELOG.md.gz"
    {
        echo "leafcutter ($version) unstable; urgency=medium"
        echo
        echo "  * What changed is in CHANGELOG.md beside this file."
        echo
        echo " -- $(maintainer)  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
    } | gzip -9n > "$doc/changelog.gz"
}
maintainer() { sed -n 's/^Upstream-Contact: //p' "$here/copyright.in"; }
finish() {
    local name=$1 section=$2 depends=$3 summary=$4 size
    size=$(du -sk --exclude=DEBIAN "$root" | cut -f 1)
    {
        echo "Package: $name"
        echo "Version: $version"
        echo "Architecture: $arch"
        echo "Maintainer: $(maintainer)"
        echo "Installed-Size: $size"
        [ -z "$depends" ] || echo "Depends: $depends"
        [ "$name" != leafcutter ] || echo "Recommends: libcurl4"
        [ "$name" != leafcutter ] || echo "Suggests: mosquitto, mosquitto-clients"
        [ "$name" = leafcutter ] || echo "Multi-Arch: same"
        echo "Section: $section"
        echo "Priority: optional"
        echo "Description: $summary"
        sed 's/^/ /; s/^ $/ ./'
    } > "$root/DEBIAN/control"
    (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | LC_ALL=C sort |
        xargs -d '\n' md5sum) > "$root/DEBIAN/md5sums"
    chmod -R u=rwX,go=rX "$root"
    find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    mkdir -p "$out"
    dpkg-deb --root-owner-group -Zxz --build "$root" "$out/${name}_${version}_$arch.deb" > /dev/null
    echo "$out/${name}_${version}_$arch.deb"
}

begin leafcutter
mkdir -p "$root/usr/share" "$root/lib/systemd/system" "$root/usr/lib/sysusers.d" \
    "$root/etc/leafcutter"
cp -a "$tree/usr/bin" "$root/usr/"
cp -a "$tree"/usr/share/{man,bash-completion,leafcutter} "$root/usr/share/"
rm -f "$root"/usr/share/leafcutter/models/triage/*.gguf # what the pack was made from
cp "$tree/usr/lib/systemd/system/leafcutterd.service" "$root/lib/systemd/system/"
cp "$tree/usr/lib/sysusers.d/leafcutter.conf" "$root/usr/lib/sysusers.d/"
find "$root/usr/share/man" -type f -exec gzip -9n {} +
"$strip" --strip-unneeded --remove-section=.comment "$root"/usr/bin/*
for script in postinst prerm postrm; do
    install -m 755 "$here/$script" "$root/DEBIAN/$script"
done
finish leafcutter misc "$(libraries "$root"/usr/bin/*), adduser" \
    "labels for lines of sensor text by a small language model" << 'END'
An edge runtime for ARM boards: reads lines of sensor text on the device
itself and answers each with a label and a calibrated probability. 4-bit
weights, all memory planned before start, no network needed.
.
This package has the tool leafcutter, the daemon leafcutterd, which reports
over MQTT, and a job that sorts lines of sensor text.
END

begin libleafcutter-dev
mkdir -p "$root/usr/lib/$triple/pkgconfig"
cp "$tree/usr/lib/libleafcutter.a" "$root/usr/lib/$triple/"
"$strip" --strip-debug --enable-deterministic-archives --remove-section=.comment \
    "$root/usr/lib/$triple/libleafcutter.a"
cp -a "$tree/usr/include" "$root/usr/"
sed "s#^libdir=.*#libdir=\${prefix}/lib/$triple#" "$tree/usr/lib/pkgconfig/leafcutter.pc" \
    > "$root/usr/lib/$triple/pkgconfig/leafcutter.pc"
mkdir -p "$doc/examples"
cp "$top"/tests/example/example.c "$top"/tests/example/data.S "$doc/examples/"
finish libleafcutter-dev libdevel "" "freestanding library of the Leafcutter edge runtime" << 'END'
Text in, label out: runs models in 4-bit weights with memory that the caller
gives, and calls nothing but memcpy, memmove, memset and memcmp, so that it
also runs without an operating system.
.
This package has the static library and its headers.
END
