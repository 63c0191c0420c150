/* mmuext_op: each command, good and bad, and multicall. */
#include "kernel.h"

static long with(unsigned cmd, word arg1, word arg2, domid_t domain)
{
	struct mmuext_op op = { .cmd = cmd, .arg1.linear_addr = arg1, .arg2.src_mfn = arg2 };
	return H4(mmuext_op, &op, 1, 0, domain);
}

static void commands(void)
{
	static word mask[2] = { 1 };
	group("mmuext_op");
	T("no request", H4(mmuext_op, NULL, 0, 0, DOMID_SELF));
	T("bad pointer", H4(mmuext_op, BAD, 1, 0, DOMID_SELF));
	T("pin pinned", mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(pool[11]), 0));
	T("unpin", mmuext(MMUEXT_UNPIN_TABLE, mfn_of(pool[11]), 0));
	T("unpin unpinned", mmuext(MMUEXT_UNPIN_TABLE, mfn_of(pool[11]), 0));
	T("pin as L2 what was an L1", mmuext(MMUEXT_PIN_L2_TABLE, mfn_of(pool[11]), 0));
	T("unpin that", mmuext(MMUEXT_UNPIN_TABLE, mfn_of(pool[11]), 0));
	T("pin L1 again", mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(pool[11]), 0));
	T("NEW_BASEPTR: the same", mmuext(MMUEXT_NEW_BASEPTR, mfn_of((void *)start->pt_base), 0));
	T("NEW_BASEPTR: an L1", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(pool[11]), 0));
	T("NEW_BASEPTR: writable page", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(pool[20]), 0));
	T("NEW_BASEPTR: nobody's", mmuext(MMUEXT_NEW_BASEPTR, 1ul << 30, 0));
	T("NEW_BASEPTR: 0", mmuext(MMUEXT_NEW_BASEPTR, 0, 0));
	T("NEW_USER_BASEPTR: an L1", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(pool[11]), 0));
	T("NEW_USER_BASEPTR: writable page", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(pool[20]), 0));
	T("NEW_USER_BASEPTR: nobody's", mmuext(MMUEXT_NEW_USER_BASEPTR, 1ul << 30, 0));
	T("NEW_USER_BASEPTR: 0", mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0));
	T("NEW_USER_BASEPTR: again", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(pool[0]), 0));
	T("NEW_USER_BASEPTR: the same", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(pool[0]), 0));
	T("TLB_FLUSH_LOCAL", mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
	T("INVLPG_LOCAL", mmuext(MMUEXT_INVLPG_LOCAL, (word)data, 0));
	T("INVLPG_LOCAL: Xen's", mmuext(MMUEXT_INVLPG_LOCAL, (word)0xffff830000000000ull, 0));
	T("TLB_FLUSH_MULTI", mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (word)mask));
	T("TLB_FLUSH_MULTI: bad", mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (word)BAD));
	T("INVLPG_MULTI", mmuext(MMUEXT_INVLPG_MULTI, (word)data, (word)mask));
	T("INVLPG_MULTI: bad", mmuext(MMUEXT_INVLPG_MULTI, (word)data, (word)BAD));
	T("TLB_FLUSH_ALL", mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0));
	T("INVLPG_ALL", mmuext(MMUEXT_INVLPG_ALL, (word)data, 0));
	T("INVLPG_ALL: non-canonical", mmuext(MMUEXT_INVLPG_ALL, (word)0x800000000000ull, 0));
	T("FLUSH_CACHE", mmuext(MMUEXT_FLUSH_CACHE, 0, 0));
	T("FLUSH_CACHE_GLOBAL", mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0));
	T("CLEAR_PAGE", mmuext(MMUEXT_CLEAR_PAGE, mfn_of(pool[27]), 0));
	T("CLEAR_PAGE: an L1", mmuext(MMUEXT_CLEAR_PAGE, mfn_of(pool[11]), 0));
	T("COPY_PAGE: nobody's", mmuext(MMUEXT_COPY_PAGE, mfn_of(pool[27]), 1ul << 30));
	T("MARK_SUPER", mmuext(MMUEXT_MARK_SUPER, mfn_of(pool[27]), 0));
	T("UNMARK_SUPER", mmuext(MMUEXT_UNMARK_SUPER, mfn_of(pool[27]), 0));
	T("command 14", mmuext(14, 0, 0));
	T("command 18", mmuext(18, 0, 0));
	T("command 99", mmuext(99, 0, 0));
	static const domid_t domains[] = { 0, 5, DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID };
	for (unsigned i = 0; i < sizeof(domains) / sizeof(*domains); i++) {
		row("domain %x: flush", (word)domains[i]);
		answer(with(MMUEXT_TLB_FLUSH_LOCAL, 0, 0, domains[i]));
		print(" pin");
		answer(with(MMUEXT_PIN_L1_TABLE, mfn_of(pool[11]), 0, domains[i]));
		print(" unpin");
		answer(with(MMUEXT_UNPIN_TABLE, 1ul << 30, 0, domains[i]));
		print(" copy");
		answer(with(MMUEXT_CLEAR_PAGE, mfn_of(pool[27]), 0, domains[i]));
	}
	struct mmuext_op ops[3] = { { .cmd = MMUEXT_TLB_FLUSH_LOCAL }, { .cmd = 99 }, { .cmd = MMUEXT_TLB_FLUSH_LOCAL } };
	unsigned done = 77;
	T("three, second bad", H4(mmuext_op, ops, 3, &done, DOMID_SELF));
	row("done %d", (long)done);
	T("done pointer bad", H4(mmuext_op, ops, 1, BAD, DOMID_SELF));
}

