/* mmu_update and update_va_mapping: which flags an entry may have, level by level, and memory_op. */
#include "kernel.h"

static void written(word va, int level, long rc)
{
	answer(rc);
	if (!rc)
		print(" now %X", describe(*entry_of(va, level)));
}

static void every_flag_of_l1(void)
{
	group("L1 flags");
	for (int bit = 0; bit < 64; bit++) {
		if (bit >= 12 && bit < 52)
			continue;
		row("P US + bit %d", (long)bit);
		written((word)pool[10], 1, map(pool[10], pte_of(pool[10], P | US) | 1ull << bit));
		row("P RW + bit %d", (long)bit);
		written((word)pool[10], 1, map(pool[10], pte_of(pool[10], P | RW) | 1ull << bit));
	}
	row("not present with every flag");
	written((word)pool[10], 1, map(pool[10], ~ADDRESS & ~1ull));
	row("not present, address all ones");
	written((word)pool[10], 1, map(pool[10], ~1ull));
	set_flags(pool[10], P | RW | US | A | D);
}

/* A table of each level below `pool`, not linked anywhere: L1 pool[11], L2 pool[12], L3 pool[13], L4 pool[14]. */
static void own_tables(void)
{
	for (int i = 11; i < 11 + LEVELS; i++) {
		clear(pool[i], 0, PAGE);
		set_flags(pool[i], P | US);
	}
#ifdef __x86_64__
	for (int i = 0; i < 4; i++)
		T("pin", mmuext(MMUEXT_PIN_L1_TABLE + i, mfn_of(pool[11 + i]), 0));
#else
	for (int i = 0; i < 2; i++)
		T("pin", mmuext(MMUEXT_PIN_L1_TABLE + i, mfn_of(pool[11 + i]), 0));
	T("pin an L3 without its last slot", mmuext(MMUEXT_PIN_L3_TABLE, mfn_of(pool[13]), 0));
	/* The last L2 holds Xen's mappings and so is one of its own. */
	clear(pool[15], 0, PAGE);
	set_flags(pool[15], P | US);
	set_flags(pool[13], P | RW | US);
	((pte_t *)pool[13])[3] = pte_of(pool[15], P);
	set_flags(pool[13], P | US);
	T("pin an L3", mmuext(MMUEXT_PIN_L3_TABLE, mfn_of(pool[13]), 0));
#endif
}

static void upper_flags(int level)
{
	pte_t *at = (pte_t *)pool[11 + level - 1];
	word machine = mfn_of(at) << 12;
	char *lower = pool[11 + level - 2];
	for (int bit = 1; bit < 64; bit++) {
		if (bit >= 12 && bit < 52)
			continue;
		row("P + bit %d", (long)bit);
		long rc = write_entry(machine, pte_of(lower, P) | 1ull << bit, MMU_NORMAL_PT_UPDATE);
		answer(rc);
		if (!rc)
			print(" now %X", describe(at[0]));
		write_entry(machine, 0, MMU_NORMAL_PT_UPDATE);
	}
}

/* Slots: which of a table are the guest's. */
static void slots(int level, unsigned last)
{
	pte_t *at = (pte_t *)pool[11 + level - 1];
	word machine = mfn_of(at) << 12;
	char *lower = pool[11 + level - 2];
	static const unsigned some[] = { 0, 1, 2, 3, 4, 255, 256, 257, 258, 259, 260, 261, 262, 263, 264, 265, 270, 271, 272, 273, 426, 427, 428, 429, 510, 511 };
	for (unsigned i = 0; i < sizeof(some) / sizeof(*some) && some[i] <= last; i++) {
		row("slot %d", (long)some[i]);
		long rc = write_entry(machine + some[i] * 8, pte_of(lower, P | RW | US), MMU_NORMAL_PT_UPDATE);
		answer(rc);
		print(" clear");
		answer(write_entry(machine + some[i] * 8, 0, MMU_NORMAL_PT_UPDATE));
	}
}

static void linear_tables(void)
{
	group("linear tables");
	for (int level = 2; level <= LEVELS; level++) {
		char *own = pool[11 + level - 1];
		word at = (mfn_of(own) << 12) + 8;
		row("L%d: itself, read-only", (long)level);
		answer(write_entry(at, pte_of(own, P | US), MMU_NORMAL_PT_UPDATE));
		row("L%d: itself, writable", (long)level);
		answer(write_entry(at, pte_of(own, P | RW | US), MMU_NORMAL_PT_UPDATE));
		row("L%d: cleared", (long)level);
		answer(write_entry(at, 0, MMU_NORMAL_PT_UPDATE));
		row("L%d: the running table's, read-only", (long)level);
		answer(write_entry(at, pte_of((char *)((word)entry_of(VIRT_BASE, level) & ~(PAGE - 1)), P | US), MMU_NORMAL_PT_UPDATE));
		row("L%d: cleared again", (long)level);
		answer(write_entry(at, 0, MMU_NORMAL_PT_UPDATE));
	}
}

