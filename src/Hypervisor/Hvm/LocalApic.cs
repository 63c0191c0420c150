using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Hvm;

/// <summary>vlapic: the local APIC that Xen emulates for each vCPU of a translated domain, as a page of registers and as MSRs. Its timer runs on virtual time.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/vlapic.c; xen/arch/x86/include/asm/apicdef.h. Registers as in SDM vol. 3A, table 10-1.</remarks>
internal sealed partial class LocalApic
{
    /// <summary>APIC_DEFAULT_PHYS_BASE.</summary>
    public const ulong PageAddress = 0xFEE0_0000;

    /// <summary>APIC_BUS_CYCLE_NS: the bus runs at 100 MHz.</summary>
    private const ulong BusCycleNanoseconds = 10;

    // Offsets of registers.
    private const uint Id = 0x20, Version = 0x30, TaskPriority = 0x80, ProcessorPriority = 0xA0, EndOfInterrupt = 0xB0, LogicalDestination = 0xD0;
    private const uint DestinationFormat = 0xE0, Spurious = 0xF0, InService = 0x100, TriggerMode = 0x180, Requested = 0x200, ErrorStatus = 0x280, CorrectedMachineCheck = 0x2F0;
    private const uint Command = 0x300, CommandHigh = 0x310, LvtTimer = 0x320, LvtThermal = 0x330, LvtCounter = 0x340, Lvt0 = 0x350, Lvt1 = 0x360, LvtError = 0x370;
    private const uint TimerInitial = 0x380, TimerCurrent = 0x390, TimerDivide = 0x3E0, SelfInterrupt = 0x3F0;

    // Fields.
    private const uint VectorMask = 0xFF, ModeMask = 0x700, Masked = 1 << 16, TimerModeMask = 3 << 17, Periodic = 1 << 17, TscDeadline = 2 << 17;
    private const uint LvtMask = Masked | 1 << 12 | VectorMask;
    private const uint LintMask = LvtMask | ModeMask | 1 << 13 | 1 << 14 | 1 << 15;
    private const uint SoftwareEnable = 1 << 8;
    private const uint SendIllegalVector = 1 << 5, ReceiveIllegalVector = 1 << 6;
    private const ulong BaseEnable = 1 << 11, BaseX2Apic = 1 << 10, BaseBootProcessor = 1 << 8;
    private const ulong BaseAddressMask = 0x000F_FFFF_FFFF_F000;

    /// <summary>VLAPIC_VERSION: six LVT entries, version 0x14.</summary>
    private const uint VersionValue = 0x0005_0014;

    private const uint FirstVector = 16;
    private const int RegistersSize = 1024;

    private readonly Vcpu _vcpu;
    private readonly uint[] _registers = new uint[RegistersSize / 4];
    private uint _divisor;
    private ulong _timerStart;
    private ulong _period;
    private ulong _tscDeadline;
    private bool _expired;

    public LocalApic(Vcpu vcpu)
    {
        _vcpu = vcpu;
        Reset();
    }

    /// <summary>IA32_APIC_BASE.</summary>
    public ulong Base { get; private set; }

    public bool IsHardwareDisabled { get; private set; }

    public bool IsSoftwareDisabled { get; private set; }

    public bool IsX2Apic => (Base & BaseX2Apic) != 0;

    /// <summary>When the timer fires next. Unit: ns of virtual time; null: it is stopped.</summary>
    public ulong? Deadline { get; private set; }

    private bool IsEnabled => !IsHardwareDisabled && !IsSoftwareDisabled;

    private Xen Xen => _vcpu.Domain.Xen;

    /// <summary>VLAPIC_ID: bits 31:24, in x2APIC mode all of them.</summary>
    private uint OwnId => IsX2Apic ? _registers[Id / 4] : _registers[Id / 4] >> 24;

