using System.Text;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>xen_version: what this Xen is.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/kernel.c: do_xen_version; xen/common/version.c.</remarks>
internal static class XenVersionCall
{
    private const string Denied = "<denied>";
    private const int BuildIdLength = 20;

    public static long Do(HypercallCall c)
    {
        VirtualAddress arg = new(c.A2);
        switch ((XenVersionCommand)c.A1)
        {
            case XenVersionCommand.version:
                return InterfaceVersions.XenVersion(c.Xen.Profile.Release);
            case XenVersionCommand.extraversion:
                return WriteText(c, arg, InterfaceVersions.ExtraVersion(c.Xen.Profile.Release), 16);
            case XenVersionCommand.compile_info:
                return CompileInfo(c, arg);
            case XenVersionCommand.capabilities:
                return WriteText(c, arg, Capabilities(c.Xen), 1024);
            case XenVersionCommand.changeset:
                return WriteText(c, arg, c.Xen.Profile.Changeset, 64);
            case XenVersionCommand.platform_parameters:
                ulong start = c.Caller.Is32BitPv ? Memory.XenMappings.M2pStart32 : Memory.XenMappings.M2pStart64;
                return c.Memory.TryWriteRecord(arg, c.Abi, new PlatformParameters { VirtStart = start }) ? 0 : XenErrno.EFAULT.ToResult();
            case XenVersionCommand.get_features:
                return GetFeatures(c, arg);
            case XenVersionCommand.pagesize:
                return c.A2 == 0 ? 4096 : XenErrno.EINVAL.ToResult();
            case XenVersionCommand.guest_handle:
                return c.Memory.TryWrite(arg, c.Caller.Handle) ? 0 : XenErrno.EFAULT.ToResult();
            case XenVersionCommand.commandline:
                bool shown = c.Xen.Profile.Release == XenRelease.V4_0 || c.Caller.IsPrivileged;
                return WriteText(c, arg, shown ? c.Xen.Options.CommandLine : Denied, 1024);
            case XenVersionCommand.build_id when c.Xen.Profile.Release != XenRelease.V4_0:
                return BuildId(c, arg);
            default:
                return XenErrno.ENOSYS.ToResult();
        }
    }

    public static CallDescription About(HypercallCall c) => Call(XenNames.XenVersion((uint)c.A1));

    /// <summary>arch_get_xen_caps: the image formats this build takes, each with a blank after it.</summary>
    public static string Capabilities(Xen xen)
    {
        if (!xen.Options.Host64)
            return "xen-3.0-x86_32p " + (xen.Hvm is null ? "" : "hvm-3.0-x86_32 hvm-3.0-x86_32p ");
        string pv32 = xen.Options.Pv32 ? "xen-3.0-x86_32p " : "";
        string hvm = xen.Hvm is null ? "" : "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";
        return "xen-3.0-x86_64 " + pv32 + hvm;
    }

    /// <summary>XENVER_get_features, submap 0 (atlas of both releases: file 07, section 1).</summary>
    public static uint Features(Domain d)
    {
        bool v40 = d.Xen.Profile.Release == XenRelease.V4_0;
        uint map = d.IsHvm
            ? Bit(XenFeature.hvm_callback_vector) | Bit(XenFeature.hvm_safe_pvclock) | Bit(XenFeature.writable_page_tables) | Bit(XenFeature.auto_translated_physmap)
            : Bit(XenFeature.mmu_pt_update_preserve_ad) | Bit(XenFeature.highmem_assist) | Bit(XenFeature.gnttab_map_avail_bits);
        if (!d.IsHvm && (d.VmAssist >> (int)VmAssistType.pae_extended_cr3 & 1) != 0)
            map |= Bit(XenFeature.pae_pgdir_above_4gb);
        if (d.Xen.Options.SupervisorModeKernel)
            map |= Bit(XenFeature.supervisor_mode_kernel);
        if (v40)
            return map;
        map |= Bit(XenFeature.memory_op_vnode_supported) | Bit(d.IsHvm ? XenFeature.not_direct_mapped : XenFeature.direct_mapped);
        if (d.IsHardwareDomain)
            map |= Bit(XenFeature.dom0);
        if (d.IsHvm && (d.Kind.EmulationFlags & (uint)EmulationFlags.USE_PIRQ) != 0)
            map |= Bit(XenFeature.hvm_pirqs);
        return map;
    }

    private static uint Bit(XenFeature feature) => 1u << (int)feature;

    private static long GetFeatures(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Memory.TryReadStruct(arg, out FeatureInfo info))
            return XenErrno.EFAULT.ToResult();
        if (info.SubmapIdx != 0)
            return XenErrno.EINVAL.ToResult();
        info.Submap = Features(c.Caller);
        return c.Memory.TryWriteStruct(arg, info) ? 0 : XenErrno.EFAULT.ToResult();
    }

    private static long CompileInfo(HypercallCall c, VirtualAddress arg)
    {
        CompileInfo info = default;
        Fill(info.Compiler, c.Xen.Profile.Compiler);
        Fill(info.CompileDate, c.Xen.Profile.CompileDate);
        return c.Memory.TryWriteStruct(arg, info) ? 0 : XenErrno.EFAULT.ToResult();

        static void Fill(Span<byte> field, string text)
            => Encoding.ASCII.GetBytes(text.AsSpan(0, Math.Min(text.Length, field.Length - 1)), field);
    }

    private static long BuildId(HypercallCall c, VirtualAddress arg)
    {
        if (!c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        if (c.A2 == 0)
            return BuildIdLength;
        if (!c.Memory.TryReadStruct(arg, out uint length))
            return XenErrno.EFAULT.ToResult();
        if (length == 0)
            return XenErrno.EINVAL.ToResult();
        if (length < BuildIdLength)
            return XenErrno.ENOBUFS.ToResult();

        // A build id identifies a binary; there is none here, so its bytes are zero.
        return c.Memory.TryWrite(new VirtualAddress(c.A2 + 4), stackalloc byte[BuildIdLength]) ? BuildIdLength : XenErrno.EFAULT.ToResult();
    }

    /// <summary>The text with its NUL. 4.0.4 copies residue after it, 4.17 zeroes: neither is worth having.</summary>
    private static long WriteText(HypercallCall c, VirtualAddress arg, string text, int size)
    {
        byte[] bytes = new byte[c.Xen.Profile.Release == XenRelease.V4_0 ? Math.Min(text.Length + 1, size) : size];
        Encoding.ASCII.GetBytes(text.AsSpan(0, Math.Min(text.Length, bytes.Length - 1)), bytes);
        return c.Memory.TryWrite(arg, bytes) ? 0 : XenErrno.EFAULT.ToResult();
    }
}
