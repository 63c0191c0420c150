/* grant_table_op: a domain that grants pages to itself by its number, 0. */
#include "kernel.h"

static grant_entry_v1_t *v1 = (void *)pool[0];
static grant_entry_v2_t *v2 = (void *)pool[0];
static uint16_t *status = (void *)pool[1];
static char *page = pool[2], *place = pool[3], *other = pool[4];
static int version = 1;

static long op(unsigned cmd, void *a, unsigned n) { return H(grant_table_op, cmd, a, n, 0); }

static void entry(unsigned ref)
{
	if (version == 1)
		print(" flags %x", (uint64_t)v1[ref].flags);
	else
		print(" flags %x status %x", (uint64_t)v2[ref].hdr.flags, (uint64_t)status[ref]);
}

static void grant(unsigned ref, unsigned flags, uint64_t frame)
{
	if (version == 1)
		v1[ref] = (grant_entry_v1_t){ flags, 0, frame };
	else
		v2[ref] = (grant_entry_v2_t){ .full_page = { .hdr = { flags, 0 }, .frame = frame } };
}

static uint64_t l1_of(void *va)
{
	/* The tables that the builder left: physical and virtual are offset by VIRT_BASE. */
	uint64_t *t = (uint64_t *)start->pt_base, va_ = (uint64_t)va;
	for (int level = 4; level > 1; level--) {
		uint64_t mfn = t[va_ >> (3 + 9 * level) & 511] >> 12 & 0xffffffffff;
		t = (void *)(0xffffffff80000000ul + (((uint64_t *)0xffff800000000000ul)[mfn] << 12));
	}
	return (uint64_t)&t[va_ >> 12 & 511];
}

static void pte(void *va)
{
	uint64_t e = *(uint64_t *)l1_of(va);
	print(" pte %x%s", e & ~0x000ffffffffff000ul, (e & 1) && (e >> 12 & 0xffffffffff) == mfn_of(page) ? " page" : "");
}

static struct gnttab_map_grant_ref map(const char *name, unsigned ref, unsigned flags, uint64_t at, domid_t dom)
{
	struct gnttab_map_grant_ref m = { .host_addr = at, .flags = flags, .ref = ref, .dom = dom, .status = 77, .handle = 0x1234 };
	row("map %s", name);
	print(" = %d", op(GNTTABOP_map_grant_ref, &m, 1));
	print(" status %d handle %x bus %s", (long)m.status, (uint64_t)m.handle, m.dev_bus_addr == mfn_of(page) << 12 ? "page" : m.dev_bus_addr ? "other" : "none");
	return m;
}

static void unmap(const char *name, uint64_t handle, uint64_t at, uint64_t bus)
{
	struct gnttab_unmap_grant_ref u = { .host_addr = at, .dev_bus_addr = bus, .handle = handle, .status = 77 };
	row("unmap %s", name);
	print(" = %d", op(GNTTABOP_unmap_grant_ref, &u, 1));
	print(" status %d", (long)u.status);
}

static void tables(void)
{
	struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = 1 };
	struct gnttab_query_size q = { .dom = DOMID_SELF };
	uint64_t frames[2];
	set_xen_guest_handle(s.frame_list, frames);
	group("grant tables");
	T("query_size", op(GNTTABOP_query_size, &q, 1));
	print(" status %d frames %d max %d", (long)q.status, (long)q.nr_frames, (long)q.max_nr_frames);
	T("query_size of two", op(GNTTABOP_query_size, &q, 2));
	T("query_size: bad", op(GNTTABOP_query_size, BAD, 1));
	q.dom = 7;
	T("query_size: no domain", op(GNTTABOP_query_size, &q, 1));
	print(" status %d", (long)q.status);
	T("setup_table", op(GNTTABOP_setup_table, &s, 1));
	print(" status %d", (long)s.status);
	T("the frame is mapped", map_at(v1, frames[0] << 12 | 7));
	s.nr_frames = 65;
	T("setup_table: too many", op(GNTTABOP_setup_table, &s, 1));
	print(" status %d", (long)s.status);
	s.nr_frames = 0;
	T("setup_table: none", op(GNTTABOP_setup_table, &s, 1));
	print(" status %d", (long)s.status);
	s.dom = 7;
	T("setup_table: no domain", op(GNTTABOP_setup_table, &s, 1));
	print(" status %d", (long)s.status);
	s = (struct gnttab_setup_table){ .dom = DOMID_SELF, .nr_frames = 1 };
	set_xen_guest_handle(s.frame_list, BAD);
	T("setup_table: list nowhere", op(GNTTABOP_setup_table, &s, 1));
	print(" status %d", (long)s.status);
	T("setup_table: bad", op(GNTTABOP_setup_table, BAD, 1));
	for (unsigned cmd = 0; cmd < 14; cmd++) {
		row("operation %d: bad", (long)cmd);
		print(" = %d", op(cmd, BAD, 1));
		row("operation %d: none of it", (long)cmd);
		print(" = %d", op(cmd, BAD, 0));
		row("operation %d: negative count", (long)cmd);
		print(" = %d", op(cmd, BAD, 0x80000000));
		row("operation %d: in Xen", (long)cmd);
		print(" = %d", op(cmd, (void *)0xffff830000000000ul, 1));
		row("operation %d: with a continuation", (long)cmd);
		print(" = %d", op(cmd | 0x1000, &arg, 0));
	}
}

