using System.Text;
using NJsonSchema;
using XenSim.Simulator;
using XenSim.Simulator.Commands;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;
using YamlDotNet.RepresentationModel;

namespace XenSim.Scenarios.Tests;

/// <summary>
/// What <c>xensim schema</c> prints, given to a validator that is not ours: it must take every scenario that we ship and refuse what our reader
/// refuses. What a schema cannot say is said so here.
/// </summary>
public sealed class SchemaTests
{
    private const string Head = "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\n";
    private const string Guest = "guest: {kernel: pv64}\n";
    private const string Expect = "expect: {outcome: powered-off}\n";
    private const string Good = Head + Guest + Expect;

    private static readonly Lazy<JsonSchema> s_schema = new(() => JsonSchema.FromJsonAsync(PublishedSchema()).GetAwaiter().GetResult());

    public static IEnumerable<TheoryDataRow<string>> Files => ScenarioTests.Files;

    public static TheoryData<string, string> Broken => new()
    {
        { "unknown key", Good + "faluts: []\n" },
        { "unknown key of the guest", Head + "guest: {kernel: pv64, memroy: 32}\n" + Expect },
        { "half a variable for a number", Head + "guest: {kernel: pv64, memory: \"${m\"}\n" + Expect },
        { "a variable without a name", Head + "guest: {kernel: pv64, memory: \"${}\"}\n" + Expect },
        { "no such action of a step", Good + "script: [{do: paus}]\n" },
        { "no such virtual interrupt", Good + "script: [{inject: {virq: VIRQ_TIMR}}]\n" },
        { "a comparison without a result", Good + "script: [{snapshot: a}, {compare: {snapshot: a}}]\n" },
        { "unknown key of a step", Good + "script: [{waitt: a}]\n" },
        { "unknown key of a domain", Good + "domains: {b: {kernel: pv64, memroy: 8}}\n" },
        { "a domain without a kernel", Good + "domains: {b: {memory: 8}}\n" },
        { "no keyword of one domain", Good + "domains: {b: {kernel: pv64, expect: {log: x}}}\n" },
        { "unknown key of what comes before", Good + "domains: {b: {kernel: pv64, after: {domin: guest}}}\n" },
        { "unknown keyword", Head + Guest + "expect: {consol: x}\n" },
        { "missing release", "name: n\ndescription: d\npath: domu\n" + Guest + Expect },
        { "missing kernel", Head + "guest: {memory: 32}\n" + Expect },
        { "no such event", Head + Guest + "expect: {events: [DomainCreatd]}\n" },
        { "word for a count", Head + Guest + "expect: {event-counts: [{event: DomainCreated, count: some}]}\n" },
        { "no such page type", Head + Guest + "expect: {frames: {types: {PGT_l5: 1}}}\n" },
        { "no such request", Good + "faults: [{message: MKDIRR, errno: EIO}]\n" },
        { "golden file without a name", Good + "golden: {events: [DomainCreated]}\n" },
        { "word for a number", Head + "guest: {kernel: pv64, memory: lots}\n" + Expect },
        { "number out of range", Head + "guest: {kernel: pv64, vcpus: 33}\n" + Expect },
        { "list for a mapping", Head + "guest: [pv64]\n" + Expect },
        { "scalar for the file", "hello\n" },
        { "word for a boolean", Head + "host: {pv32: perhaps}\n" + Guest + Expect },
        { "no such release", "name: n\ndescription: d\nxen: \"4.71\"\npath: domu\n" + Guest + Expect },
        { "no such path", "name: n\ndescription: d\nxen: \"4.17\"\npath: dom1\n" + Guest + Expect },
        { "no such vendor", Head + "host: {vendor: via}\n" + Guest + Expect },
        { "no such errno", Good + "faults: [{stage: build_pre, errno: EINVALID}]\n" },
        { "occurrence 0", Good + "faults: [{stage: build_pre, errno: EIO, occurrence: 0}]\n" },
        { "no such note", Head + "guest: {kernel: pv64, notes: {HYPERCAL_PAGE: absent}}\n" + Expect },
        { "list for a note", Head + "guest: {kernel: pv64, notes: {FEATURES: [a]}}\n" + Expect },
        { "no such trial", Head + "guest: {kernel: pv64, tries: [domctll]}\n" + Expect },
        { "wrong until", Good + "until: forever\n" },
        { "wrong time", Good + "limits: {virtual-time: 10min}\n" },
        { "odd hexadecimal digits", Head + Guest + "expect: {page: {slots: {23: \"5g\"}}}\n" },
        { "word for a slot", Head + Guest + "expect: {page: {slots: {last: \"51\"}}}\n" },
        { "short digest", Head + Guest + "expect: {page: {digest: abc}}\n" },
        { "no such flavour", Head + Guest + "expect: {page: {flavour: ring2}}\n" },
        { "no such register", Head + Guest + "expect: {registers: {rup: 0}}\n" },
        { "no such start_info field", Head + Guest + "expect: {start-info: {nr_page: 1}}\n" },
        { "no such result", Head + Guest + "expect: {hypercalls: [{name: x, result: maybe}]}\n" },
        { "no such issuer", Head + Guest + "expect: {hypercalls: [{name: x, by: xen}]}\n" },
        { "hypercall without a name", Head + Guest + "expect: {hypercalls: [{result: 0}]}\n" },
        { "no such outcome", Head + Guest + "expect: {outcome: fine}\n" },
        { "no such shutdown", Head + Guest + "expect: {shutdown: soon}\n" },
        { "empty list of texts", Head + Guest + "expect: {console: []}\n" },
        { "axis without a list", Good + "matrix: {guest.memory: 8}\n" },
        { "empty axis", Good + "matrix: {guest.memory: []}\n" },
        { "word to exclude", Good + "matrix: {guest.memory: [8], exclude: [9]}\n" },
        { "reason without words", Good + "skip: []\n" },
        { "mapping for a text", Head + Guest + "expect: {log: {a: b}}\n" },
    };