static void update_forms(void)
{
	struct mmu_update u[3];
	unsigned done;
	group("mmu_update");
	word entry = machine_of_entry((word)pool[10], 1);
	T("no request", H4(mmu_update, NULL, 0, 0, DOMID_SELF));
	T("bad pointer", H4(mmu_update, BAD, 1, 0, DOMID_SELF));
	T("bad pointer, no request", H4(mmu_update, BAD, 0, 0, DOMID_SELF));
	for (unsigned cmd = 0; cmd < 8; cmd++) {
		if (cmd == MMU_MACHPHYS_UPDATE)
			continue;
		row("command %d on an L1 entry", (long)cmd);
		answer(write_entry(entry, pte_of(pool[10], P | RW | US), cmd));
		print(" now %X", describe(*entry_of((word)pool[10], 1)));
	}
	set_flags(pool[10], P | RW | US | A | D);
	T("preserve A D", write_entry(entry, pte_of(pool[10], P | RW | US), MMU_PT_UPDATE_PRESERVE_AD));
	row("after it");
	print(" %X", describe(*entry_of((word)pool[10], 1)));
	for (int count = 0; count < 3; count++)
		u[count] = (struct mmu_update){ entry, pte_of(pool[10], P | RW | US) };
	done = 77;
	T("three", H4(mmu_update, u, 3, &done, DOMID_SELF));
	row("done %d", (long)done);
	u[1].ptr = 1ull << 50;
	done = 77;
	T("second bad", H4(mmu_update, u, 3, &done, DOMID_SELF));
	row("done %d", (long)done);
	T("done pointer bad", H4(mmu_update, u, 1, BAD, DOMID_SELF));
	T("preempted flag", H4(mmu_update, u, 1 | 0x80000000u, &done, DOMID_SELF));
	row("done %d", (long)done);
	T("foreign: own number", H4(mmu_update, u, 1, 0, 0));
	T("foreign: nobody", H4(mmu_update, u, 1, 0, 5));
	T("foreign: DOMID_IO", H4(mmu_update, u, 1, 0, DOMID_IO));
	T("foreign: DOMID_XEN", H4(mmu_update, u, 1, 0, DOMID_XEN));
	T("foreign: DOMID_COW", H4(mmu_update, u, 1, 0, DOMID_COW));
	T("foreign: DOMID_INVALID", H4(mmu_update, u, 1, 0, DOMID_INVALID));
	T("foreign table: own number", H4(mmu_update, u, 1, 0, 1u << 16 | DOMID_SELF));
	T("foreign table: nobody", H4(mmu_update, u, 1, 0, 6u << 16 | DOMID_SELF));
	T("unaligned", write_entry(entry + 3, pte_of(pool[10], P | RW | US), 0));
	T("plain page", write_entry(mfn_of(pool[16]) << 12, 0x1234, 0));
	row("its contents");
	print(" %x", *(word *)pool[16]);
	T("plain page, preserve", write_entry(mfn_of(pool[16]) << 12, 0x5678, MMU_PT_UPDATE_PRESERVE_AD));
	T("M2P", write_entry(mfn_of(pool[16]) << 12, pfn_of(pool[16]), MMU_MACHPHYS_UPDATE));
	T("M2P of a table", write_entry(mfn_of(pool[11]) << 12, pfn_of(pool[11]), MMU_MACHPHYS_UPDATE));
	T("M2P of nobody's frame", write_entry(1ul << 30, 5, MMU_MACHPHYS_UPDATE));
	T("M2P of Xen's frame", write_entry((word)start->shared_info, 5, MMU_MACHPHYS_UPDATE));
}

static long va_mapping(const void *va, pte_t pte, word flags)
{
#ifdef __x86_64__
	return H3(update_va_mapping, va, pte, flags);
#else
	return H4(update_va_mapping, va, pte, pte >> 32, flags);
#endif
}

static long va_mapping_other(const void *va, pte_t pte, word flags, domid_t domain)
{
#ifdef __x86_64__
	return H4(update_va_mapping_otherdomain, va, pte, flags, domain);
#else
	return hypercall5(__HYPERVISOR_update_va_mapping_otherdomain, (word)va, pte, pte >> 32, flags, domain);
#endif
}