static void maps(void)
{
	struct gnttab_map_grant_ref m, n;
	group(version == 1 ? "version 1" : "version 2");
	grant(8, GTF_permit_access, mfn_of(page));
	m = map("writable", 8, GNTMAP_host_map, (uint64_t)place, 0);
	entry(8);
	pte(place);
	*(volatile int *)page = 0x55;
	row("the other sees %x", (uint64_t)*(volatile int *)place);
	n = map("again, read-only", 8, GNTMAP_host_map | GNTMAP_readonly, (uint64_t)other, 0);
	entry(8);
	pte(other);
	unmap("with a wrong address", m.handle, (uint64_t)pool[5], 0);
	unmap("with the other's address", m.handle, (uint64_t)other, 0);
	unmap("without an address", m.handle, 0, 0);
	unmap("the writable one", m.handle, (uint64_t)place, 0);
	entry(8);
	pte(place);
	unmap("it again", m.handle, (uint64_t)place, 0);
	unmap("the other", n.handle, (uint64_t)other, 0);
	entry(8);
	unmap("handle 100000", 100000, (uint64_t)other, 0);
	m = map("application", 8, GNTMAP_host_map | GNTMAP_application_map, (uint64_t)place, 0);
	pte(place);
	unmap("it", m.handle, (uint64_t)place, 0);
	m = map("available bits", 8, GNTMAP_host_map | 0x70000, (uint64_t)place, 0);
	pte(place);
	unmap("it", m.handle, (uint64_t)place, 0);
	uint64_t l1 = l1_of(place);
	uint64_t machine = mfn_of((void *)(l1 & ~4095ul)) << 12 | (l1 & 4095);
	m = map("by its entry", 8, GNTMAP_host_map | GNTMAP_contains_pte, machine, 0);
	pte(place);
	unmap("it", m.handle, machine, 0);
	map("by its entry, misaligned", 8, GNTMAP_host_map | GNTMAP_contains_pte, machine + 4, 0);
	map("by an entry in no table", 8, GNTMAP_host_map | GNTMAP_contains_pte, mfn_of(other) << 12, 0);
	map("by an entry of nobody", 8, GNTMAP_host_map | GNTMAP_contains_pte, 1ul << 50, 0);
	m = map("for a device", 8, GNTMAP_device_map, 0, 0);
	entry(8);
	unmap("with a wrong bus address", m.handle, 0, m.dev_bus_addr + 4096);
	unmap("it", m.handle, 0, m.dev_bus_addr);
	entry(8);
	m = map("for both, read-only", 8, GNTMAP_device_map | GNTMAP_host_map | GNTMAP_readonly, (uint64_t)place, 0);
	entry(8);
	unmap("the host's", m.handle, (uint64_t)place, 0);
	entry(8);
	unmap("the device's", m.handle, 0, m.dev_bus_addr);
	entry(8);
	map("for nobody", 8, GNTMAP_readonly, (uint64_t)place, 0);
	map("of DOMID_SELF", 8, GNTMAP_host_map, (uint64_t)place, DOMID_SELF);
	map("of no domain", 8, GNTMAP_host_map, (uint64_t)place, 7);
	map("reference 512", 512, GNTMAP_host_map, (uint64_t)place, 0);
	map("reference 255", 255, GNTMAP_host_map, (uint64_t)place, 0);
	map("where no table is", 8, GNTMAP_host_map, 0x4000000000, 0);
	map("in Xen", 8, GNTMAP_host_map, 0xffff830000000000ul, 0);
	entry(8);
	grant(9, GTF_permit_access | GTF_readonly, mfn_of(page));
	map("a read-only entry, writable", 9, GNTMAP_host_map, (uint64_t)place, 0);
	entry(9);
	m = map("a read-only entry", 9, GNTMAP_host_map | GNTMAP_readonly, (uint64_t)place, 0);
	entry(9);
	row("then writable by update_va_mapping");
	print(" = %d", map_at(place, mfn_of(page) << 12 | 0x67));
	map_at(place, mfn_of(page) << 12 | 0x65);
	unmap("it", m.handle, (uint64_t)place, 0);
	grant(9, GTF_accept_transfer, mfn_of(page));
	map("an accept_transfer", 9, GNTMAP_host_map, (uint64_t)place, 0);
	grant(9, GTF_permit_access | GTF_sub_page, mfn_of(page));
	map("a sub-page", 9, GNTMAP_host_map, (uint64_t)place, 0);
	grant(9, GTF_transitive, 0);
	map("a transitive one", 9, GNTMAP_host_map, (uint64_t)place, 0);
	grant(9, GTF_permit_access, 1ul << 31);
	map("a frame that is not there", 9, GNTMAP_host_map, (uint64_t)place, 0);
	entry(9);
	grant(9, GTF_permit_access, mfn_of((void *)start->pt_base));
	map("a page table, writable", 9, GNTMAP_host_map, (uint64_t)place, 0);
	entry(9);
	m = map("a page table, read-only", 9, GNTMAP_host_map | GNTMAP_readonly, (uint64_t)place, 0);
	entry(9);
	unmap("it", m.handle, (uint64_t)place, 0);
	grant(9, GTF_permit_access, start->shared_info >> 12);
	m = map("shared_info", 9, GNTMAP_host_map, (uint64_t)place, 0);
	unmap("it", m.handle, (uint64_t)place, 0);
	grant(9, GTF_invalid, 0);
	m = map("and overwrite", 8, GNTMAP_host_map, (uint64_t)place, 0);
	row("overwriting it");
	print(" = %d", map_at(place, 0));
	entry(8);
	unmap("it", m.handle, (uint64_t)place, 0);
	map_at(place, mfn_of(page) << 12 | 0x67);
	/* A mapping that looks right passes, whoever made it. */
	unmap("it, mapped anew", m.handle, (uint64_t)place, 0);
	entry(8);
	map_at(place, mfn_of(place) << 12 | 0x67);
	map_at(other, mfn_of(other) << 12 | 0x67);
	m = map("to replace", 8, GNTMAP_host_map, (uint64_t)place, 0);
	struct gnttab_unmap_and_replace r = { .host_addr = (uint64_t)place, .new_addr = (uint64_t)other, .handle = m.handle, .status = 77 };
	row("unmap_and_replace");
	print(" = %d", op(GNTTABOP_unmap_and_replace, &r, 1));
	print(" status %d", (long)r.status);
	pte(place);
	pte(other);
	entry(8);
	map_at(place, mfn_of(place) << 12 | 0x67);
	map_at(other, mfn_of(other) << 12 | 0x67);
}

