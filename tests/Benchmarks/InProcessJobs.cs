using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace XenSim.Benchmarks;

/// <summary>Measures in this process: the projects BenchmarkDotNet would generate inherit the house's build rules and do not build.</summary>
public class WarmCode : ManualConfig
{
    public WarmCode() => AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
}

/// <summary>One call is one measurement, for what runs in processes of its own.</summary>
public class WholeProcesses : ManualConfig
{
    public WholeProcesses() => AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance)
        .WithStrategy(RunStrategy.Monitoring).WithWarmupCount(2).WithIterationCount(15).WithInvocationCount(1).WithUnrollFactor(1));
}
