#!/bin/bash
# source.sh PACKAGE SUITE FOLDER - a Debian package as source, for static builds.
#
# Debian ships libcjson and libmosquitto as shared libraries only. This takes the source of the same
# version, patches included, so that a static program has the security fixes of the packaged
# library. Needs dpkg-dev.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/private_apt.sh"
package=${1:?usage: source.sh PACKAGE SUITE FOLDER}
suite=${2:?usage: source.sh PACKAGE SUITE FOLDER}
mkdir -p "$(dirname "${3:?usage: source.sh PACKAGE SUITE FOLDER}")"
folder=$(realpath -m "$3")

echo "source.sh: fetching the source of $package ($suite) from $(debian_mirror)" >&2
rm -rf "$folder" "$folder.tmp"
mkdir -p "$folder.tmp/source"
private_apt "$suite" source "$folder.tmp/apt"
(cd "$folder.tmp/source" && apt-get -qq --download-only source "$package")
dpkg-source --no-check -x "$folder.tmp"/source/"$package"_*.dsc "$folder.tmp/out" > /dev/null
mv "$folder.tmp/out" "$folder"
rm -rf "$folder.tmp"
touch "$folder/.ready"
