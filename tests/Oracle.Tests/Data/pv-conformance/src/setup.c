/* What the groups of instruction cases need before they run. */
#include "kernel.h"

void trap_table_0(void) { trap_table(0); }
void trap_table_1(void) { trap_table(1); }
void trap_table_3(void) { trap_table(3); }

/* Bit 2 of a gate's flags: entering it masks events. It has DPL 3. */
static void show_mask(void)
{
	print(" mask %d", (long)shared.vcpu_info[0].evtchn_upcall_mask);
	shared.vcpu_info[0].evtchn_upcall_mask = 1;
}

static void unmask(void)
{
	shared.vcpu_info[0].evtchn_upcall_mask = 0;
}

void trap_table_masking(void)
{
	trap_table(7);
	before_case = unmask;
	after_case = show_mask;
}

void fault_pages(void)
{
	set_flags(pool[1], P | US);
	map(pool[2], 0);
	map(pool[3], pte_of(pool[3], P | RW | US | A | D) | NX);
	set_flags(pool[4], P | RW);
}

static void iopl(int level)
{
	struct physdev_set_iopl op = { level };
	T("set_iopl", H2(physdev_op, PHYSDEVOP_set_iopl, &op));
}

void iopl_1(void) { iopl(1); }
void iopl_3(void) { iopl(3); }

void io_bitmap(void)
{
	struct physdev_set_iobitmap op = { .nr_ports = 0x2800 };
	set_xen_guest_handle(op.bitmap, (void *)pool[5]);
	clear(pool[5], 0, PAGE);
	pool[5][0x2000 / 8] = 8;
	iopl(0);
	T("set_iobitmap", H2(physdev_op, PHYSDEVOP_set_iobitmap, &op));
}

void architectural_iopl(void)
{
	T("vm_assist", H2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_architectural_iopl));
	iopl(1);
}

void virtual_iopl(void)
{
	T("vm_assist", H2(vm_assist, VMASST_CMD_disable, VMASST_TYPE_architectural_iopl));
	iopl(0);
}

static long callback(unsigned type, unsigned flags, unsigned entry)
{
	struct callback_register r = { .type = type, .flags = flags };
#ifdef __x86_64__
	r.address = (word)entries + entry * 16;
#else
	r.address.cs = KERNEL_CS;
	r.address.eip = (word)entries + entry * 16;
#endif
	return H2(callback_op, CALLBACKOP_register, &r);
}

static void callbacks(unsigned flags)
{
	T("event", callback(CALLBACKTYPE_event, 0, 0x100));
	T("failsafe", callback(CALLBACKTYPE_failsafe, flags, 0x101));
	T("nmi", callback(CALLBACKTYPE_nmi, flags, 0x102));
	T("syscall", callback(CALLBACKTYPE_syscall, flags, 0x103));
	T("sysenter", callback(CALLBACKTYPE_sysenter, flags, 0x104));
	T("syscall32", callback(CALLBACKTYPE_syscall32, flags, 0x105));
}

void syscall_callbacks(void) { callbacks(0); }

void syscall_callbacks_masking(void)
{
	callbacks(CALLBACKF_mask_events);
	before_case = unmask;
	after_case = show_mask;
}

/* SI: the L1 entry of pool[6], in a table that is mapped read-only; DI: the one of that table. */
static void whole_entry(void)
{
	set_flags(pool[6], P | RW | US | A | D);
	set_flags(pool[7], P | RW | US | A | D);
}

static void show_entry(void)
{
	for (int i = 6; i < 8; i++) {
		pte_t e = *entry_of((word)pool[i], 1);
		print(" %s %X%s", i == 6 ? "entry" : "next", describe(e), (e & ADDRESS) >> 12 == mfn_of(pool[i]) ? "" : (e & ADDRESS) ? " other" : " none");
	}
	whole_entry();
}

void emulated_table(void)
{
	T("vm_assist", H2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
	case_si = (word)entry_of((word)pool[6], 1);
	case_di = (word)entry_of(case_si, 1);
	before_case = whole_entry;
	after_case = show_entry;
}

void no_writable_tables(void)
{
	T("vm_assist", H2(vm_assist, VMASST_CMD_disable, VMASST_TYPE_writable_pagetables));
	case_si = (word)entry_of((word)pool[6], 1);
}

void upper_table(void)
{
	T("vm_assist", H2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
	case_si = (word)entry_of((word)pool[6], 2);
}

void descriptor_page(void)
{
	word frame = mfn_of(pool[8]);
	clear(pool[8], 0, PAGE);
	set_flags(pool[8], P | US);
	T("set_gdt", H2(set_gdt, &frame, 512));
	case_si = (word)pool[8];
}

void plain_read_only(void)
{
	set_flags(pool[9], P | US);
	case_si = (word)pool[9];
}

void hlt_with_event(void)
{
	struct evtchn_bind_ipi b = { 0 };
	T("bind_ipi", H2(event_channel_op, EVTCHNOP_bind_ipi, &b));
	struct evtchn_send s = { b.port };
	clear(shared.evtchn_mask, 0, sizeof(word));
	T("send", H2(event_channel_op, EVTCHNOP_send, &s));
	after_case = show_mask;
}

void after_event(void)
{
	struct evtchn_close c = { 1 };
	shared.vcpu_info[0].evtchn_upcall_pending = 0;
	shared.vcpu_info[0].evtchn_pending_sel = 0;
	shared.evtchn_pending[0] = 0;
	T("close", H2(event_channel_op, EVTCHNOP_close, &c));
}