static void copy(const char *name, struct gnttab_copy c)
{
	c.status = 77;
	row("copy %s", name);
	print(" = %d", op(GNTTABOP_copy, &c, 1));
	print(" status %d", (long)c.status);
}

static void copies(void)
{
	struct gnttab_copy g = { .source = { .u.ref = 8, .domid = 0, .offset = 0 }, .dest = { .u.gmfn = mfn_of(other), .domid = DOMID_SELF, .offset = 16 }, .len = 4, .flags = GNTCOPY_source_gref }, c;
	group(version == 1 ? "copy, version 1" : "copy, version 2");
	grant(8, GTF_permit_access, mfn_of(page));
	*(volatile int *)page = 0x1234;
	copy("from a grant", g);
	row("the copy is %x", (uint64_t)*(volatile int *)(other + 16));
	c = (struct gnttab_copy){ .source = { .u.gmfn = mfn_of(other), .domid = DOMID_SELF, .offset = 16 }, .dest = { .u.ref = 8, .domid = 0, .offset = 4092 }, .len = 4, .flags = GNTCOPY_dest_gref };
	copy("to a grant", c);
	c.dest.offset = 4093;
	copy("beyond the page", c);
	c = g, c.source.offset = 4096, c.len = 0;
	copy("nothing at the end", c);
	c = g, c.source.domid = 7;
	copy("of no domain", c);
	c = g, c.source.domid = DOMID_SELF;
	copy("of DOMID_SELF's grant", c);
	c = g, c.dest.domid = 0;
	copy("to a frame by number", c);
	c = g, c.flags = 0, c.source.u.gmfn = mfn_of(page), c.source.domid = 0;
	copy("from a frame by number", c);
	c = g, c.source.u.ref = 512;
	copy("reference 512", c);
	c = g, c.dest.u.gmfn = 1ul << 40;
	copy("to nowhere", c);
	c = g, c.dest.u.gmfn = mfn_of((void *)start->pt_base);
	copy("to a page table", c);
	c = g, c.flags = 0, c.source.u.gmfn = 1ul << 40, c.source.domid = DOMID_SELF;
	copy("from nowhere", c);
	grant(9, GTF_permit_access | GTF_readonly, mfn_of(page));
	c = (struct gnttab_copy){ .source = { .u.gmfn = mfn_of(other), .domid = DOMID_SELF }, .dest = { .u.ref = 9, .domid = 0 }, .len = 4, .flags = GNTCOPY_dest_gref };
	copy("to a read-only grant", c);
	entry(9);
	grant(9, GTF_accept_transfer, mfn_of(page));
	c = g, c.source.u.ref = 9;
	copy("from an accept_transfer", c);
	grant(9, GTF_transitive, 0);
	copy("from a transitive one", c);
	grant(9, GTF_permit_access | GTF_sub_page, mfn_of(page));
	if (version == 2)
		v2[9].sub_page.page_off = 0x100, v2[9].sub_page.length = 0x20;
	copy("from before a sub-page", c);
	c.source.offset = 0x100, c.len = 0x20;
	copy("from a sub-page", c);
	c.len = 0x21;
	copy("from behind a sub-page", c);
	grant(9, GTF_permit_access, 1ul << 31);
	copy("from a frame that is not there", c);
	grant(9, 0, 0);
	entry(8);
	struct gnttab_swap_grant_ref s = { 8, 9, 77 };
	row("swap");
	print(" = %d", op(GNTTABOP_swap_grant_ref, &s, 1));
	print(" status %d", (long)s.status);
	entry(8);
	entry(9);
	op(GNTTABOP_swap_grant_ref, &s, 1);
	s.ref_b = 512;
	row("swap with 512");
	print(" = %d", op(GNTTABOP_swap_grant_ref, &s, 1));
	print(" status %d", (long)s.status);
}

