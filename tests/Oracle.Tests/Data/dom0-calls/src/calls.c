/* Every sub-operation of the calls that dom0 and its tools make: with an argument that is not there, and with one of zeroes. */
#include "kernel.h"

static void zero(void) { clear(&arg, 0, sizeof(arg)); }

static void sweep(const char *name, unsigned nr, unsigned first, unsigned last)
{
	group(name);
	for (unsigned cmd = first; cmd <= last; cmd++) {
		row("%d: bad", (long)cmd);
		print(" = %d", call(nr, cmd, (uint64_t)BAD, 1, 0, 0));
		zero();
		row("%d: zeroes", (long)cmd);
		print(" = %d", call(nr, cmd, (uint64_t)&arg, 1, 0, 0));
		for (int i = 0; i < 4; i++)
			print(" %x", arg.words[i]);
	}
}

static void xen_versions(void)
{
	group("xen_version");
	for (unsigned cmd = 0; cmd < 12; cmd++) {
		row("%d: bad", (long)cmd);
		print(" = %d", H(xen_version, cmd, cmd == XENVER_version || cmd == XENVER_pagesize ? NULL : BAD, 0, 0));
	}
	struct xen_feature_info f = { .submap_idx = 0 };
	T("features 0", H(xen_version, XENVER_get_features, &f, 0, 0));
	print(" %x", (uint64_t)f.submap);
	f.submap_idx = 1;
	T("features 1", H(xen_version, XENVER_get_features, &f, 0, 0));
	T("pagesize with an argument", H(xen_version, XENVER_pagesize, &arg, 0, 0));
	zero();
	T("build_id: length 0", H(xen_version, XENVER_build_id, &arg, 0, 0));
	arg.halves[0] = 4;
	T("build_id: length 4", H(xen_version, XENVER_build_id, &arg, 0, 0));
	arg.halves[0] = 100;
	T("build_id: length 100", H(xen_version, XENVER_build_id, &arg, 0, 0));
	T("build_id: null", H(xen_version, XENVER_build_id, NULL, 0, 0));
	T("platform_parameters", H(xen_version, XENVER_platform_parameters, &arg, 0, 0));
	print(" %x", arg.words[0]);
	zero();
	T("capabilities", H(xen_version, XENVER_capabilities, &arg, 0, 0));
	print(" \"%s\"", arg.bytes);
	T("guest_handle", H(xen_version, XENVER_guest_handle, &arg, 0, 0));
	print(" %x %x", arg.words[0], arg.words[1]);
}

static void console(void)
{
	group("console_io");
	T("write nothing", H(console_io, CONSOLEIO_write, 0, BAD, 0));
	T("write bad", H(console_io, CONSOLEIO_write, 4, BAD, 0));
	T("read nothing", H(console_io, CONSOLEIO_read, 0, BAD, 0));
	T("read", H(console_io, CONSOLEIO_read, 16, &arg, 0));
	T("command 2", H(console_io, 2, 4, &arg, 0));
	T("negative count", H(console_io, CONSOLEIO_write, 0x80000000, BAD, 0));
}

static void versioned(const char *name, unsigned nr, unsigned version, unsigned last, const unsigned char *skip)
{
	group(name);
	T("bad", call(nr, (uint64_t)BAD, 0, 0, 0, 0));
	zero();
	arg.halves[1] = version + 1;
	T("another version", call(nr, (uint64_t)&arg, 0, 0, 0, 0));
	for (unsigned cmd = 0; cmd <= last; cmd++) {
		const unsigned char *s = skip;
		while (*s && *s != cmd)
			s++;
		if (*s)
			continue;
		zero();
		arg.halves[0] = cmd;
		arg.halves[1] = version;
		row("%d: zeroes", (long)cmd);
		print(" = %d", call(nr, (uint64_t)&arg, 0, 0, 0, 0));
		if (nr != __HYPERVISOR_domctl)
			continue;
		static const unsigned domains[] = { 7, DOMID_SELF, DOMID_IO };
		for (int i = 0; i < 3; i++) {
			zero();
			arg.halves[0] = cmd;
			arg.halves[1] = version;
			arg.halves[2] = domains[i];
			if (cmd != XEN_DOMCTL_createdomain)
				print(" of %x: %d", (uint64_t)domains[i], call(nr, (uint64_t)&arg, 0, 0, 0, 0));
		}
	}
}

