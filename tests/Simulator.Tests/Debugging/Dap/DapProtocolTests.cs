using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Commands;
using XenSim.Simulator.Debugging.Dap;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Tests.Debugging.Dap;

public sealed class DapProtocolTests
{
    private static readonly string[] s_commands =
    [
        "initialize", "launch", "attach", "configurationDone", "restart", "threads", "setBreakpoints", "setFunctionBreakpoints", "setInstructionBreakpoints", "setExceptionBreakpoints", "dataBreakpointInfo", "setDataBreakpoints",
        "continue", "reverseContinue", "next", "stepIn", "stepOut", "stepBack", "pause", "stackTrace", "scopes", "variables", "source", "loadedSources", "disassemble", "readMemory", "writeMemory", "evaluate", "gotoTargets", "",
    ];

    private static readonly string[] s_arguments =
    [
        "{}", "null", "[]", "{\"threadId\":1}", "{\"threadId\":99999999999}", "{\"threadId\":1.5}", "{\"threadId\":65538,\"granularity\":\"instruction\"}", "{\"threadId\":1,\"granularity\":\"line\"}", "{\"granularity\":7}",
        "{\"program\":\"pv64\"}", "{\"program\":\"/etc/passwd\"}", "{\"program\":\"pv64\",\"args\":[\"--nonsense\"]}", "{\"program\":[]}", "{\"breakpoints\":[{}]}", "{\"breakpoints\":[{\"name\":\"*\"},{\"name\":7}]}", "{\"breakpoints\":7}",
        "{\"breakpoints\":[{\"instructionReference\":\"0xffffffffffffffff\",\"offset\":-9223372036854775808}]}", "{\"breakpoints\":[{\"dataId\":\"memory 0xffffffffffffffff 4096\"}]}", "{\"breakpoints\":[{\"line\":3}],\"source\":{\"sourceReference\":1}}",
        "{\"frameId\":1}", "{\"frameId\":-1}", "{\"variablesReference\":1}", "{\"variablesReference\":2147483647}", "{\"sourceReference\":1}", "{\"sourceReference\":2,\"source\":{\"path\":\"/etc/passwd\"}}",
        "{\"memoryReference\":\"0xffffffff80100000\",\"instructionCount\":20,\"instructionOffset\":-4096}", "{\"memoryReference\":\"0x0\",\"count\":4096,\"offset\":-1}", "{\"memoryReference\":\"passwd\",\"count\":1}", "{\"memoryReference\":\"machine:0xfffffffffffff000\",\"count\":1048576}",
        "{\"expression\":\"((((((((rip\"}", "{\"expression\":\"*0\",\"context\":\"watch\"}", "{\"expression\":\"help\",\"context\":\"repl\"}", "{\"name\":\"rax\"}", "{\"name\":\"rsp\",\"bytes\":8}", "{\"filters\":[\"exception\",\"nothing\"]}", "{\"a\":1,\"a\":2}",
    ];

    [Fact]
    public void Messages_come_through_however_they_are_cut()
        => Gen.Select(Gen.Byte.Array[0, 50].Array[1, 5], Gen.Int[1, 9]).Sample((bodies, piece) =>
        {
            byte[] all = [.. bodies.SelectMany(b => (byte[])[.. Encoding.ASCII.GetBytes($"Content-Length: {b.Length}\r\n\r\n"), .. b])];
            DapReader reader = new(new PieceStream(all, piece), 50);
            foreach (byte[] body in bodies)
            {
                if (reader.Next() is not { } read || !read.AsSpan().SequenceEqual(body))
                    return false;
            }

            return reader.Next() is null;
        });

    [Fact]
    public void What_is_no_message_is_said_and_never_anything_else()
        => Gen.Byte.Array[0, 300].Sample(noise =>
        {
            try
            {
                DapReader reader = new(new PieceStream(noise, 7), 100);
                while (reader.Next() is { } message)
                    DapRequest.Parse(message);
                return true;
            }
            catch (DapException)
            {
                return true;
            }
        });

