using System.Text.Json;
using System.Text.Json.Nodes;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;

namespace XenSim.Testing;

/// <summary>
/// A boot to be: a host with a release of Xen on it. Each method returns a changed copy. It is a scenario file in the making:
/// every method sets keys of docs/scenarios.md, <see cref="With"/> sets those that have no method.
/// </summary>
/// <example>
/// <code>
/// Machine.Xen(XenRelease.V4_17).DomU("pv64")
///     .FailHypercall("XEN_DOMCTL_hypercall_init", XenErrno.EPERM)
///     .Expect(e => e.Outcome(SessionEnd.BuildFailed).Failure("setup_hypercall_page", XenErrno.EPERM))
///     .Run();
/// </code>
/// </example>
public sealed class Machine
{
    private readonly JsonObject _keys;
    private readonly IReadOnlyDictionary<string, byte[]> _files;

    private Machine(JsonObject keys, IReadOnlyDictionary<string, byte[]> files) => (_keys, _files) = (keys, files);

    /// <summary>A machine that runs this release.</summary>
    public static Machine Xen(XenRelease release) => new(
        new JsonObject
        {
            ["name"] = "a machine built in code",
            ["description"] = "Built by XenSim.Testing.",
            ["xen"] = release == XenRelease.V4_0 ? "4.0" : "4.17",
        },
        new Dictionary<string, byte[]>());

    /// <summary>The processor's maker: AMD has SVM, Intel VMX.</summary>
    public Machine Host(CpuVendor vendor) => With("host.vendor", Word(vendor.ToString()));

    /// <param name="mebibytes">Memory of the machine. Unit: MiB.</param>
    public Machine HostMemory(int mebibytes) => With("host.memory", mebibytes);

    /// <param name="bits">Word size of the hypervisor: 64, or 32 with Xen 4.0.</param>
    public Machine HostBits(int bits) => With("host.bits", bits.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>Xen's own command line, as in <c>dom0_mem=128M</c>.</summary>
    public Machine XenCommandLine(string text) => With("host.cmdline", text);

    /// <summary>A PV domain that the tools build: <c>create_domain → … → setup_hypercall_page</c>.</summary>
    /// <param name="kernel">A built-in guest (pv64, pv32) or a kernel file.</param>
    public Machine DomU(string kernel) => On("domu", "pv", kernel);

    /// <summary>The control domain, built by Xen: <c>__start_xen → construct_dom0</c>.</summary>
    /// <param name="kernel">A built-in guest (pv64, pv32, pv32-supervisor) or a kernel file.</param>
    public Machine Dom0(string kernel) => On("dom0", "pv", kernel);

    /// <summary>A PVH domain, which installs its hypercall page by CPUID and the MSR.</summary>
    /// <param name="kernel">A built-in guest (hvm) or a kernel file.</param>
    public Machine Pvh(string kernel) => On("hvm", "pvh", kernel);

    /// <summary>An HVM domain.</summary>
    /// <param name="kernel">A built-in guest (hvm) or a kernel file.</param>
    public Machine Hvm(string kernel) => On("hvm", "hvm", kernel);

    /// <param name="mebibytes">The guest's memory. Unit: MiB.</param>
    public Machine Memory(int mebibytes) => With("guest.memory", mebibytes);

    public Machine Vcpus(int count) => With("guest.vcpus", count);

    /// <summary>The kernel's command line.</summary>
    public Machine CommandLine(string text) => With("guest.cmdline", text);

    /// <param name="file">A ramdisk file.</param>
    public Machine Ramdisk(string file) => With("guest.ramdisk", file);

    /// <summary>A file that the machine names, out of memory instead of from disk.</summary>
    /// <param name="name">As the machine names it; with a dot or slash, or it would be a built-in guest's name.</param>
    public Machine File(string name, byte[] bytes) => new(Copy(), new Dictionary<string, byte[]>(_files) { [name] = bytes });

    /// <summary>That function of the boot path fails in place of its work.</summary>
    public Machine FailStage(string stage, XenErrno errno, int? occurrence = null) => Fault("stage", stage, errno, occurrence);

    /// <summary>Xen refuses that hypercall or sub-operation, whoever makes it.</summary>
    public Machine FailHypercall(string name, XenErrno errno, int? occurrence = null) => Fault("hypercall", name, errno, occurrence);

    /// <summary>Gives up after so much. Unit: guest instructions.</summary>
    public Machine LimitInstructions(long count) => With("limits.instructions", count);

    /// <summary>Stops when this is reached: <c>console:TEXT</c>, <c>hypercall:NAME</c>, <c>stage:NAME</c>.</summary>
    public Machine Until(string condition) => With("until", condition);

    /// <summary>Types at the guest's console once a text has come.</summary>
    /// <param name="waitFor">Text to wait for, after that of the step before.</param>
    /// <param name="text">What is typed; enter is <c>\n</c>.</param>
    public Machine Type(string waitFor, string text) => Append("script", new JsonObject { ["wait"] = waitFor, ["type"] = text });

    /// <summary>Says what must be so; further calls add to it.</summary>
    public Machine Expect(Func<Expecting, Expecting> expectations)
    {
        ArgumentNullException.ThrowIfNull(expectations);
        JsonObject keys = Copy();
        JsonObject expect = keys["expect"] as JsonObject ?? [];
        keys["expect"] = expectations(new Expecting((JsonObject)expect.DeepClone())).Keys;
        return new Machine(keys, _files);
    }

    /// <summary>Any key of a scenario file, by its path from the file's top, as in <c>guest.notes.FEATURES</c>.</summary>
    /// <param name="value">A string, a number, a boolean, or a <see cref="JsonNode"/> for what has parts.</param>
    public Machine With(string path, JsonNode value)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(value);
        JsonObject keys = Copy();
        JsonObject at = keys;
        string[] parts = path.Split('.');
        foreach (string part in parts[..^1])
        {
            if (at[part] is not JsonObject inner)
                at[part] = inner = [];
            at = inner;
        }

        at[parts[^1]] = value.DeepClone();
        return new Machine(keys, _files);
    }

