/* "segments": data segments that cannot be loaded again after another vCPU ran. Needs dom0_max_vcpus=2 on one processor. */
#include "kernel.h"

/* What the second vCPU does to the descriptor when it runs next, and the descriptor's machine address. */
static volatile int armed;
word segment_machine;

/* The descriptor cleared and the processor given away, in one call: until something else happens. */
struct multicall_entry gone[2], kept[2];
#ifdef __x86_64__
#define CALLS(list) "mov $13, %eax; mov $" list ", %rdi; mov $2, %esi; syscall;"
#else
#define CALLS(list) "mov $13, %eax; mov $" list ", %ebx; mov $2, %ecx; int $0x82;"
#endif
#define FOREVER "9:" CALLS("gone") "jmp 9b;"
#define PIECE(name, ...) extern const char name[], name##_end[]; __asm__(".pushsection .text; .balign 16; " #name ": " __VA_ARGS__ #name "_end: int $0x80; .popsection")
PIECE(all_kept, "mov %esi, %ds; mov %esi, %es; mov %esi, %fs; mov %esi, %gs;" CALLS("kept") CALLS("kept") "nop;");
PIECE(ds_gone, "mov %esi, %ds;" FOREVER);
PIECE(es_gone, "mov %esi, %es;" FOREVER);
PIECE(fs_gone, "mov %esi, %fs;" FOREVER);
PIECE(gs_gone, "mov %esi, %gs;" FOREVER);
PIECE(two_gone, "mov %esi, %ds; mov %esi, %fs; mov $0xe02b, %eax; mov %eax, %es;" FOREVER);
PIECE(spin_ds, "mov %esi, %ds; 8: jmp 8b;");
PIECE(spin_gs, "mov %esi, %gs; 8: jmp 8b;");

static long descriptor(uint64_t d)
{
#ifdef __x86_64__
	return H2(update_descriptor, segment_machine, d);
#else
	return H4(update_descriptor, segment_machine, 0, d, d >> 32);
#endif
}

static void second(void)
{
	for (;;) {
		if (armed) {
			armed = 0;
			descriptor(0);
		}
		H2(sched_op, SCHEDOP_yield, 0);
	}
}

static void whole(void)
{
	descriptor(0x00cff3000000ffff);
}

static void whole_and_armed(void)
{
	whole();
	armed = 1;
}

static void whole_and_unmasked(void)
{
	whole();
	shared.vcpu_info[0].evtchn_upcall_mask = 0;
}

static void show_mask(void)
{
	print(" mask %d", (long)shared.vcpu_info[0].evtchn_upcall_mask);
}

static void one(const char *name, const char *code, const char *end, int user)
{
	struct test_case c = { name, code, end, NULL, user };
	case_si = 8 | 3;
	run(&c);
}

static long failsafe(unsigned flags)
{
	struct callback_register r = { .type = CALLBACKTYPE_failsafe, .flags = flags };
#ifdef __x86_64__
	r.address = (word)entries + 0x101 * 16;
#else
	r.address.cs = KERNEL_CS;
	r.address.eip = (word)entries + 0x101 * 16;
#endif
	return H2(callback_op, CALLBACKOP_register, &r);
}

void segments(void)
{
	static struct vcpu_guest_context ctx;
	static char stack[PAGE] __attribute__((aligned(16)));
	word frame = mfn_of(pool[33]);
	group("setup");
	clear(pool[33], 0, PAGE);
	set_flags(pool[33], P | US);
	T("set_gdt", H2(set_gdt, &frame, 512));
	segment_machine = frame << 12 | 8;
	kept[0].op = kept[1].op = gone[1].op = __HYPERVISOR_sched_op;
	gone[0].op = __HYPERVISOR_update_descriptor;
	gone[0].args[0] = segment_machine;
	T("failsafe", failsafe(0));
	ctx.flags = VGCF_in_kernel | VGCF_i387_valid;
	ctx.ctrlreg[3] = xen_pfn_to_cr3(mfn_of((void *)start->pt_base));
	ctx.kernel_ss = ctx.user_regs.ss = KERNEL_SS;
	ctx.user_regs.cs = KERNEL_CS;
	*(word *)&ctx.fpu_ctxt.x[0] = 0x37f;
	*(uint32_t *)&ctx.fpu_ctxt.x[24] = 0x1f80;
#ifdef __x86_64__
	ctx.user_regs.rip = (word)second;
	ctx.user_regs.rsp = ctx.kernel_sp = (word)stack + PAGE - 8;
#else
	ctx.user_regs.ds = ctx.user_regs.es = KERNEL_SS;
	ctx.user_regs.eip = (word)second;
	ctx.user_regs.esp = ctx.kernel_sp = (word)stack + PAGE - 4;
	ctx.event_callback_cs = ctx.failsafe_callback_cs = KERNEL_CS;
#endif
	ctx.user_regs.eflags = 0x202;
	T("initialise", H3(vcpu_op, VCPUOP_initialise, 1, &ctx));
	T("up", H3(vcpu_op, VCPUOP_up, 1, NULL));
	group("kept");
	before_case = whole;
	one("all K", all_kept, all_kept_end, 0);
	group("gone");
	one("ds K", ds_gone, ds_gone_end, 0);
	one("es K", es_gone, es_gone_end, 0);
	one("fs K", fs_gone, fs_gone_end, 0);
	one("gs K", gs_gone, gs_gone_end, 0);
	one("ds and fs of three K", two_gone, two_gone_end, 0);
	group("gone in user mode");
	before_case = whole_and_armed;
	one("ds U", spin_ds, spin_ds_end, 1);
	before_case = whole_and_armed;
	one("gs U", spin_gs, spin_gs_end, 1);
	group("gone, events unmasked");
	before_case = whole_and_unmasked;
	after_case = show_mask;
	one("ds K", ds_gone, ds_gone_end, 0);
	T("failsafe that masks", failsafe(CALLBACKF_mask_events));
	one("ds K, masking", ds_gone, ds_gone_end, 0);
	case_si = 0;
	before_case = after_case = NULL;
}
