using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Libxc;

/// <summary>What a libxc function gives back: its value, or -1 with errno.</summary>
internal readonly record struct XcReturn(long Value, XenErrno Errno)
{
    public static readonly XcReturn Ok = new(0, XenErrno.None);

    public bool Failed => Value < 0;

    public static XcReturn Fail(XenErrno errno) => new(-1, errno);

    /// <summary>A stage that returns this function's code.</summary>
    public StageOutcome ToOutcome() => Failed ? StageOutcome.Fail(Value, Errno) : StageOutcome.Ok;

    /// <summary>privcmd's conversion of the hypervisor's result: a negative one becomes -1 and errno.</summary>
    public static XcReturn FromResult(long result) => result < 0 ? Fail(result.ToErrno()) : new XcReturn(result, XenErrno.None);
}

/// <summary>xc_interface: one function per libxc call, grouped by hypercall in the other parts of this class.</summary>
internal sealed partial class XenControl
{
    private readonly IHypercallChannel _channel;
    private readonly HypercallBuffers _buffers;
    private readonly ToolLog _log;

    public XenControl(ToolstackOptions options, ToolLog log)
    {
        Release = options.Release;
        Foreign = options.Foreign;
        _channel = options.Channel;
        _buffers = new HypercallBuffers(options.Channel.ToolAbi);
        _log = log;
    }

    public XenRelease Release { get; }

    public IForeignMemory Foreign { get; }

    /// <summary>Word size of the tools, which is dom0's and the hypervisor's.</summary>
    public Abi Abi => _channel.ToolAbi;

    private bool Is40 => Release == XenRelease.V4_0;

    /// <summary>xc_version(XENVER_version).</summary>
    public long Version() => Call(HypercallNumber.xen_version, 0).Value;

    /// <summary>xc_version(XENVER_capabilities): a string of at most 1024 bytes.</summary>
    public XcReturn Capabilities(out string capabilities)
    {
        byte[] info = new byte[1024];
        ulong handle = _buffers.Add(info).Value;
        XcReturn rc = Call(HypercallNumber.xen_version, 3, handle);
        int end = info.AsSpan().IndexOf((byte)0);
        capabilities = System.Text.Encoding.Latin1.GetString(info.AsSpan(0, end < 0 ? info.Length - 1 : end));
        return rc;
    }

    /// <summary>elfnote_fill_xen_version of xg_core.c: struct xen_dumpcore_elfnote_xen_version_desc, 1280 bytes. What Xen refuses stays 0.</summary>
    public byte[] VersionForCore()
    {
        const int numbers = 16, pageSizeAt = 1272;
        byte[] all = new byte[1280];
        long version = Version();
        BitConverter.TryWriteBytes(all, version >> 16);
        BitConverter.TryWriteBytes(all.AsSpan(8), version & 0xFFFF);
        int at = numbers;
        foreach ((XenVersionCommand command, int size) in new[]
        {
            (XenVersionCommand.extraversion, 16), (XenVersionCommand.compile_info, 144), (XenVersionCommand.capabilities, 1024), (XenVersionCommand.changeset, 64),
            (XenVersionCommand.platform_parameters, 8),
        })
        {
            byte[] part = new byte[size];
            if (!Call(HypercallNumber.xen_version, (uint)command, _buffers.Add(part).Value).Failed)
                part.CopyTo(all, at);
            at += size;
        }

        BitConverter.TryWriteBytes(all.AsSpan(pageSizeAt), Call(HypercallNumber.xen_version, (uint)XenVersionCommand.pagesize).Value);
        return all;
    }

    /// <summary>do_domctl: fills in the interface version; EACCES gives the hint to rebuild, whatever caused it.</summary>
    private XcReturn DoDomctl(ref Domctl domctl)
    {
        domctl.InterfaceVersion = InterfaceVersions.Domctl(Release);
        ulong handle = _buffers.Add(in domctl, out byte[] bytes).Value;
        XcReturn rc = Call(HypercallNumber.domctl, handle);
        domctl = bytes.AsSpan().ReadStruct<Domctl>();
        if (rc.Failed && rc.Errno == XenErrno.EACCES)
            RebuildHint("domctl");
        return rc;
    }

    private XcReturn DoDomctl<T>(DomctlCommand command, uint domid, ref T payload)
        where T : unmanaged
    {
        Domctl domctl = new() { Cmd = (uint)command, Domain = (ushort)domid };
        ((Span<byte>)domctl.Payload).WriteStruct(in payload);
        XcReturn rc = DoDomctl(ref domctl);
        payload = ((Span<byte>)domctl.Payload).ReadStruct<T>();
        return rc;
    }

    private XcReturn DoDomctl<T>(DomctlCommand command, uint domid, T payload)
        where T : unmanaged
        => DoDomctl(command, domid, ref payload);

    private XcReturn DoDomctl(DomctlCommand command, uint domid)
    {
        Domctl domctl = new() { Cmd = (uint)command, Domain = (ushort)domid };
        return DoDomctl(ref domctl);
    }

    private XcReturn DoSysctl<T>(SysctlCommand command, ref T payload)
        where T : unmanaged
    {
        Sysctl sysctl = new() { Cmd = (uint)command, InterfaceVersion = InterfaceVersions.Sysctl(Release) };
        ((Span<byte>)sysctl.Payload).WriteStruct(in payload);
        ulong handle = _buffers.Add(in sysctl, out byte[] bytes).Value;
        XcReturn rc = Call(HypercallNumber.sysctl, handle);
        sysctl = bytes.AsSpan().ReadStruct<Sysctl>();
        payload = ((Span<byte>)sysctl.Payload).ReadStruct<T>();
        if (rc.Failed && rc.Errno == XenErrno.EACCES)
            RebuildHint("sysctl");
        return rc;
    }

    private void RebuildHint(string what)
    {
        _log.Detail($"{what} operation failed -- need to rebuild the user-space tool set?");
    }

    /// <summary>One hypercall with what is in the buffers, which are released afterwards.</summary>
    private XcReturn Call(HypercallNumber number, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0)
    {
        long result = _channel.Hypercall(number, _buffers, a1, a2, a3, a4);
        _buffers.Release();
        return XcReturn.FromResult(result);
    }
}