static void transfer(const char *name, uint64_t mfn, domid_t to, unsigned ref)
{
	struct gnttab_transfer t = { .mfn = mfn, .domid = to, .ref = ref, .status = 77 };
	row("transfer %s", name);
	print(" = %d", op(GNTTABOP_transfer, &t, 1));
	print(" status %d", (long)t.status);
}

static void transfers(void)
{
	group("transfer");
	grant(10, GTF_accept_transfer, 0x123);
	transfer("a mapped page", mfn_of(pool[8]), 0, 10);
	transfer("nowhere's page", 1ul << 40, 0, 10);
	transfer("shared_info", start->shared_info >> 12, 0, 10);
	uint64_t mfn = mfn_of(pool[8]);
	map_at(pool[8], 0);
	transfer("a page to itself", mfn, 0, 10);
	row("the entry is %s with", v1[10].frame == mfn ? "the page" : "another");
	entry(10);
	row("mapped again");
	print(" = %d", map_at(pool[8], mfn << 12 | 0x67));
	map_at(pool[8], 0);
	transfer("to an entry that has one", mfn, 0, 10);
	row("mapped again");
	print(" = %d", map_at(pool[8], mfn << 12 | 0x67));
	map_at(pool[9], 0);
	transfer("to nobody", mfn_of(pool[9]), 7, 10);
	transfer("it again", mfn_of(pool[9]), 7, 10);
}