static void sets_of_ldt(void)
{
	group("set_ldt");
	T("none", mmuext(MMUEXT_SET_LDT, 0, 0));
	T("unaligned", mmuext(MMUEXT_SET_LDT, (word)pool[28] + 8, 8));
	T("8193 entries", mmuext(MMUEXT_SET_LDT, (word)pool[28], 8193));
	T("8192 entries", mmuext(MMUEXT_SET_LDT, (word)pool[28], 8192));
	T("Xen's area", mmuext(MMUEXT_SET_LDT, (word)0xffff830000000000ull, 8));
#ifdef __x86_64__
	T("across the hole", mmuext(MMUEXT_SET_LDT, 0x7fffffff0000, 8192));
	T("non-canonical", mmuext(MMUEXT_SET_LDT, 0x800000000000, 8));
#endif
	T("writable page", mmuext(MMUEXT_SET_LDT, (word)pool[28], 8));
}

static void multicalls(void)
{
	static struct multicall_entry m[4];
	struct mmu_update u = { machine_of_entry((word)pool[10], 1), pte_of(pool[10], P | RW | US) };
	group("multicall");
	T("none", H2(multicall, m, 0));
	T("bad", H2(multicall, BAD, 1));
	T("none, bad", H2(multicall, BAD, 0));
	m[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
	m[1] = (struct multicall_entry){ .op = 64 };
	m[2] = (struct multicall_entry){ .op = __HYPERVISOR_multicall, .args = { (word)m, 1 } };
	m[3] = (struct multicall_entry){ .op = __HYPERVISOR_mmu_update, .args = { (word)&u, 1, 0, DOMID_SELF } };
	T("four", H2(multicall, m, 4));
	for (int i = 0; i < 4; i++) {
		row("result %d", (long)i);
		answer(m[i].result);
		print(" op %x args %x %x", m[i].op, (word)(m[i].args[0] == (word)m || m[i].args[0] == (word)&u ? 1 : m[i].args[0]), m[i].args[1]);
	}
	m[0] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op, .args = { (word)BAD, 1, 0, DOMID_SELF } };
	m[1] = (struct multicall_entry){ .op = 11 };
	m[2] = (struct multicall_entry){ .op = __HYPERVISOR_set_debugreg, .args = { 9, 0 } };
	T("three", H2(multicall, m, 3));
	for (int i = 0; i < 3; i++) {
		row("result %d", (long)i);
		answer(m[i].result);
	}
	T("huge count, bad at once", H2(multicall, BAD, ~0u));
}

void mmuext_groups(void)
{
	commands();
	sets_of_ldt();
	multicalls();
}
