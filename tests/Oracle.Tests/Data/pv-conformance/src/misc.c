/* Numbers without a call, MSRs and CPUID leaves. */
#include "kernel.h"

extern const char msr_read[], msr_read_end[], msr_write[], msr_write_end[], cpuid_code[], cpuid_end[], forced_code[], forced_end[];
__asm__(".balign 16; msr_read: rdmsr; msr_read_end: int $0x80;"
	".balign 16; msr_write: wrmsr; msr_write_end: int $0x80;"
	".balign 16; cpuid_code: cpuid; cpuid_end: int $0x80;"
	".balign 16; forced_code: ud2; .ascii \"xen\"; cpuid; forced_end: int $0x80;");

static unsigned in_cx;
static uint64_t in_ax;

static void load_msr(void)
{
	before.cx = in_cx;
	before.ax = (uint32_t)in_ax;
	before.dx = in_ax >> 32;
}

/* Counters go on by themselves. */
static int counts(unsigned msr)
{
	return msr == 0x10 || msr == 0xe7 || msr == 0xe8;
}

static void msr(unsigned index, int user)
{
	in_cx = index;
	before_case = load_msr;
	in_ax = 0;
	clear(&after, 0, sizeof(after));
	struct test_case c = { "", msr_read, msr_read_end, NULL, user };
	before = (struct regs){ .bx = (word)data, .sp = (word)(user ? user_stack : case_stack) + PAGE - 256, .ip = (word)msr_read, .flags = 0x202,
		.cs = user ? USER_CS : KERNEL_CS, .ss = user ? USER_SS : KERNEL_SS };
	row("%x:", (word)index);
	load_msr();
	enter(user);
	if (after.vector == 0x80 && !counts(index))
		print(" %X", (uint64_t)after.dx << 32 | (uint32_t)after.ax);
	else
		print(after.vector == 0x80 ? " some" : " vec %x", after.vector);
	uint64_t read = (uint64_t)after.dx << 32 | (uint32_t)after.ax;
	int readable = after.vector == 0x80;
	uint64_t values[3] = { 0, 1, readable ? read : 0x12345 };
	(void)c;
	for (int i = 0; i < 3; i++) {
		if ((index == 0xc0000100 || index == 0xc0000101) && LEVELS == 3 && i == 1)
			continue;
		before.ip = (word)msr_write;
		before.ax = (uint32_t)values[i];
		before.dx = values[i] >> 32;
		before.sp = (word)(user ? user_stack : case_stack) + PAGE - 256;
		enter(user);
		print(after.vector == 0x80 ? " ok" : " vec %x", after.vector);
	}
}

void misc_groups(void)
{
	static const unsigned msrs[] = {
		0x0, 0x1, 0x6, 0x10, 0x17, 0x1b, 0x33, 0x34, 0x35, 0x3a, 0x48, 0x49, 0x4e, 0x79, 0x8b, 0x9e, 0xc1, 0xce, 0xcf, 0xe7, 0xe8, 0xfe, 0x10a, 0x10b, 0x10f,
		0x122, 0x140, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x17b, 0x186, 0x198, 0x199, 0x19a, 0x19b, 0x19c, 0x1a0, 0x1a2, 0x1b0, 0x1c8, 0x1d9, 0x1db, 0x1dc,
		0x200, 0x201, 0x250, 0x268, 0x277, 0x280, 0x281, 0x2ff, 0x309, 0x345, 0x38d, 0x38f, 0x390, 0x3f1, 0x400, 0x401, 0x402, 0x403, 0x404, 0x480, 0x4c1, 0x4d0,
		0x560, 0x570, 0x600, 0x601, 0x606, 0x611, 0x6a0, 0x6a2, 0x6e0, 0x800, 0x802, 0x8ff, 0xd90, 0xda0, 0x40000000, 0x40000001, 0x400000ff, 0x40000100,
		0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0000104, 0xc0000105, 0xc00000e7,
		0xc0010000, 0xc0010004, 0xc0010010, 0xc0010015, 0xc0010016, 0xc001001a, 0xc001001d, 0xc001001f, 0xc0010020, 0xc0010022, 0xc0010041, 0xc0010044,
		0xc0010055, 0xc0010058, 0xc0010061, 0xc0010062, 0xc0010063, 0xc0010064, 0xc0010112, 0xc0010113, 0xc0010114, 0xc0010117, 0xc001011f, 0xc0010140, 0xc0010141,
		0xc0010200, 0xc0010201, 0xc0010230, 0xc0011000, 0xc0011004, 0xc0011005, 0xc0011019, 0xc001101a, 0xc0011022, 0xc0011023, 0xc0011027, 0xc0011029, 0xc0011030, 0xdeadbeef,
	};
	group("hypercall numbers");
	static const unsigned unused[] = { 11, 23 + 18, 42 + 1, 43, 44, 45, 46, 47, 50, 51, 52, 53, 54, 55, 56, 60, 63 };
	for (unsigned i = 0; i < sizeof(unused) / sizeof(*unused); i++) {
		row("%d", (long)unused[i]);
		answer(hypercall5(unused[i], 0, 0, 0, 0, 0));
	}
	group("MSRs: read, write 0, write 1, write back");
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(*msrs); i++)
		msr(msrs[i], 0);
	group("MSRs of user mode");
	msr(0x1b, 1);
	msr(0xc0000080, 1);
	msr(0xc0000101, 1);
#ifdef __x86_64__
	H2(set_segment_base, SEGBASE_FS, 0);
	H2(set_segment_base, SEGBASE_GS_KERNEL, 0);
	H2(set_segment_base, SEGBASE_GS_USER, 0);
#endif
	before_case = NULL;
}

/* Xen's answer; the processor's own only of leaves that every model has. */
static void leaf(unsigned ax, unsigned cx)
{
	for (int forced = ax <= 1 || ax == 7 || ax == 0x80000001 || ax == 0x80000008 ? 0 : 1; forced < 2; forced++) {
		before = (struct regs){ .ax = ax, .cx = cx, .sp = (word)case_stack + PAGE - 256, .ip = (word)(forced ? forced_code : cpuid_code), .flags = 0x202, .cs = KERNEL_CS, .ss = KERNEL_SS };
		row("%x.%x %s: ", (word)ax, (word)cx, forced ? "Xen" : "CPU");
		enter(0);
		/* 0x40000003.2 EAX: kHz of the host, measured. */
		print("%x %x %x %x", ax == 0x40000003 && cx == 2 ? 0 : after.ax, ax == 1 ? after.bx & 0xffffff : after.bx, after.cx, after.dx);
	}
}

void cpuid_groups(void)
{
	group("CPUID");
	for (unsigned l = 0; l < 0x18; l++)
		for (unsigned s = 0; s < (l == 4 || l == 7 || l == 0xb || l == 0xd ? 4 : 1); s++)
			leaf(l, s);
	for (unsigned l = 0x40000000; l < 0x40000007; l++)
		for (unsigned s = 0; s < (l == 0x40000003 ? 3 : 1); s++)
			leaf(l, s);
	leaf(0x40000100, 0);
	for (unsigned l = 0x80000000; l < 0x80000022; l++)
		leaf(l, 0);
	leaf(0xc0000000, 0);
}
