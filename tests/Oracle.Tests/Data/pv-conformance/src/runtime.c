/* Console, page tables by name, and the run of one case. */
#include "kernel.h"

struct regs before, after;
struct start_info *start;
struct shared_info shared __attribute__((aligned(4096)));
char data[PAGE] __attribute__((aligned(4096)));
char user_stack[PAGE] __attribute__((aligned(4096)));
char case_stack[PAGE] __attribute__((aligned(4096)));
char pool[POOL][PAGE] __attribute__((aligned(4096)));

word case_si, case_di;
void (*before_case)(void);
void (*after_case)(void);

static char line[512];
static unsigned used;
static const char *in_group = "start";

#ifndef __x86_64__
long hypercall5(unsigned nr, word a1, word a2, word a3, word a4, word a5)
{
	long rc;
	__asm__ volatile("call *%%eax" : "=a"(rc), "+b"(a1), "+c"(a2), "+d"(a3), "+S"(a4), "+D"(a5) : "0"(hypercall_page + nr * 32) : "memory");
	return rc;
}
#endif

static void put(char c)
{
	if (used < sizeof(line) - 2)
		line[used++] = c;
}

static void number(uint64_t n, unsigned base, unsigned least)
{
	char digits[24];
	unsigned i = 0;
	if (base == 16) {
		do
			digits[i++] = "0123456789abcdef"[n & 15];
		while (n >>= 4);
	} else {
		uint32_t small = n;
		do
			digits[i++] = '0' + small % 10;
		while (small /= 10);
	}
	while (i < least)
		digits[i++] = '0';
	while (i)
		put(digits[--i]);
}

static void format_to_line(const char *f, va_list args)
{
	for (; *f; f++) {
		if (*f != '%') {
			put(*f);
			continue;
		}
		switch (*++f) {
		case 's':
			for (const char *s = va_arg(args, const char *); *s; s++)
				put(*s);
			break;
		case 'd': {
			long n = va_arg(args, long);
			if (n < 0) {
				put('-');
				n = -n;
			}
			number(n, 10, 1);
			break;
		}
		case 'x':
			number(va_arg(args, word), 16, 1);
			break;
		case 'X':
			number(va_arg(args, uint64_t), 16, 1);
			break;
		case 'b':
			number(va_arg(args, word), 16, 2);
			break;
		default:
			put(*f);
		}
	}
}

void print(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	format_to_line(format, args);
	va_end(args);
}

static void flush(void)
{
	if (!used)
		return;
	line[used++] = '\n';
	H3(console_io, CONSOLEIO_write, used, line);
	used = 0;
}

void group(const char *name)
{
	flush();
	in_group = name;
}

void row(const char *format, ...)
{
	va_list args;
	flush();
	print("%s/", in_group);
	va_start(args, format);
	format_to_line(format, args);
	va_end(args);
}

void answer(long rc)
{
	print(": %d", rc);
}

word pfn_of(const void *va)
{
	return ((word)va - VIRT_BASE) >> 12;
}

word mfn_of(const void *va)
{
	return ((word *)start->mfn_list)[pfn_of(va)];
}

pte_t pte_of(const void *va, unsigned flags)
{
	return (pte_t)mfn_of(va) << 12 | flags;
}

void *va_of_mfn(word mfn)
{
	return (void *)((machine_to_phys_mapping[mfn] << 12) + VIRT_BASE);
}

pte_t *entry_of(word va, int level)
{
	pte_t *table = (pte_t *)start->pt_base;
	for (int at = LEVELS;; at--) {
		unsigned slot = va >> (3 + 9 * at) & 511;
		if (at == level)
			return &table[slot];
		table = va_of_mfn((table[slot] & ADDRESS) >> 12);
	}
}

word machine_of_entry(word va, int level)
{
	pte_t *entry = entry_of(va, level);
	return mfn_of(entry) << 12 | ((word)entry & 0xfff);
}

long map(const void *va, pte_t pte)
{
#ifdef __x86_64__
	return H3(update_va_mapping, va, pte, UVMF_INVLPG);
#else
	return H4(update_va_mapping, va, pte, pte >> 32, UVMF_INVLPG);
#endif
}

long set_flags(const void *va, unsigned flags)
{
	return map(va, pte_of(va, flags));
}

long write_entry(word machine, pte_t pte, unsigned command)
{
	struct mmu_update u = { .ptr = machine | command, .val = pte };
	return H4(mmu_update, &u, 1, 0, DOMID_SELF);
}

long mmuext(unsigned cmd, word arg1, word arg2)
{
	struct mmuext_op op = { .cmd = cmd, .arg1.linear_addr = arg1, .arg2.src_mfn = arg2 };
	return H4(mmuext_op, &op, 1, 0, DOMID_SELF);
}

/* An entry without its frame: what can be compared between machines. */
pte_t describe(pte_t pte)
{
	return pte & ~ADDRESS;
}

static const char *const names[] = {
	"ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip", "fl", "cs", "ss", "ds", "es", "fs", "gs", "vec", "err", "frame",
#ifdef __x86_64__
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
#endif
};

