/* vcpu_op, timers, sched_op: what can be seen with one vCPU. Times are compared, never printed. */
#include "kernel.h"

static long op(unsigned cmd, unsigned vcpu, void *arg) { return H3(vcpu_op, cmd, vcpu, arg); }

static uint64_t now(void)
{
	volatile struct vcpu_time_info *t = &shared.vcpu_info[0].time;
	uint32_t version, low, high;
	uint64_t ns;
	do {
		version = t->version;
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
		uint64_t ticks = ((uint64_t)high << 32 | low) - t->tsc_timestamp;
		ticks = t->tsc_shift < 0 ? ticks >> -t->tsc_shift : ticks << t->tsc_shift;
		uint64_t whole = (ticks >> 32) * t->tsc_to_system_mul;
		uint64_t part = (ticks & 0xffffffff) * t->tsc_to_system_mul >> 32;
		ns = t->system_time + whole + part;
	} while (version & 1 || version != t->version);
	return ns;
}

static void quiet(void)
{
	shared.vcpu_info[0].evtchn_upcall_pending = 0;
	shared.vcpu_info[0].evtchn_pending_sel = 0;
	clear(shared.evtchn_pending, 0, sizeof(shared.evtchn_pending));
}

static unsigned timer_port(void)
{
	struct evtchn_bind_virq b = { .virq = VIRQ_TIMER };
	H2(event_channel_op, EVTCHNOP_bind_virq, &b);
	return b.port;
}

extern const char block_code[], block_end[];
#ifdef __x86_64__
__asm__(".balign 16; block_code: mov $1, %edi; xor %esi, %esi; call hypercall_page + 29 * 32; block_end: int $0x80;");
#else
__asm__(".balign 16; block_code: mov $1, %ebx; xor %ecx, %ecx; call hypercall_page + 29 * 32; block_end: int $0x80;");
#endif

/* Whether a poll of the port ends with the event or, half a second later, without. */
static const char *waited(unsigned port)
{
	struct sched_poll p = { .nr_ports = 1, .timeout = now() + 500000000 };
	set_xen_guest_handle(p.ports, &port);
	long rc = H2(sched_op, SCHEDOP_poll, &p);
	const char *what = rc ? "error" : shared.evtchn_pending[0] >> port & 1 ? "came" : "did not come";
	quiet();
	return what;
}

static void registrations(void)
{
	struct vcpu_runstate_info run;
	static struct vcpu_runstate_info run_area;
	static struct vcpu_time_info time_area;
	struct vcpu_register_runstate_memory_area r = { 0 };
	struct vcpu_register_time_memory_area t = { 0 };
	group("vcpu_op");
	for (unsigned cmd = 0; cmd < 16; cmd++) {
		if (cmd == VCPUOP_down || cmd == VCPUOP_send_nmi)
			continue;
		row("operation %d: bad", (long)cmd);
		answer(op(cmd, 0, BAD));
		row("operation %d: vcpu 1", (long)cmd);
		answer(op(cmd, 1, BAD));
		row("operation %d: vcpu 10000", (long)cmd);
		answer(op(cmd, 10000, BAD));
	}
	T("is_up", op(VCPUOP_is_up, 0, NULL));
	T("up", op(VCPUOP_up, 0, NULL));
	T("get_runstate_info", op(VCPUOP_get_runstate_info, 0, &run));
	row("running %d, blocked for some time %d", (long)run.state, (long)(run.time[2] > 0));
	set_xen_guest_handle(r.addr.h, &run_area);
	T("register_runstate_memory_area", op(VCPUOP_register_runstate_memory_area, 0, &r));
	row("state %d", (long)run_area.state);
	set_xen_guest_handle(r.addr.h, BAD);
	T("register_runstate_memory_area: nowhere", op(VCPUOP_register_runstate_memory_area, 0, &r));
	set_xen_guest_handle(r.addr.h, (void *)(word)0xffff830000000000ull);
	T("register_runstate_memory_area: Xen's", op(VCPUOP_register_runstate_memory_area, 0, &r));
	set_xen_guest_handle(t.addr.h, &time_area);
	T("register_vcpu_time_memory_area", op(VCPUOP_register_vcpu_time_memory_area, 0, &t));
	row("version %d mul %d", (long)(time_area.version & 1), (long)(time_area.tsc_to_system_mul == shared.vcpu_info[0].time.tsc_to_system_mul));
	struct vcpu_register_vcpu_info i = { .mfn = mfn_of(pool[33]), .offset = 4096 - 32 };
	T("register_vcpu_info: across", op(VCPUOP_register_vcpu_info, 0, &i));
	i.offset = 0;
	i.mfn = 1ul << 30;
	T("register_vcpu_info: nobody's", op(VCPUOP_register_vcpu_info, 0, &i));
	i.mfn = mfn_of(pool[11]);
	T("register_vcpu_info: a table", op(VCPUOP_register_vcpu_info, 0, &i));
	struct vcpu_get_physid id = { 0 };
	T("get_physid", op(VCPUOP_get_physid, 0, &id));
}

