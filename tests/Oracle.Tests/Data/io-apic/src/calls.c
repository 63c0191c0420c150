/* What a dom0 does to the I/O APIC by physdev_op, and what the redirection entries are then. With the rest of dom0-calls. */
#include "kernel.h"

#define IOAPIC 0xfec00000ul

static long access(int op, uint64_t base, unsigned reg, uint32_t *value)
{
	struct physdev_apic a = { .apic_physbase = base, .reg = reg, .value = *value };
	long rc = H(physdev_op, op, &a, 0, 0);
	*value = a.value;
	return rc;
}

static void show(const char *when, unsigned pin)
{
	uint32_t low = 0, high = 0;
	row("%s: pin %d", when, (long)pin);
	print(" = %d", access(PHYSDEVOP_apic_read, IOAPIC, 0x10 + 2 * pin, &low));
	access(PHYSDEVOP_apic_read, IOAPIC, 0x11 + 2 * pin, &high);
	print(" %x %x", (uint64_t)low, (uint64_t)high);
}

static void write_to(uint64_t base, unsigned reg, uint32_t value)
{
	row("write %x: %x %x", base, (uint64_t)reg, (uint64_t)value);
	print(" = %d", access(PHYSDEVOP_apic_write, base, reg, &value));
}

static void write_pin(unsigned pin, uint32_t value)
{
	row("write pin %d: %x", (long)pin, (uint64_t)value);
	print(" = %d", access(PHYSDEVOP_apic_write, IOAPIC, 0x10 + 2 * pin, &value));
	show("then", pin);
}

static unsigned bind(unsigned pirq)
{
	struct evtchn_bind_pirq b = { .pirq = pirq };
	row("bind_pirq %d", (long)pirq);
	print(" = %d", H(event_channel_op, EVTCHNOP_bind_pirq, &b, 0, 0));
	struct physdev_eoi e = { .irq = pirq };
	row("eoi %d", (long)pirq);
	print(" = %d", H(physdev_op, PHYSDEVOP_eoi, &e, 0, 0));
	return b.port;
}


static void set_up(unsigned gsi, unsigned level, unsigned low)
{
	struct physdev_setup_gsi g = { .gsi = gsi, .triggering = level, .polarity = low };
	row("setup_gsi %d %d %d", (long)gsi, (long)level, (long)low);
	print(" = %d", H(physdev_op, PHYSDEVOP_setup_gsi, &g, 0, 0));
	show("set up", gsi);
}

static void close_port(unsigned pirq, unsigned port)
{
	struct evtchn_close c = { .port = port };
	row("close pirq %d", (long)pirq);
	print(" = %d", H(event_channel_op, EVTCHNOP_close, &c, 0, 0));
}

void grants(void) { }

void calls(void)
{
	group("io-apic");
	for (unsigned pin = 0; pin < 24; pin++)
		show("at first", pin);
	row("write: bad");
	print(" = %d", H(physdev_op, PHYSDEVOP_apic_write, BAD, 0, 0));
	write_to(0xfec01000, 0x30, 0x10000);
	write_to(IOAPIC, 0, 0x0f000000);
	write_to(IOAPIC, 0xf, 0);
	write_to(IOAPIC, 0x31, 0xff000000);
	write_to(IOAPIC, 0xfec00000, 0);
	for (unsigned mode = 0; mode < 8; mode++)
		write_pin(16, 0x10000 | mode << 8);
	set_up(23, 1, 1);
	set_up(23, 0, 0);
	set_up(12, 1, 0);
	set_up(4, 0, 0);
	write_pin(17, 17);
	write_pin(18, 0x8000 | 18);
	write_pin(19, 0x8000 | 0x2000 | 19);
	write_pin(20, 208);
	write_pin(20, 207);
	write_pin(21, 0x10000 | 255);
	write_pin(17, 0x8000 | 17);
	write_pin(17, 30);
	write_pin(22, 17);
	write_pin(22, 0);
	write_pin(23, 0x800 | 23);
	write_pin(0, 0x10000);
	write_pin(2, 2);
	write_pin(2, 0x10000 | 0x300);
	write_pin(4, 4);
	write_pin(9, 0x8000 | 9);
	write_pin(8, 8);
	write_pin(1, 0xb000 | 1);
	write_pin(3, 0x10000 | 3);
	for (unsigned pin = 0; pin < 24; pin++)
		show("at last", pin);
	unsigned port9 = bind(9);
	show("bound", 9);
	bind(8);
	unsigned port17 = bind(17);
	show("bound", 17);
	bind(18);
	show("bound", 18);
	bind(207);
	write_pin(9, 0x10000 | 9);
	write_pin(9, 10);
	write_pin(18, 0x8000 | 18);
	struct physdev_map_pirq m = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 10, .pirq = 10 };
	T("map_pirq 10", H(physdev_op, PHYSDEVOP_map_pirq, &m, 0, 0));
	write_pin(10, 10);
	write_pin(10, 11);
	m.index = m.pirq = 17;
	T("map_pirq 17", H(physdev_op, PHYSDEVOP_map_pirq, &m, 0, 0));
	close_port(9, port9);
	show("closed", 9);
	close_port(17, port17);
	show("closed", 17);
	write_pin(17, 0x8000 | 17);
	set_up(9, 1, 0);
	set_up(10, 0, 0);
	bind(4);
	bind(30);
	bind(23);
	show("bound", 23);
}
