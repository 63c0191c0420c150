#!/bin/bash
# Fetches real guest kernels into a cache folder, with apt from the mirror this machine already uses. Needs no root.
#
#   scenarios/guests/get.sh [FOLDER]
#
# FOLDER defaults to $XENSIM_GUESTS, else $XDG_CACHE_HOME/xensim/guests, else ~/.cache/xensim/guests. apt verifies the packages'
# signatures; SHA256SUMS beside this script names the files' digests for the versions that the golden data was made with. A newer
# package version is taken and said; a file of a known version with another digest is an error.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
target=${1:-${XENSIM_GUESTS:-${XDG_CACHE_HOME:-$HOME/.cache}/xensim/guests}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() { echo "get.sh: $*" >&2; exit 1; }

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "apt-get and dpkg-deb are needed: real guests come as Debian packages"

# The mirrors of this machine's own sources, one "URI SUITE" per line: deb822 files and one-line files.
sources() {
    local f
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -e "$f" ] || continue
        awk 'function flush(  i, j, n, m, us, ss) { n = split(u, us, " "); m = split(s, ss, " ");
                 for (i = 1; i <= n; i++) for (j = 1; j <= m; j++) print us[i], ss[j]; u = s = "" }
             /^[ \t]*$/ { flush() } /^#/ { next }
             /^URIs:/ { sub(/^URIs:[ \t]*/, ""); u = $0 } /^Suites:/ { sub(/^Suites:[ \t]*/, ""); s = $0 }
             END { flush() }' "$f"
    done
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -e "$f" ] || continue
        sed -n 's/^deb[ \t]\+\(\[[^]]*\][ \t]*\)\?\([^ \t]\+\)[ \t]\+\([^ \t]\+\).*/\2 \3/p' "$f"
    done
}

releases='bullseye|bookworm|trixie|forky|sid|oldoldstable|oldstable|stable|testing|unstable'
main=$(sources | awk -v r="^($releases)$" '$2 ~ r { sub(/\/$/, "", $1); print $1; exit }')
security=$(sources | awk -v r="^($releases)-security$" '$2 ~ r { sub(/\/$/, "", $1); print $1; exit }')
[ -n "$main" ] || die "no Debian mirror among this machine's apt sources"
[ -n "$security" ] || security="${main%/debian}/debian-security"

# An apt of our own: its own lists, cache and (empty) status, the machine's keys and proxy settings.
mkdir -p "$work"/{lists/partial,archives/partial,tree}
: > "$work/status"
apt_options=(
    -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives"
    -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User= -o Debug::NoLocking=true -o Acquire::Languages=none
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::Retries=3)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=""
[ -e "$keyring" ] && signed="[signed-by=$keyring]"

update() {
    printf '%s\n' "$@" > "$work/sources.list"
    apt-get "${apt_options[@]}" -qq update 2> "$work/update.log" && ! grep -q '^[EW]:' "$work/update.log"
}

bookworm=("deb $signed $main bookworm main" "deb $signed $security bookworm-security main")
# Once bullseye has left the mirror it lives on in the mirror's archive, if it has one.
archive="${main%/debian}/debian-archive/debian"
update "${bookworm[@]}" "deb $signed $main bullseye main" "deb $signed $security bullseye-security main" \
    || update "${bookworm[@]}" "deb $signed $main bullseye main" \
    || update "${bookworm[@]}" "deb $signed $archive bullseye main" \
    || { sed 's,//[^/ ]*,//…,g' "$work/update.log" >&2; die "this machine's mirror does not serve bookworm and bullseye"; }

fetch() { # PACKAGE: downloads and unpacks it below tree/PACKAGE, prints its version
    (cd "$work/archives" && apt-get "${apt_options[@]}" -qq download "$1" >&2) || die "cannot download $1"
    local deb
    deb=$(ls "$work/archives/$1"_*.deb)
    dpkg-deb -x "$deb" "$work/tree/$1"
    dpkg-deb -f "$deb" Version
}

mkdir -p "$target"
manifest="$work/MANIFEST"
: > "$manifest"

check() { # FILE NAME PACKAGE VERSION: prints the digest; fails if a known version has another one
    [ -s "$1" ] || die "$3 $4 has no ${1#"$work"/tree/}"
    local digest known
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    known=$(awk -v n="$2" -v v="$4" '$2 == n && $3 == v { print $1 }' "$here/SHA256SUMS")
    if [ -n "$known" ] && [ "$known" != "$digest" ]; then
        die "$2 of $3 $4 has digest $digest, expected $known"
    fi
    if [ -z "$known" ]; then
        echo "get.sh: $2 of $3 $4 is not the version of the golden data; comparisons that depend on it follow the image instead" >&2
    fi
    echo "$digest"
}

install_file() { # FILE NAME PACKAGE VERSION DIGEST
    cp "$1" "$target/.$2.new"
    mv "$target/.$2.new" "$target/$2"
    echo "$5  $2  $3  $4" | tee -a "$manifest"
}

take() { # FILE NAME PACKAGE VERSION
    local digest
    digest=$(check "$@") || exit 1
    install_file "$@" "$digest"
}

version=$(fetch grub-xen-host)
for image in grub-x86_64-xen.bin grub-i386-xen.bin grub-i386-xen_pvh.bin; do
    take "$work/tree/grub-xen-host/usr/lib/grub-xen/$image" "$image" grub-xen-host "$version"
done

# The metapackage names the current kernel; the files keep short names so that scenarios need not follow it.
package=$(apt-cache "${apt_options[@]}" show linux-image-amd64/bookworm-security linux-image-amd64/bookworm 2>/dev/null \
    | sed -n 's/^Depends:.*\(linux-image-6\.1\.[0-9.-]*-amd64\).*/\1/p' | sort -V | tail -1)
[ -n "$package" ] || die "linux-image-amd64 of bookworm names no kernel"
version=$(fetch "$package")
take "$work/tree/$package/boot/vmlinuz-${package#linux-image-}" vmlinuz-6.1-amd64 "$package" "$version"

package=linux-image-5.10.0-32-amd64
version=$(fetch "$package")
take "$work/tree/$package/boot/vmlinuz-5.10.0-32-amd64" vmlinuz-5.10.0-32-amd64 "$package" "$version"

version=$(fetch busybox-static)
"$here/initramfs.pl" "$work/tree/busybox-static/bin/busybox" "$here/init" > "$work/tree/initramfs"
# The archive's own digest is the known one: compressors differ from machine to machine.
digest=$(check "$work/tree/initramfs" initramfs busybox-static "$version") || exit 1
gzip -9n "$work/tree/initramfs"
install_file "$work/tree/initramfs.gz" initramfs.gz busybox-static "$version" "$digest"

cp "$manifest" "$target/MANIFEST"
echo "get.sh: $(wc -l < "$manifest") files in the cache" >&2
