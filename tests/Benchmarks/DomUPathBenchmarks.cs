using BenchmarkDotNet.Attributes;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Session;

namespace XenSim.Benchmarks;

/// <summary>
/// The whole domU path of a built-in guest in one warm process, from xl's first call to the guest's shutdown. The peer is what
/// any loader must at least do: copy the guest's image.
/// </summary>
[MemoryDiagnoser]
[Config(typeof(WarmCode))]
public class DomUPathBenchmarks
{
    private byte[] _image = [];
    private byte[] _copy = [];
    private SessionOptions _options = new();

    [Params(XenRelease.V4_0, XenRelease.V4_17)]
    public XenRelease Release { get; set; }

    [Params("pv64", "pv32")]
    public string Guest { get; set; } = "";

    [GlobalSetup]
    public void Prepare()
    {
        BuiltInGuest guest = BuiltInGuest.Find(Guest) ?? throw new InvalidOperationException($"no built-in guest {Guest}");
        _image = guest.Image.ToArray();
        _copy = new byte[_image.Length];
        _options = new SessionOptions { Release = Release, Guest = new GuestSpec { Kernel = new NamedBytes(Guest, _image), Name = Guest } };
    }

    [Benchmark(Baseline = true, Description = "copy of the image")]
    public byte[] CopyImage()
    {
        _image.CopyTo(_copy, 0);
        return _copy;
    }

    [Benchmark(Description = "domU path")]
    public SessionOutcome DomUPath()
    {
        using BootSession session = new(_options, []);
        SessionOutcome outcome = session.Run(CancellationToken.None);
        return outcome.End == SessionEnd.PoweredOff ? outcome : throw new InvalidOperationException($"{outcome.End}: {outcome.Detail}");
    }
}
