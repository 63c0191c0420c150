using System.Globalization;
using System.Text;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Traps;

/// <summary>show_execution_state and show_page_walk: what Xen prints of a guest that it gives up.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/x86_64/traps.c: print_xen_info, _show_registers, show_page_walk; RELEASE-4.0.4
/// x86_32/traps.c; traps.c: show_guest_stack; x86_64/compat/traps.c: compat_show_guest_stack.
/// </remarks>
internal static class ExecutionState
{
    // debug_stack_lines; 4 words of 8 bytes or 8 of 4 bytes a line; the trace ends with the 32 KiB that a stack of Xen's own would have.
    private const int StackLines = 20;
    private const ulong StackSize = 32 * 1024;

    /// <summary>The lines of a vCPU's registers and stack.</summary>
    public static IEnumerable<string> Lines(Vcpu v) => [.. Registers(v), .. v.Domain.IsHvm ? [] : Stack(v)];

    /// <summary>Pagetable walk from the tables that the processor uses.</summary>
    public static IEnumerable<string> PageWalk(Vcpu v, ulong address)
    {
        Xen xen = v.Domain.Xen;
        bool wide = xen.Options.Host64;
        yield return wide ? $"Pagetable walk from {address:x16}:" : $"Pagetable walk from {(uint)address:x8}:";
        Mfn table = new(v.Cpu.Cr3 >> 12);
        for (int level = wide ? 4 : 3; level > 0; level--)
        {
            if (!xen.Frames.IsValid(table))
                yield break;
            int slot = (int)(address >> (3 + (9 * level))) & (level == 3 && !wide ? 3 : 511);
            ulong entry = xen.PageTypes.ReadEntry(table, slot);
            table = new Mfn(Pte.FrameOf(entry));
            ulong pfn = xen.Frames.IsValid(table) ? xen.M2p.Get(table).Value : ulong.MaxValue;
            bool large = level is 2 or 3 && wide && (entry & Pte.PageSize) != 0;
            yield return $" L{level}[0x{slot:x3}] = {entry:x16} {(wide ? pfn : (uint)pfn).ToString(wide ? "x16" : "x8", CultureInfo.InvariantCulture)}{(large ? " (PSE)" : "")}";
            if ((entry & Pte.Present) == 0 || (level is 2 or 3 && (entry & Pte.PageSize) != 0))
                yield break;
        }
    }

