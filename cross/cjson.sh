#!/bin/bash
# cjson.sh SUITE FOLDER - Debian's cJSON as source, for static builds.
#
# Debian ships libcjson as a shared library only. This takes the same version, patches included,
# so that a static program has the security fixes of the packaged library. Needs dpkg-dev.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/private_apt.sh"
suite=${1:?usage: cjson.sh SUITE FOLDER}
mkdir -p "$(dirname "${2:?usage: cjson.sh SUITE FOLDER}")"
folder=$(realpath -m "$2")

echo "cjson.sh: fetching the source of cJSON ($suite) from $(debian_mirror)" >&2
rm -rf "$folder" "$folder.tmp"
mkdir -p "$folder.tmp/source"
private_apt "$suite" source "$folder.tmp/apt"
(cd "$folder.tmp/source" && apt-get -qq --download-only source cjson)
dpkg-source --no-check -x "$folder.tmp"/source/cjson_*.dsc "$folder.tmp/cjson" > /dev/null
mkdir -p "$folder"
cp "$folder.tmp"/cjson/cJSON.[ch] "$folder.tmp/cjson/LICENSE" "$folder"
rm -rf "$folder.tmp"
