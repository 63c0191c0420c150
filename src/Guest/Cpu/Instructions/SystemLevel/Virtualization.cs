using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>
/// VMX, SVM and RSM as they are where no hypervisor has turned them on and no system management mode was entered: #UD. Turned on, they stop by name.
/// SDM vol. 3C, 30.3; APM vol. 2, 15.4; SDM vol. 2, RSM.
/// </summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call.
internal static unsafe class Virtualization
{
    private const ulong VmxEnable = 1 << 13;

    public static bool Select(Translator t)
    {
        foreach (CpuidFeature feature in t.Instruction.Code.CpuidFeatures())
        {
            switch (feature)
            {
                case CpuidFeature.VMX: t.EndsBlock = true; t.Op->Handler = &Vmx; return true;
                case CpuidFeature.SVM or CpuidFeature.SKINIT_or_SVM: t.EndsBlock = true; t.Op->Handler = &Svm; return true;
                case CpuidFeature.SMM: t.EndsBlock = true; t.Op->Handler = &SystemOps.InvalidOpcode; return true;
            }
        }

        return false;
    }

    private static Block* Vmx(CpuState* s, Op* op) => (s->Cr4 & VmxEnable) == 0 ? SystemOps.InvalidOpcode(s, op) : SystemOps.Unimplemented(s, op);

    private static Block* Svm(CpuState* s, Op* op)
        => (s->Efer & EferBits.Svme) == 0 ? SystemOps.InvalidOpcode(s, op) : s->Cpl != 0 ? Faults.Raise(s, op, Vectors.Gp, 0) : SystemOps.Unimplemented(s, op);
}
