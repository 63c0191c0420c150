using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging;

/// <summary>Something that comes into a session from outside. It is kept with its position and done again whenever the session comes by.</summary>
public abstract record Intervention
{
    /// <returns>Null: done. Else why not, in one line.</returns>
    internal abstract string? Apply(BootSession session);
}

/// <summary>Bytes typed at the guest's console.</summary>
public sealed record Typing(byte[] Bytes) : Intervention
{
    internal override string? Apply(BootSession session) => session.Type(Bytes) ? null : "nothing takes what is typed: the guest has no console yet, or its ring is full";
}

/// <summary>Bytes put into machine memory.</summary>
public sealed record MemoryChange(ulong MachineAddress, byte[] Bytes) : Intervention
{
    internal override string? Apply(BootSession session)
        => session.Xen.Memory.TryWrite(new PhysicalAddress(MachineAddress), Bytes) ? null : $"there is no memory at machine address 0x{MachineAddress:x}";
}

/// <summary>A register set.</summary>
public sealed record RegisterChange(VcpuId Vcpu, string Register, ulong Value) : Intervention
{
    internal override string? Apply(BootSession session)
    {
        if (session.Xen.FindDomain(Vcpu.Domain)?.Vcpus.FirstOrDefault(v => v.Id == Vcpu.Vcpu) is not { } vcpu)
            return $"there is no {Vcpu}";
        return RegisterFile.TryWrite(vcpu.Cpu, Register, Value) ? null : $"{Register} cannot be set";
    }
}

/// <summary>Bytes put into a vCPU's state of x87, MMX and SSE, as FXSAVE lays it out, or of the upper halves of its YMM registers.</summary>
/// <param name="Offset">In the image of 512 bytes, or of 256.</param>
public sealed record ImageChange(VcpuId Vcpu, bool Ymm, int Offset, byte[] Bytes) : Intervention
{
    internal override string? Apply(BootSession session)
    {
        if (session.Xen.FindDomain(Vcpu.Domain)?.Vcpus.FirstOrDefault(v => v.Id == Vcpu.Vcpu) is not { } vcpu)
            return $"there is no {Vcpu}";
        byte[] image = Image(vcpu.Cpu, Ymm);
        if (Offset < 0 || Offset > image.Length - Bytes.Length)
            return $"the state ends before {Offset + Bytes.Length}";
        Bytes.CopyTo(image, Offset);
        if (Ymm)
            vcpu.Cpu.LoadYmmHigh(image);
        else
            vcpu.Cpu.LoadFx(image);
        return null;
    }

    internal static byte[] Image(VirtualCpu cpu, bool ymm)
    {
        byte[] image = new byte[ymm ? 256 : 512];
        if (ymm)
            cpu.SaveYmmHigh(image);
        else
            cpu.SaveFx(image);
        return image;
    }
}