static void timers(void)
{
	unsigned port = timer_port();
	struct vcpu_set_singleshot_timer s = { 0 };
	struct vcpu_set_periodic_timer p = { 0 };
	group("timers");
	clear(shared.evtchn_mask, 0, sizeof(shared.evtchn_mask));
	op(VCPUOP_stop_periodic_timer, 0, NULL);
	quiet();
	row("nothing set: %s", waited(port));
#ifdef __x86_64__
#define SET_TIMER(t) H1(set_timer_op, t)
#else
#define SET_TIMER(t) ({ uint64_t at = t; H2(set_timer_op, at, at >> 32); })
#endif
	T("set_timer_op: soon", SET_TIMER(now() + 1000000));
	row("it %s", waited(port));
	row("again it %s", waited(port));
	T("set_timer_op: past", SET_TIMER(1));
	row("it %s", waited(port));
	T("set_timer_op: in a second", SET_TIMER(now() + 1000000000));
	T("set_timer_op: 0", SET_TIMER(0));
	row("it %s", waited(port));
	T("set_timer_op: far future, high bits", SET_TIMER(1ull << 62));
	row("it %s", waited(port));
	T("set_timer_op: 0", SET_TIMER(0));
	quiet();
	s.timeout_abs_ns = now() + 1000000;
	T("singleshot", op(VCPUOP_set_singleshot_timer, 0, &s));
	row("it %s", waited(port));
	s.timeout_abs_ns = 1;
	T("singleshot: past", op(VCPUOP_set_singleshot_timer, 0, &s));
	row("it %s", waited(port));
	s.flags = VCPU_SSHOTTMR_future;
	T("singleshot: past, future wanted", op(VCPUOP_set_singleshot_timer, 0, &s));
	row("it %s", waited(port));
	s.timeout_abs_ns = now() + 1000000000;
	s.flags = 0;
	T("singleshot: in a second", op(VCPUOP_set_singleshot_timer, 0, &s));
	T("stop", op(VCPUOP_stop_singleshot_timer, 0, NULL));
	row("it %s", waited(port));
	p.period_ns = 1000;
	T("periodic: too short", op(VCPUOP_set_periodic_timer, 0, &p));
	p.period_ns = 999999;
	T("periodic: just too short", op(VCPUOP_set_periodic_timer, 0, &p));
	p.period_ns = 1ull << 62;
	T("periodic: too long", op(VCPUOP_set_periodic_timer, 0, &p));
	p.period_ns = 2000000;
	T("periodic", op(VCPUOP_set_periodic_timer, 0, &p));
	row("it %s", waited(port));
	row("and %s", waited(port));
	T("stop periodic", op(VCPUOP_stop_periodic_timer, 0, NULL));
	quiet();
	row("then it %s", waited(port));
	struct test_case block = { "block until a timer", block_code, block_end, NULL, 0 };
	uint64_t before_it = now();
	SET_TIMER(before_it + 1000000);
	run(&block);
	row("time went on %d", (long)(now() > before_it));
	struct evtchn_close c = { port };
	H2(event_channel_op, EVTCHNOP_close, &c);
	quiet();
}

void vcpu_groups(void)
{
	registrations();
	timers();
}

void sched_groups(void)
{
	unsigned port = timer_port(), bad = 100000, none = 900;
	struct sched_poll p = { .nr_ports = 1 };
	group("sched_op");
	for (unsigned cmd = 0; cmd < 10; cmd++) {
		if (cmd == SCHEDOP_block || cmd == SCHEDOP_yield)
			continue;
		row("operation %d: bad", (long)cmd);
		answer(H2(sched_op, cmd, BAD));
	}
	T("yield", H2(sched_op, SCHEDOP_yield, NULL));
	T("yield, old form", H2(sched_op_compat, 0, 0));
	T("old form, poll", H2(sched_op_compat, 3, 0));
	set_xen_guest_handle(p.ports, &port);
	p.timeout = now() + 1000000;
	T("poll: times out", H2(sched_op, SCHEDOP_poll, &p));
	p.timeout = 1;
	T("poll: timeout past", H2(sched_op, SCHEDOP_poll, &p));
	p.nr_ports = 0;
	p.timeout = now() + 1000000;
	T("poll: no port", H2(sched_op, SCHEDOP_poll, &p));
	p.nr_ports = 129;
	T("poll: 129 ports", H2(sched_op, SCHEDOP_poll, &p));
	p.nr_ports = 1;
	set_xen_guest_handle(p.ports, &bad);
	T("poll: bad port", H2(sched_op, SCHEDOP_poll, &p));
	set_xen_guest_handle(p.ports, &none);
	p.timeout = now() + 1000000;
	T("poll: unused port", H2(sched_op, SCHEDOP_poll, &p));
	set_xen_guest_handle(p.ports, BAD);
	T("poll: bad list", H2(sched_op, SCHEDOP_poll, &p));
	shared.evtchn_pending[0] |= 1ul << port;
	set_xen_guest_handle(p.ports, &port);
	p.timeout = 0;
	T("poll: pending", H2(sched_op, SCHEDOP_poll, &p));
	quiet();
	struct sched_remote_shutdown r = { 5, 0 };
	T("remote_shutdown: nobody", H2(sched_op, SCHEDOP_remote_shutdown, &r));
	struct sched_watchdog w = { 0 };
	static const struct { uint32_t id, timeout; } dogs[] = { { 1, 0 }, { 1, 30 }, { 3, 30 }, { 0, 3600 }, { 0, 60 }, { 0, 60 }, { 0, 60 }, { 2, 0 }, { 2, 60 }, { 1, 0 }, { 2, 0 }, { 2, 0 } };
	for (unsigned i = 0; i < sizeof(dogs) / sizeof(*dogs); i++) {
		w.id = dogs[i].id;
		w.timeout = dogs[i].timeout;
		row("watchdog %d for %d", (long)w.id, (long)w.timeout);
		answer(H2(sched_op, SCHEDOP_watchdog, &w));
	}
	struct sched_pin_override o = { 0 };
	T("pin_override 0", H2(sched_op, SCHEDOP_pin_override, &o));
	o.pcpu = -1;
	T("pin_override -1", H2(sched_op, SCHEDOP_pin_override, &o));
	o.pcpu = 5000;
	T("pin_override 5000", H2(sched_op, SCHEDOP_pin_override, &o));
	struct evtchn_close c = { port };
	H2(event_channel_op, EVTCHNOP_close, &c);
}
