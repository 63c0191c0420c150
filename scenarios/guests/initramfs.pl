#!/usr/bin/perl
# Writes a newc cpio archive with busybox and an /init, the same bytes on every machine: fixed order, times, owners and inode numbers.
# Usage: initramfs.pl BUSYBOX INIT > archive      Format: Linux Documentation/driver-api/early-userspace/buffer-format.rst
use strict;
use warnings;

my ($busybox, $init) = @ARGV;
my $inode = 0;
my $written = 0;

sub put { my ($bytes) = @_; print $bytes; $written += length $bytes; }
sub pad { put("\0" x (-$written % 4)); }
sub slurp { my ($name) = @_; local $/; open my $f, '<:raw', $name or die "$name: $!"; return <$f>; }

sub entry {
    my ($name, $mode, $data, $major, $minor) = @_;
    put(sprintf("070701" . "%08X" x 13, ++$inode, $mode, 0, 0, 1, 0, length $data, 0, 0, $major // 0, $minor // 0, length($name) + 1, 0));
    put("$name\0");
    pad();
    put($data);
    pad();
}

binmode STDOUT;
entry($_, 040755, "") for qw(bin dev proc sys);
entry("dev/console", 020600, "", 5, 1);
entry("bin/busybox", 0100755, slurp($busybox));
entry("bin/sh", 0120777, "busybox");
entry("init", 0100755, slurp($init));
$inode = -1;
entry("TRAILER!!!", 0, "");
put("\0" x (-$written % 512));