#define FIXED(n) (n == 7 || n == 8 || n == 9 || n == 10 || n == 11 || n == 16 || n == 17 || n == 18)

static word *cr2(void)
{
	return &shared.vcpu_info[0].arch.cr2;
}

static void outcome(const struct test_case *c)
{
	if (after.vector == 0x80 && after.ip == (word)c->end + 2)
		print(": done");
	else if (after.ip >= (word)c->code && after.ip <= (word)c->end)
		print(": vec %b err %x at +%d", after.vector, after.error, (long)(after.ip - (word)c->code));
	else if (after.ip >= (word)_start && after.ip < (word)_end)
		print(": vec %b err %x at %x", after.vector, after.error, after.ip - (word)_start);
	else
		print(": vec %b err %x ip %x", after.vector, after.error, after.ip);
	print(" cs %x fl %x", after.cs, after.flags);
	if (after.sp != before.sp)
		print(" sp%s%d", after.sp > before.sp ? "+" : "", (long)(after.sp - before.sp));
	if (after.ss != before.ss)
		print(" ss %x", after.ss);
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!FIXED(i) && ((word *)&after)[i] != ((word *)&before)[i])
			print(" %s %x", names[i], ((word *)&after)[i]);
	for (unsigned i = 0; i < 8; i++)
		if (((word *)data)[i])
			print(" m%x %x", (word)i, ((word *)data)[i]);
	if (after.vector == 14)
		print(" cr2 %x", *cr2() - ((*cr2() >= (word)_start && *cr2() < (word)_end) ? (word)_start : 0));
}

void run(const struct test_case *c)
{
	row("%s", c->name);
	clear(data, 0, 64);
	clear(&after, 0, sizeof(after));
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		((word *)&before)[i] = 0x1000 + i * 0x11;
	before.bx = (word)data;
	before.sp = (word)(c->user ? user_stack : case_stack) + PAGE - 256;
	before.ip = (word)c->code;
	before.flags = 0x202;
	before.cs = c->user ? USER_CS : KERNEL_CS;
	before.ss = c->user ? USER_SS : KERNEL_SS;
	__asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
#ifdef __x86_64__
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0));
	before.ds = before.es = before.fs = before.gs = 0;
#else
	before.ds = before.es = c->user ? USER_SS : KERNEL_SS;
	before.fs = before.gs = 0;
#endif
	shared.vcpu_info[0].evtchn_upcall_mask = 1;
	if (case_si)
		before.si = case_si;
	if (case_di)
		before.di = case_di;
	if (before_case)
		before_case();
	enter(c->user);
	outcome(c);
	if (after_case)
		after_case();
	shared.vcpu_info[0].evtchn_upcall_mask = 1;
}

/* Vectors below 0x28 and those the cases use. A case ends with vector 0x80, which is open to everybody. */
void trap_table(int dpl)
{
	static struct trap_info table[257];
	unsigned n = 0;
	for (unsigned v = 0; v < 256; v++) {
		if (v >= 0x28 && v != 0x80 && v != 0x82 && v != 0xff)
			continue;
		table[n++] = (struct trap_info){ .vector = v, .flags = v == 0x80 ? 3 : dpl, .cs = KERNEL_CS, .address = (word)entries + v * 16 };
	}
	table[n].address = 0;
	H1(set_trap_table, table);
}

void outside_case(void)
{
	row("unexpected entry %x, error %x, at %x, cr2 %x", after.vector, after.error, after.ip, *cr2());
	flush();
	struct sched_shutdown crash_reason = { SHUTDOWN_crash };
	for (;;)
		H2(sched_op, SCHEDOP_shutdown, &crash_reason);
}

static void user_mode(void)
{
	for (char *p = _start; p < _end; p += PAGE)
		if (p != (char *)&shared)
			set_flags(p, P | RW | US | A | D);
#ifdef __x86_64__
	/* The user's L4 is the kernel's: same lower tables. */
	clear(pool[0], 0, PAGE);
	((pte_t *)pool[0])[511] = *entry_of(VIRT_BASE, 4);
	set_flags(pool[0], P | US);
	mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(pool[0]), 0);
	T("user base pointer", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(pool[0]), 0));
#endif
	T("stack switch", H2(stack_switch, KERNEL_SS, case_stack + PAGE));
}

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

void main(struct start_info *info)
{
	extern const struct test_case cases_begin[], cases_end[];
	start = info;
	T("shared_info", map(&shared, (pte_t)info->shared_info | P | RW));
	trap_table(0);
	row("running");
	user_mode();
	const char *option = (const char *)info->cmd_line;
	if (*option && !equal(option, "all")) {
		flush();
		crash(option);
		row("survived");
	} else {
		for (const struct test_case *c = cases_begin; c < cases_end; c++) {
			if (c->code) {
				run(c);
			} else {
				case_si = case_di = 0;
				before_case = after_case = NULL;
				group(c->name);
				if (c->group)
					c->group();
			}
		}
		group("end");
		row("all cases done");
	}
	flush();
	struct sched_shutdown off = { SHUTDOWN_poweroff };
	for (;;)
		H2(sched_op, SCHEDOP_shutdown, &off);
}