static struct xen_platform_op pf;
static long platform(unsigned cmd)
{
	pf.cmd = cmd;
	pf.interface_version = XENPF_INTERFACE_VERSION;
	return H(platform_op, &pf, 0, 0, 0);
}

static void platforms(void)
{
	static const unsigned char skip[] = { 0 };
	versioned("platform_op", __HYPERVISOR_platform_op, XENPF_INTERFACE_VERSION, 66, skip);
	group("platform_op");
	for (unsigned type = 0; type < 7; type++)
		for (unsigned index = 0; index < 2; index++) {
			clear(&pf, 0, sizeof(pf));
			pf.u.firmware_info.type = type;
			pf.u.firmware_info.index = index;
			row("firmware_info %d %d", (long)type, (long)index);
			print(" = %d", platform(XENPF_firmware_info));
		}
	for (unsigned cpu = 0; cpu < 3; cpu++) {
		clear(&pf, 0, sizeof(pf));
		pf.u.pcpu_info.xen_cpuid = cpu;
		row("get_cpuinfo %d", (long)cpu);
		print(" = %d", platform(XENPF_get_cpuinfo));
		print(" max %d flags %x apic %d acpi %d", (long)pf.u.pcpu_info.max_present, (uint64_t)pf.u.pcpu_info.flags, (long)pf.u.pcpu_info.apic_id, (long)pf.u.pcpu_info.acpi_id);
		clear(&pf, 0, sizeof(pf));
		pf.u.pcpu_version.xen_cpuid = cpu;
		row("get_cpu_version %d", (long)cpu);
		print(" = %d", platform(XENPF_get_cpu_version));
		print(" max %d family %d", (long)pf.u.pcpu_version.max_present, (long)pf.u.pcpu_version.family);
		clear(&pf, 0, sizeof(pf));
		pf.u.cpu_ol.cpuid = cpu;
		row("cpu_online %d", (long)cpu);
		print(" = %d", platform(XENPF_cpu_online));
		clear(&pf, 0, sizeof(pf));
		pf.u.cpu_ol.cpuid = cpu;
		row("cpu_offline %d", (long)cpu);
		print(" = %d", platform(XENPF_cpu_offline));
	}
	clear(&pf, 0, sizeof(pf));
	pf.u.settime64.mbz = 1;
	T("settime64 with mbz", platform(XENPF_settime64));
	clear(&pf, 0, sizeof(pf));
	pf.u.settime64.secs = 1000000000;
	T("settime64", platform(XENPF_settime64));
	for (unsigned quirk = 0; quirk < 5; quirk++) {
		clear(&pf, 0, sizeof(pf));
		pf.u.platform_quirk.quirk_id = quirk;
		row("platform_quirk %d", (long)quirk);
		print(" = %d", platform(XENPF_platform_quirk));
	}
	for (unsigned type = 0; type < 5; type++) {
		clear(&pf, 0, sizeof(pf));
		pf.u.set_pminfo.type = type;
		row("set_processor_pminfo %d", (long)type);
		print(" = %d", platform(XENPF_set_processor_pminfo));
	}
	for (unsigned type = 0; type < 4; type++) {
		clear(&pf, 0, sizeof(pf));
		pf.u.core_parking.type = type;
		row("core_parking %d", (long)type);
		print(" = %d idle %d", platform(XENPF_core_parking), (long)pf.u.core_parking.idle_nums);
	}
	clear(&pf, 0, sizeof(pf));
	pf.u.resource_op.nr_entries = 1;
	set_xen_guest_handle(pf.u.resource_op.entries, BAD);
	T("resource_op", platform(XENPF_resource_op));
}

