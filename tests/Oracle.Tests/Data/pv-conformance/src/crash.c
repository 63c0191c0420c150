/* What ends the domain, one at a time: named on the command line. */
#include "kernel.h"

extern const char iret_code[], iret_end[], nop_code[], nop_end[];
__asm__(".balign 16; iret_code: jmp hypercall_page + 23 * 32; iret_end: int $0x80;"
	".balign 16; nop_code: nop; nop_end: int $0x80;");

static int is(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void at(const char *code, word sp, int user)
{
	before = (struct regs){ .sp = sp, .ip = (word)code, .flags = 0x202, .cs = user ? USER_CS : KERNEL_CS, .ss = user ? USER_SS : KERNEL_SS };
	enter(user);
}

void crash(const char *which)
{
	word stack = (word)case_stack + PAGE - 256;
	if (is(which, "no-handler")) {
		H1(set_trap_table, NULL);
		__asm__ volatile("ud2");
	} else if (is(which, "no-handler-page-fault")) {
		H1(set_trap_table, NULL);
		*(volatile char *)0x1000 = 1;
	} else if (is(which, "stack-not-present")) {
		map(pool[2], 0);
		at(nop_code, (word)pool[2] + PAGE, 0);
	} else if (is(which, "stack-in-xen")) {
		at(nop_code, (word)0xffff830000001000ull, 0);
	} else if (is(which, "iret-frame-not-present")) {
		map(pool[2], 0);
		at(iret_code, (word)pool[2] + PAGE, 0);
	} else if (is(which, "iret-frame-across")) {
		map(pool[2], 0);
		at(iret_code, (word)pool[2] - 8, 0);
	} else if (is(which, "no-user-tables")) {
		mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0);
		at(nop_code, stack, 1);
	} else if (is(which, "kernel-stack-null")) {
		H2(stack_switch, KERNEL_SS, 0);
		at(nop_code, (word)user_stack + PAGE - 256, 1);
	} else if (is(which, "failsafe-null")) {
		before = (struct regs){ .sp = (word)user_stack + PAGE - 256, .ip = (word)nop_code, .flags = 0x202, .cs = 0xb, .ss = USER_SS };
		enter(1);
	} else if (is(which, "shutdown-crash")) {
		struct sched_shutdown s = { SHUTDOWN_crash };
		H2(sched_op, SCHEDOP_shutdown, &s);
	} else if (is(which, "shutdown-reboot")) {
		struct sched_shutdown s = { SHUTDOWN_reboot };
		H2(sched_op, SCHEDOP_shutdown, &s);
	} else if (is(which, "shutdown-suspend")) {
		struct sched_shutdown s = { SHUTDOWN_suspend };
		H2(sched_op, SCHEDOP_shutdown, &s);
	} else if (is(which, "shutdown-watchdog")) {
		struct sched_shutdown s = { SHUTDOWN_watchdog };
		H2(sched_op, SCHEDOP_shutdown, &s);
	} else if (is(which, "shutdown-soft-reset")) {
		struct sched_shutdown s = { SHUTDOWN_soft_reset };
		H2(sched_op, SCHEDOP_shutdown, &s);
	} else if (is(which, "shutdown-7")) {
		struct sched_shutdown s = { 7 };
		H2(sched_op, SCHEDOP_shutdown, &s);
	} else if (is(which, "watchdog")) {
		struct sched_watchdog w = { 0, 1 };
		H2(sched_op, SCHEDOP_watchdog, &w);
		struct sched_poll p = { .timeout = 0 };
		H2(sched_op, SCHEDOP_poll, &p);
	} else if (is(which, "segments")) {
		segments();
	} else {
		row("unknown: %s", which);
	}
}