    /// <summary>The same as a scenario file, for <c>xensim run</c> and <c>xensim debug</c>. JSON is YAML too.</summary>
    public string ToScenario() => _keys.ToJsonString(s_indented) + "\n";

    /// <summary>Boots it and checks what was expected of it. Without expectations the caller looks at the result.</summary>
    /// <param name="stop">Ends the run early, e.g. <c>TestContext.Current.CancellationToken</c>.</param>
    /// <exception cref="ScenarioFailedException">An expectation did not hold, a limit was reached, or something is not implemented.</exception>
    /// <exception cref="InputException">The machine makes no sense: which key, what was expected.</exception>
    public Boot Run(CancellationToken stop = default)
    {
        bool bare = _keys["expect"] is null;
        // The language wants an expectation; this one stands for those that the caller checks afterwards.
        Machine whole = bare ? With("expect.outcome", "powered-off") : this;
        Scenario scenario = ScenarioFile.Parse("machine", System.Text.Encoding.UTF8.GetBytes(whole.ToScenario()), ReadFile).Single();
        return Boot.Run(bare ? scenario with { File = "", Expectations = [] } : scenario with { File = "" }, stop);
    }

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    private static JsonNode Word(string text) => JsonNamingPolicy.KebabCaseLower.ConvertName(text.ToLowerInvariant());

    private Machine On(string path, string type, string kernel) => With("path", path).With("guest.type", type).With("guest.kernel", kernel);

    private Machine Fault(string point, string name, XenErrno errno, int? occurrence)
    {
        JsonObject fault = new() { [point] = name, ["errno"] = errno.ToString() };
        if (occurrence is { } only)
            fault["occurrence"] = only;
        return Append("faults", fault);
    }

    private Machine Append(string key, JsonObject item)
    {
        JsonArray items = (JsonArray?)_keys[key]?.DeepClone() ?? [];
        items.Add((JsonNode)item);
        return With(key, items);
    }

    private JsonObject Copy() => (JsonObject)_keys.DeepClone();

    private byte[] ReadFile(string name)
    {
        if (_files.TryGetValue(name, out byte[]? bytes))
            return bytes;
        return System.IO.File.Exists(name) ? System.IO.File.ReadAllBytes(name) : throw new InputException(name, "no such file");
    }
}