    /// <summary>The value that the save record has: 1 by MSR, 2 by the spurious-interrupt register.</summary>
    public uint DisabledBits => (IsHardwareDisabled ? 1u : 0) | (IsSoftwareDisabled ? 2u : 0);

    public uint TimerDivisor => _divisor;

    /// <summary>struct hvm_hw_lapic_regs.</summary>
    public byte[] SaveRegisters()
    {
        SyncTaskPriority();
        byte[] bytes = new byte[RegistersSize];
        Buffer.BlockCopy(_registers, 0, bytes, 0, bytes.Length);
        return bytes;
    }

    /// <summary>lapic_load_hidden. False: x2APIC mode without the APIC enabled.</summary>
    public bool TryLoad(ReadOnlySpan<byte> record)
    {
        ulong value = BitConverter.ToUInt64(record);
        if ((value & (BaseEnable | BaseX2Apic)) == BaseX2Apic)
            return false;
        Base = value;
        uint disabled = BitConverter.ToUInt32(record[8..]);
        (IsHardwareDisabled, IsSoftwareDisabled) = ((disabled & 1) != 0, (disabled & 2) != 0);
        SetDivide(Get(TimerDivide));
        TscDeadlineMsr = BitConverter.ToUInt64(record[16..]);
        return true;
    }

    /// <summary>lapic_load_regs, with lapic_rearm: a count that was running starts again.</summary>
    public void LoadRegisters(byte[] bytes)
    {
        Buffer.BlockCopy(bytes, 0, _registers, 0, RegistersSize);
        _vcpu.Cpu.Cr8 = Get(TaskPriority) >> 4;
        SetDivide(Get(TimerDivide));
        if (!IsDeadlineMode)
            StartTimer();
    }

    /// <summary>vlapic_reset: power on.</summary>
    public void Reset()
    {
        Base = BaseEnable | PageAddress | (_vcpu.Id == 0 ? BaseBootProcessor : 0);
        IsHardwareDisabled = false;
        _registers[Id / 4] = (uint)_vcpu.Id * 2 << 24;
        Initialise();
    }

    /// <summary>vlapic_do_init: what INIT leaves.</summary>
    public void Initialise()
    {
        _registers[Version / 4] = VersionValue;
        Array.Clear(_registers, (int)InService / 4, (int)(ErrorStatus - InService) / 4);
        Set(Command, 0);
        Set(CommandHigh, 0);
        if (!IsX2Apic)
            Set(LogicalDestination, 0);
        WriteTaskPriority(0);
        Set(TimerInitial, 0);
        SetDivide(0);
        Set(DestinationFormat, uint.MaxValue);
        for (uint lvt = LvtTimer; lvt <= LvtError; lvt += 0x10)
            Set(lvt, Masked);
        Set(Spurious, 0xFF);
        IsSoftwareDisabled = true;
        StopTimer();
    }

    /// <summary>vlapic_set_irq.</summary>
    public void SetIrq(uint vector, bool level)
    {
        if (vector < FirstVector)
        {
            Error(ReceiveIllegalVector);
            return;
        }

        SetBit(TriggerMode, vector, level);
        SetBit(Requested, vector, true);
        _vcpu.Kick();
    }

    /// <summary>vlapic_has_pending_irq: vector of the highest request that is above what is in service; -1: none. The task priority is the caller's business.</summary>
    public int Pending
    {
        get
        {
            if (!IsEnabled)
                return -1;
            int request = Highest(Requested), service = Highest(InService);
            return request >= 0 && service >= 0 && (request & 0xF0) <= (service & 0xF0) ? -1 : request;
        }
    }

    /// <summary>Whether the task priority lets a vector through (the VMX and SVM hardware's part).</summary>
    public bool PassesTaskPriority(int vector) => (vector >> 4) > (int)_vcpu.Cpu.Cr8;

    /// <summary>vlapic_ack_pending_irq.</summary>
    public void Acknowledge(int vector)
    {
        SetBit(InService, (uint)vector, true);
        SetBit(Requested, (uint)vector, false);
    }