    /// <summary>With the reason why only the reader can see them.</summary>
    public static TheoryData<string, string> OnlyTheReaderSees => new()
    {
        { "a name in the place of a file is no built-in guest", Head + "guest: {kernel: pv46}\n" + Expect },
        { "the file is not there", Head + "guest: {kernel: ./nosuch.elf}\n" + Expect },
        { "bytes come in pairs", Head + Guest + "expect: {page: {slots: {23: \"51 4\"}}}\n" },
        { "keys have no range in JSON", Head + Guest + "expect: {page: {slots: {128: \"51\"}}}\n" },
        { "an errno among results is a pattern only", Head + Guest + "expect: {hypercalls: [{name: x, result: -EPREM}]}\n" },
        { "what an axis names and holds", Good + "matrix: {guest.memroy: [8, lots]}\n" },
        { "one of two keys", Good + "faults: [{errno: EIO}]\n" },
        { "an errno, except of an allocation", Good + "faults: [{stage: build_pre}]\n" },
        { "fields of an event", Head + Guest + "expect: {events: [{event: DomainCreated, where: {reason: 1}}]}\n" },
        { "files that it extends", "extends: nosuch.yaml\n" + Good },
        { "variables that there are not", "vars: {a: 1}\n" + Good.Replace("name: n", "name: ${b}", StringComparison.Ordinal) },
        { "one of two keys", Head + Guest + "expect: {memory: [{bytes: \"00\"}]}\n" },
        { "something must be expected", Head + Guest + "expect: {}\n" },
        { "what goes with what", Good + "host: {bits: 32}\n" },
        { "quotes are gone in JSON", Head + "guest: {kernel: pv64, memory: \"32\"}\n" + Expect },
        { "domains that there are not", Good + "domains: {b: {kernel: pv64, after: c}}\n" },
        { "domains that wait for each other", Good + "domains: {b: {kernel: pv64, after: c}, c: {kernel: pv64, after: b}}\n" },
        { "snapshots that there are not", Good + "script: [{compare: {snapshot: a, is: equal}}]\n" },
        { "one thing a step", Good + "script: [{type: a, do: pause}]\n" },
        { "what a guest can try", Head + "guest: {kernel: pv64, tries: user-hypercall}\n" + Expect },
    };

    [Theory]
    [MemberData(nameof(Files))]
    public void The_schema_takes_what_we_ship(string file)
        => Assert.Empty(Refusals(File.ReadAllText(Path.Combine(ScenarioTests.Folder, file))));

