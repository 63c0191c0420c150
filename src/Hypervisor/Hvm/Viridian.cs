using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Hvm;

/// <summary>A domain's Viridian state: the interface of another hypervisor that Xen offers beside its own.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/hvm/viridian.c. What needs the local APIC (EOI, ICR, TPR) is refused by name.</remarks>
internal sealed class Viridian(Domain domain)
{
    private const uint FirstLeaf = 0x4000_0000;
    private const uint LastLeaf = 6;
    private const uint GuestOsIdMsr = 0x4000_0000;
    private const uint HypercallMsr = 0x4000_0001;
    private const uint VpIndexMsr = 0x4000_0002;
    private const uint EoiMsr = 0x4000_0070;
    private const uint TprMsr = 0x4000_0072;
    private const uint ApicAssistMsr = 0x4000_0073;

    // CPUID3A_*, CPUID4A_*.
    private const uint MsrsAvailable = 1u << 4 | 1u << 5 | 1u << 6;
    private const uint Recommendations = 1u << 3 | 1u << 5;
    private const uint LongSpinCount = 2047;
    private const ushort HvNotifyLongSpinWait = 8;
    private const ushort InvalidHypercallCode = 2;

    private ulong _guestOsId;
    private ulong _hypercallGpa;

    /// <summary>is_viridian_domain.</summary>
    public static bool IsOn(Domain d) => d.IsHvm && d.HvmParams[(int)HvmParam.VIRIDIAN] != 0;

    /// <summary>cpuid_viridian_leaves.</summary>
    public bool TryLeaf(uint leaf, out CpuidResult result)
    {
        uint os = (uint)(_guestOsId >> 40) & 0xFF;
        result = (leaf - FirstLeaf) switch
        {
            0 => new CpuidResult(FirstLeaf + LastLeaf, 0x7263694D, 0x666F736F, 0x76482074), // "Microsoft Hv"
            1 => new CpuidResult(0x31237648, 0, 0, 0), // "Hv#1"
            2 when _guestOsId != 0 => new CpuidResult(1, 4 << 16, 0, 0),
            3 => new CpuidResult(MsrsAvailable, 0, 0, 0),
            4 when _guestOsId != 0 && os >= 4 => new CpuidResult(Recommendations, LongSpinCount, 0, 0),
            _ => default,
        };
        return leaf - FirstLeaf <= LastLeaf;
    }

    /// <summary>wrmsr_viridian_regs. False: not one of Viridian's.</summary>
    public bool TryWrite(uint index, ulong value)
    {
        switch (index)
        {
            case GuestOsIdMsr:
                _guestOsId = value;
                return true;
            case HypercallMsr:
                domain.Xen.Log(LogLevel.Info, $"Set hypercall page {value:x}.");
                if (_guestOsId == 0)
                    return true;
                _hypercallGpa = value;
                if ((value & 1) != 0)
                    EnableHypercallPage();
                return true;
            case VpIndexMsr:
                domain.Xen.Log(LogLevel.Info, $"Set VP index {value}.");
                return true;
            case >= EoiMsr and <= ApicAssistMsr:
                domain.Xen.NotImplemented($"Viridian MSR {index:x}", "there is no local APIC", ours: true);
                return true;
            default:
                return false;
        }
    }

    /// <summary>rdmsr_viridian_regs. False: not one of Viridian's.</summary>
    public bool TryRead(Vcpu v, uint index, out ulong value)
    {
        value = index switch
        {
            GuestOsIdMsr => _guestOsId,
            HypercallMsr => _hypercallGpa,
            VpIndexMsr => (ulong)v.Id,
            _ => 0,
        };
        if (index is > EoiMsr and <= TprMsr)
            domain.Xen.NotImplemented($"Viridian MSR {index:x}", "there is no local APIC", ours: true);
        return index is GuestOsIdMsr or HypercallMsr or VpIndexMsr or (> EoiMsr and <= TprMsr);
    }

    /// <summary>viridian_hypercall: every call but the long spin's is unknown.</summary>
    public static void Hypercall(Vcpu v, HvmGuestMode mode)
    {
        VirtualCpu cpu = v.Cpu;
        ulong result = 0;
        if (mode is HvmGuestMode.Long or HvmGuestMode.Protected32)
        {
            ushort code = (ushort)(mode == HvmGuestMode.Long ? cpu[Gpr.Rcx] : cpu[Gpr.Rax]);
            if (code == HvNotifyLongSpinWait)
                v.Domain.Xen.SchedulePending = true;
            else
                result = InvalidHypercallCode;
        }

        cpu[Gpr.Rax] = result;
        if (mode != HvmGuestMode.Long)
            cpu[Gpr.Rdx] = 0;
    }

    /// <summary>enable_hypercall_page: one stub at the start, the rest int3.</summary>
    private void EnableHypercallPage()
    {
        Xen xen = domain.Xen;
        Gfn gfn = new(_hypercallGpa >> 12);
        Mfn mfn = domain.GfnToMfn(gfn);
        if (xen.PageTypes.GetPageAndType(mfn, domain, PageType.PGT_writable_page) != XenErrno.None)
        {
            xen.Log(LogLevel.Warn, $"Bad GMFN {gfn.Value:x} (MFN {mfn.Value:x})");
            return;
        }

        Span<byte> page = xen.Memory.Writable(mfn.Value);
        page.Fill(0xCC);
        ReadOnlySpan<byte> stub = [0x0D, 0x00, 0x00, 0x00, 0x80, 0x0F, 0x01, xen.Hvm?.Flavour == HypercallPageFlavour.Vmx ? (byte)0xC1 : (byte)0xD9, 0xC3];
        stub.CopyTo(page);
        xen.Events.Emit(new PageWritten(domain.Id, mfn, xen.M2p.Get(mfn), "enable_hypercall_page", "Viridian hypercall page"));
        xen.PageTypes.PutPageAndType(mfn);
    }
}