    /// <summary>LVT0 passes the 8259's interrupts on, or the APIC is off altogether (__vlapic_accept_pic_intr).</summary>
    public bool AcceptsPic => (Get(Lvt0) & (ModeMask | Masked)) == 0x700 || IsHardwareDisabled;

    /// <summary>vlapic_match_dest without a shorthand.</summary>
    public bool Matches(uint destination, bool logical)
        => logical ? MatchesLogical(destination) : destination == OwnId || destination == (IsX2Apic ? uint.MaxValue : 0xFF);

    /// <summary>vlapic_accept_irq.</summary>
    public void Accept(uint command)
    {
        switch (command & ModeMask)
        {
            case 0x000 or 0x100: // fixed, lowest priority
                if (IsEnabled)
                    SetIrq(command & VectorMask, level: false);
                return;
            case 0x200 or 0x300: // SMI, remote read: ignored with a line in a debug build's log
                return;
            case 0x400: // NMI
                _vcpu.NmiPending = true;
                if (_vcpu.IsInitialised && (_vcpu.PauseFlags & PauseFlags.Down) != 0)
                    _vcpu.BringUp();
                _vcpu.Kick();
                return;
            default:
                _vcpu.Domain.Crash(_vcpu, $"d{_vcpu.Domain.Id.Value}v{_vcpu.Id} TODO: unsupported delivery mode in ICR {command:x}");
                return;
        }
    }

    /// <summary>vlapic_lowest_prio's measure.</summary>
    public uint Priority
    {
        get
        {
            SyncTaskPriority();
            uint task = Get(TaskPriority);
            uint service = (uint)Math.Max(0, Highest(InService));
            return (task & 0xF0) >= (service & 0xF0) ? task & 0xFF : service & 0xF0;
        }
    }

    public bool IsReady => IsEnabled;

    /// <summary>vlapic_read_aligned.</summary>
    public uint Read(uint offset)
    {
        switch (offset)
        {
            case TaskPriority:
                SyncTaskPriority();
                return Get(offset);
            case ProcessorPriority:
                return Priority;
            case TimerCurrent:
                return IsDeadlineMode ? 0 : CurrentCount();
            case TimerInitial when IsDeadlineMode:
                return 0;
            default:
                return offset < RegistersSize ? Get(offset) : 0;
        }
    }

    /// <summary>vlapic_reg_write.</summary>
    public void Write(uint offset, uint value)
    {
        switch (offset)
        {
            case Id:
                Set(Id, value);
                break;
            case TaskPriority:
                WriteTaskPriority(value & 0xFF);
                break;
            case EndOfInterrupt:
                EndInterrupt();
                break;
            case LogicalDestination:
                Set(offset, value & 0xFF00_0000);
                break;
            case DestinationFormat:
                Set(offset, value | 0x0FFF_FFFF);
                break;
            case Spurious:
                WriteSpurious(value);
                break;
            case ErrorStatus:
                break; // 4.17 keeps what it has
            case Command:
                value &= ~(1u << 12);
                SendInterrupt(value, Get(CommandHigh));
                Set(Command, value);
                break;
            case CommandHigh:
                Set(offset, value & 0xFF00_0000);
                break;
            case LvtTimer:
                WriteTimerEntry(value);
                break;
            case LvtThermal or LvtCounter or Lvt0 or Lvt1 or LvtError:
                WriteEntry(offset, value);
                break;
            case TimerInitial:
                if (IsDeadlineMode)
                    break;
                Set(offset, value);
                StartTimer();
                break;
            case TimerDivide:
                uint before = _divisor;
                SetDivide(value);
                Rescale(before);
                break;
        }
    }