    private static IEnumerable<string> Registers(Vcpu v)
    {
        Xen xen = v.Domain.Xen;
        VirtualCpu c = v.Cpu;
        bool v40 = xen.Profile.Release == XenRelease.V4_0;
        string arch = xen.Options.Host64 ? "x86_64" : "x86_32p";
        string debug = xen.Options.DebugBuild ? "debug=y" : "debug=n";
        string version = (v40 ? "4.0" : "4.17") + InterfaceVersions.ExtraVersion(xen.Options.Release);
        string context = v.Domain.IsHvm ? "hvm guest" : "pv guest";
        string mask = v.Domain.IsHvm || !v.VcpuInfo.Exists ? "" : $"EM: {(v.VcpuInfo.UpcallMask ? 1 : 0)}   ";
        string who = v40 ? "" : $" (d{v.Domain.Id.Value}v{v.Id})";
        ulong cr2 = v.Domain.IsHvm ? c.Cr2 : BitConverter.ToUInt64(v.VcpuInfo.Bytes[v.Domain.SharedInfo.Layout.Cr2..]) & (v.Domain.Is32BitPv ? uint.MaxValue : ulong.MaxValue);
        ushort S(SegmentName name) => c.GetSegment(name).Selector;
        string segments = $"ds: {S(SegmentName.Ds):x4}   es: {S(SegmentName.Es):x4}   fs: {S(SegmentName.Fs):x4}   gs: {S(SegmentName.Gs):x4}   ss: {S(SegmentName.Ss):x4}   cs: {S(SegmentName.Cs):x4}";
        yield return $"----[ Xen-{version}  {arch}  {debug}  Not tainted ]----";
        yield return "CPU:    0";
        if (!xen.Options.Host64)
        {
            yield return $"EIP:    {S(SegmentName.Cs):x4}:[<{(uint)c.Rip:x8}>]";
            yield return $"EFLAGS: {(uint)c.Rflags:x8}   {mask}CONTEXT: {context}";
            yield return $"eax: {(uint)c[Gpr.Rax]:x8}   ebx: {(uint)c[Gpr.Rbx]:x8}   ecx: {(uint)c[Gpr.Rcx]:x8}   edx: {(uint)c[Gpr.Rdx]:x8}";
            yield return $"esi: {(uint)c[Gpr.Rsi]:x8}   edi: {(uint)c[Gpr.Rdi]:x8}   ebp: {(uint)c[Gpr.Rbp]:x8}   esp: {(uint)c[Gpr.Rsp]:x8}";
            yield return $"cr0: {(uint)c.Cr0:x8}   cr4: {(uint)c.Cr4:x8}   cr3: {(uint)c.Cr3:x8}   cr2: {(uint)cr2:x8}";
            yield return segments;
            yield break;
        }

        yield return $"RIP:    {S(SegmentName.Cs):x4}:[<{c.Rip:x16}>]";
        yield return $"RFLAGS: {c.Rflags:x16}   {mask}CONTEXT: {context}{who}";
        yield return $"rax: {c[Gpr.Rax]:x16}   rbx: {c[Gpr.Rbx]:x16}   rcx: {c[Gpr.Rcx]:x16}";
        yield return $"rdx: {c[Gpr.Rdx]:x16}   rsi: {c[Gpr.Rsi]:x16}   rdi: {c[Gpr.Rdi]:x16}";
        yield return $"rbp: {c[Gpr.Rbp]:x16}   rsp: {c[Gpr.Rsp]:x16}   r8:  {c[Gpr.R8]:x16}";
        yield return $"r9:  {c[Gpr.R9]:x16}   r10: {c[Gpr.R10]:x16}   r11: {c[Gpr.R11]:x16}";
        yield return $"r12: {c[Gpr.R12]:x16}   r13: {c[Gpr.R13]:x16}   r14: {c[Gpr.R14]:x16}";
        yield return $"r15: {c[Gpr.R15]:x16}   cr0: {c.Cr0:x16}   cr4: {c.Cr4:x16}";
        yield return $"cr3: {c.Cr3:x16}   cr2: {cr2:x16}";
        if (!v40)
        {
            ulong shadow = v.Domain.IsHvm ? c.KernelGsBase : v.KernelMode ? v.GsBaseUser : v.GsBaseKernel;
            yield return $"fsb: {c.GetSegment(SegmentName.Fs).Base:x16}   gsb: {c.GetSegment(SegmentName.Gs).Base:x16}   gss: {shadow:x16}";
        }

        yield return segments;
    }

    private static IEnumerable<string> Stack(Vcpu v)
    {
        bool wide = !v.Domain.Is32BitPv;
        int size = wide ? 8 : 4;
        int perLine = wide ? 4 : 8;
        ulong stack = wide ? v.Cpu[Gpr.Rsp] : (uint)v.Cpu[Gpr.Rsp];
        yield return wide ? $"Guest stack trace from rsp={stack:x16}:" : $"Guest stack trace from esp={stack:x8}:";
        string indent = wide ? "  " : " ";
        if (!v.Memory.IsGuestRange(stack, (ulong)size))
        {
            yield return $"{indent}Guest-inaccessible memory.";
            yield break;
        }

        StringBuilder line = new(indent);
        byte[] word = new byte[8];
        int i = 0;
        for (; i < StackLines * perLine; i++, stack += (ulong)size)
        {
            if ((((stack - 1) ^ (stack + (ulong)size - 1)) & StackSize) != 0)
                break;
            if (!v.Cpu.TryRead(new LinearAddress(stack), word.AsSpan(0, size), 0, out _, out _))
            {
                if (i != 0)
                {
                    yield return line.ToString();
                    line.Clear().Append("    ");
                }

                line.Append("Fault while accessing guest memory.");
                i = 1;
                break;
            }

            if (i != 0 && i % perLine == 0)
            {
                yield return line.ToString();
                line.Clear().Append(indent);
            }

            line.Append(wide ? $" {BitConverter.ToUInt64(word):x16}" : $" {BitConverter.ToUInt32(word):x8}");
        }

        yield return i == 0 ? line.Append("Stack empty.").ToString() : line.ToString();
    }
}
