using System.Buffers.Binary;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;

namespace XenSim.Simulator.Session;

/// <summary>The tools' way to Xen with bytes changed on the way, in the calls that the faults name: what Xen reads is not what the tools wrote.</summary>
internal sealed class GarblingChannel(IHypercallChannel inner, FaultPlan faults) : IHypercallChannel
{
    public Abi ToolAbi => inner.ToolAbi;

    public long Hypercall(HypercallNumber number, ICallerMemory memory, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0)
        => inner.Hypercall(number, faults.AtGarbled(number.ToString()) is { } seed ? new GarbledMemory(memory, seed) : memory, a1, a2, a3, a4, a5);

    /// <summary>Changes one of the first reads of a call: a bit, a byte, or a word that is likely to be at a limit.</summary>
    private sealed class GarbledMemory(ICallerMemory inner, ulong seed) : ICallerMemory
    {
        private static readonly ulong[] s_words = [0, 1, ulong.MaxValue, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF, 0x8000_0000, 0x7FF0, 0x7FF2, 0xFFFF_8000_0000_0000];

        /// <summary>Most calls read their argument first, then what it points at.</summary>
        private const int Reads = 2;

        private int _read;

        public bool TryRead(VirtualAddress source, Span<byte> destination)
        {
            if (!inner.TryRead(source, destination))
                return false;
            if (_read++ == (int)(SplitMix.Mix(seed, 0) % Reads) && destination.Length > 0)
                Change(destination);
            return true;
        }

        public bool TryWrite(VirtualAddress destination, ReadOnlySpan<byte> source) => inner.TryWrite(destination, source);

        private void Change(Span<byte> bytes)
        {
            int at = (int)(SplitMix.Mix(seed, 1) % (ulong)bytes.Length);
            ulong random = SplitMix.Mix(seed, 2);
            switch (SplitMix.Mix(seed, 3) % 3)
            {
                case 0:
                    bytes[at] ^= (byte)(1 << (int)(random % 8));
                    break;
                case 1:
                    bytes[at] = (byte)random;
                    break;
                default:
                    Span<byte> word = stackalloc byte[8];
                    BinaryPrimitives.WriteUInt64LittleEndian(word, s_words[random % (ulong)s_words.Length]);
                    Span<byte> place = bytes[(at & ~7)..];
                    word[..Math.Min(8, place.Length)].CopyTo(place);
                    break;
            }
        }
    }
}
