/* event_channel_op with two levels and with FIFO; how upcalls arrive. */
#include "kernel.h"

#define VCPU (shared.vcpu_info[0])

static void state(void)
{
	print(" upcall %d sel %x pending %x mask %x", (long)VCPU.evtchn_upcall_pending, VCPU.evtchn_pending_sel, shared.evtchn_pending[0], shared.evtchn_mask[0] & 0xff);
}

static void quiet(void)
{
	VCPU.evtchn_upcall_pending = 0;
	VCPU.evtchn_pending_sel = 0;
	clear(shared.evtchn_pending, 0, sizeof(shared.evtchn_pending));
}

static long op(unsigned cmd, void *arg) { return H2(event_channel_op, cmd, arg); }

static long close_port(unsigned port)
{
	struct evtchn_close c = { port };
	return op(EVTCHNOP_close, &c);
}

static long send(unsigned port)
{
	struct evtchn_send s = { port };
	return op(EVTCHNOP_send, &s);
}

static void status(unsigned port)
{
	struct evtchn_status s = { .dom = DOMID_SELF, .port = port };
	row("status of %d", (long)port);
	answer(op(EVTCHNOP_status, &s));
	print(" status %d vcpu %d", (long)s.status, (long)s.vcpu);
	if (s.status == EVTCHNSTAT_unbound)
		print(" dom %x", (word)s.u.unbound.dom);
	if (s.status == EVTCHNSTAT_interdomain)
		print(" dom %x port %d", (word)s.u.interdomain.dom, (long)s.u.interdomain.port);
	if (s.status == EVTCHNSTAT_virq)
		print(" virq %d", (long)s.u.virq);
}

static unsigned unbound(domid_t remote)
{
	struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = remote };
	row("alloc_unbound %x", (word)remote);
	answer(op(EVTCHNOP_alloc_unbound, &a));
	print(" port %d", (long)a.port);
	return a.port;
}

static unsigned interdomain(domid_t remote, unsigned port)
{
	struct evtchn_bind_interdomain b = { .remote_dom = remote, .remote_port = port };
	row("bind_interdomain %x %d", (word)remote, (long)port);
	answer(op(EVTCHNOP_bind_interdomain, &b));
	print(" port %d", (long)b.local_port);
	return b.local_port;
}

static unsigned virq(unsigned number, unsigned vcpu)
{
	struct evtchn_bind_virq b = { .virq = number, .vcpu = vcpu };
	row("bind_virq %d vcpu %d", (long)number, (long)vcpu);
	answer(op(EVTCHNOP_bind_virq, &b));
	print(" port %d", (long)b.port);
	return b.port;
}

static unsigned ipi(unsigned vcpu)
{
	struct evtchn_bind_ipi b = { .vcpu = vcpu };
	row("bind_ipi %d", (long)vcpu);
	answer(op(EVTCHNOP_bind_ipi, &b));
	print(" port %d", (long)b.port);
	return b.port;
}

static void bind_vcpu(unsigned port, unsigned vcpu)
{
	struct evtchn_bind_vcpu b = { port, vcpu };
	row("bind_vcpu %d to %d", (long)port, (long)vcpu);
	answer(op(EVTCHNOP_bind_vcpu, &b));
}

static void unmask(unsigned port)
{
	struct evtchn_unmask u = { port };
	row("unmask %d", (long)port);
	answer(op(EVTCHNOP_unmask, &u));
}

