using System.Diagnostics;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Guest.Tests.Structure;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests.Programs;

/// <summary>C programs compiled when the test runs, executed here and by the host's CPU: the same bytes come out. -m16 is compared with -m32.</summary>
public sealed class ProgramTests
{
    private const ulong Flat = 0x40_0000, FlatOut = 0x60_0000, RealOut = 0xB000, RealLimit = 0x8000;
    private const int Budget = 50_000_000;

    [Theory]
    [InlineData(64, "-O0")]
    [InlineData(64, "-O2")]
    [InlineData(64, "-O3")]
    [InlineData(64, "-O2 -mfpmath=387")]
    [InlineData(64, "-O3 -march=x86-64-v2")]
    [InlineData(64, "-O3 -march=x86-64-v2 -mlzcnt -mmovbe -mbmi -mbmi2")]
    [InlineData(32, "-O0")]
    [InlineData(32, "-O2")]
    [InlineData(32, "-O3")]
    [InlineData(32, "-O2 -march=i386")]
    [InlineData(32, "-O3 -march=pentium4 -mfpmath=sse")]
    [InlineData(16, "-Os -march=i386")]
    [InlineData(16, "-O2 -march=i686")]
    [InlineData(16, "-O0 -march=i686")]
    public void A_program_writes_the_bytes_that_it_writes_on_the_host(int bits, string flags)
    {
        Assert.SkipWhen(Toolchain.Unavailable is not null, Toolchain.Unavailable ?? "");
        Assert.SkipWhen(bits != 64 && !Toolchain.HasMultilib, "needs gcc-multilib");
        using Toolchain tools = new(bits, flags);
        byte[] expected = tools.RunNative();
        byte[] image = tools.Link(bits == 16 ? 0x1000 : Flat, bits == 16 ? RealOut : FlatOut, bits == 16 ? RealLimit : FlatOut);
        byte[] ours = bits == 16 ? RunReal(image) : RunFlat(image, bits);
        Assert.True(expected.Length > 1000);
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(ours));
    }

    private static byte[] RunFlat(byte[] image, int bits)
    {
        using Machine m = new(bits);
        ulong frame = 0x100;
        for (ulong a = Flat; a < Flat + (ulong)image.Length + 0x4_0000; a += 0x1000)
            m.Map(a, frame++);
        for (ulong a = FlatOut; a < FlatOut + 0x4000; a += 0x1000)
            m.Map(a, frame++);
        const ulong stack = 0x70_0000;
        for (ulong a = stack; a < stack + 0x1_0000; a += 0x1000)
            m.Map(a, frame++);
        Assert.True(m.Cpu.TryWrite(new LinearAddress(Flat), image, 0, out _, out _));
        m.Cpu[Gpr.Rsp] = stack + 0xFF00;
        m.Cpu.Rip = Flat;
        CpuExit exit = m.Cpu.Run(Budget);
        Assert.True(exit.Reason == ExitReason.SoftwareInterrupt, $"{exit.Reason} vector {exit.Vector} address {exit.Address:x} at {m.Cpu.Rip:x} {m.Cpu.UnimplementedText}");
        byte[] result = new byte[(uint)m.Cpu[Gpr.Rax]];
        Assert.True(m.Cpu.TryRead(new LinearAddress(FlatOut), result, 0, out _, out _));
        return result;
    }

    private static byte[] RunReal(byte[] image)
    {
        using SystemMachine m = new(16);
        m.Write(0x1000, image);
        m[Gpr.Rsp] = 0xFFF0;
        m.Cpu.Rip = 0x1000;
        CpuExit exit = m.Cpu.Run(Budget);
        Assert.True(exit.Reason == ExitReason.Halt, $"{exit.Reason} vector {exit.Vector} at {m.Cpu.Rip:x} {m.Cpu.UnimplementedText}");
        Assert.True(m.Cpu.Rip < SystemMachine.Handlers, $"vector {(m.Cpu.Rip - SystemMachine.Handlers) / 16} at {m.Read16(m[Gpr.Rsp]):x}");
        byte[] result = new byte[(uint)m[Gpr.Rax]];
        m.Memory.TryRead(new PhysicalAddress(RealOut), result);
        return result;
    }

    /// <summary>gcc and ld on one set of flags.</summary>
    private sealed class Toolchain : IDisposable
    {
        private static readonly Lazy<bool> Compiler = new(() => Try("gcc", "--version"));
        private static readonly Lazy<bool> Multilib = new(TryMultilib);
        private readonly string _directory = Directory.CreateTempSubdirectory("programs").FullName;
        private readonly int _bits;
        private readonly string[] _flags;

        public Toolchain(int bits, string flags)
        {
            _bits = bits;
            _flags = flags.Split(' ');
        }

        public static string? Unavailable => Compiler.Value ? null : "needs gcc";

        public static bool HasMultilib => Multilib.Value;

        /// <summary>The host runs the 16-bit program's 32-bit twin.</summary>
        public byte[] RunNative()
        {
            string machine = _bits == 64 ? "-m64" : "-m32";
            Compile(machine, Source("programs.c"), "program.o");
            Run("gcc", [machine, "-O1", "-static", "-o", "native", Source("native.c"), "program.o"]);
            using Process p = Process.Start(new ProcessStartInfo(Path.Combine(_directory, "native")) { RedirectStandardOutput = true })!;
            using MemoryStream all = new();
            p.StandardOutput.BaseStream.CopyTo(all);
            p.WaitForExit();
            Assert.Equal(0, p.ExitCode);
            return all.ToArray();
        }

        /// <summary>A flat image for the simulated machine.</summary>
        public byte[] Link(ulong address, ulong output, ulong limit)
        {
            string machine = $"-m{_bits}";
            Compile(machine, Source("programs.c"), "guest.o");
            Run("gcc", [_bits == 64 ? "-m64" : "-m32", "-c", "-o", "start.o", $"-DOUT={output}", .. _bits == 16 ? ["-DM16"] : Array.Empty<string>(), Source("start.S")]);
            Run("gcc", [_bits == 64 ? "-m64" : "-m32", "-nostdlib", "-static", "-no-pie", $"-Wl,-N,-e,0,--defsym,BASE=0x{address:x},--defsym,LIMIT=0x{limit:x},-T,{Source("flat.ld")},--build-id=none,--oformat,binary", "-o", "image", "start.o", "guest.o"]);
            byte[] image = File.ReadAllBytes(Path.Combine(_directory, "image"));
            Assert.True(_bits != 16 || image.Length < 0x8000, $"{image.Length} bytes");
            return image;
        }

        public void Dispose() => Directory.Delete(_directory, true);

        private static string Source(string name) => Path.Combine(AppContext.BaseDirectory, "Programs", name);

        private static bool Try(string program, string argument)
        {
            try
            {
                using Process p = Process.Start(new ProcessStartInfo(program, argument) { RedirectStandardOutput = true, RedirectStandardError = true })!;
                p.StandardOutput.ReadToEnd();
                p.WaitForExit();
                return p.ExitCode == 0;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return false;
            }
        }

        private static bool TryMultilib()
        {
            using Toolchain t = new(32, "-O0");
            string main = Path.Combine(t._directory, "empty.c");
            File.WriteAllText(main, "int main(void) { return 0; }");
            return Try("gcc", $"-m32 -static -o {Path.Combine(t._directory, "empty")} {main}");
        }

        private void Compile(string machine, string source, string target) =>
            Run("gcc", [machine, .. _flags, "-ffreestanding", "-fno-builtin", "-fno-pic", "-no-pie", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-fno-tree-loop-distribute-patterns", "-ffp-contract=off", "-c", "-o", target, source]);

        private void Run(string program, string[] arguments)
        {
            ProcessStartInfo info = new(program) { WorkingDirectory = _directory, RedirectStandardError = true };
            foreach (string a in arguments)
                info.ArgumentList.Add(a);
            using Process p = Process.Start(info)!;
            string errors = p.StandardError.ReadToEnd();
            p.WaitForExit();
            Assert.True(p.ExitCode == 0, $"{program} {string.Join(' ', arguments)}\n{errors}");
        }
    }
}
