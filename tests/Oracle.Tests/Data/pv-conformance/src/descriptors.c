/* set_gdt, update_descriptor: what a guest's descriptors may be; the LDT in use; segment bases. */
#include "kernel.h"

static long descriptor(word machine, uint64_t d)
{
#ifdef __x86_64__
	return H2(update_descriptor, machine, d);
#else
	return H4(update_descriptor, machine, 0, d, d >> 32);
#endif
}

static void tables(void)
{
	static word frames[16];
	group("set_gdt");
	for (int i = 0; i < 16; i++)
		frames[i] = mfn_of(pool[25]);
	static const unsigned counts[] = { 0, 1, 8, 511, 512, 513, 7167, 7168, 7169, 8192 };
	for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		row("%d entries", (long)counts[i]);
		answer(H2(set_gdt, frames, counts[i]));
	}
	T("bad list", H2(set_gdt, BAD, 8));
	T("bad list of none", H2(set_gdt, BAD, 0));
	frames[1] = mfn_of(pool[20]);
	T("second is writable", H2(set_gdt, frames, 513));
	T("the page again", H2(set_gdt, frames, 512));
}

static void every_descriptor(void)
{
	word machine = mfn_of(pool[25]) << 12 | 0x20;
	group("update_descriptor");
	T("unaligned", descriptor(machine + 4, 0));
	T("nobody's", descriptor(1ul << 30, 0));
	for (unsigned type = 0; type < 32; type++) {
		row("type %x:", (word)type);
		for (unsigned dpl = 0; dpl < 4; dpl++) {
			/* A flat page-granular 32-bit segment; as a gate: selector 0, offset ffff. */
			uint64_t d = 0x00cf80000000ffffull | (uint64_t)type << 40 | (uint64_t)dpl << 45;
			long rc = descriptor(machine, d);
			print(" %d", rc);
			if (!rc)
				print("=%X", *(uint64_t *)(pool[25] + 0x20));
		}
	}
	static const struct { const char *name; uint64_t d; } some[] = {
		{ "not present", 0x00cf12345678ffff },
		{ "long code", 0x00affa000000ffff },
		{ "long and default", 0x00effa000000ffff },
		{ "long data", 0x00aff2000000ffff },
		{ "16-bit code", 0x000ffa000000ffff },
		{ "byte granular", 0x004ffa000000ffff },
		{ "base above Xen", 0xf8cff2ffffff0fff },
		{ "base in user space, flat limit", 0x12cff2345678ffff },
		{ "expand down", 0x00cff6000000ffff },
		{ "accessed", 0x00cff3000000ffff },
		{ "call gate to null", 0x0000ec000000ffff },
		{ "call gate to guest code", 0x0000ec0000281234 },
		{ "call gate to e033", 0x0000ec00e0331234 },
		{ "call gate to e019", 0x0000ec00e0191234 },
		{ "call gate to e02b", 0x0000ec00e02b1234 },
		{ "call gate to e023", 0x0000ec00e0231234 },
		{ "call gate to Xen", 0x0000ec00e0081234 },
		{ "call gate with 3 parameters", 0x0000ec0300281234 },
		{ "call gate with reserved bits", 0x0000ec2000281234 },
		{ "call gate, DPL 0", 0x00008c0000281234 },
		{ "call gate to the LDT", 0x0000ec00002f1234 },
		{ "16-bit call gate", 0x0000e40000281234 },
		{ "interrupt gate", 0x0000ee0000281234 },
		{ "task gate", 0x0000e50000280000 },
		{ "TSS", 0x0000890000000067 },
		{ "LDT", 0x0000820000000067 },
		{ "zero", 0 },
	};
	for (unsigned i = 0; i < sizeof(some) / sizeof(*some); i++) {
		row("%s", some[i].name);
		long rc = descriptor(machine, some[i].d);
		answer(rc);
		if (!rc)
			print(" %X", *(uint64_t *)(pool[25] + 0x20));
	}
}

/* How a page of descriptors is taken over: one bad one refuses it, Xen's changes are seen. */
static void pages_of_descriptors(void)
{
	group("descriptor pages");
	word frame = mfn_of(pool[29]);
	uint64_t *d = (uint64_t *)pool[29];
	clear(d, 0, PAGE);
	d[1] = 0x00cf9a000000ffff;
	d[2] = 0x00cf92000000ffff;
	d[3] = 0x00cffa000000ffff;
	set_flags(d, P | US);
	T("good", H2(set_gdt, &frame, 512));
	row("%X %X %X", d[1], d[2], d[3]);
	T("writable while a GDT", set_flags(d, P | RW | US));
	frame = mfn_of(pool[25]);
	T("another", H2(set_gdt, &frame, 512));
	T("writable again", set_flags(d, P | RW | US | A | D));
	d[511] = 0x0000890000000067;
	set_flags(d, P | US);
	frame = mfn_of(d);
	T("a TSS in it", H2(set_gdt, &frame, 8));
}

