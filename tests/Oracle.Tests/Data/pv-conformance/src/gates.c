/* A GDT with call gates, and what the calls of "broken off by an event" are given. */
#include "kernel.h"

static struct multicall_entry *calls(unsigned at)
{
	return (struct multicall_entry *)(pool[47] + at);
}

#ifndef __x86_64__
extern const char gate_target[], gate_target_same[];

static uint64_t gate(unsigned selector, word offset, unsigned dpl, unsigned parameters, unsigned type)
{
	return (uint64_t)(offset & 0xffff0000) << 32 | (uint64_t)(type | dpl << 5) << 40 | (uint64_t)parameters << 32 | (uint64_t)selector << 16 | (offset & 0xffff);
}

static void show(uint64_t *d, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		row("entry %x", (word)i * 8);
		print(": %X", d[i]);
	}
}

void gates(void)
{
	uint64_t *d = (uint64_t *)pool[33], *l = (uint64_t *)pool[34];
	word frame = mfn_of(d), user = (word)gate_target_same, kernel = (word)gate_target;
	set_flags(d, P | RW | US | A | D);
	clear(d, 0, PAGE);
	d[1] = 0x00cfbb000000ffff;
	d[2] = 0x00cfb3000000ffff;
	d[3] = 0x00cffb000000ffff;
	d[4] = 0x00cfbf000000ffff;
	d[5] = 0x00cf3b000000ffff;
	d[6] = 0x0040bb0000000fff;
	d[0x20] = gate(0x09, kernel, 3, 0, 0x8c);
	d[0x21] = gate(0x09, user, 3, 0, 0x8c);
	d[0x22] = gate(0x09, kernel, 3, 3, 0x8c);
	d[0x23] = gate(0x09, user, 1, 0, 0x8c);
	d[0x24] = gate(0x09, user, 3, 0, 0x0c);
	d[0x25] = gate(0x29, user, 3, 0, 0x8c);
	d[0x26] = gate(0x11, user, 3, 0, 0x8c);
	d[0x27] = gate(0x49, user, 3, 0, 0x8c);
	d[0x28] = gate(0x1b, user, 3, 0, 0x8c);
	d[0x29] = gate(0x21, user, 3, 0, 0x8c);
	d[0x2a] = gate(0x31, user, 3, 0, 0x8c);
	d[0x2b] = gate(0, user, 3, 0, 0x8c);
	d[0x2c] = gate(0xe019, user, 3, 0, 0x8c);
	d[0x2d] = gate(0x15, user, 3, 0, 0x8c);
	set_flags(d, P | US);
	T("set_gdt", H2(set_gdt, &frame, 512));
	/* Of the offsets, which are the image's, nothing is shown. */
	show(d, 1, 6);
	for (unsigned i = 0x20; i < 0x2e; i++)
		row("gate %x: %X", (word)i * 8, d[i] & 0x0000ffffffff0000);
	set_flags(l, P | RW | US | A | D);
	clear(l, 0, PAGE);
	l[1] = gate(0x09, user, 3, 0, 0x8c);
	l[2] = 0x00cfbb000000ffff;
	set_flags(l, P | US);
	T("set_ldt", mmuext(MMUEXT_SET_LDT, (word)l, 8));
}
#else
void gates(void)
{
	uint64_t *d = (uint64_t *)pool[33];
	word frame = mfn_of(d);
	set_flags(d, P | RW | US | A | D);
	clear(d, 0, PAGE);
	d[0x20] = 0x0000ec00e0330000;
	d[0x24] = 0x00006c00e0330000;
	set_flags(d, P | US);
	T("set_gdt", H2(set_gdt, &frame, 512));
	row("gates: %X %X", d[0x20], d[0x24]);
}
#endif

