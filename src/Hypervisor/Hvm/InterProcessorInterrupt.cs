using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Hvm;

/// <summary>vlapic_ipi: what a write to the interrupt command register sends, and to whom.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/vlapic.c: vlapic_ipi, vlapic_init_sipi_one, vlapic_lowest_prio.</remarks>
internal static class InterProcessorInterrupt
{
    private const uint ModeMask = 0x700, Fixed = 0x000, LowestPriority = 0x100, Init = 0x500, Startup = 0x600;
    private const uint LogicalDestination = 1 << 11, Assert = 1 << 14, LevelTriggered = 1 << 15;
    private const int ShorthandShift = 18;
    private const uint VectorMask = 0xFF, FirstVector = 16;

    public static void Send(Vcpu source, uint command, uint destination)
    {
        uint mode = command & ModeMask;
        if (mode is Fixed or LowestPriority && (command & VectorMask) < FirstVector)
        {
            source.Apic!.SendIllegal();
            return;
        }

        if (mode == LowestPriority)
        {
            Lowest(source.Domain, v => IsTarget(source, v, command, destination))?.Apic!.Accept(command);
            return;
        }

        foreach (Vcpu target in source.Domain.Vcpus)
        {
            if (!IsTarget(source, target, command, destination))
                continue;
            if (mode is Init or Startup)
                InitOrStartup(target, command);
            else
                target.Apic!.Accept(command);
        }
    }

    /// <summary>vlapic_lowest_prio: of those at the same priority the one after the last that was chosen.</summary>
    public static Vcpu? Lowest(Domain d, Func<Vcpu, bool> isTarget)
    {
        Vcpu? chosen = null;
        for (int i = 1; i <= d.Vcpus.Count; i++)
        {
            Vcpu v = d.Vcpus[(d.LastLowestPriority + i) % d.Vcpus.Count];
            if (v.Apic!.IsReady && isTarget(v) && (chosen is null || v.Apic.Priority < chosen.Apic!.Priority))
                chosen = v;
        }

        if (chosen is not null)
            d.LastLowestPriority = chosen.Id;
        return chosen;
    }

    private static bool IsTarget(Vcpu source, Vcpu target, uint command, uint destination) => (command >> ShorthandShift & 3) switch
    {
        0 => target.Apic!.Matches(destination, (command & LogicalDestination) != 0),
        1 => target == source,
        2 => true,
        _ => target != source,
    };

    private static void InitOrStartup(Vcpu target, uint command)
    {
        if ((command & ModeMask) == Startup)
        {
            // hvm_vcpu_reset_state: a vCPU that already runs ignores it.
            if (target.IsInitialised)
                return;
            HvmVcpuState.Reset(target.Cpu, (ushort)((command & VectorMask) << 8), 0);
            target.IsInitialised = true;
            target.BringUp();
            return;
        }

        // The de-assertion does nothing, as on a Pentium 4; nor is there anything to do for a vCPU that has been reset.
        if ((command & (LevelTriggered | Assert)) == LevelTriggered || !target.IsInitialised)
            return;
        HvmVcpuState.Down(target);
        target.IsInitialised = false;
        target.Apic!.Initialise();
    }
}
