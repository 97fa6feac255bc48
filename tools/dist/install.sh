#!/bin/sh
# install.sh TARGET PREFIX [MAN_PAGE...] - puts what is not compiled where a system looks for it.
#
# TARGET is PREFIX with a DESTDIR before it. The configuration of the broker is only put beside the
# other files to copy from: mosquitto is not ours to change.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:?usage: install.sh TARGET PREFIX [MAN_PAGE...]}
prefix=${2:?usage: install.sh TARGET PREFIX [MAN_PAGE...]}
shift 2

folder() { install -d "$target/$1"; }

for page in "$@"; do
    folder "share/man/man${page##*.}"
    install -m 644 "$page" "$target/share/man/man${page##*.}/"
done

folder lib/systemd/system
sed "s#@BINDIR@#$prefix/bin#" "$here/systemd/leafcutterd.service" \
    > "$target/lib/systemd/system/leafcutterd.service"
chmod 644 "$target/lib/systemd/system/leafcutterd.service"
folder lib/sysusers.d
install -m 644 "$here/systemd/sysusers.conf" "$target/lib/sysusers.d/leafcutter.conf"

folder share/bash-completion/completions
install -m 644 "$here/completion/leafcutter.bash" \
    "$target/share/bash-completion/completions/leafcutter"
ln -sf leafcutter "$target/share/bash-completion/completions/leafcutterd"

folder share/leafcutter/mosquitto
install -m 644 "$here"/mosquitto/leafcutter.conf "$here"/mosquitto/leafcutter.acl \
    "$target/share/leafcutter/mosquitto/"
install -m 755 "$here/leafcutter-ca" "$target/share/leafcutter/"
folder share/leafcutter/schemas
install -m 644 "$here"/schemas/*.json "$target/share/leafcutter/schemas/"

folder lib/pkgconfig
sed "s#@PREFIX@#$prefix#; s#@VERSION@#$(cat "$here/../../VERSION")#" "$here/leafcutter.pc.in" \
    > "$target/lib/pkgconfig/leafcutter.pc"
chmod 644 "$target/lib/pkgconfig/leafcutter.pc"
