using System.Runtime.InteropServices;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hvm;

/// <summary>A vCPU's memory type registers and page attribute table. Kept and checked as Xen does; types have no effect on a machine without caches.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/mtrr.c: hvm_vcpu_cacheattr_init, mtrr_*_msr_set, hvm_set_guest_pat. SDM vol. 3A, 12.11.</remarks>
internal static class GuestMtrrs
{
    private const uint Capability = 0xFE, FirstVariable = 0x200, DefaultType = 0x2FF, PageAttributes = 0x277;
    private const uint Fixed64K = 0x250, Fixed16K = 0x258, Fixed4K = 0x268, LastFixed4K = 0x26F;

    /// <summary>MTRR_VCNT.</summary>
    private const uint VariableRanges = 8;

    /// <summary>Write-combining and fixed ranges are there, and so many variable ones.</summary>
    private const ulong Capabilities = 1 << 10 | 1 << 8 | VariableRanges;

    /// <summary>WB, WT, UC-, UC, twice: what a processor starts with.</summary>
    private const ulong ResetPat = 0x0007_0406_0007_0406;
    private const ulong DefaultTypeKnown = 0xCFF;

    public static byte[] Initial()
    {
        HvmHwMtrr m = new() { MsrPatCr = ResetPat, MsrMtrrCap = Capabilities };
        return MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(ref m, 1)).ToArray();
    }

    public static bool Claims(uint index) => index is Capability or PageAttributes or DefaultType or Fixed64K or Fixed16K or Fixed16K + 1 or (>= Fixed4K and <= LastFixed4K)
        or (>= FirstVariable and < FirstVariable + (2 * VariableRanges));

    public static bool TryRead(Vcpu v, uint index, out ulong value)
    {
        value = BitConverter.ToUInt64(v.Mtrr, Place(index));
        return true;
    }

    /// <summary>False: #GP.</summary>
    public static bool TryWrite(Vcpu v, uint index, ulong value)
    {
        bool good = index switch
        {
            Capability => false,
            PageAttributes => AllTypes(value, IsPatType),
            DefaultType => IsMtrrType((byte)value) && (value & ~DefaultTypeKnown) == 0,
            < Fixed64K => IsMtrrType((byte)value) && (value & ReservedInVariable(v, index)) == 0,
            _ => AllTypes(value, IsMtrrType),
        };
        if (good)
            BitConverter.TryWriteBytes(v.Mtrr.AsSpan(Place(index)), value);
        return good;
    }

    /// <summary>Where the save record has it (struct hvm_hw_mtrr). Unit: bytes.</summary>
    private static int Place(uint index)
    {
        const int variable = 8, fixedRanges = 136, capability = 224, defaultType = 232;
        return index switch
        {
            PageAttributes => 0,
            Capability => capability,
            DefaultType => defaultType,
            Fixed64K => fixedRanges,
            Fixed16K or Fixed16K + 1 => fixedRanges + (8 * (int)(index - Fixed16K + 1)),
            >= Fixed4K => fixedRanges + (8 * (int)(index - Fixed4K + 3)),
            _ => variable + (8 * (int)(index - FirstVariable)),
        };
    }

    private static ulong ReservedInVariable(Vcpu v, uint index)
    {
        int width = (int)(byte)v.PolicyCpuid(0x8000_0008, 0).Eax;
        return ~((1ul << Math.Clamp(width, 32, 52)) - 1) | ((index & 1) != 0 ? 0x7FFul : 0xF00ul);
    }

    private static bool AllTypes(ulong value, Func<byte, bool> valid)
    {
        for (int i = 0; i < 8; i++)
        {
            if (!valid((byte)(value >> (8 * i))))
                return false;
        }

        return true;
    }

    private static bool IsMtrrType(byte type) => type is 0 or 1 or 4 or 5 or 6;

    private static bool IsPatType(byte type) => type is 0 or 1 or 4 or 5 or 6 or 7;
}
