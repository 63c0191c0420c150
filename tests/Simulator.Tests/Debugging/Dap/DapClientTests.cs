using System.Diagnostics;
using System.Runtime.CompilerServices;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Tests.Debugging.Dap;

/// <summary>The client is Microsoft's own for testing adapters, from npm.</summary>
public sealed class DapClientTests
{
    [Fact]
    public async Task A_public_client_goes_through_a_whole_session()
    {
        string folder = Path.Combine(Path.GetDirectoryName(Here())!, "client");
        if (!Directory.Exists(Path.Combine(folder, "node_modules")))
        {
            string missing = $"the client has not been installed: npm ci --prefix {folder}";
            Assert.False(FetchedGuests.AreRequired, missing);
            Assert.Skip(missing);
        }

        ProcessStartInfo start = new("node", ["session.js"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["XENSIM"] = System.Text.Json.JsonSerializer.Serialize((string[])["dotnet", typeof(ExitCode).Assembly.Location]);
        using Process node = Process.Start(start)!;
        CancellationToken stop = TestContext.Current.CancellationToken;
        Task<string> error = node.StandardError.ReadToEndAsync(stop);
        string output = await node.StandardOutput.ReadToEndAsync(stop);
        await node.WaitForExitAsync(stop);
        Assert.True(node.ExitCode == 0, output + await error);
        Assert.Contains("the session is as it should be", output, StringComparison.Ordinal);
    }

    private static string Here([CallerFilePath] string file = "") => file;
}
