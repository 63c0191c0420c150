using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxl;
using XenSim.Toolstack.Tests.Images;

namespace XenSim.Toolstack.Tests.Libxl;

/// <summary>xl create under 4.0.4. The order of calls is that of the annotated source walk of RELEASE-4.0.4 (domU path, table of section 2).</summary>
public sealed class CreateDomain40Tests
{
    [Fact]
    public void A_PV_build_issues_the_hypercalls_of_4_0_4_in_their_order()
    {
        (DomainCreation creation, ScriptedXen xen, _) = Golden.Run(Configuration(), XenRelease.V4_0);

        Assert.Equal(StageOutcome.Ok, creation.Machine.Outcome);
        Assert.Equal(
            [
                "XEN_DOMCTL_createdomain", "XEN_SYSCTL_getdomaininfolist", "XEN_SYSCTL_getdomaininfolist", "XEN_DOMCTL_max_vcpus", "XEN_DOMCTL_max_mem",
                "XENMEM_set_memory_map", "XEN_DOMCTL_settscinfo", "EVTCHNOP_alloc_unbound", "EVTCHNOP_alloc_unbound", "0", "3",
                "XEN_DOMCTL_set_address_size", "XENMEM_populate_physmap", "MMAPBATCH_V2", "MMAPBATCH_V2", "MMAPBATCH_V2", "XEN_DOMCTL_getdomaininfo",
                "MMAPBATCH_V2", "MMAPBATCH_V2", "MMAPBATCH_V2", "XEN_DOMCTL_hypercall_init", "MMUEXT_PIN_L4_TABLE", "MMAPBATCH_V2", "XEN_DOMCTL_setvcpucontext",
            ],
            xen.Calls.Select(c => c.Split(' ')[1]).Take(24));
        Assert.Equal(0, xen.OpenMappings);
    }

    /// <summary>Case A of the vectors that came from running 4.0.4's own functions: kernel 0xffffffff80200000 to 80a00000, 256 MiB.</summary>
    [Fact]
    public void The_layout_of_a_256_MiB_kernel_is_that_of_4_0_4()
    {
        (DomainCreation creation, _, _) = Golden.Run(Configuration(), XenRelease.V4_0);

        Toolstack.Libxc.Dom.Layout layout = creation.Build.Guest.Image!.Layout;
        Assert.Equal((0xa00ul, 128ul), (layout.Find("phys2mach")!.Pfn, layout.Find("phys2mach")!.Pages));
        Assert.Equal((0xa80ul, 0xa81ul, 0xa82ul, 0xa8cul), (layout.StartInfoPfn, layout.XenstorePfn, layout.ConsolePfn, layout.BootstackPfn));
        Assert.Equal((0xffffffff80a83000, 0xffffffff80a8c000), (layout.Find("page tables")!.VStart, layout.Find("page tables")!.VEnd));
        Assert.Equal((0xffffffff80a8d000, 0xffffffff80c00000), (layout.VirtAllocEnd, layout.VirtPgtabEnd));
    }

    [Fact]
    public void A_refused_hypercall_page_ends_the_build_with_minus_2_and_xl_destroys_the_domain_but_leaves_its_vm_path()
    {
        (DomainCreation creation, ScriptedXen xen, Toolstack.XenStore.XenStored store) = Golden.Run(
            Configuration(), XenRelease.V4_0, x => x.Failures["XEN_DOMCTL_hypercall_init"] = XenErrno.EACCES);

        Assert.Equal((-2L, XenErrno.EACCES), (creation.Machine.Outcome.Code, creation.Machine.Outcome.Errno));
        Assert.Contains("domctl operation failed -- need to rebuild the user-space tool set?", xen.Log);
        Assert.Contains("xc_dom_boot.c:44: panic: setup_hypercall_page: HYPERCALL_INIT failed (rc=-1)", xen.Log);
        Assert.Contains("cannot (re-)build domain: -2", xen.Log);
        Assert.True(creation.Build.Guest.Destroyed);
        string tree = string.Join('\n', store.List());
        Assert.Contains($"/vm/{Configuration().Uuid:D}", tree, StringComparison.Ordinal);
        Assert.DoesNotContain("/local/domain/1/", tree, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stub_domain_is_made_after_its_guest_and_started_before_it()
    {
        DomainConfiguration configuration = Configuration() with
        {
            Type = DomainType.hvm,
            Kernel = new NamedBlob("/guests/hvmloader", new ElfBuilder(is64: false) { Entry = 0x100000 }.Load(0x100000, 0x1000).Build()),
            DeviceModel = "stubdom-dm",
            StubdomKernel = Configuration().Kernel,
        };

        (DomainCreation creation, ScriptedXen xen, _) = Golden.Run(configuration, XenRelease.V4_0);

        Assert.Equal(StageOutcome.Ok, creation.Machine.Outcome);
        Assert.Equal((1u, 2u), (creation.Build.Guest.Domid, creation.Build.StubDomain!.Domid));
        Assert.Equal(32ul * 256, creation.Build.StubDomain.Image!.Memory.TotalPages);
        string[] domctls = [.. xen.Calls.Where(c => c.StartsWith("domctl", StringComparison.Ordinal)).Select(c => string.Join(' ', c.Split(' ')[1..3]))];
        Assert.Equal(
            [
                "XEN_DOMCTL_createdomain dom=65535", "XEN_DOMCTL_createdomain dom=65535", "XEN_DOMCTL_hypercall_init dom=2", "XEN_DOMCTL_setvcpucontext dom=2",
                "XEN_DOMCTL_set_target dom=2", "XEN_DOMCTL_unpausedomain dom=2",
            ],
            domctls.Where(c => c.Contains("create", StringComparison.Ordinal) || c.Contains("_init", StringComparison.Ordinal) || c.Contains("context", StringComparison.Ordinal)
                || c.Contains("target", StringComparison.Ordinal) || c.Contains("unpause", StringComparison.Ordinal)));
    }

    /// <summary>Nothing in build_pre is checked: a failed alloc_unbound leaves -1 in the port and the build goes on.</summary>
    [Fact]
    public void Failures_of_build_pre_go_unnoticed()
    {
        (DomainCreation creation, _, _) = Golden.Run(Configuration(), XenRelease.V4_0, x =>
        {
            x.Failures["EVTCHNOP_alloc_unbound"] = XenErrno.ENOSPC;
            x.Failures["XEN_DOMCTL_max_vcpus"] = XenErrno.ENOMEM;
        });

        Assert.Equal(StageOutcome.Ok, creation.Machine.Outcome);
        Assert.Equal((uint.MaxValue, uint.MaxValue), (creation.Build.Guest.State.StorePort, creation.Build.Guest.State.ConsolePort));
    }

    private static DomainConfiguration Configuration() => new()
    {
        Name = "a",
        Uuid = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"),
        MemoryKiB = 256 * 1024,
        Kernel = new NamedBlob("/guests/a", new ElfBuilder().Load(0x200000, 0x800000)
            .Note(ElfNote.XEN_VERSION, "xen-3.0").Note(ElfNote.GUEST_OS, "linux").Note(ElfNote.LOADER, "generic")
            .Note(ElfNote.VIRT_BASE, 0xffffffff80000000).Note(ElfNote.PADDR_OFFSET, 0ul)
            .Note(ElfNote.ENTRY, 0xffffffff80200000).Note(ElfNote.HYPERCALL_PAGE, 0xffffffff80201000).Build()),
    };
}