static void physdevs(void)
{
	sweep("physdev_op", __HYPERVISOR_physdev_op, 0, 33);
	group("physdev_op");
	for (unsigned irq = 0; irq < 3; irq++) {
		static const unsigned irqs[] = { 9, 300, 100000 };
		struct physdev_irq_status_query q = { .irq = irqs[irq] };
		row("irq_status_query %d", (long)irqs[irq]);
		print(" = %d flags %x", H(physdev_op, PHYSDEVOP_irq_status_query, &q, 0, 0), (uint64_t)q.flags);
		struct physdev_eoi e = { .irq = irqs[irq] };
		row("eoi %d", (long)irqs[irq]);
		print(" = %d", H(physdev_op, PHYSDEVOP_eoi, &e, 0, 0));
		struct physdev_setup_gsi g = { .gsi = irqs[irq], .triggering = 1, .polarity = 0 };
		row("setup_gsi %d", (long)irqs[irq]);
		print(" = %d", H(physdev_op, PHYSDEVOP_setup_gsi, &g, 0, 0));
		struct physdev_map_pirq m = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = irqs[irq], .pirq = irqs[irq] };
		row("map_pirq %d", (long)irqs[irq]);
		print(" = %d", H(physdev_op, PHYSDEVOP_map_pirq, &m, 0, 0));
		print(" pirq %d", (long)m.pirq);
		struct evtchn_bind_pirq b = { .pirq = irqs[irq] };
		row("bind_pirq %d", (long)irqs[irq]);
		print(" = %d", H(event_channel_op, EVTCHNOP_bind_pirq, &b, 0, 0));
		print(" port %d", (long)b.port);
		row("eoi %d when bound", (long)irqs[irq]);
		print(" = %d", H(physdev_op, PHYSDEVOP_eoi, &e, 0, 0));
		struct physdev_unmap_pirq u = { .domid = DOMID_SELF, .pirq = irqs[irq] };
		row("unmap_pirq %d", (long)irqs[irq]);
		print(" = %d", H(physdev_op, PHYSDEVOP_unmap_pirq, &u, 0, 0));
	}
	struct physdev_get_free_pirq p = { .type = MAP_PIRQ_TYPE_GSI };
	T("get_free_pirq", H(physdev_op, PHYSDEVOP_get_free_pirq, &p, 0, 0));
	print(" pirq %d", (long)p.pirq);
	p.type = MAP_PIRQ_TYPE_MSI;
	T("get_free_pirq for MSI", H(physdev_op, PHYSDEVOP_get_free_pirq, &p, 0, 0));
	print(" pirq %d", (long)p.pirq);
	struct physdev_pirq_eoi_gmfn e = { .gmfn = mfn_of(pool[6]) };
	T("pirq_eoi_gmfn_v2", H(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &e, 0, 0));
	T("pirq_eoi_gmfn_v2 again", H(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &e, 0, 0));
	e.gmfn = 1ul << 40;
	T("pirq_eoi_gmfn_v1: nowhere", H(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v1, &e, 0, 0));
	struct physdev_apic a = { .apic_physbase = 0xfec00000, .reg = 1 };
	T("apic_read 1", H(physdev_op, PHYSDEVOP_apic_read, &a, 0, 0));
	print(" %x", (uint64_t)a.value);
	a.reg = 0;
	T("apic_read 0", H(physdev_op, PHYSDEVOP_apic_read, &a, 0, 0));
	print(" %x", (uint64_t)a.value);
	a.apic_physbase = 0x1000;
	T("apic_read: no such", H(physdev_op, PHYSDEVOP_apic_read, &a, 0, 0));
	static const unsigned devices[] = { 0x00, 0x08, 0xf8, 0xfa, 0xfb, 0x10 };
	for (int i = 0; i < 6; i++) {
		struct physdev_pci_device_add d = { .devfn = devices[i] };
		row("pci_device_add %x", (uint64_t)devices[i]);
		print(" = %d", H(physdev_op, PHYSDEVOP_pci_device_add, &d, 0, 0));
		struct physdev_pci_device r = { .devfn = devices[i] };
		row("restore_msi_ext %x", (uint64_t)devices[i]);
		print(" = %d", H(physdev_op, PHYSDEVOP_restore_msi_ext, &r, 0, 0));
		row("pci_device_remove %x", (uint64_t)devices[i]);
		print(" = %d", H(physdev_op, PHYSDEVOP_pci_device_remove, &r, 0, 0));
	}
	struct physdev_pci_mmcfg_reserved m = { .address = 0xb0000000, .end_bus = 255, .flags = XEN_PCI_MMCFG_RESERVED };
	T("pci_mmcfg_reserved", H(physdev_op, PHYSDEVOP_pci_mmcfg_reserved, &m, 0, 0));
	m.address = 0xc0000000;
	T("pci_mmcfg_reserved: elsewhere", H(physdev_op, PHYSDEVOP_pci_mmcfg_reserved, &m, 0, 0));
}

