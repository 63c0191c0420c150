using System.Text;
using CsCheck;
using XenSim.Simulator.Debugging.Gdb;

namespace XenSim.Simulator.Tests.Debugging.Gdb;

public sealed class PacketReaderTests
{
    private static readonly Gen<byte[]> s_body = Gen.Byte.Array[0, 40];

    /// <summary>The example of the GDB manual, "Overview": the packet that asks for four bytes of memory has a checksum of its characters' sum.</summary>
    [Fact]
    public void A_packet_as_gdb_sends_it_is_taken()
        => Assert.Equal(["Packet qSupported:multiprocess+", "Acknowledged", "Interrupt"], Read("$qSupported:multiprocess+#c6+\u0003"u8));

    [Fact]
    public void A_wrong_checksum_is_damage() => Assert.Equal(["Damaged"], Read("$g#68"u8));

    [Fact]
    public void A_packet_that_lost_its_end_is_passed_over() => Assert.Equal(["Packet g"], Read("$m1000,4$g#67"u8));

    [Fact]
    public void A_packet_beyond_the_limit_is_refused_and_the_next_one_taken()
    {
        List<string> read = Read([.. GdbText.Packet(new byte[101]), .. "$g#67"u8]);
        Assert.Equal(["TooLong", "Packet g"], read);
        Assert.Equal(["Packet " + new string('\u0001', 100)], Read(GdbText.Packet([.. Enumerable.Repeat((byte)1, 100)])));
    }

    [Fact]
    public void Packets_come_through_however_they_are_cut_and_joined()
        => Gen.Select(s_body.Array[1, 6], Gen.Int[1, 7].Array[1, 40]).Sample((bodies, cuts) =>
        {
            byte[] all = [.. bodies.SelectMany(b => GdbText.Packet(b))];
            PacketReader reader = new(100);
            List<byte[]> taken = [];
            for (int at = 0, i = 0; at < all.Length; i++)
            {
                int n = Math.Min(cuts[i % cuts.Length], all.Length - at);
                reader.Take(all.AsSpan(at, n), input => taken.Add(input.Kind == GdbInputKind.Packet ? input.Body : [0xEE, (byte)input.Kind]));
                at += n;
            }

            return !reader.InPacket && taken.Count == bodies.Length && taken.Zip(bodies).All(p => p.First.AsSpan().SequenceEqual(p.Second));
        });

    [Fact]
    public void Garbage_never_stands_in_the_way_of_a_later_packet()
        => Gen.Byte.Array[0, 200].Sample(garbage =>
        {
            // A begun packet is ended by the #00; what it was does not matter.
            List<string> read = Read([.. garbage, .. "#00$vCont?#49"u8]);
            return read.Count > 0 && read[^1] == "Packet vCont?";
        });

    private static List<string> Read(ReadOnlySpan<byte> bytes)
    {
        List<string> read = [];
        new PacketReader(100).Take(bytes, input => read.Add(input.Kind == GdbInputKind.Packet ? $"Packet {Encoding.Latin1.GetString(input.Body)}" : input.Kind.ToString()));
        return read;
    }
}