static void event_due(void)
{
	shared.vcpu_info[0].evtchn_upcall_pending = 1;
	for (int i = 0; i < 3; i++)
		((struct mmu_update *)pool[40])[i].val = *entry_of((word)pool[39], 1);
	for (int i = 0; i < 16; i++)
		calls(0)[i].result = 0x77;
	for (int i = 0; i < 3; i++) {
		calls(0)[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .result = 0x77 };
		calls(3072)[i] = calls(0)[i];
	}
	static struct evtchn_send send;
	send.port = 1;
	calls(1024)[0] = (struct multicall_entry){ .op = __HYPERVISOR_mmu_update, .result = 0x77, .args = { (word)pool[40], 3, (word)data, DOMID_SELF, 0x55, 0x66 } };
	calls(1024)[1] = calls(0)[0];
	calls(2048)[0] = (struct multicall_entry){ .op = __HYPERVISOR_memory_op, .result = 0x77, .args = { XENMEM_increase_reservation, (word)pool[42], 0x33, 0x44, 0x55, 0x66 } };
	calls(2048)[1] = calls(0)[0];
	calls(3072)[1] = (struct multicall_entry){ .op = __HYPERVISOR_event_channel_op, .result = 0x77, .args = { EVTCHNOP_send, (word)&send } };
}

static void show_calls(void)
{
	shared.vcpu_info[0].evtchn_upcall_pending = 0;
	shared.vcpu_info[0].evtchn_pending_sel = 0;
	shared.evtchn_pending[0] = 0;
	for (unsigned at = 0; at < PAGE; at += 1024)
		for (unsigned i = 0; i < 3; i++) {
			struct multicall_entry *m = &calls(at)[i];
			if (!m->op || m->result == 0x77)
				continue;
			print(" call %x.%x = %d (", (word)at, (word)i, (long)m->result);
			for (unsigned k = 0; k < 6; k++)
				print(k ? " %x" : "%x", (word)m->args[k] > 0x10000 ? (word)m->args[k] - (word)pool : (word)m->args[k]);
			print(")");
		}
}

void continuations(void)
{
	struct evtchn_bind_ipi b = { 0 };
	struct callback_register event = { .type = CALLBACKTYPE_event };
	struct mmu_update *u = (struct mmu_update *)pool[40];
	struct mmuext_op *x = (struct mmuext_op *)pool[41];
	struct trap_info *t = (struct trap_info *)pool[46];
#ifdef __x86_64__
	event.address = (word)entries + 0x100 * 16;
#else
	event.address.cs = KERNEL_CS;
	event.address.eip = (word)entries + 0x100 * 16;
#endif
	T("event callback", H2(callback_op, CALLBACKOP_register, &event));
	T("bind_ipi", H2(event_channel_op, EVTCHNOP_bind_ipi, &b));
	row("port %d", (long)b.port);
	shared.evtchn_mask[0] &= ~2ul;
	for (int i = 39; i < 48; i++)
		set_flags(pool[i], P | RW | US | A | D), clear(pool[i], 0, PAGE);
	for (int i = 0; i < 3; i++) {
		u[i].ptr = machine_of_entry((word)pool[39], 1);
		x[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
		t[i] = (struct trap_info){ .vector = 0x20 + i, .cs = KERNEL_CS, .address = (word)entries + (0x20 + i) * 16 };
	}
	u[3].ptr = 1ull << 40;
	for (int page = 42; page < 45; page++) {
		struct xen_memory_reservation *r = (void *)pool[page];
		xen_pfn_t *list = (void *)(pool[page] + 512);
		*r = (struct xen_memory_reservation){ .nr_extents = 3, .domid = DOMID_SELF };
		if (page > 42)
			set_xen_guest_handle(r->extent_start, list);
		for (int i = 0; i < 3; i++)
			list[i] = page == 43 ? 0x18000 + i : 1 << 30;
	}
	clear(pool[45], 0x7f, PAGE);
	clear(pool[46] + 1024, '\n', 512);
	clear(pool[47], 0, PAGE);
	before_case = event_due;
	after_case = show_calls;
}

void after_continuations(void)
{
	struct evtchn_close c = { 1 };
	T("close", H2(event_channel_op, EVTCHNOP_close, &c));
	trap_table(0);
}