    /// <summary>A variable where a number, a word, bytes or a time stands, alone or as a part of it.</summary>
    [Theory]
    [InlineData("vars: {m: 64}\n", "guest: {kernel: pv64, memory: \"${m}\"}\n", Expect)]
    [InlineData("vars: {k: pv32}\n", "guest: {kernel: \"${k}\"}\n", Expect)]
    [InlineData("vars: {o: powered-off}\n", Guest, "expect: {outcome: \"${o}\"}\n")]
    [InlineData("vars: {e: ended, o: powered}\n", Guest, "expect: {outcome: \"${o}-off\"}\n")]
    [InlineData("vars: {v: intel, p: true}\n", "host: {vendor: \"${v}\", pv32: \"${p}\"}\n" + Guest, Expect)]
    [InlineData("vars: {n: 10}\n", Guest + "limits: {virtual-time: \"${n}s\", instructions: \"${n}\"}\n", Expect)]
    [InlineData("vars: {b: 51 41, r: -EPERM}\n", Guest, "expect: {page: {slots: {23: \"${b}\"}}, hypercalls: [{name: x, result: \"${r}\"}]}\n")]
    [InlineData("vars: {e: EIO, a: order-9}\n", Guest + "faults: [{stage: s, errno: \"${e}\"}, {allocation: \"${a}\"}]\n", Expect)]
    [InlineData("vars: {t: domctl, n: 1, u: \"console:x\"}\n", "guest: {kernel: pv64, tries: [\"${t}\"], notes: {FEATURES: \"${n}\"}}\nuntil: \"${u}\"\n", Expect)]
    [InlineData("vars: {d: pause, v: VIRQ_TIMER}\n", Guest + "script: [{do: \"${d}\"}, {inject: {virq: \"${v}\"}}]\n", Expect)]
    public void The_schema_takes_a_variable_where_a_number_or_a_word_stands(string variables, string middle, string expect)
        => Assert.Equal((true, true), Verdicts(variables + Head + middle + expect));

    [Fact]
    public void What_the_table_breaks_is_itself_right() => Assert.Equal((true, true), Verdicts(Good));

    [Theory]
    [MemberData(nameof(Broken))]
    public void Both_refuse_a_mistake(string mistake, string yaml) => Assert.True(Verdicts(yaml) == (false, false), $"{mistake}: (schema, reader) take it: {Verdicts(yaml)}");

    [Theory]
    [MemberData(nameof(OnlyTheReaderSees))]
    public void Some_mistakes_only_the_reader_can_see(string why, string yaml) => Assert.True(Verdicts(yaml) == (true, false), $"{why}: (schema, reader) take it: {Verdicts(yaml)}");

    /// <summary>Every key misspelt and every value replaced by a mapping, one at a time: reader and schema must agree each time.</summary>
    [Fact]
    public void Schema_and_reader_agree_on_every_single_change_of_a_large_scenario()
    {
        const string large = """
            name: n
            description: d
            xen: "4.17"
            path: domu
            host: {vendor: amd, bits: 64, memory: 512, pv32: true, cmdline: noreboot, msrs: {0x3a: 5}, hypercall-entry: 0}
            guest: {type: pv, kernel: pv64, cmdline: quiet, memory: 32, vcpus: 2, name: g, features: a, notes: {FEATURES: a, HYPERCALL_PAGE: 1}, tries: [domctl]}
            limits: {instructions: 1000, virtual-time: 10s}
            until: stage:build_pre
            tags: [a, b]
            skip: because
            known-issue: it is known
            faults: [{stage: a, errno: EIO, code: -1, occurrence: 2}, {hypercall: b, errno: EPERM, every: 2}, {message: MKDIR, errno: EIO, one-in: 3, seed: 4}, {allocation: order-0}]
            golden: {file: g.jsonl, events: [DomainCreated]}
            seed: 3
            domains: {b: {kernel: pv32, memory: 8, after: [{domain: g, console: x}, {domain: g, ended: true}], expect: {outcome: crashed, console: [x]}}, c: {kernel: pv64}}
            script: [{wait: a, after: 5ms, domain: g, type: x}, {do: pause}, {inject: {virq: VIRQ_TIMER, vcpu: 1}}, {inject: {port: 4}}, {snapshot: s, range: {virtual: 1, bytes: 2}}, {compare: {snapshot: s, is: different, within: [{physical: 1, bytes: 2}]}}]
            expect:
              outcome: powered-off
              shutdown: poweroff
              stages: [a, b]
              no-stages: c
              hypercalls: [a, {name: b, by: guest, result: -EPERM, arguments: {x: 1}}]
              no-hypercalls: [c]
              page: {written: true, flavour: ring3, slots: {23: "51"}}
              memory: [{virtual: 0x1000, bytes: "00", when: end}]
              start-info: {magic: m, nr_pages: 1}
              registers: {rip: 1}
              console: [a]
              no-console: b
              failure: {stage: a, errno: EIO, message: m, code: -1, exit-code: 3}
              log: a
              no-log: [b]
              domain: [{exists: true}, {id: 1, paused: true, pages: 3}]
              xenstore: {/a: b}
              events: [DomainCreated, {event: DomainShutdown, where: {reason: 0}}]
              no-events: StageFailed
              event-counts: [{event: DomainCreated, count: 2, at-least: 1, at-most: 3}]
              frames: {recount: true, types: {PGT_l4_page_table: 1}, when: end}
              digest: {console: "0000000000000000000000000000000000000000000000000000000000000000"}
            """;
        Assert.Equal((true, true), Verdicts(large));
        List<string> disagreements = [];
        int changes = 0;
        foreach ((string what, string yaml) in Changes(large))
        {
            changes++;
            (bool schema, bool reader) = Verdicts(yaml);
            if (schema != reader)
                disagreements.Add($"{what}: schema {schema}, reader {reader}");
        }

        Assert.True(changes > 120, $"{changes} changes");
        Assert.Empty(disagreements);
    }