    /// <summary>vlapic_EOI_set.</summary>
    private void EndInterrupt()
    {
        int vector = Highest(InService);
        if (vector < 0)
            return;
        SetBit(InService, (uint)vector, false);
        if (TestBit(TriggerMode, (uint)vector))
            _vcpu.Domain.Platform?.EndOfInterrupt((uint)vector);
    }

    private void WriteSpurious(uint value)
    {
        Set(Spurious, value & 0x3FF);
        IsSoftwareDisabled = (value & SoftwareEnable) == 0;
        if (!IsSoftwareDisabled)
        {
            // An event that came while it was off, see hvm_assert_evtchn_irq.
            if (_vcpu.EvtchnUpcallVector != 0 && _vcpu.VcpuInfo.Exists && _vcpu.VcpuInfo.UpcallPending)
                SetIrq(_vcpu.EvtchnUpcallVector, level: false);
            return;
        }

        for (uint lvt = LvtTimer; lvt <= LvtError; lvt += 0x10)
            Set(lvt, Get(lvt) | Masked);
    }

    private void WriteEntry(uint offset, uint value)
    {
        uint mask = offset switch
        {
            LvtTimer => LvtMask | TimerModeMask,
            LvtThermal or LvtCounter => LvtMask | ModeMask,
            LvtError => LvtMask,
            _ => LintMask,
        };
        Set(offset, (value | (IsSoftwareDisabled ? Masked : 0)) & mask);
    }

    private void SendInterrupt(uint command, uint high)
    {
        uint destination = IsX2Apic ? high : high >> 24;
        InterProcessorInterrupt.Send(_vcpu, command, destination);
    }

    /// <summary>vlapic_error.</summary>
    public void Error(uint bits)
    {
        if ((Get(ErrorStatus) & bits) == bits)
            return;
        Set(ErrorStatus, Get(ErrorStatus) | bits);
        if ((Get(LvtError) & Masked) == 0)
            SetIrq(Get(LvtError) & VectorMask, level: false);
    }

    public void SendIllegal() => Error(SendIllegalVector);

    private bool MatchesLogical(uint destination)
    {
        uint own = Get(LogicalDestination);
        if (IsX2Apic)
            return own >> 16 == destination >> 16 && (ushort)(own & destination) != 0;
        own >>= 24;
        destination &= 0xFF;
        return Get(DestinationFormat) switch
        {
            uint.MaxValue => (own & destination) != 0,
            0x0FFF_FFFF => own >> 4 == destination >> 4 && (own & destination & 0xF) != 0,
            _ => false,
        };
    }

    /// <summary>The task priority's class is CR8, which the processor writes without asking.</summary>
    private void SyncTaskPriority()
    {
        uint cr8 = (uint)_vcpu.Cpu.Cr8;
        if (Get(TaskPriority) >> 4 != cr8)
            Set(TaskPriority, cr8 << 4);
    }

    private void WriteTaskPriority(uint value)
    {
        Set(TaskPriority, value);
        _vcpu.Cpu.Cr8 = value >> 4;
    }

    private uint Get(uint offset) => _registers[offset / 4];

    private void Set(uint offset, uint value) => _registers[offset / 4] = value;

    /// <summary>One 32-bit word in every 16 bytes.</summary>
    private int Highest(uint bitmap)
    {
        for (int word = 7; word >= 0; word--)
        {
            uint bits = Get(bitmap + ((uint)word * 0x10));
            if (bits != 0)
                return (word * 32) + System.Numerics.BitOperations.Log2(bits);
        }

        return -1;
    }

    private bool TestBit(uint bitmap, uint vector) => (Get(bitmap + (vector / 32 * 0x10)) >> (int)(vector % 32) & 1) != 0;

    private void SetBit(uint bitmap, uint vector, bool on)
    {
        uint offset = bitmap + (vector / 32 * 0x10), bit = 1u << (int)(vector % 32);
        Set(offset, on ? Get(offset) | bit : Get(offset) & ~bit);
    }
}
