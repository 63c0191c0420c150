using System.Globalization;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Toolstack.XenStore;

// What xenstore-control asks.
public sealed partial class XenStored
{
    // RELEASE-4.17.7 tools/xenstore/xenstored_control.c: cmds, with the parameters that its help shows.
    private static readonly (string Name, string Parameters)[] s_commands =
    [
        ("check", ""),
        ("log", "on|off"),
        ("live-update", "[-c <cmdline>] [-F] [-t <timeout>] <file>\n    Default timeout is 60 seconds."),
        ("logfile", "<file>"),
        ("memreport", "[<file>]"),
        ("print", "<string>"),
        ("quota", "[set <name> <val>|<domid>]"),
        ("quota-soft", "[set <name> <val>]"),
        ("help", ""),
    ];

    /// <summary>do_control; 4.0.4 knows it as DEBUG, takes two words and acknowledges any.</summary>
    private StoreReply Control(ReadOnlySpan<byte> payload)
    {
        // Only what ends in NUL counts (get_strings).
        int end = payload.LastIndexOf((byte)0);
        if (end < 0)
            return StoreReply.Fail(XenErrno.EINVAL);
        string[] words = Strings(payload[..(end + 1)]);
        string[] rest = words[1..];
        if (_release == XenRelease.V4_0)
            return Debug(words[0], rest);
        return (words[0], rest) switch
        {
            ("check", []) => CheckStore(),
            ("log", ["on" or "off"]) => StoreReply.Ok, // there is no trace file, as there is none without -T
            ("print", [{ } text]) => Say($"control: {text}"),
            ("help", []) => Reply(string.Concat(s_commands.Select(c => $"{c.Name}\t{c.Parameters}\n"))),
            ("quota", []) => ShowQuotas(_quotas.Hard),
            ("quota", ["set", .. { } setting]) => SetQuota(_quotas.Hard, setting),
            ("quota", [{ } domain]) => ShowDomain(Number(domain)),
            ("quota-soft", []) => ShowQuotas(_quotas.Soft),
            ("quota-soft", ["set", .. { } setting]) => SetQuota(_quotas.Soft, setting),
            ("live-update", ["-a"]) => Reply("No live-update session active."),
            ("live-update", ["-c", _]) or ("live-update", ["-s", ..]) => Reply("Not in live-update session."),
            ("live-update", ["-f", _]) => Missing("XS_CONTROL live-update"),
            ("logfile", [_]) => Missing("XS_CONTROL logfile"),
            ("memreport", [_]) => Missing("XS_CONTROL memreport"),
            _ => StoreReply.Fail(XenErrno.EINVAL), // memreport without a trace file too: EBADF has no word on the wire
        };
    }

    private StoreReply Debug(string command, string[] rest)
    {
        if (command == "print" && rest.Length == 0)
            return StoreReply.Fail(XenErrno.EINVAL);
        if (command == "print")
            Say($"debug: {rest[0]}");
        return command == "check" ? CheckStore() : StoreReply.Ok;
    }

    private StoreReply Say(string text)
    {
        _events.Emit(new LogLine("xenstored", LogLevel.Info, text));
        return StoreReply.Ok;
    }

    /// <summary>check_store: every node's children are there, and every node can be reached.</summary>
    private StoreReply CheckStore()
    {
        Say("Checking store ...");
        HashSet<string> reachable = ["/"];
        Stack<string> pending = new(reachable);
        while (pending.TryPop(out string? path))
        {
            foreach (string child in _store.Find(path)!.Children.Select(c => StorePath.Child(path, c)))
            {
                if (_store.Find(child) is null)
                    Say($"check_store: node '{child}' not found");
                else if (reachable.Add(child))
                    pending.Push(child);
                else
                    Say($"check_store: '{child}' is duplicated!");
            }
        }

        foreach (string orphan in _store.Paths.Where(p => !reachable.Contains(p)))
            Say($"clean_store: '{orphan}' is orphaned!");
        return Say("Checking store complete.");
    }

    private static StoreReply ShowQuotas(IReadOnlyList<StoreQuota> quotas)
        => Reply("Quota settings:\n" + string.Concat(quotas.Select(q => string.Create(CultureInfo.InvariantCulture, $"{q.Name,-17}: {q.Value,8} {q.Description}\n"))));

    private static StoreReply SetQuota(IReadOnlyList<StoreQuota> quotas, string[] setting)
    {
        if (setting.Length != 2 || !int.TryParse(setting[1], NumberStyles.None, CultureInfo.InvariantCulture, out int value) || value < 1 || quotas.FirstOrDefault(q => q.Name == setting[0]) is not { } quota)
            return StoreReply.Fail(XenErrno.EINVAL);
        quota.Value = value;
        return StoreReply.Ok;
    }

    /// <summary>domain_get_quota.</summary>
    private StoreReply ShowDomain(uint number)
    {
        var domain = new DomainId((ushort)number);
        if (number > ushort.MaxValue || (domain != DomainId.Dom0 && !_introduced.Contains(domain)))
            return StoreReply.Fail(XenErrno.ENOENT);
        StoreConnection? ring = _connections.Find(c => c.Domain == domain && domain != DomainId.Dom0);
        (string Name, long Value)[] used =
        [
            ("nodes", _store.OwnedBy(number)), ("watches", ring?.Watches.Count ?? 0), ("transactions", ring?.Transactions.Count ?? 0),
            ("outstanding", 0), // a request is answered before the next one is taken
            ("memory", _store.MemoryOf(number)),
        ];
        return Reply(string.Create(CultureInfo.InvariantCulture, $"Domain {number}:\n") + string.Concat(used.Select(u => string.Create(CultureInfo.InvariantCulture, $"{u.Name,-16}: {u.Value,8}\n"))));
    }
}
