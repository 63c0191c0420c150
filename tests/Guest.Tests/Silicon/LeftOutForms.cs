using Iced.Intel;

namespace XenSim.Guest.Tests.Silicon;

/// <summary>The forms that the comparison with the host's CPU leaves out, each with its reason.</summary>
internal static class LeftOutForms
{
    private const string Kernel = "leaves to the kernel, whose answer is another system's";
    private const string Tables = "depends on descriptor tables that are the kernel's";
    private const string Clock = "its result is the clock's, the processor's own or random";
    private const string Policy = "enabled or not by the kernel";
    private const string Ports = "needs a port";
    private const string X87 = "compared by X87SiliconTests, 3DNow! on no host";
    private const string Vendors = "vendors differ";
    private const string Approximate = "an approximation, see Approximations_keep_to_the_bound_of_the_manual";
    private const string LowTarget = "its 16-bit target lies where a process can have no code";
    private const string Absent = "of a feature that no policy can offer";
    private const string NoUser = "another instruction where the processor lacks user interrupts";

    /// <summary>RCP and RSQRT: processors differ within the bound of the manual.</summary>
    public static readonly Code[] Approximations =
    [
        Code.Rcpps_xmm_xmmm128, Code.Rcpss_xmm_xmmm32, Code.Rsqrtps_xmm_xmmm128, Code.Rsqrtss_xmm_xmmm32, Code.VEX_Vrcpps_xmm_xmmm128, Code.VEX_Vrcpps_ymm_ymmm256,
        Code.VEX_Vrcpss_xmm_xmm_xmmm32, Code.VEX_Vrsqrtps_xmm_xmmm128, Code.VEX_Vrsqrtps_ymm_ymmm256, Code.VEX_Vrsqrtss_xmm_xmm_xmmm32,
    ];

    private static readonly Dictionary<Mnemonic, string> ByName = Named(
        (Kernel, [Mnemonic.Syscall, Mnemonic.Sysenter, Mnemonic.Int, Mnemonic.Int1, Mnemonic.Int3, Mnemonic.Into, Mnemonic.Vmcall, Mnemonic.Vmmcall, Mnemonic.Vmgexit]),
        (Tables, [
            Mnemonic.Str, Mnemonic.Sldt, Mnemonic.Sgdt, Mnemonic.Sidt, Mnemonic.Smsw, Mnemonic.Lar, Mnemonic.Lsl, Mnemonic.Verr, Mnemonic.Verw, Mnemonic.Retf, Mnemonic.Iret, Mnemonic.Iretd,
            Mnemonic.Iretq, Mnemonic.Lss, Mnemonic.Lfs, Mnemonic.Lgs, Mnemonic.Lds, Mnemonic.Les]),
        (Clock, [Mnemonic.Cpuid, Mnemonic.Rdtsc, Mnemonic.Rdtscp, Mnemonic.Rdpid, Mnemonic.Rdrand, Mnemonic.Rdseed, Mnemonic.Rdpmc]),
        (Policy, [
            Mnemonic.Xgetbv, Mnemonic.Monitor, Mnemonic.Mwait, Mnemonic.Monitorx, Mnemonic.Mwaitx, Mnemonic.Rdfsbase, Mnemonic.Rdgsbase, Mnemonic.Wrfsbase, Mnemonic.Wrgsbase]),
        (NoUser, [Mnemonic.Clui, Mnemonic.Stui]));

    /// <summary>What a process may try, in code of so many bits.</summary>
    public static IEnumerable<Code> Unprivileged(int bits) => Enum.GetValues<Code>().Where(c =>
    {
        OpCodeInfo form = c.ToOpCode();
        bool exists = bits switch { 64 => form.Mode64, 32 => form.Mode32, _ => form.Mode16 };
        return form.IsInstruction && exists && form.Encoding is EncodingKind.Legacy or EncodingKind.VEX && !form.IsPrivileged && !form.Fwait;
    });

    /// <summary>Null: it is compared.</summary>
    public static string? Reason(Code code, int bits)
    {
        OpCodeInfo form = code.ToOpCode();
        if (ByName.TryGetValue(code.Mnemonic(), out string? reason))
            return reason;
        if (code.CpuidFeatures().Any(f => f is CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387 or CpuidFeature.D3NOW or CpuidFeature.D3NOWEXT))
            return X87;
        if (code.CpuidFeatures().Any(IsAbsent) || code is Code.Jmpe_disp16 or Code.Jmpe_disp32 or Code.Popw_CS or Code.Movdir64b_r16_m512 or Code.Enqcmd_r16_m512
            || (form.OpCount == 5 && form.GetOpKind(4) == OpCodeOperandKind.imm4_m2z))
            return Absent;
        if (form.IsInputOutput)
            return Ports;
        if (Approximations.Contains(code))
            return Approximate;
        if (bits == 32 && IsShortBranch(code, form))
            return LowTarget;
        // A 32-bit push of a selector may write 16 bits (as Intel's processors and the engine do) or 32 (as AMD's do): SDM vol. 2, PUSH.
        // Near branches with an operand-size prefix in 64-bit mode (AMD cuts RIP to 16 bits), 0F 0D with a register.
        if ((bits == 64 && IsShortBranch(code, form)) || code is Code.Reservednop_rm16_r16_0F0D or Code.Reservednop_rm32_r32_0F0D or Code.Reservednop_rm64_r64_0F0D
            or Code.Pushd_CS or Code.Pushd_DS or Code.Pushd_ES or Code.Pushd_SS or Code.Pushd_FS or Code.Pushd_GS)
            return Vendors;
        return IsFarOrLoadsSelector(code, form) ? Tables : null;
    }

    /// <summary>Knights Corner's, Cyrix's and their like stand for other instructions here; masks and tiles are never offered.</summary>
    private static bool IsAbsent(CpuidFeature f) => f is CpuidFeature.KNC or CpuidFeature.AVX512F or CpuidFeature.AVX512BW or CpuidFeature.AVX512DQ
        || new[] { "AMX_", "CYRIX_", "GEODE", "CENTAUR_", "PADLOCK_" }.Any(f.ToString().StartsWith);

    private static bool IsShortBranch(Code code, OpCodeInfo form) => code is Code.Retnw or Code.Retnw_imm16 or Code.Call_rm16 or Code.Jmp_rm16
        || (form.OpCount > 0 && form.Op0Kind is OpCodeOperandKind.br16_1 or OpCodeOperandKind.br16_2);

    private static bool IsFarOrLoadsSelector(Code code, OpCodeInfo form)
        => form.Op0Kind is OpCodeOperandKind.farbr2_2 or OpCodeOperandKind.farbr4_2
            || code is Code.Call_m1616 or Code.Call_m1632 or Code.Call_m1664 or Code.Jmp_m1616 or Code.Jmp_m1632 or Code.Jmp_m1664
            || (code.Mnemonic() is Mnemonic.Mov && form.Op0Kind == OpCodeOperandKind.seg_reg)
            || (code.Mnemonic() is Mnemonic.Pop && form.Op0Kind is OpCodeOperandKind.ds or OpCodeOperandKind.es or OpCodeOperandKind.fs or OpCodeOperandKind.gs or OpCodeOperandKind.ss);

    private static Dictionary<Mnemonic, string> Named(params ReadOnlySpan<(string Reason, Mnemonic[] Names)> groups)
    {
        Dictionary<Mnemonic, string> all = [];
        foreach ((string reason, Mnemonic[] names) in groups)
        {
            foreach (Mnemonic name in names)
                all.Add(name, reason);
        }

        return all;
    }
}