    private static string PublishedSchema()
    {
        using MemoryStream output = new();
        using StringWriter error = new();
        Assert.Equal(ExitCode.Success, Application.Run(["schema"], new Terminal(output, error, interactive: false, CancellationToken.None)));
        return Encoding.UTF8.GetString(output.ToArray());
    }

    /// <summary>Whether the schema takes it, whether the reader does.</summary>
    private static (bool Schema, bool Reader) Verdicts(string yaml)
    {
        try
        {
            ScenarioFile.Parse("test.yaml", Encoding.UTF8.GetBytes(yaml), path => throw new InputException(path, "no such file"));
            return (Refusals(yaml).Count == 0, true);
        }
        catch (InputException)
        {
            return (Refusals(yaml).Count == 0, false);
        }
    }

    private static List<string> Refusals(string yaml) => [.. s_schema.Value.Validate(YamlAsJson.Convert(Parse(yaml))).Select(e => e.ToString())];

    private static YamlNode Parse(string yaml)
    {
        YamlStream stream = [];
        stream.Load(new StringReader(yaml));
        return stream.Documents[0].RootNode;
    }

    private static IEnumerable<(string What, string Yaml)> Changes(string yaml)
    {
        int places = CountPlaces(Parse(yaml));
        for (int i = 0; i < places; i++)
        {
            YamlNode root = Parse(yaml);
            int at = i;
            string what = Change(root, "", ref at);
            StringBuilder text = new();
            YamlAsJson.Flow(root, text);
            yield return (what, text.ToString());
        }
    }

    private static int CountPlaces(YamlNode node) => node switch
    {
        YamlMappingNode m => m.Children.Sum(c => 2 + CountPlaces(c.Value)),
        YamlSequenceNode s => s.Children.Sum(c => 1 + CountPlaces(c)),
        _ => 0,
    };

    /// <summary>Changes the place number <paramref name="at"/>, in the order of the file; says what it did when it did.</summary>
    private static string Change(YamlNode node, string path, ref int at)
    {
        if (node is YamlMappingNode mapping)
        {
            foreach ((YamlNode key, YamlNode value) in mapping.Children.ToArray())
            {
                if (at-- == 0)
                {
                    mapping.Children.Remove(key);
                    mapping.Children.Add($"{key}x", value);
                    return $"{path}.{key}: misspelt";
                }

                if (at-- == 0)
                {
                    mapping.Children[key] = new YamlMappingNode("unheard", "of");
                    return $"{path}.{key}: a mapping";
                }

                string what = Change(value, $"{path}.{key}", ref at);
                if (what.Length > 0)
                    return what;
            }
        }
        else if (node is YamlSequenceNode sequence)
        {
            for (int i = 0; i < sequence.Children.Count; i++)
            {
                if (at-- == 0)
                {
                    sequence.Children[i] = new YamlMappingNode("unheard", "of");
                    return $"{path}[{i}]: a mapping";
                }

                string what = Change(sequence.Children[i], $"{path}[{i}]", ref at);
                if (what.Length > 0)
                    return what;
            }
        }

        return "";
    }
}