static void ports(void)
{
	group("event channels");
	for (unsigned cmd = 0; cmd < 16; cmd++) {
		row("operation %d: bad", (long)cmd);
		answer(op(cmd, BAD));
	}
	status(0);
	status(1);
	status(4095);
	status(4096);
	T("close 0", close_port(0));
	T("close 1", close_port(1));
	T("close 5000", close_port(5000));
	T("send 0", send(0));
	T("send 1", send(1));
	T("send 100000", send(100000));
	unsigned a = unbound(DOMID_SELF);
	unbound(5);
	unbound(DOMID_IO);
	unbound(0);
	struct evtchn_alloc_unbound other = { .dom = 5, .remote_dom = 0 };
	T("alloc_unbound for nobody", op(EVTCHNOP_alloc_unbound, &other));
	other.dom = 0;
	T("alloc_unbound for 0", op(EVTCHNOP_alloc_unbound, &other));
	status(a);
	T("send to unbound", send(a));
	state();
	interdomain(0, 3000);
	interdomain(0, 0);
	interdomain(5, 1);
	interdomain(DOMID_SELF, 2);
	unsigned b = interdomain(DOMID_SELF, a);
	state();
	quiet();
	status(a);
	status(b);
	interdomain(DOMID_SELF, a);
	T("send a", send(a));
	state();
	T("send a again", send(a));
	state();
	quiet();
	T("send b", send(b));
	state();
	quiet();
	shared.evtchn_mask[0] |= 1ul << b;
	T("send to a masked port", send(a));
	state();
	unmask(b);
	state();
	quiet();
	unmask(b);
	state();
	unmask(4000);
	unmask(5000);
	bind_vcpu(a, 0);
	bind_vcpu(a, 1);
	bind_vcpu(a, 9999);
	bind_vcpu(3000, 0);
	T("close a", close_port(a));
	status(a);
	status(b);
	T("send b, its other end closed", send(b));
	T("close b", close_port(b));
	T("close b again", close_port(b));
	for (unsigned v = 0; v < 26; v++)
		close_port(virq(v, 0));
	virq(0, 1);
	virq(2, 1);
	unsigned t = virq(0, 0);
	virq(0, 0);
	status(t);
	bind_vcpu(t, 0);
	T("send to a virq", send(t));
	T("close the virq", close_port(t));
	unsigned g = virq(2, 0);
	bind_vcpu(g, 0);
	close_port(g);
	unsigned i = ipi(0);
	ipi(1);
	status(i);
	bind_vcpu(i, 0);
	T("send ipi", send(i));
	state();
	quiet();
	close_port(i);
	struct evtchn_bind_pirq p = { .pirq = 9 };
	T("bind_pirq 5000", (p.pirq = 5000, op(EVTCHNOP_bind_pirq, &p)));
	struct evtchn_reset r = { DOMID_SELF };
	struct evtchn_init_control control = { .control_gfn = mfn_of(pool[31]), .offset = 0, .vcpu = 0 };
	struct evtchn_expand_array expand = { mfn_of(pool[32]) };
	struct evtchn_set_priority priority = { 1, 3 };
	T("expand_array, two levels", op(EVTCHNOP_expand_array, &expand));
	T("set_priority, two levels", op(EVTCHNOP_set_priority, &priority));
	r.dom = 5;
	T("reset: nobody", op(EVTCHNOP_reset, &r));
	r.dom = DOMID_SELF;
	T("reset", op(EVTCHNOP_reset, &r));
	control.vcpu = 3;
	T("init_control: no such vcpu", op(EVTCHNOP_init_control, &control));
	control.vcpu = 0;
	control.offset = 4;
	T("init_control: unaligned", op(EVTCHNOP_init_control, &control));
	control.offset = 4096 - 64;
	T("init_control: across", op(EVTCHNOP_init_control, &control));
	control.offset = 0;
	control.control_gfn = mfn_of(pool[11]);
	T("init_control: a table", op(EVTCHNOP_init_control, &control));
	control.control_gfn = 1ul << 30;
	T("init_control: nobody's", op(EVTCHNOP_init_control, &control));
}

extern const char unmask_code[], unmask_end[], send_code[], send_end[], both_code[], both_end[];
#ifdef __x86_64__
__asm__(".balign 16; unmask_code: movb $0, shared + 1; nop; mov $17, %eax; xor %edi, %edi; call hypercall_page + 17 * 32; unmask_end: int $0x80;"
	".balign 16; send_code: movb $0, shared + 1; mov $4, %edi; mov $send_args, %rsi; call hypercall_page + 32 * 32; send_end: int $0x80;");
#else
__asm__(".balign 16; unmask_code: movb $0, shared + 1; nop; mov $17, %eax; xor %ebx, %ebx; call hypercall_page + 17 * 32; unmask_end: int $0x80;"
	".balign 16; send_code: movb $0, shared + 1; mov $4, %ebx; mov $send_args, %ecx; call hypercall_page + 32 * 32; send_end: int $0x80;");
#endif
struct evtchn_send send_args;

