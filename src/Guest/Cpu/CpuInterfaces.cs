namespace XenSim.Guest.Cpu;

/// <summary>Result registers of CPUID.</summary>
public readonly record struct CpuidResult(uint Eax, uint Ebx, uint Ecx, uint Edx);

/// <summary>
/// What the hypervisor decides for a vCPU: CPUID where it is not intercepted, and the TSC. Called only on the slow path.
/// </summary>
public interface ICpuPolicy
{
    /// <summary>CPUID executed natively by this vCPU.</summary>
    CpuidResult Cpuid(uint leaf, uint subleaf);

    /// <summary>
    /// CPUID of the processor underneath, whatever the guest is told: it decides which instructions exist. Asked once, when the first of them is decoded.
    /// </summary>
    CpuidResult Hardware(uint leaf, uint subleaf) => Cpuid(leaf, subleaf);

    /// <summary>Where the sequence of RDRAND and RDSEED begins; not 0.</summary>
    ulong RandomSeed => 0x9E37_79B9_7F4A_7C15;

    /// <summary>Time-stamp counter after <paramref name="retiredInstructions"/> instructions.</summary>
    ulong ReadTsc(long retiredInstructions);
}

/// <summary>Guest-physical to machine frames of a translated (HVM) guest. A PV guest's page tables hold machine frames: no map.</summary>
public interface IFrameMap
{
    /// <summary>Machine frame of a guest-physical frame, or -1 if there is none. Called on TLB misses only.</summary>
    long MachineFrame(ulong guestFrame);
}

/// <summary>Events that leave the vCPU instead of being handled by it through the guest's own IDT and system registers.</summary>
[Flags]
public enum Intercepts : ulong
{
    None = 0,

    /// <summary>All exceptions leave (a PV guest: the IDT is Xen's).</summary>
    Exceptions = 1 << 0,
    SoftwareInterrupts = 1 << 1,
    Syscall = 1 << 2,
    Cpuid = 1 << 3,
    ReadTsc = 1 << 4,
    Ports = 1 << 5,
    Msrs = 1 << 6,
    Halt = 1 << 7,

    /// <summary>MOV to CR0/CR3/CR4, which change translation.</summary>
    ControlRegisters = 1 << 8,
    Sysenter = 1 << 9,
    DebugRegisters = 1 << 10,

    /// <summary>What Xen takes from a PV guest running deprivileged.</summary>
    ParavirtualGuest = Exceptions | SoftwareInterrupts | Syscall | Sysenter | Ports | Msrs | Halt | ControlRegisters | DebugRegisters,

    /// <summary>What Xen takes from an HVM guest with hardware-assisted paging.</summary>
    HardwareGuest = Cpuid | Ports | Msrs | Halt,
}
