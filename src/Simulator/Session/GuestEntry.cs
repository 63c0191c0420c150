using XenSim.Hypervisor.Public;

namespace XenSim.Simulator.Session;

/// <summary>What a guest finds when its first instruction is about to run, kept because the guest changes it.</summary>
/// <param name="Registers">By the manuals' lower-case names.</param>
/// <param name="StartInfo">The page RSI/ESI addresses; empty for a guest that is not PV.</param>
/// <param name="Wide">64-bit guest ABI.</param>
public sealed record GuestEntry(DomainId Domain, IReadOnlyDictionary<string, ulong> Registers, byte[] StartInfo, bool Wide);

/// <summary>A hypercall page as it was when it had just been written.</summary>
/// <param name="Writer">The function that wrote it, e.g. <c>pv_ring3_init_hypercall_page</c>.</param>
public sealed record WrittenHypercallPage(DomainId Domain, string Writer, byte[] Bytes);
