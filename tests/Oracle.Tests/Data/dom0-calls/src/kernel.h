/* A kernel that makes hypercalls as domain 0 and prints what each answers: "call: group/case = result". */
#define __XEN_TOOLS__ 1
#include <stdint.h>
#include <stddef.h>
#define memset __builtin_memset
#include <xen/xen.h>
#include <xen/version.h>
#include <xen/features.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/grant_table.h>
#include <xen/event_channel.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sysctl.h>
#include <xen/domctl.h>
#include <xen/hvm/hvm_op.h>

#define PAGE 4096ul
#define BAD ((void *)0x10)
#define POOL 16

extern char hypercall_page[];
extern struct start_info *start;
extern char pool[POOL][PAGE];
/* Zeroed before each call of a table. */
extern union argument { char bytes[1024]; uint64_t words[128]; uint32_t halves[256]; } arg;

static inline long call(unsigned nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	long rc;
	register uint64_t r10 __asm__("r10") = a4;
	register uint64_t r8 __asm__("r8") = a5;
	__asm__ volatile("call *%[target]" : "=a"(rc), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8) : [target] "0"(hypercall_page + nr * 32) : "rcx", "r11", "memory");
	return rc;
}

#define H(nr, a, b, c, d) call(__HYPERVISOR_##nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0)

void print(const char *format, ...);
void row(const char *format, ...);
void group(const char *name);
void clear(void *p, unsigned char c, unsigned long n);
#define T(name, rc) do { row(name); print(" = %d", (long)(rc)); } while (0)

static inline uint64_t mfn_of(const void *p) { return ((uint64_t *)start->mfn_list)[((uint64_t)p - 0xffffffff80000000ul) >> 12]; }

static inline long map_at(void *va, uint64_t entry) { return H(update_va_mapping, va, entry, UVMF_INVLPG, 0); }

void grants(void);
void calls(void);