static void va_forms(void)
{
	group("update_va_mapping");
	static word mask[2] = { 1 };
	pte_t pte = pte_of(pool[10], P | RW | US | A | D);
	for (unsigned flags = 0; flags < 4; flags++) {
		row("flags %d", (long)flags);
		answer(va_mapping(pool[10], pte, flags));
		row("flags %d, all", (long)flags);
		answer(va_mapping(pool[10], pte, flags | UVMF_ALL));
		row("flags %d, mask", (long)flags);
		answer(va_mapping(pool[10], pte, flags | (word)mask));
		row("flags %d, bad mask", (long)flags);
		answer(va_mapping(pool[10], pte, flags | (word)BAD));
	}
	T("bad mask and bad entry", va_mapping(pool[10], 1ull << 45 | P, UVMF_TLB_FLUSH | (word)BAD));
	T("no table there", va_mapping((void *)0x40000000, pte, 0));
	T("no table there, not present", va_mapping((void *)0x40000000, 0, 0));
	T("null", va_mapping(NULL, pte, 0));
#ifdef __x86_64__
	T("Xen's area", va_mapping((void *)0xffff830000000000, pte, 0));
	T("m2p", va_mapping((void *)0xffff800000000000, pte, 0));
	T("non-canonical", va_mapping((void *)0x800000000000, pte, 0));
#else
	T("m2p", va_mapping((void *)0xf5800000, pte, 0));
	T("Xen's area", va_mapping((void *)0xffe00000, pte, 0));
#endif
	T("unaligned", va_mapping(pool[10] + 7, pte, 0));
	T("a frame of nobody's", va_mapping(pool[10], 1ull << 40 | P | US, 0));
	T("an I/O frame", va_mapping(pool[10], 0xb8000 | P | RW | US, 0));
	row("its flags");
	print(" %X", describe(*entry_of((word)pool[10], 1)));
	T("an I/O frame, uncached", va_mapping(pool[10], 0xb8000 | P | RW | US | PCD | PWT, 0));
	row("its flags");
	print(" %X", describe(*entry_of((word)pool[10], 1)));
	T("the local APIC", va_mapping(pool[10], 0xfee00000 | P | RW | US, 0));
	T("the I/O APIC, read-only", va_mapping(pool[10], 0xfec00000 | P | US, 0));
	T("the I/O APIC, writable", va_mapping(pool[10], 0xfec00000 | P | RW | US, 0));
	T("frame 0", va_mapping(pool[10], 0 | P | US, 0));
	T("own page of type writable", va_mapping(pool[10], pte, 0));
	T("the other: itself", va_mapping_other(pool[10], pte, 0, 0));
	T("the other: SELF", va_mapping_other(pool[10], pte, 0, DOMID_SELF));
	T("the other: nobody", va_mapping_other(pool[10], pte, 0, 7));
	T("the other: IO, own page", va_mapping_other(pool[10], pte, 0, DOMID_IO));
	T("the other: IO, I/O frame", va_mapping_other(pool[10], 0xb8000 | P | RW | US, 0, DOMID_IO));
	T("the other: XEN, own page", va_mapping_other(pool[10], pte, 0, DOMID_XEN));
	T("the other: XEN, shared_info", va_mapping_other(pool[10], (pte_t)start->shared_info | P | RW | US, 0, DOMID_XEN));
	T("the other: COW", va_mapping_other(pool[10], pte, 0, DOMID_COW));
	va_mapping(pool[10], pte, 0);
}

