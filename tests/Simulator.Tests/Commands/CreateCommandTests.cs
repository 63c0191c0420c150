using System.Runtime.InteropServices;
using System.Text;
using XenSim.Simulator.BuiltInGuests;

namespace XenSim.Simulator.Tests.Commands;

/// <summary><c>xensim create</c> acts on the domain's end as xl does (stable-4.17 tools/xl/xl_vmcontrol.c: handle_domain_death).</summary>
public sealed class CreateCommandTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".cfg");

    [Fact]
    public void It_destroys_a_domain_that_has_powered_off()
    {
        ProgramRun run = Create("");
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains("Action for shutdown reason code 0 is destroy", run.Error, StringComparison.Ordinal);
        Assert.Contains("Domain 1 needs to be cleaned up: destroying the domain", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void It_does_what_the_file_says()
    {
        ProgramRun run = Create("on_poweroff = \"preserve\"\n");
        Assert.Contains("Action for shutdown reason code 0 is preserve", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("destroying the domain", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void With_e_nobody_waits()
        => Assert.DoesNotContain("Waiting for domain", Create("", "-e").Error, StringComparison.Ordinal);

    /// <summary>The built-in guest tells nobody where its p2m is: xl complains and goes on, as xl_vmcontrol.c: handle_domain_death does.</summary>
    [Fact]
    public void A_core_that_cannot_be_dumped_does_not_keep_the_domain()
    {
        ProgramRun run = Create("on_poweroff = \"coredump-destroy\"\n");
        Assert.Equal(ExitCode.Success, run.Exit);
        string[] expected =
        [
            "dumping core to /var/lib/xen/dump/guest", "p2m_size < nr_pages -1 (1 < 1fff: Internal error", "Domain 1:Core dumping domain to /var/lib/xen/dump/guest: ",
            "core dump failed (rc=-3).", "Domain 1 needs to be cleaned up: destroying the domain",
        ];
        Assert.Equal(expected.Order(), expected.Where(run.Error.Contains).Order());
    }

    // docs/misc/dump-core-format.txt of Xen, format 0.1; elfnote.h. The code at 1 MiB is that of the image.
    [Fact]
    public void A_core_has_the_vcpus_and_the_pages()
    {
        string folder = Directory.CreateTempSubdirectory("xensim-cores-").FullName;
        try
        {
            File.WriteAllText(_file, "name = \"../guest\"\ntype = \"pvh\"\nkernel = \"hvm\"\nmemory = 32\nvcpus = 2\non_poweroff = \"coredump-destroy\"\n");
            ProgramRun run = ProgramRun.With(["create", _file, "--core-dumps", folder]);
            Assert.True(run.Exit == ExitCode.Success, run.Error);
            Assert.DoesNotContain("core dump failed", run.Error, StringComparison.Ordinal);
            Core core = new(File.ReadAllBytes(Path.Combine(folder, ".._guest")));
            Assert.Equal([".shstrtab", ".note.Xen", ".xen_prstatus", ".xen_pages", ".xen_pfn"], core.Names.Except([".xen_shared_info", ""]));
            Assert.Equal(0, core.Section(".xen_prstatus").Length % 5168);
            ReadOnlySpan<byte> notes = core.Section(".note.Xen");
            Assert.Equal([4u, 0, 0x2000000, 0x6e6558, 4, 32, 0x2000001, 0x6e6558, 0xF00FEBEE], MemoryMarshal.Cast<byte, uint>(notes)[..9].ToArray());
            int pages = core.Section(".xen_pages").Length / 4096;
            ulong[] pfns = MemoryMarshal.Cast<byte, ulong>(core.Section(".xen_pfn")).ToArray();
            Assert.Equal(pages, pfns.Length);
            int at = Array.IndexOf(pfns, 0x100ul);
            Assert.True(core.Section(".xen_pages").Slice(at * 4096, 4096).IndexOf(BuiltInGuest.Find("hvm")!.Image.Span.Slice(0x1000, 64)) >= 0, "the image's first page of code");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_folder_for_cores_has_to_exist()
    {
        ProgramRun run = Create("", "--core-dumps", "/nowhere/at/all");
        Assert.Equal(ExitCode.BadInput, run.Exit);
        Assert.Contains("/nowhere/at/all", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_action_is_refused()
    {
        ProgramRun run = Create("on_poweroff = \"explode\"\n");
        Assert.Equal(ExitCode.BadInput, run.Exit);
        Assert.Contains("Unknown on_poweroff action \"explode\" specified", run.Error, StringComparison.Ordinal);
    }

    public void Dispose() => File.Delete(_file);

    private ProgramRun Create(string more, params string[] options)
    {
        File.WriteAllText(_file, $"name = \"guest\"\ntype = \"pv\"\nkernel = \"pv64\"\nmemory = 32\n{more}");
        return ProgramRun.With(["create", _file, .. options]);
    }

    /// <summary>An ELF64 file's sections, by the System V ABI.</summary>
    private sealed class Core(byte[] bytes)
    {
        public string[] Names => [.. Enumerable.Range(0, BitConverter.ToUInt16(bytes, 60)).Select(Name)];

        public ReadOnlySpan<byte> Section(string name)
        {
            int header = Header(Array.IndexOf(Names, name));
            return bytes.AsSpan((int)BitConverter.ToUInt64(bytes, header + 24), (int)BitConverter.ToUInt64(bytes, header + 32));
        }

        private int Header(int index) => (int)BitConverter.ToUInt64(bytes, 40) + (64 * index);

        private string Name(int index)
        {
            int at = (int)BitConverter.ToUInt64(bytes, Header(BitConverter.ToUInt16(bytes, 62)) + 24) + BitConverter.ToInt32(bytes, Header(index));
            return Encoding.ASCII.GetString(bytes, at, Array.IndexOf(bytes, (byte)0, at) - at);
        }
    }
}
