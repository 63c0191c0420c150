namespace XenSim.Scenarios.Tests;

/// <summary>What can fail on the paths, in Xen's and its tools' own words: each is expected by a scenario that ships.</summary>
/// <remarks>
/// Origin of the words: RELEASE-4.0.4 and stable-4.17 tools/libxl, tools/libxc (tools/libs/guest), xen/arch/x86/{setup,domain_build,smpboot}.c,
/// hvm/vmx, hvm/svm, xen/common/{domctl,memory}.c. Left out is what no image, configuration or machine reaches: docs/gaps.md.
/// </remarks>
public sealed class FailureListTests
{
    private static readonly string s_shipped = string.Concat(
        Directory.EnumerateFiles(ScenarioTests.Folder, "*.yaml", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllText));

    [Theory]

    // The tools, image to memory.
    [InlineData("looks insane, skip gunzip")]
    [InlineData("no loader found")]
    [InlineData("ELF image has no shstrtab")]
    [InlineData("Not a Xen-ELF image")]
    [InlineData("Will only load images built for the generic loader or Linux images")]
    [InlineData("Xen will only load images built for Xen v3.0")]
    [InlineData("ELF start or entries are out of bounds")]
    [InlineData("unsupported feature requested")]
    [InlineData("not supported by xen kernel, sorry")]
    [InlineData("not found (type xen-3.0-unknown)")]
    [InlineData("can't get xen capabilities")]
    [InlineData("can't allocate low memory for domain")]
    [InlineData("segment start isn't page aligned")]
    [InlineData("segment kernel too large")]
    [InlineData("segment boundary isn't page aligned")]
    [InlineData("unknown image type 40")]
    [InlineData("not enough memory for initial mapping")]

    // Boot image to launch.
    [InlineData("getdomaininfo failed")]
    [InlineData("Huh? domid mismatch")]
    [InlineData("cannot move L3 below 4G")]
    [InlineData("HYPERCALL_INIT failed (rc=-1)")]
    [InlineData("need to rebuild the user-space tool set")]
    [InlineData("pin_table failed (pfn ")]
    [InlineData("SETVCPUCONTEXT failed")]
    [InlineData("domain creation fail")]

    // __start_xen.
    [InlineData("dom0 kernel not specified. Check bootloader configuration")]
    [InlineData("Not enough memory to relocate the dom0 kernel image")]
    [InlineData("Not enough memory to relocate Xen")]
    [InlineData("Error creating domain 0")]
    [InlineData("Could not set up DOM0 guest OS")]
    [InlineData("Could not construct domain 0")]

    // construct_dom0.
    [InlineData("Mismatch between Xen and DOM0 kernel")]
    [InlineData("CONFIG_PV32 missing")]
    [InlineData("Kernel does not support Dom0 operation")]
    [InlineData("too high a hypervisor start address")]
    [InlineData("Domain 0 allocation is too small for kernel image")]
    [InlineData("Not enough RAM for domain 0 allocation")]
    [InlineData("Initial loading isn't allowed to lowest 1GB of memory.")]
    [InlineData("DOM0 image overlaps with Xen private area.")]
    [InlineData("Invalid HYPERCALL_PAGE field in ELF notes.")]
    [InlineData("Not enough RAM for DOM0 reservation")]
    [InlineData("Dom0 requires supervisor-mode execution")]

    // Virtualisation, and the hypercall page by MSR.
    [InlineData("some settings of host CR0 are not allowed in VMX operation.")]
    [InlineData("VMX disabled by BIOS")]
    [InlineData("unexpected VMXON failure")]
    [InlineData("AMD SVM Extension is disabled in BIOS")]
    [InlineData("VMX: failed to initialise.")]
    [InlineData("SVM: failed to initialise.")]
    [InlineData("VMX: FATAL: failed to initialise CPU1!")]
    [InlineData("SVM: FATAL: failed to initialise CPU1!")]
    [InlineData("CPU1: Failed to initialise HVM. Not coming online.")]
    [InlineData("Out of range index")]
    [InlineData("Bad GMFN")]
    public void A_scenario_shows_it(string words) => Assert.Contains(words, s_shipped, StringComparison.Ordinal);
}