static void reservations(void)
{
	xen_pfn_t frames[4];
	struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
	domid_t self = DOMID_SELF, nobody = 9;
	group("memory_op");
	set_xen_guest_handle(r.extent_start, frames);
	T("maximum_ram_page >= 0", H2(memory_op, XENMEM_maximum_ram_page, 0) > 0);
	T("current_reservation", H2(memory_op, XENMEM_current_reservation, &self));
	T("current_reservation: nobody", H2(memory_op, XENMEM_current_reservation, &nobody));
	T("current_reservation: bad", H2(memory_op, XENMEM_current_reservation, BAD));
	T("maximum_reservation", H2(memory_op, XENMEM_maximum_reservation, &self));
	T("maximum_gpfn", H2(memory_op, XENMEM_maximum_gpfn, &self));
	T("decrease: bad pointer", H2(memory_op, XENMEM_decrease_reservation, BAD));
	frames[0] = mfn_of(pool[17]);
	T("decrease: still mapped", H2(memory_op, XENMEM_decrease_reservation, &r));
	T("unmap it", map(pool[17], 0));
	T("decrease again", H2(memory_op, XENMEM_decrease_reservation, &r));
	frames[0] = mfn_of(pool[18]);
	map(pool[18], 0);
	T("decrease: unmapped", H2(memory_op, XENMEM_decrease_reservation, &r));
	T("current_reservation", H2(memory_op, XENMEM_current_reservation, &self));
	frames[0] = 1ul << 29;
	T("decrease: nobody's", H2(memory_op, XENMEM_decrease_reservation, &r));
	frames[0] = mfn_of(pool[11]);
	T("decrease: a table", H2(memory_op, XENMEM_decrease_reservation, &r));
	frames[0] = start->shared_info >> 12;
	T("decrease: shared_info", H2(memory_op, XENMEM_decrease_reservation, &r));
	frames[0] = pfn_of(pool[18]);
	T("populate", H2(memory_op, XENMEM_populate_physmap, &r));
	((word *)start->mfn_list)[pfn_of(pool[18])] = frames[0];
	T("map it", set_flags(pool[18], P | RW | US | A | D));
	T("current_reservation", H2(memory_op, XENMEM_current_reservation, &self));
	r.nr_extents = 0;
	T("populate none", H2(memory_op, XENMEM_populate_physmap, &r));
	r.nr_extents = 1;
	r.extent_order = 20;
	T("populate: order 20", H2(memory_op, XENMEM_populate_physmap, &r));
	r.extent_order = 0;
	r.domid = 9;
	T("populate: nobody", H2(memory_op, XENMEM_populate_physmap, &r));
	r.domid = DOMID_IO;
	T("populate: DOMID_IO", H2(memory_op, XENMEM_populate_physmap, &r));
	r.domid = DOMID_SELF;
	r.mem_flags = XENMEMF_address_bits(10);
	T("populate: 10 bits", H2(memory_op, XENMEM_populate_physmap, &r));
	r.mem_flags = 0;
	set_xen_guest_handle(r.extent_start, BAD);
	T("populate: bad list", H2(memory_op, XENMEM_populate_physmap, &r));
	T("start extent beyond", H2(memory_op, XENMEM_populate_physmap | 2 << 6 /* MEMOP_EXTENT_SHIFT */, &r));
	T("unknown", H2(memory_op, 63, &r));
	T("memory_map", H2(memory_op, XENMEM_memory_map, BAD));
	T("machine_memory_map: bad", H2(memory_op, XENMEM_machine_memory_map, BAD));
	struct xen_machphys_mapping m = { 0 };
	T("machphys_mapping", H2(memory_op, XENMEM_machphys_mapping, &m));
	row("from %x to %x max %x", m.v_start, m.v_end, m.max_mfn);
	T("machphys_mapping: bad", H2(memory_op, XENMEM_machphys_mapping, BAD));
	T("machphys_mfn_list: bad", H2(memory_op, XENMEM_machphys_mfn_list, BAD));
	struct xen_add_to_physmap a = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info };
	T("add_to_physmap", H2(memory_op, XENMEM_add_to_physmap, &a));
	struct xen_remove_from_physmap x = { .domid = DOMID_SELF };
	T("remove_from_physmap", H2(memory_op, XENMEM_remove_from_physmap, &x));
	T("set_memory_map: bad", H2(memory_op, XENMEM_set_memory_map, BAD));
	T("exchange: bad", H2(memory_op, XENMEM_exchange, BAD));
	struct xen_memory_exchange e = { .in = { .nr_extents = 1, .domid = DOMID_SELF }, .out = { .nr_extents = 1, .domid = DOMID_SELF } };
	xen_pfn_t out[2] = { pfn_of(pool[19]) };
	frames[0] = mfn_of(pool[19]);
	set_xen_guest_handle(e.in.extent_start, frames);
	set_xen_guest_handle(e.out.extent_start, out);
	T("exchange: still mapped", H2(memory_op, XENMEM_exchange, &e));
	row("exchanged %d", (long)e.nr_exchanged);
	map(pool[19], 0);
	e.nr_exchanged = 0;
	T("exchange", H2(memory_op, XENMEM_exchange, &e));
	row("exchanged %d", (long)e.nr_exchanged);
	((word *)start->mfn_list)[pfn_of(pool[19])] = out[0];
	T("map it", set_flags(pool[19], P | RW | US | A | D));
	e.nr_exchanged = 2;
	T("exchange: more done than asked", H2(memory_op, XENMEM_exchange, &e));
	e.nr_exchanged = 0;
	e.out.nr_extents = 2;
	T("exchange: unequal", H2(memory_op, XENMEM_exchange, &e));
	e.out.nr_extents = 1;
	e.out.domid = 9;
	T("exchange: other domain", H2(memory_op, XENMEM_exchange, &e));
	e.in.domid = 9;
	T("exchange: nobody", H2(memory_op, XENMEM_exchange, &e));
}

void memory_groups(void)
{
	every_flag_of_l1();
	group("own tables");
	own_tables();
	for (int level = 2; level <= LEVELS; level++) {
		group(level == 2 ? "L2 flags" : level == 3 ? "L3 flags" : "L4 flags");
		upper_flags(level);
		group(level == 2 ? "L2 slots" : level == 3 ? "L3 slots" : "L4 slots");
		slots(level, LEVELS == 3 && level == 3 ? 4 : 511);
	}
	linear_tables();
	update_forms();
	va_forms();
	reservations();
}
