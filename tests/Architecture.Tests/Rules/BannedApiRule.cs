using Mono.Cecil;

namespace XenSim.Architecture.Tests.Rules;

/// <summary>
/// No clock, randomness, files, console, threads or sockets below Simulator: the list of BannedSymbols.txt, looked for in what
/// the compiler made, so that a suppressed analyzer or an unlisted project cannot let one through.
/// </summary>
public sealed class BannedApiRule
{
    private readonly HashSet<string> _types = [];
    private readonly HashSet<string> _members = [];

    /// <param name="symbols">Lines of BannedSymbols.txt: <c>T:type;reason</c>, <c>M:member;reason</c> or <c>P:property;reason</c>.</param>
    public BannedApiRule(IEnumerable<string> symbols)
    {
        foreach (string symbol in symbols.Select(line => line.Split(';')[0].Trim()).Where(symbol => symbol.Length > 2))
        {
            string name = symbol[2..];
            switch (symbol[0])
            {
                case 'T':
                    _types.Add(name);
                    break;
                case 'P':
                    int dot = name.LastIndexOf('.');
                    _members.Add($"{name[..dot]}.get_{name[(dot + 1)..]}");
                    break;
                default:
                    _members.Add(name);
                    break;
            }
        }
    }

    public int Count => _types.Count + _members.Count;

    /// <summary>Uses of banned symbols by types under a namespace, as <c>user uses symbol</c>.</summary>
    public IReadOnlyList<string> Violations(ModuleDefinition module, string space = "")
        => [.. CodeWalker.Types(module, space)
            .SelectMany(type => CodeWalker.Uses(type).Where(IsBanned).Select(use => $"{type.FullName} uses {use.FullName}"))
            .Distinct()];

    private bool IsBanned(MemberReference use) => use is TypeReference type
        ? _types.Contains(type.FullName)
        : _members.Contains($"{use.DeclaringType?.FullName}.{use.Name}");
}
