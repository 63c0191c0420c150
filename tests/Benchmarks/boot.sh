#!/bin/bash
# A whole boot against the real thing: Linux 6.1 as dom0 to the first line of userspace, in XenSim and in real Xen under qemu-system (TCG), with qemu's
# instruction counter (its deterministic mode) and without. Same kernel, same initramfs, the three in turn; prints ratios, instructions, hypercalls and where
# the time goes. Times are processor time (the machine may be busy), the least of the rounds.
#
#   tests/Benchmarks/boot.sh [ROUNDS]
#
# Needs the fetched guests (scenarios/guests/get.sh), qemu-system-x86 and Debian's package of Xen 4.17, which it downloads. XENSIM names the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rounds=${1:-2}
guests=${XENSIM_GUESTS:-${XDG_CACHE_HOME:-$HOME/.cache}/xensim/guests}
xensim=${XENSIM:-$here/../../artifacts/xensim/xensim}
kernel=$guests/vmlinuz-6.1-amd64
ramdisk=$guests/initramfs.gz
marker='INIT: hello from userspace'
limit=300

die() { echo "boot.sh: $*" >&2; exit 1; }
[ -x "$xensim" ] || die "no program at $xensim: run ./xensim once, or set XENSIM"
[ -e "$kernel" ] && [ -e "$ramdisk" ] || die "no guests in $guests: run scenarios/guests/get.sh"
command -v qemu-system-x86_64 >/dev/null || die "qemu-system-x86_64 is missing: install qemu-system-x86"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && apt-get -qq download xen-hypervisor-4.17-amd64 2>/dev/null) || die "apt does not find xen-hypervisor-4.17-amd64: it is in Debian 12"
dpkg-deb -x "$work"/xen-hypervisor-*.deb "$work/tree"
gzip -dc "$work"/tree/boot/xen-4.17-amd64.gz > "$work/xen"

# The second line that `times` writes: children, user and system, as in 0m1.5s.
seconds() { sed -n 2p "$1" | awk '{ for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); sum += 60 * t[1] + t[2] }; print sum }'; }

# Runs until the marker is on its output, then ends it. Processor time, user and system, goes to the file named first.
until_marker() { # TIME LOG COMMAND…
    local time=$1 log=$2
    shift 2
    : > "$log"
    (
        "$@" > "$log" 2> "$log.err" < /dev/null &
        pid=$!
        for ((i = 0; i < limit * 10; i++)); do
            if grep -q "$marker" "$log" || ! kill -0 "$pid" 2>/dev/null; then break; fi
            sleep 0.1
        done
        kill "$pid" || true
        wait "$pid" || true
        times > "$time"
    ) 2>/dev/null
    grep -q "$marker" "$log" || { tail -5 "$log" "$log.err" >&2; die "no userspace within $limit s: $*"; }
}

qemu() { # TIME LOG OPTIONS…
    local time=$1 log=$2
    shift 2
    until_marker "$time" "$log" qemu-system-x86_64 -m 1024 -cpu max,smap=off,smep=off -nic none -display none -serial stdio -no-reboot "$@" -kernel "$work/xen" \
        -append "console=com1 com1=115200,8n1 dom0_mem=384M" -initrd "$kernel console=hvc0 earlyprintk=xen,$ramdisk"
}

simulate() { # TIME LOG OPTIONS…
    local time=$1 log=$2
    shift 2
    until_marker "$time" "$log" "$xensim" boot "$kernel" --dom0 --ramdisk "$ramdisk" --xen-cmdline "dom0_mem=384M" --cmdline "console=hvc0 earlyprintk=xen" \
        --host-memory 1024 --max-instructions 20000000000 --until "console:$marker" "$@"
}

least() { # NAME: the round with the least time
    for ((r = 1; r <= rounds; r++)); do seconds "$work/$1.$r"; done | sort -n | head -1
}

for ((r = 1; r <= rounds; r++)); do
    simulate "$work/sim.$r" "$work/sim.log"
    qemu "$work/icount.$r" "$work/icount.log" -icount shift=0,sleep=off
    qemu "$work/free.$r" "$work/free.log"
done

# What was done: one more run with a trace, whose events name every hypercall and every emulated instruction.
simulate "$work/trace.time" "$work/trace.log" --trace "$work/trace.jsonl"
ours=$(least sim)
counted=$(least icount)
free=$(least free)
awk -v a="$ours" -v b="$counted" -v c="$free" 'BEGIN {
    printf "Linux 6.1 dom0, 384 MB, to the first line of userspace (processor seconds, least of the rounds)\n"
    printf "  %-34s %7.2f\n", "XenSim", a
    printf "  %-34s %7.2f   %5.2f x XenSim\n", "real Xen, qemu -icount shift=0", b, b / a
    printf "  %-34s %7.2f   %5.2f x XenSim\n", "real Xen, qemu free-running", c, c / a
}'
perl -ne '
    BEGIN { $seconds = shift }
    ($event) = /"event":"([^"]+)"/ or next;
    $kind{$event}++;
    $call{$1}++ if $event eq "HypercallEntered" and /"issuer":"(?:Guest|Multicall)".*?"name":"([^"]+)"/;
    $instructions = $1 if /"instructions":(\d+)/;
    END {
        $calls += $_ for values %call;
        printf "  %.2f thousand million instructions, %.0f million a second; %d hypercalls, one in %d instructions:\n",
            $instructions / 1e9, $instructions / 1e6 / $seconds, $calls, $instructions / ($calls || 1);
        printf "    %-26s %8d\n", $_, $call{$_} for grep defined, (sort { $call{$b} <=> $call{$a} || $a cmp $b } keys %call)[0 .. 7];
        print "  other ways into Xen, by event:\n";
        printf "    %-26s %8d\n", $_, $kind{$_} for grep { !/^(Hypercall|Stage|StateChanged)/ } sort { $kind{$b} <=> $kind{$a} || $a cmp $b } keys %kind;
    }' "$ours" "$work/trace.jsonl"
