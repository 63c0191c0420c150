/* A PV kernel that asks Xen everything and prints each answer on a line: "group/name: answer". */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#define __XEN_INTERFACE_VERSION__ 0x00040d00
#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

typedef uint64_t pte_t;
typedef unsigned long word;

#define PAGE 4096ul
#ifdef __x86_64__
#define VIRT_BASE 0xffffffff80000000ul
#define LEVELS 4
#define KERNEL_CS 0xe033
#define KERNEL_SS 0xe02b
#else
#define VIRT_BASE 0xc0000000ul
#define LEVELS 3
#define KERNEL_CS 0xe019
#define KERNEL_SS 0xe021
#endif
#ifdef __x86_64__
#define USER_CS 0xe033
#else
#define USER_CS 0xe02b
#endif
#ifdef __x86_64__
#define USER_SS 0xe02b
#else
#define USER_SS 0xe033
#endif

enum { P = 1, RW = 2, US = 4, PWT = 8, PCD = 16, A = 32, D = 64, PSE = 128, G = 256 };
#define NX (1ull << 63)
#define ADDRESS 0x000ffffffffff000ull

/* Order as in head.S. */
struct regs {
	word ax, bx, cx, dx, si, di, bp, sp, ip, flags, cs, ss, ds, es, fs, gs, vector, error, frame;
#ifdef __x86_64__
	word r8, r9, r10, r11, r12, r13, r14, r15;
#endif
};

/* A row of the table: an instruction sequence and the mode it runs in, or (code null) a group that begins with a call. */
struct test_case {
	const char *name;
	const char *code, *end;
	void (*group)(void);
	word user;
};

extern struct regs before, after;
extern struct start_info *start;
extern struct shared_info shared;
extern char entries[], hypercall_page[], _start[], _end[];
extern unsigned in_case;
/* Pages for the cases: `data` is cleared before each, the pool is anybody's. */
extern char data[PAGE], user_stack[PAGE], case_stack[PAGE];
#define POOL 48
extern char pool[POOL][PAGE];

void enter(int user);
void print(const char *format, ...);
void group(const char *name);
void row(const char *format, ...);
void answer(long rc);
/* Runs one piece of code and prints what became of it. */
void run(const struct test_case *c);
void trap_table(int dpl);

word pfn_of(const void *va);
word mfn_of(const void *va);
pte_t pte_of(const void *va, unsigned flags);
void *va_of_mfn(word mfn);
/* The entry of a level that maps va, as it lies in the table. */
pte_t *entry_of(word va, int level);
word machine_of_entry(word va, int level);
long map(const void *va, pte_t pte);
long set_flags(const void *va, unsigned flags);
long write_entry(word machine, pte_t pte, unsigned command);
long mmuext(unsigned cmd, word arg1, word arg2);
pte_t describe(pte_t pte);

/* What a group sets for its cases: SI, DI, and what else is printed of each. */
extern word case_si, case_di;
extern void (*before_case)(void);
extern void (*after_case)(void);

/* The groups, in order. */
void memory_groups(void);
void type_groups(void);
void mmuext_groups(void);
void descriptor_groups(void);
void callback_groups(void);
void event_groups(void);
void vcpu_groups(void);
void sched_groups(void);
void misc_groups(void);
void cpuid_groups(void);
void crash(const char *which);
void segments(void);

#ifdef __x86_64__
static inline long hypercall5(unsigned nr, word a1, word a2, word a3, word a4, word a5)
{
	long rc;
	register word r10 __asm__("r10") = a4;
	register word r8 __asm__("r8") = a5;
	__asm__ volatile("call *%[page]" : "=a"(rc), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
		: [page] "r"(hypercall_page + nr * 32) : "rcx", "r11", "memory");
	return rc;
}
#else
long hypercall5(unsigned nr, word a1, word a2, word a3, word a4, word a5);
#endif

#define H0(nr) hypercall5(__HYPERVISOR_##nr, 0, 0, 0, 0, 0)
#define H1(nr, a) hypercall5(__HYPERVISOR_##nr, (word)(a), 0, 0, 0, 0)
#define H2(nr, a, b) hypercall5(__HYPERVISOR_##nr, (word)(a), (word)(b), 0, 0, 0)
#define H3(nr, a, b, c) hypercall5(__HYPERVISOR_##nr, (word)(a), (word)(b), (word)(c), 0, 0)
#define H4(nr, a, b, c, d) hypercall5(__HYPERVISOR_##nr, (word)(a), (word)(b), (word)(c), (word)(d), 0)

/* One row: a name and a hypercall's result. */
#define T(name, call) (row("%s", name), answer(call))
/* An address where no guest memory is. */
#define BAD ((void *)0x1000)

static inline void *clear(void *at, int value, size_t n)
{
	for (char *c = at; n--; )
		*c++ = value;
	return at;
}

#endif