    [Theory]
    [InlineData("Content-Length: 9999999999\r\n\r\n", "9999999999")]
    [InlineData("Content-Length: -1\r\n\r\n", "-1")]
    [InlineData("Host: x\r\n\r\n", "without Content-Length")]
    [InlineData("Content-Length: 5\r\n\r\n{}", "3 bytes before the end")]
    [InlineData("Content-Length: 2\r\n\r\n[]", "no JSON object")]
    [InlineData("Content-Length: 3\r\n\r\n{a}", "not JSON")]
    public void A_client_that_does_not_keep_to_the_protocol_is_left_with_a_reason(string input, string why)
    {
        using StringWriter error = new();
        using MemoryStream output = new();
        ExitCode exit = DapCommand.Serve(new MemoryStream(Encoding.ASCII.GetBytes(input)), new Terminal(output, error, interactive: false, CancellationToken.None));
        Assert.Equal(ExitCode.BadInput, exit);
        Assert.Contains(why, error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_is_asked_is_answered()
        => Gen.Select(Gen.Int[0, s_commands.Length - 1], Gen.Int[0, s_arguments.Length - 1]).Array[1, 40].Sample(
            requests =>
            {
                StringBuilder input = new();
                List<string> all = [Request(1, "launch", "{\"program\":\"pv64\",\"stopOnEntry\":true}"), Request(2, "configurationDone", "{}")];
                for (int i = 0; i < requests.Length; i++)
                    all.Add(Request(3 + i, s_commands[requests[i].Item1], s_arguments[requests[i].Item2]));
                foreach (string r in all)
                    input.Append("Content-Length: ").Append(Encoding.UTF8.GetByteCount(r)).Append("\r\n\r\n").Append(r);
                using StringWriter error = new();
                using MemoryStream output = new();
                ExitCode exit = DapCommand.Serve(new MemoryStream(Encoding.UTF8.GetBytes(input.ToString())), new Terminal(output, error, interactive: false, CancellationToken.None));
                output.Position = 0;
                long[] answered = [.. Messages(output).Where(m => (string?)m["type"] == "response").Select(m => (long)m["request_seq"]!)];
                return exit == ExitCode.Success ? answered.SequenceEqual(Enumerable.Range(1, all.Count).Select(i => (long)i)) : error.ToString().Contains("a name stands twice", StringComparison.Ordinal);
            },
            iter: 40, threads: 1);

    [Theory]
    [InlineData(BootPath.DomU, XenRelease.V4_17, "setup_hypercall_page")]
    [InlineData(BootPath.DomU, XenRelease.V4_0, "setup_hypercall_page")]
    [InlineData(BootPath.Dom0, XenRelease.V4_17, "construct_dom0")]
    [InlineData(BootPath.Dom0, XenRelease.V4_0, "construct_dom0")]
    public void Every_stage_of_the_document_is_on_the_line_that_is_said(BootPath path, XenRelease release, string stage)
    {
        StageDocument document = new(path, release);
        string[] lines = document.Text.Split('\n');
        Assert.Contains(stage, document.Stages);
        int found = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            if (document.StageAt(i + 1) is not { } name)
            {
                Assert.True(lines[i].Length == 0 || lines[i].StartsWith("# ", StringComparison.Ordinal), lines[i]);
                continue;
            }

            found++;
            Assert.StartsWith(name + " ", lines[i].TrimStart(), StringComparison.Ordinal);
        }

        Assert.True(found > 20, $"{found} stages only");
    }

    private static string Request(int sequence, string command, string arguments) => $"{{\"seq\":{sequence},\"type\":\"request\",\"command\":\"{command}\",\"arguments\":{arguments}}}";

    private static void Write(Stream stream, string message)
    {
        stream.Write(Encoding.UTF8.GetBytes($"Content-Length: {Encoding.UTF8.GetByteCount(message)}\r\n\r\n{message}"));
        stream.Flush();
    }

    private static IEnumerable<JsonNode> Messages(Stream stream)
    {
        DapReader reader = new(stream, 16 << 20);
        while (reader.Next() is { } message)
            yield return JsonNode.Parse(message)!;
    }

    /// <summary>Gives its bytes in small pieces.</summary>
    private sealed class PieceStream(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, piece));

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, piece)]);
    }
}
