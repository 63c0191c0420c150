using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Hvm;

/// <summary>Which event a translated guest's vCPU gets next, and whether it can take it now.</summary>
/// <remarks>
/// Source: stable-4.17 xen/arch/x86/hvm/irq.c: hvm_vcpu_has_pending_irq, hvm_vcpu_ack_pending_irq, hvm_set_callback_via, hvm_assert_evtchn_irq;
/// svm/intr.c: svm_intr_assist; vmx/intr.c: vmx_intr_assist.
/// </remarks>
internal static class HvmInterrupts
{
    private const ulong InterruptFlag = 1 << 9;
    private const byte Nmi = 2;
    private const int None = -1;

    private enum Source
    {
        None,
        Nmi,
        Vector,
        Pic,
        Apic,
    }

    /// <summary>svm_intr_assist: injects what can be injected, else arranges for the moment when it can.</summary>
    public static void Assist(Vcpu v)
    {
        (Source source, int vector) = Next(v);
        v.InterruptWindow = false;
        if (source == Source.None)
            return;
        if (IsBlocked(v, source, vector))
        {
            v.InterruptWindow = true;
            return;
        }

        switch (source)
        {
            case Source.Nmi:
                v.NmiPending = false;
                break;
            case Source.Pic:
                vector = v.Domain.Platform!.AcknowledgePic();
                break;
            case Source.Apic:
                v.Apic!.Acknowledge(vector);
                break;
        }

        if (!v.Cpu.Inject((byte)vector))
            TripleFault(v);
        else
            v.InterruptWindow = Next(v).Source != Source.None;
    }

    /// <summary>hvm_local_events_need_delivery.</summary>
    public static bool NeedDelivery(Vcpu v)
    {
        (Source source, int vector) = Next(v);
        return source != Source.None && !IsBlocked(v, source, vector);
    }

    /// <summary>hvm_assert_evtchn_irq: an event channel of this vCPU has become pending. An APIC that is off is told when it comes on.</summary>
    /// <remarks>RELEASE-4.17.7 xen/arch/x86/hvm/irq.c; 4.17.0 set the request in an APIC that was off, and Linux complained of it.</remarks>
    public static void AssertEventChannel(Vcpu v)
    {
        if (v.EvtchnUpcallVector != 0)
        {
            if (v.Apic!.IsReady)
                v.Apic.SetIrq(v.EvtchnUpcallVector, level: false);
        }
        else if (IsVectorCallback(v.Domain))
            v.Kick();
        else if (v.Id == 0)
            v.Domain.Platform?.SetCallbackLevel();
    }

    /// <summary>hvm_set_callback_via: HVM_PARAM_CALLBACK_IRQ has changed.</summary>
    public static void SetCallbackVia(Domain d)
    {
        d.Platform?.SetCallbackVia(d.HvmParams[(int)HvmParam.CALLBACK_IRQ]);
        foreach (Vcpu v in d.Vcpus)
        {
            if ((v.PauseFlags & PauseFlags.Down) == 0)
                AssertEventChannel(v);
        }
    }

    /// <summary>hvm_hlt: waits for an event; halted with interrupts off the vCPU is down, and with the last one the domain is off.</summary>
    public static void Halt(Vcpu v)
    {
        if (NeedDelivery(v))
            return;
        if ((v.Cpu.Rflags & InterruptFlag) == 0 && !v.NmiPending)
            HvmVcpuState.Down(v);
        else
            v.Block();
    }

    /// <summary>hvm_triple_fault: the domain shuts down for the reason that HVM_PARAM_TRIPLE_FAULT_REASON gives (4.0: a reboot).</summary>
    public static void TripleFault(Vcpu v)
    {
        Domain d = v.Domain;
        bool v40 = d.Xen.Profile.Release == Public.XenRelease.V4_0;
        uint reason = v40 ? (uint)ShutdownReason.reboot : (uint)(byte)d.HvmParams[(int)HvmParam.TRIPLE_FAULT_REASON];
        if (v40)
        {
            d.Xen.Log(Public.Events.LogLevel.Info, $"hvm.c: Triple fault on VCPU{v.Id} - invoking HVM system reset.");
        }
        else
        {
            d.Xen.Log(Public.Events.LogLevel.Error, $"d{d.Id.Value}v{v.Id} Triple fault - invoking HVM shutdown action {reason}");
            d.Xen.Log(Public.Events.LogLevel.Error, $"*** Dumping Dom{d.Id.Value} vcpu#{v.Id} state: ***");
            foreach (string line in Traps.ExecutionState.Lines(v))
                d.Xen.Log(Public.Events.LogLevel.Error, line);
        }

        d.Shutdown(reason);
    }

    private static bool IsVectorCallback(Domain d) => (HvmCallbackType)(d.HvmParams[(int)HvmParam.CALLBACK_IRQ] >> 56) == HvmCallbackType.VECTOR;

    private static (Source Source, int Vector) Next(Vcpu v)
    {
        if (v.NmiPending)
            return (Source.Nmi, Nmi);
        ulong via = v.Domain.HvmParams[(int)HvmParam.CALLBACK_IRQ];
        if (IsVectorCallback(v.Domain) && v.EvtchnUpcallVector == 0 && v.VcpuInfo.Exists && v.VcpuInfo.UpcallPending)
            return (Source.Vector, (byte)via);
        if (v.Domain.Platform is { } platform && platform.PicOutputFor(v))
            return (Source.Pic, None);
        int vector = v.Apic?.Pending ?? None;
        return vector == None ? (Source.None, None) : (Source.Apic, vector);
    }

    /// <summary>hvm_interrupt_blocked.</summary>
    private static bool IsBlocked(Vcpu v, Source source, int vector)
    {
        if (v.Cpu.InterruptShadow)
            return true;
        if (source == Source.Nmi)
            return v.Cpu.NmiBlocked;
        return (v.Cpu.Rflags & InterruptFlag) == 0 || (source == Source.Apic && !v.Apic!.PassesTaskPriority(vector));
    }
}
