using System.Diagnostics;

namespace XenSim.Benchmarks.Compare;

/// <summary>A whole-machine emulator as a child process, which boots the image from a disk. Its debug port is its standard output.</summary>
/// <param name="command">Program and arguments for a disk image.</param>
public sealed class ChildEmulator(string name, Func<string, IReadOnlyList<string>> command) : IEmulator
{
    /// <summary>Bochs' geometry: 16 heads of 63 sectors.</summary>
    private const int CylinderBytes = 16 * 63 * Workload.SectorSize;
    private const int Cylinders = 4;

    public string Name => name;

    public static ChildEmulator Qemu(bool icount) => new(icount ? "qemu -icount" : "qemu TCG", disk =>
    [
        "qemu-system-x86_64", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-debugcon", "stdio", "-no-reboot",
        "-drive", $"file={disk},format=raw,if=ide", .. icount ? (string[])["-icount", "shift=0"] : [],
    ]);

    public static ChildEmulator Bochs(string folder) => new("Bochs", disk =>
    {
        string configuration = Path.Combine(folder, "bochsrc");
        File.WriteAllText(configuration, $"""
            display_library: rfb, options="timeout=0"
            romimage: file=/usr/share/bochs/BIOS-bochs-latest
            vgaromimage: file=/usr/share/vgabios/vgabios.bin
            memory: guest=64, host=64
            cpu: model=corei7_sandy_bridge_2600k, count=1, ips=100000000
            ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
            ata0-master: type=disk, path={disk}, mode=flat, cylinders={Cylinders}, heads=16, spt=63
            boot: disk
            sound: waveoutdrv=dummy, waveout=none, waveindrv=dummy, wavein=none, midioutdrv=dummy, midiout=none
            clock: sync=none
            port_e9_hack: enabled=1
            log: /dev/null
            panic: action=fatal
            error: action=ignore
            """);
        // Debian's has the debugger in it, which waits to be told to go on.
        string commands = Path.Combine(folder, "bochs-commands");
        File.WriteAllText(commands, "c\n");
        return ["bochs-bin", "-q", "-f", configuration, "-rc", commands];
    });

    public double?[] Run(byte[] image)
    {
        string disk = Path.GetTempFileName();
        byte[] padded = new byte[Cylinders * CylinderBytes];
        image.CopyTo(padded, 0);
        File.WriteAllBytes(disk, padded);
        IReadOnlyList<string> line = command(disk);
        ProcessStartInfo start = new(line[0], line.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        using Process process = Process.Start(start)!;
        _ = process.StandardError.ReadToEndAsync();
        try
        {
            return ReadMarks(process);
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
            File.Delete(disk);
        }
    }

    private double?[] ReadMarks(Process process)
    {
        double?[] times = new double?[Workload.All.Count];
        Stream output = process.StandardOutput.BaseStream;
        double begun = 0;
        while (times[^1] is null)
        {
            int value = output.ReadByte();
            if (value < 0)
                throw new InvalidOperationException($"{name} ended before the image did");
            if (!Workload.TryMark(value, out int number, out bool ends))
                continue;
            double now = ProcessorTime.Of(process.Id);
            if (ends)
                times[number] = now - begun;
            else
                begun = now;
        }

        return times;
    }
}
