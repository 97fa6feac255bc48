# private_apt.sh - sourced: an apt that knows another architecture and changes nothing on this
# machine (no root, no `dpkg --add-architecture`).
#
#   private_apt SUITE ARCH|source FOLDER   writes FOLDER/apt.conf and fetches the package lists;
#                                   afterwards APT_CONFIG is set for apt-get
#
# DEBIAN_MIRROR names the mirror; without it, the one this machine uses.

debian_mirror() {
    local uri
    uri=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
    [ -n "$uri" ] || uri=$(sed -n 's/^deb .*\(https\{0,1\}:[^ ]*\) .*/\1/p' /etc/apt/sources.list \
        2>/dev/null | head -n 1)
    uri=${DEBIAN_MIRROR:-${uri:-http://deb.debian.org/debian}}
    echo "${uri%/}"
}

private_apt() {
    local suite=$1 arch=$2 dir=$3 mirror key line
    mirror=$(debian_mirror)
    key=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
    mkdir -p "$dir"/lists/partial "$dir"/cache/archives/partial \
        "$dir"/etc/preferences.d "$dir"/etc/apt.conf.d
    : > "$dir/status" # an empty system, so the resolver names every dependency
    case $arch in
    source) line="deb-src [signed-by=$key]" ;;
    *) line="deb [arch=$arch signed-by=$key]" ;;
    esac
    echo "$line $mirror $suite main" > "$dir/sources.list"
    echo "$line ${mirror%/debian}/debian-security $suite-security main" >> "$dir/sources.list"
    cat > "$dir/apt.conf" <<CONF
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$dir";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
Dir::Etc "$dir/etc";
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
CONF
    [ "$arch" != source ] || sed -i '/^APT::Architecture/d' "$dir/apt.conf"
    export APT_CONFIG=$dir/apt.conf
    apt-get -qq update 2> "$dir/update.log" && return 0
    # Mirrors are at times out of step with the lists of security updates. Libraries to link with
    # and to test on may be those of the release; source that goes into a program may not.
    cat "$dir/update.log" >&2
    [ "$arch" != source ] || return 1
    echo "private_apt.sh: trying without the security updates of $suite" >&2
    sed -i '2d' "$dir/sources.list"
    apt-get -qq update
}
