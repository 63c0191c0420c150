using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Hvm;

/// <remarks>The two ways in: the page (vlapic_mmio_read, vlapic_mmio_write) and the MSRs (guest_rdmsr_x2apic, guest_wrmsr_x2apic, guest_wrmsr_apic_base).</remarks>
internal sealed partial class LocalApic
{
    private const uint FirstMsr = 0x800;

    /// <summary>vlapic_range.</summary>
    public bool Claims(ulong address) => !IsHardwareDisabled && !IsX2Apic && address - (Base & BaseAddressMask) < 4096;

    /// <summary>An access of up to four bytes that stays inside a register; others read zero and write nowhere.</summary>
    public uint ReadPage(uint offset, int size)
    {
        uint within = offset & 0xF;
        return within + (uint)size <= 4 && offset <= TimerDivide + 3 ? Read(offset & ~0xFu) >> (int)(within * 8) : 0;
    }

    public void WritePage(uint offset, int size, uint value)
    {
        uint within = offset & 0xF, register = offset & ~0xFu;
        if (within + (uint)size > 4 || register > TimerDivide)
            return;
        if (size < 4)
        {
            uint mask = ((1u << (size * 8)) - 1) << (int)(within * 8);
            value = (Read(register) & ~mask) | (value << (int)(within * 8) & mask);
        }

        Write(register, value);
    }

    /// <summary>False: #GP.</summary>
    public bool TryReadMsr(uint index, out ulong value)
    {
        uint register = (index - FirstMsr) << 4;
        value = 0;
        if (!IsX2Apic || !IsReadable(register))
            return false;
        value = Read(register) | (register == Command ? (ulong)Get(CommandHigh) << 32 : 0);
        return true;
    }

    /// <summary>False: #GP.</summary>
    public bool TryWriteMsr(uint index, ulong value)
    {
        uint register = (index - FirstMsr) << 4;
        if (!IsX2Apic || ReservedInMsr(register) is not { } reserved || (value & reserved) != 0)
            return false;
        switch (register)
        {
            case Command:
                Set(CommandHigh, (uint)(value >> 32));
                break;
            case SelfInterrupt:
                register = Command;
                value = 1 << 18 | (value & VectorMask);
                break;
        }

        Write(register, (uint)value);
        return true;
    }

    /// <summary>guest_wrmsr_apic_base. False: #GP.</summary>
    public bool TrySetBase(ulong value)
    {
        bool hasX2Apic = _vcpu.Has(CpuFeature.X2Apic);
        if ((value & ~(BaseAddressMask | BaseEnable | BaseBootProcessor | (hasX2Apic ? BaseX2Apic : 0))) != 0)
            return false;
        if ((value & (BaseX2Apic | BaseEnable)) == BaseEnable && (value & BaseAddressMask) != PageAddress)
        {
            Xen.Log(LogLevel.Info, $"d{_vcpu.Domain.Id.Value}v{_vcpu.Id} tried to move the APIC MMIO window: val 0x{value:x8}");
            return false;
        }

        if (((Base ^ value) & BaseEnable) != 0)
        {
            if ((value & BaseX2Apic) != 0)
                return false;
            if ((value & BaseEnable) != 0)
                Reset();
            else
                IsHardwareDisabled = true;
        }
        else if (((Base ^ value) & BaseX2Apic) != 0 && (IsHardwareDisabled || IsX2Apic))
        {
            return false;
        }

        Base = value;
        if (IsX2Apic)
        {
            uint id = (uint)_vcpu.Id;
            Set(Id, id * 2);
            Set(LogicalDestination, ((id & ~0xFu) << 12) | 1u << (int)(id & 0xF));
        }

        return true;
    }

    private static bool IsReadable(uint register) => register
        is Id or Version or TaskPriority or ProcessorPriority or LogicalDestination or Spurious or ErrorStatus or Command or CorrectedMachineCheck
        or (>= LvtTimer and <= TimerCurrent) or TimerDivide or (>= InService and < ErrorStatus);

    /// <summary>Bits that must be zero; null: there is no such MSR to write.</summary>
    private static ulong? ReservedInMsr(uint register) => register switch
    {
        TaskPriority => ~0xFFul,
        Spurious => ~0x3FFul,
        LvtTimer => ~(ulong)(LvtMask | TimerModeMask),
        LvtThermal or LvtCounter or CorrectedMachineCheck => ~(ulong)(LvtMask | ModeMask),
        Lvt0 or Lvt1 => ~(ulong)LintMask,
        LvtError => ~(ulong)LvtMask,
        TimerInitial => 0ul,
        TimerDivide => ~0xBul,
        Command => ~(0xFFFF_FFFF_0000_0000 | VectorMask | ModeMask | 1 << 11 | 1 << 14 | 1 << 15 | 3 << 18),
        SelfInterrupt => ~(ulong)VectorMask,
        EndOfInterrupt or ErrorStatus => ulong.MaxValue,
        _ => null,
    };
}
