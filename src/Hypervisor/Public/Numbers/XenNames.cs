using System.Reflection;

namespace XenSim.Hypervisor.Public.Numbers;

/// <summary>What Xen's headers put before the names of an enum's members; a leading underscore before a digit is ours.</summary>
[AttributeUsage(AttributeTargets.Enum)]
public sealed class XenPrefixAttribute(string prefix) : Attribute
{
    public string Prefix { get; } = prefix;
}

/// <summary>Xen's own names of numbers, as events and messages show them.</summary>
public static class XenNames
{
    /// <summary>E.g. <c>XEN_DOMCTL_hypercall_init</c>; for a number without a name <c>XEN_DOMCTL_99</c>.</summary>
    public static string Of<T>(T value)
        where T : unmanaged, Enum
        => Prefixes<T>.Prefix + value.ToString().TrimStart('_');

    public static string Domctl(uint command) => Of((DomctlCommand)command);

    public static string Sysctl(uint command) => Of((SysctlCommand)command);

    /// <param name="command">First argument of memory_op; the continuation's extent is ignored.</param>
    public static string MemoryOp(ulong command) => Of((MemoryOpCommand)(command & MemoryOpArgument.MEMOP_CMD_MASK));

    public static string Mmuext(uint command) => Of((MmuextCommand)command);

    public static string EventChannelOp(uint command) => Of((EventChannelOp)command);

    public static string SchedOp(uint command) => Of((SchedOp)command);

    public static string VcpuOp(uint command) => Of((VcpuOp)command);

    public static string XenVersion(uint command) => Of((XenVersionCommand)command);

    public static string ConsoleIo(uint command) => Of((ConsoleIoCommand)command);

    public static string GrantTableOp(uint command) => Of((GrantTableOp)command);

    public static string PhysdevOp(uint command) => Of((PhysdevOp)command);

    public static string HvmOp(uint command) => Of((HvmOp)command);

    public static string CallbackOp(uint command) => Of((CallbackOp)command);

    /// <summary>Every sub-operation of every hypercall that has some, whether or not a release has it.</summary>
    public static IReadOnlyList<string> SubOperations { get; } =
    [
        .. AllOf<DomctlCommand>(), .. AllOf<SysctlCommand>(), .. AllOf<MemoryOpCommand>(), .. AllOf<MmuextCommand>(), .. AllOf<EventChannelOp>(), .. AllOf<SchedOp>(), .. AllOf<VcpuOp>(),
        .. AllOf<XenVersionCommand>(), .. AllOf<ConsoleIoCommand>(), .. AllOf<GrantTableOp>(), .. AllOf<PhysdevOp>(), .. AllOf<HvmOp>(), .. AllOf<CallbackOp>(), .. AllOf<NmiOp>(), .. AllOf<PlatformOp>(),
        .. AllOf<VmAssistCommand>(),
    ];

    private static IEnumerable<string> AllOf<T>()
        where T : unmanaged, Enum
        => Enum.GetValues<T>().Select(Of);

    private static class Prefixes<T>
    {
        public static readonly string Prefix = typeof(T).GetCustomAttribute<XenPrefixAttribute>()?.Prefix ?? "";
    }
}
