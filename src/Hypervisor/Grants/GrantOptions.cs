using System.Globalization;
using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Profiles;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Grants;

/// <summary>What Xen's command line says about grants, for domains whose tools do not ask for less. Unit: frames.</summary>
/// <remarks>
/// Source: stable-4.17 xen/common/grant_table.c: parse_gnttab (<c>gnttab=max-ver:1,transitive,transfer</c>), gnttab_max_frames,
/// gnttab_max_maptrack_frames, grant_table_init; RELEASE-4.0.4: gnttab_max_nr_frames, MAX_MAPTRACK_TO_GRANTS_RATIO.
/// </remarks>
public sealed record GrantOptions(uint MaxFrames, uint MaxMaptrackFrames)
{
    private const uint MaptrackRatio40 = 8;

    public uint MaxVersion { get; init; } = 2;

    /// <summary>Whether a granted page may be granted on, and pages be given away by grants.</summary>
    public bool Transitive { get; init; } = true;

    public bool Transfer { get; init; } = true;

    public static GrantOptions Parse(XenRelease release, XenCommandLine line)
    {
        XenProfile profile = XenProfile.For(release);
        if (release == XenRelease.V4_0)
        {
            uint frames = Number(line.Option("gnttab_max_nr_frames")) ?? profile.MaxGrantFrames;
            return new GrantOptions(frames, frames * MaptrackRatio40);
        }

        GrantOptions options = new(Number(line.Option("gnttab_max_frames")) ?? profile.MaxGrantFrames, Number(line.Option("gnttab_max_maptrack_frames")) ?? profile.MaxMaptrackFrames);
        foreach (string word in line.Option("gnttab")?.Split(',') ?? [])
        {
            options = word switch
            {
                "max-ver:1" or "max_ver:1" => options with { MaxVersion = 1 },
                "max-ver:2" or "max_ver:2" => options with { MaxVersion = 2 },
                "transitive" or "no-transitive" => options with { Transitive = word[0] == 't' },
                "transfer" or "no-transfer" => options with { Transfer = word[0] == 't' },
                _ => options,
            };
        }

        return options;
    }

    public GrantTableLimits LimitsFor(DomainKind kind) => new(kind.MaxGrantFrames ?? MaxFrames, kind.MaxMaptrackFrames ?? MaxMaptrackFrames, kind.MaxGrantVersion ?? MaxVersion);

    /// <summary>grant_table_init's checks of what createdomain asks for; below 0: the default.</summary>
    internal bool Permits(int maxFrames, int maxMaptrackFrames, uint version)
        => version > 0 && version <= MaxVersion && maxFrames is not 0 && (maxFrames < 0 || maxFrames <= MaxFrames) && (maxMaptrackFrames < 0 || maxMaptrackFrames <= MaxMaptrackFrames);

    private static uint? Number(string? text)
    {
        if (text is null)
            return null;
        bool hex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        return uint.TryParse(hex ? text[2..] : text, hex ? NumberStyles.HexNumber : NumberStyles.None, CultureInfo.InvariantCulture, out uint value) && value <= int.MaxValue ? value : null;
    }
}
