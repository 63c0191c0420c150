using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Hvm;

/// <summary>hvm_find_io_handler for memory: the devices whose registers Xen emulates in a guest's physical address space.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/intercept.c, io.c.</remarks>
internal static class HvmMmio
{
    public static bool Claims(Vcpu v, ulong address) => v.Apic?.Claims(address) == true || v.Domain.Platform?.ClaimsMemory(address) == true;

    public static ulong Read(Vcpu v, ulong address, int size)
        => v.Apic!.Claims(address) ? v.Apic.ReadPage((uint)(address & 0xFFF), size) : v.Domain.Platform!.ReadMemory(address, size);

    public static void Write(Vcpu v, ulong address, int size, ulong value)
    {
        if (v.Apic!.Claims(address))
            v.Apic.WritePage((uint)(address & 0xFFF), size, (uint)value);
        else
            v.Domain.Platform!.WriteMemory(address, size, value);
    }
}