extern const char load_ds[], load_ds_end[], far_jump[], far_jump_end[], load_twice[], load_twice_end[];
__asm__(".balign 16; load_ds: mov %esi, %ds; mov %ds, %ecx; load_ds_end: int $0x80;"
	"load_twice: mov %esi, %es; mov %esi, %fs; load_twice_end: int $0x80;");

static void load(const char *name, word selector, int user)
{
	struct test_case c = { name, load_ds, load_ds_end, NULL, user };
	case_si = selector;
	run(&c);
}

static void loads(void)
{
	word machine = mfn_of(pool[25]) << 12;
	word frame = mfn_of(pool[25]);
	group("loads from the guest's GDT");
	H2(set_gdt, &frame, 512);
	descriptor(machine + 8, 0x00cffa000000ffff);
	descriptor(machine + 16, 0x00cff2000000ffff);
	descriptor(machine + 24, 0x00cf92000000ffff);
	descriptor(machine + 32, 0x00cf12000000ffff);
	descriptor(machine + 40, 0x12cff2345678ffff);
	load("code, readable", 8 | 3, 0);
	load("data", 16 | 3, 0);
	load("data, RPL 0", 16, 0);
	load("data of DPL 0", 24, 0);
	load("data of DPL 0, user", 24 | 3, 1);
	load("not present", 32 | 3, 0);
	load("with a base", 40 | 3, 1);
	load("empty", 48, 0);
	load("beyond the limit", 512 * 8, 0);
	row("accessed bits %X %X %X", *(uint64_t *)(pool[25] + 8) >> 40 & 0xff, *(uint64_t *)(pool[25] + 16) >> 40 & 0xff, *(uint64_t *)(pool[25] + 32) >> 40 & 0xff);
	group("loads from the LDT");
	clear(pool[30], 0, PAGE);
	((uint64_t *)pool[30])[1] = 0x00cff2000000ffff;
	((uint64_t *)pool[30])[2] = 0x00cf92000000ffff;
	T("set_ldt, page still writable", mmuext(MMUEXT_SET_LDT, (word)pool[30], 8));
	load("data", 8 | 7, 0);
	set_flags(pool[30], P | US);
	load("data, now read-only", 8 | 7, 0);
	load("data, again", 8 | 7, 1);
	load("DPL 0 made to fit", 16 | 7, 0);
	load("empty", 24 | 7, 0);
	load("beyond the limit", 64 | 7, 0);
	T("writable while an LDT", set_flags(pool[30], P | RW | US));
	T("update_descriptor of an LDT page", descriptor(mfn_of(pool[30]) << 12 | 24, 0x00cff2000000ffff));
	load("what it put there", 24 | 7, 0);
	T("no LDT", mmuext(MMUEXT_SET_LDT, 0, 0));
	T("writable then", set_flags(pool[30], P | RW | US | A | D));
	load("data, without LDT", 8 | 7, 0);
	case_si = 0;
}

void descriptor_groups(void)
{
	tables();
	every_descriptor();
	pages_of_descriptors();
	loads();
	group("set_segment_base");
#ifdef __x86_64__
	for (unsigned which = 0; which < 5; which++) {
		row("base %d: zero", (long)which);
		answer(H2(set_segment_base, which, 0));
		row("base %d: address", (long)which);
		answer(H2(set_segment_base, which, data));
		row("base %d: non-canonical", (long)which);
		answer(H2(set_segment_base, which, 0x800000000000));
		row("base %d: Xen's", (long)which);
		answer(H2(set_segment_base, which, 0xffff830000000000));
	}
	T("user gs selector e02b", H2(set_segment_base, SEGBASE_GS_USER_SEL, 0xe02b));
	T("user gs selector bad", H2(set_segment_base, SEGBASE_GS_USER_SEL, 0xe008));
	T("user gs selector 0", H2(set_segment_base, SEGBASE_GS_USER_SEL, 0));
	H2(set_segment_base, SEGBASE_FS, 0);
	H2(set_segment_base, SEGBASE_GS_KERNEL, 0);
	H2(set_segment_base, SEGBASE_GS_USER, 0);
#else
	T("32 bits", hypercall5(25, 0, 0, 0, 0, 0));
#endif
}