static void watchdogs(void)
{
	struct sched_watchdog w = { 0, 0 };
	group("sched_op");
	T("watchdog: bad", H(sched_op, SCHEDOP_watchdog, BAD, 0, 0));
	w.timeout = 100;
	T("watchdog 0 100", H(sched_op, SCHEDOP_watchdog, &w, 0, 0));
	T("another", H(sched_op, SCHEDOP_watchdog, &w, 0, 0));
	T("a third", H(sched_op, SCHEDOP_watchdog, &w, 0, 0));
	w.id = 1;
	T("the first again", H(sched_op, SCHEDOP_watchdog, &w, 0, 0));
	w.timeout = 0;
	T("the first off", H(sched_op, SCHEDOP_watchdog, &w, 0, 0));
	T("the first off again", H(sched_op, SCHEDOP_watchdog, &w, 0, 0));
	w.id = 2;
	T("the second off", H(sched_op, SCHEDOP_watchdog, &w, 0, 0));
	w.id = 3;
	T("number 3", H(sched_op, SCHEDOP_watchdog, &w, 0, 0));
	T("pin_override: bad", H(sched_op, SCHEDOP_pin_override, BAD, 0, 0));
	struct sched_pin_override p = { .pcpu = 0 };
	T("pin_override 0", H(sched_op, SCHEDOP_pin_override, &p, 0, 0));
	p.pcpu = 1;
	T("pin_override 1", H(sched_op, SCHEDOP_pin_override, &p, 0, 0));
	p.pcpu = -1;
	T("pin_override -1", H(sched_op, SCHEDOP_pin_override, &p, 0, 0));
	struct sched_remote_shutdown r = { .domain_id = 7 };
	T("remote_shutdown of nobody", H(sched_op, SCHEDOP_remote_shutdown, &r, 0, 0));
	r.domain_id = DOMID_SELF;
	T("remote_shutdown of DOMID_SELF", H(sched_op, SCHEDOP_remote_shutdown, &r, 0, 0));
	T("command 20", H(sched_op, 20, BAD, 0, 0));
}

void calls(void)
{
	/* getpageframeinfo3 and the like take counts: of zeroes there is nothing to do. Left out: what stops the machine or the caller. */
	static const unsigned char sysctls[] = { XEN_SYSCTL_debug_keys, 0 };
	static const unsigned char domctls[] = { XEN_DOMCTL_createdomain, XEN_DOMCTL_resumedomain, XEN_DOMCTL_soft_reset, XEN_DOMCTL_unpausedomain, XEN_DOMCTL_sendtrigger, 0 };
	xen_versions();
	console();
	watchdogs();
	sweep("hvm_op", __HYPERVISOR_hvm_op, 0, 26);
	sweep("xsm_op", __HYPERVISOR_xsm_op, 0, 1);
	sweep("nmi_op", __HYPERVISOR_nmi_op, 2, 3);
	sweep("kexec_op", __HYPERVISOR_kexec_op, 1, 7);
	sweep("tmem_op", 38, 0, 1);
	sweep("argo_op", 39, 0, 6);
	sweep("xenpmu_op", 40, 0, 7);
	sweep("dm_op", 41, 0, 1);
	sweep("hypfs_op", 42, 0, 4);
	sweep("number 43", 43, 0, 0);
	sweep("number 55", 55, 0, 0);
	sweep("number 63", 63, 0, 0);
	group("mca");
	T("bad", call(__HYPERVISOR_arch_0, (uint64_t)BAD, 0, 0, 0, 0));
	for (unsigned cmd = 0; cmd < 10; cmd++) {
		if (cmd == 4 || cmd == 5)
			continue;
		zero();
		arg.halves[0] = cmd;
		arg.halves[1] = 0x01ecc003;
		row("%d: zeroes", (long)cmd);
		print(" = %d", call(__HYPERVISOR_arch_0, (uint64_t)&arg, 0, 0, 0, 0));
	}
	physdevs();
	platforms();
	versioned("sysctl", __HYPERVISOR_sysctl, XEN_SYSCTL_INTERFACE_VERSION, 32, sysctls);
	versioned("domctl", __HYPERVISOR_domctl, XEN_DOMCTL_INTERFACE_VERSION, 90, domctls);
}