static void cache(const char *name, uint64_t bus, unsigned offset, unsigned length, unsigned what)
{
	struct gnttab_cache_flush f = { .a.dev_bus_addr = bus, .offset = offset, .length = length, .op = what };
	row("cache_flush %s", name);
	print(" = %d", op(GNTTABOP_cache_flush, &f, 1));
}

static void set_version(unsigned v)
{
	struct gnttab_set_version s = { v };
	row("set_version %d", (long)v);
	print(" = %d", op(GNTTABOP_set_version, &s, 1));
	print(" version %d", (long)s.version);
}

static void versions(void)
{
	struct gnttab_get_version g = { .dom = DOMID_SELF };
	struct gnttab_get_status_frames f = { .nr_frames = 1, .dom = DOMID_SELF };
	uint64_t frames[4];
	group("versions");
	T("get_version", op(GNTTABOP_get_version, &g, 1));
	print(" version %d", (long)g.version);
	g.dom = 7;
	T("get_version: no domain", op(GNTTABOP_get_version, &g, 1));
	set_xen_guest_handle(f.frame_list, frames);
	T("get_status_frames in version 1", op(GNTTABOP_get_status_frames, &f, 1));
	print(" status %d", (long)f.status);
	set_version(0);
	set_version(3);
	set_version(1);
	grant(3, GTF_permit_access, mfn_of(page));
	struct gnttab_map_grant_ref m = map("reserved", 3, GNTMAP_host_map | GNTMAP_readonly, (uint64_t)place, 0);
	grant(8, GTF_permit_access, mfn_of(page));
	struct gnttab_map_grant_ref n = map("ours", 8, GNTMAP_host_map | GNTMAP_readonly, (uint64_t)other, 0);
	set_version(2);
	unmap("ours", n.handle, (uint64_t)other, 0);
	set_version(2);
	version = 2;
	T("get_status_frames", op(GNTTABOP_get_status_frames, &f, 1));
	print(" status %d", (long)f.status);
	T("they are mapped", map_at(status, frames[0] << 12 | 7));
	entry(3);
	entry(8);
	row("the reserved entry has %s", v2[3].full_page.frame == mfn_of(page) ? "its frame" : "another");
	unmap("reserved", m.handle, (uint64_t)place, 0);
	entry(3);
	f.nr_frames = 2;
	T("get_status_frames: two", op(GNTTABOP_get_status_frames, &f, 1));
	print(" status %d", (long)f.status);
	maps();
	copies();
	group("versions");
	set_version(1);
	map_at(status, mfn_of(status) << 12 | 0x67);
	v2[3] = (grant_entry_v2_t){ .full_page = { .hdr = { GTF_permit_access, 0 }, .frame = 1ul << 33 } };
	set_version(1);
	v2[3] = (grant_entry_v2_t){ .transitive = { .hdr = { GTF_transitive, 0 } } };
	set_version(1);
	grant(3, GTF_permit_access, mfn_of(page));
	set_version(1);
	version = 1;
	entry(3);
	entry(8);
}

void grants(void)
{
	tables();
	maps();
	copies();
	transfers();
	group("cache_flush");
	cache("own", mfn_of(page) << 12, 0, 16, GNTTAB_CACHE_CLEAN);
	cache("own, invalidate", mfn_of(page) << 12, 0, 16, GNTTAB_CACHE_INVAL);
	cache("own, both", mfn_of(page) << 12, 0, 16, 3);
	cache("nothing", mfn_of(page) << 12, 0, 0, 1);
	cache("no operation", mfn_of(page) << 12, 0, 16, 0);
	cache("beyond", mfn_of(page) << 12, 4000, 100, 1);
	cache("unknown", mfn_of(page) << 12, 0, 16, 4);
	cache("nowhere", 1ul << 50, 0, 16, 1);
	versions();
}
