using System.Buffers.Binary;
using System.Text.Json.Nodes;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Debugging.Dap;

/// <summary>A guest in full run is stopped from outside.</summary>
public sealed class PauseTests
{
    [Theory]
    [InlineData("for ever")]
    [InlineData("fetched:grub-x86_64-xen.bin")]
    [InlineData("fetched:vmlinuz-6.1-amd64")]
    public void Pause_stops_a_guest_that_runs_and_it_goes_on_again(string guest)
    {
        using ScratchFolder folder = new();
        using PipedDap dap = new();
        Launch(dap, guest == "for ever" ? folder.Write("loop.elf", Endless()) : Fetched(guest));
        long first = PauseAfter(dap, 1000);
        Assert.True((bool?)dap.Ask("continue", "{\"threadId\":1}")["success"]);
        PauseAfter(dap, first);

        // What is asked meanwhile is answered, and the run goes on.
        dap.Ask("continue", "{\"threadId\":1}");
        Assert.True((bool?)dap.Ask("threads")["success"]);
        Assert.Equal("pause", (string?)Pause(dap)["body"]!["reason"]);
        dap.Ask("disconnect");
        dap.AwaitEvent("terminated");
        Assert.Equal(ExitCode.Success, dap.HangUp());
    }

    [Fact]
    public void What_the_guest_prints_comes_while_it_runs()
    {
        using PipedDap dap = new();
        Launch(dap, Fetched("fetched:vmlinuz-6.1-amd64"));
        dap.AwaitEvent("output", e => ((string?)e["body"]!["output"])!.Contains("Linux version 6.1", StringComparison.Ordinal));
        Assert.True(dap.Log.ToString().Split("\"stopped\"").Length == 3, dap.Log.ToString());
        Assert.Equal("pause", (string?)Pause(dap)["body"]!["reason"]);
    }

    [Fact]
    public void A_client_that_goes_away_ends_a_guest_that_runs()
    {
        using ScratchFolder folder = new();
        using PipedDap dap = new();
        Launch(dap, folder.Write("loop.elf", Endless()));
        Assert.Equal(ExitCode.Success, dap.HangUp());
    }

    [Fact]
    public void Nothing_is_paused_that_is_held_already()
    {
        using PipedDap dap = new();
        dap.Ask("launch", "{\"program\":\"pv64\",\"stopOnEntry\":true}");
        dap.Ask("configurationDone");
        dap.AwaitEvent("stopped");
        Assert.True((bool?)dap.Ask("pause", "{\"threadId\":1}")["success"]);
        Assert.True((bool?)dap.Ask("threads")["success"]);
        Assert.Equal(1, dap.Log.ToString().Split("\"stopped\"").Length - 1);
    }

    private static void Launch(PipedDap dap, string kernel)
    {
        JsonNode launched = dap.Ask("launch", new JsonObject { ["program"] = kernel, ["args"] = new JsonArray("--memory", "128", "--cmdline", "earlyprintk=xen"), ["stopOnEntry"] = true }.ToJsonString());
        Assert.True((bool?)launched["success"], launched.ToJsonString());
        Assert.True((bool?)dap.Ask("configurationDone")["success"]);
        dap.AwaitEvent("stopped");
        dap.Ask("evaluate", "{\"expression\":\"goto instruction 1000\",\"context\":\"repl\"}");
        Assert.Equal(1000, Instructions(dap));
        Assert.True((bool?)dap.Ask("continue", "{\"threadId\":1}")["success"]);
    }

    /// <summary>Pauses, again if it had not begun to run; the instruction that it was stopped at.</summary>
    private static long PauseAfter(PipedDap dap, long instructions)
    {
        const int tries = 1000;
        for (int i = 0; i < tries; i++)
        {
            Assert.Equal("pause", (string?)Pause(dap)["body"]!["reason"]);
            if (Instructions(dap) is var now && now > instructions)
                return now;
            Assert.True((bool?)dap.Ask("continue", "{\"threadId\":1}")["success"]);
        }

        Assert.Fail($"not beyond {instructions} instructions after {tries} tries\n{dap.Log}");
        return 0;
    }

    private static JsonNode Pause(PipedDap dap)
    {
        Assert.True((bool?)dap.Ask("pause", "{\"threadId\":1}")["success"]);
        return dap.AwaitEvent("stopped");
    }

    private static long Instructions(PipedDap dap)
    {
        string where = (string)dap.Ask("evaluate", "{\"expression\":\"where\",\"context\":\"repl\"}")["body"]!["result"]!;
        const string before = "instruction ";
        int at = where.IndexOf(before, StringComparison.Ordinal) + before.Length;
        return long.Parse(where.AsSpan(at, where.IndexOf(']', at) - at), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>pv64 with <c>jmp $</c> (EB FE) as its first instruction.</summary>
    private static byte[] Endless()
    {
        byte[] image = BuiltInGuest.Find("pv64")!.Image.ToArray();
        ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(24));
        int headers = (int)BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(32));
        for (int at = headers; ; at += 56)
        {
            // Elf64_Phdr: p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz.
            ReadOnlySpan<byte> header = image.AsSpan(at, 56);
            ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]), address = BinaryPrimitives.ReadUInt64LittleEndian(header[16..]), size = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
            if (BinaryPrimitives.ReadUInt32LittleEndian(header) != 1 || entry < address || entry >= address + size)
                continue;
            image[(int)(offset + (entry - address))] = 0xEB;
            image[(int)(offset + (entry - address)) + 1] = 0xFE;
            return image;
        }
    }

    private static string Fetched(string guest)
    {
        string name = guest[FetchedGuests.Prefix.Length..];
        if (!FetchedGuests.Exists(name))
        {
            Assert.False(FetchedGuests.AreRequired, $"{name} has not been fetched");
            Assert.Skip($"{name} has not been fetched: scenarios/guests/get.sh");
        }

        return Path.Combine(FetchedGuests.Folder, name);
    }
}
