/* What each kind of frame may be used as: every kind against every use. What succeeds is undone. */
#include "kernel.h"

struct kind {
	const char *name;
	word mfn;
};

static struct kind kinds[20];
static unsigned count;

static void kind(const char *name, word mfn)
{
	kinds[count++] = (struct kind){ name, mfn };
}

/* pool[20]-pool[31] become the kinds; tables of memory.c stay as they are: L1 pool[11] to L4 pool[14]. */
static void make_kinds(void)
{
	word frame;
	kind("writable, mapped", mfn_of(pool[20]));
	set_flags(pool[21], P | US);
	kind("zeroes, read-only", mfn_of(pool[21]));
	map(pool[22], 0);
	kind("zeroes, unmapped", mfn_of(pool[22]));
	((word *)pool[23])[0] = ~0ul;
	((word *)pool[23])[1] = ~0ul;
	set_flags(pool[23], P | US);
	kind("rubbish, read-only", mfn_of(pool[23]));
	kind("pinned L1", mfn_of(pool[11]));
	kind("pinned L2", mfn_of(pool[12]));
	kind("pinned L3", mfn_of(pool[13]));
	if (LEVELS == 4)
		kind("pinned L4", mfn_of(pool[14]));
	clear(pool[24], 0, PAGE);
	set_flags(pool[24], P | US);
	mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(pool[24]), 0);
	mmuext(MMUEXT_UNPIN_TABLE, mfn_of(pool[24]), 0);
	kind("was an L1", mfn_of(pool[24]));
	clear(pool[25], 0, PAGE);
	set_flags(pool[25], P | US);
	frame = mfn_of(pool[25]);
	H2(set_gdt, &frame, 512);
	kind("GDT", frame);
	kind("running base table", mfn_of((void *)start->pt_base));
	kind("running L1", mfn_of((void *)((word)entry_of((word)pool, 1) & ~(PAGE - 1))));
	kind("shared_info", start->shared_info >> 12);
	kind("no memory", 1ul << 28);
	kind("beyond everything", 1ul << (LEVELS == 3 ? 30 : 35));
	kind("I/O memory", 0xfed00);
	kind("low megabyte", 0xb8);
	kind("frame 0", 0);
}

static pte_t frame(word mfn, unsigned flags)
{
	return (pte_t)mfn << 12 | flags;
}

static word l1_slot(void) { return (mfn_of(pool[11]) << 12) + 8 * 7; }
static word upper_slot(int level) { return (mfn_of(pool[11 + level - 1]) << 12) + 8 * (level == 3 && LEVELS == 3 ? 1 : 7); }

static void as_entry(const char *name, word slot, pte_t pte)
{
	print(" %s %d", name, write_entry(slot, pte, MMU_NORMAL_PT_UPDATE));
	write_entry(slot, 0, MMU_NORMAL_PT_UPDATE);
}

static void pins(const struct kind *k)
{
	row("%s: pin", k->name);
	for (int cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_PIN_L4_TABLE; cmd++) {
		long rc = mmuext(cmd, k->mfn, 0);
		print(" %d", rc);
		if (!rc)
			mmuext(MMUEXT_UNPIN_TABLE, k->mfn, 0);
		/* What was pinned before is pinned again. */
		for (int i = 0; i < LEVELS; i++)
			if (k->mfn == mfn_of(pool[11 + i]))
				mmuext(MMUEXT_PIN_L1_TABLE + i, k->mfn, 0);
	}
}

static void entries_of(const struct kind *k)
{
	row("%s: entry", k->name);
	as_entry("ro", l1_slot(), frame(k->mfn, P | US));
	as_entry("rw", l1_slot(), frame(k->mfn, P | RW | US));
	as_entry("L2", upper_slot(2), frame(k->mfn, P | US));
	as_entry("L3", upper_slot(3), frame(k->mfn, P | (LEVELS == 4 ? US : 0)));
	if (LEVELS == 4)
		as_entry("L4", upper_slot(4), frame(k->mfn, P | US));
	map(pool[26], 0);
	print(" va ro %d", map(pool[26], frame(k->mfn, P | US)));
	print(" va rw %d", map(pool[26], frame(k->mfn, P | RW | US)));
	map(pool[26], 0);
}

static void other_uses(const struct kind *k)
{
	word frames[2] = { k->mfn };
	row("%s: use", k->name);
	print(" normal update %d", write_entry(k->mfn << 12 | 0xff0, 0, MMU_NORMAL_PT_UPDATE));
	/* A frame's own number: what Xen believes of it stays true. */
	word pfn = count && k->mfn < 0x40000 ? machine_to_phys_mapping[k->mfn] : 0;
	print(" m2p %d", write_entry(k->mfn << 12, pfn, MMU_MACHPHYS_UPDATE));
	print(" copy to %d", mmuext(MMUEXT_COPY_PAGE, k->mfn, mfn_of(pool[27])));
	print(" copy from %d", mmuext(MMUEXT_COPY_PAGE, mfn_of(pool[27]), k->mfn));
	print(" gdt %d", H2(set_gdt, frames, 8));
	frames[0] = mfn_of(pool[25]);
	H2(set_gdt, frames, 512);
#ifdef __x86_64__
	print(" descriptor %d", H2(update_descriptor, k->mfn << 12 | 0xff8, 0));
#else
	print(" descriptor %d", H4(update_descriptor, k->mfn << 12 | 0xff8, k->mfn >> 20, 0, 0));
#endif
	print(" unpin %d", mmuext(MMUEXT_UNPIN_TABLE, k->mfn, 0));
	for (int i = 0; i < LEVELS; i++)
		if (k->mfn == mfn_of(pool[11 + i]))
			mmuext(MMUEXT_PIN_L1_TABLE + i, k->mfn, 0);
	if (k->mfn == mfn_of((void *)start->pt_base))
		mmuext(LEVELS == 4 ? MMUEXT_PIN_L4_TABLE : MMUEXT_PIN_L3_TABLE, k->mfn, 0);
}

void type_groups(void)
{
	group("types");
	make_kinds();
	for (unsigned i = 0; i < count; i++) {
		pins(&kinds[i]);
		entries_of(&kinds[i]);
		/* What is written over shared_info unmasks events. */
		if (kinds[i].mfn != start->shared_info >> 12)
			other_uses(&kinds[i]);
	}
}