static void upcalls(void)
{
	struct test_case unmasking = { "pending, then unmasked in memory: at the next way out of Xen", unmask_code, unmask_end, NULL, 0 };
	struct test_case sending = { "send to itself: at once", send_code, send_end, NULL, 0 };
	struct test_case user = { "pending and unmasked: on the way to user mode", unmask_code, unmask_end, NULL, 1 };
	group("upcalls");
	quiet();
	clear(shared.evtchn_mask, 0, sizeof(shared.evtchn_mask));
	send_args.port = ipi(0);
	T("send, upcalls masked", send(send_args.port));
	state();
	run(&unmasking);
	print(" mask %d", (long)VCPU.evtchn_upcall_mask);
	VCPU.evtchn_upcall_mask = 1;
	quiet();
	run(&sending);
	print(" mask %d", (long)VCPU.evtchn_upcall_mask);
	VCPU.evtchn_upcall_mask = 1;
	run(&user);
	print(" mask %d", (long)VCPU.evtchn_upcall_mask);
	VCPU.evtchn_upcall_mask = 1;
	quiet();
	close_port(send_args.port);
}

static void fifo(void)
{
	struct evtchn_init_control control = { .control_gfn = mfn_of(pool[31]), .offset = 64 };
	struct evtchn_expand_array expand = { mfn_of(pool[32]) };
	struct evtchn_reset reset = { DOMID_SELF };
	uint32_t *words = (uint32_t *)pool[32];
	uint32_t *block = (uint32_t *)(pool[31] + 64);
	group("FIFO events");
	clear(pool[31], 0, PAGE);
	clear(pool[32], 0, PAGE);
	T("init_control", op(EVTCHNOP_init_control, &control));
	print(" link bits %d", (long)control.link_bits);
	T("init_control again", op(EVTCHNOP_init_control, &control));
	unsigned a = ipi(0), b = ipi(0), c = ipi(0);
	T("send without words", send(a));
	print(" ready %x", (word)block[0]);
	expand.array_gfn = mfn_of(pool[11]);
	T("expand_array: a table", op(EVTCHNOP_expand_array, &expand));
	expand.array_gfn = mfn_of(pool[32]);
	T("expand_array", op(EVTCHNOP_expand_array, &expand));
	print(" word %x ready %x head %x upcall %d", (word)words[a], (word)block[0], (word)block[2 + 7], (long)VCPU.evtchn_upcall_pending);
	static const struct { unsigned port, priority; } some[] = { { 0, 3 }, { 1, 3 }, { 1, 15 }, { 1, 16 }, { 2, 0 }, { 3000, 3 }, { 500, 3 } };
	for (unsigned i = 0; i < sizeof(some) / sizeof(*some); i++) {
		struct evtchn_set_priority p = { some[i].port, some[i].priority };
		row("set_priority %d %d", (long)p.port, (long)p.priority);
		answer(op(EVTCHNOP_set_priority, &p));
	}
	T("send b", send(b));
	print(" words %x %x %x ready %x heads %x %x", (word)words[a], (word)words[b], (word)words[c], (word)block[0], (word)block[2], (word)block[2 + 7]);
	T("send c", send(c));
	print(" words %x %x %x ready %x heads %x %x", (word)words[a], (word)words[b], (word)words[c], (word)block[0], (word)block[2], (word)block[2 + 7]);
	T("send c again", send(c));
	print(" word %x", (word)words[c]);
	words[b] = 1u << EVTCHN_FIFO_MASKED;
	block[2] = 0;
	block[0] = 0;
	T("send to masked", send(b));
	print(" word %x ready %x", (word)words[b], (word)block[0]);
	unmask(b);
	print(" word %x ready %x head %x", (word)words[b], (word)block[0], (word)block[2]);
	bind_vcpu(b, 0);
	status(b);
	unmask(2000);
	T("close b", close_port(b));
	print(" word %x", (word)words[b]);
	T("reset", op(EVTCHNOP_reset, &reset));
	status(a);
	T("expand_array after it", op(EVTCHNOP_expand_array, &expand));
	T("init_control after it", op(EVTCHNOP_init_control, &control));
	T("reset again", op(EVTCHNOP_reset, &reset));
	quiet();
}

void event_groups(void)
{
	ports();
	upcalls();
	fifo();
	quiet();
}
