using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>Against the plainest model there is: one boolean for each number.</summary>
public class RangeSetTests
{
    [Fact]
    public void Ranges_hold_what_was_added_and_not_removed()
    {
        const int numbers = 64;
        uint random = 12345;
        RangeSet set = new();
        bool[] model = new bool[numbers];
        for (int step = 0; step < 2000; step++)
        {
            random = unchecked((random * 1664525) + 1013904223);
            int first = (int)(random >> 8) % numbers;
            int last = Math.Min(numbers - 1, first + (int)(random >> 20) % 9);
            bool add = (random >> 30 & 1) != 0;
            if (add)
                set.Add((ulong)first, (ulong)last);
            else
                set.Remove((ulong)first, (ulong)last);
            model.AsSpan(first, last - first + 1).Fill(add);
            for (int i = 0; i < numbers; i++)
                Assert.Equal(model[i], set.Contains((ulong)i, (ulong)i));
            Assert.Equal(Enumerable.Range(0, numbers).Count(i => model[i] && (i == 0 || !model[i - 1])), set.Ranges.Count);
        }
    }

    [Fact]
    public void All_numbers_are_one_range()
    {
        RangeSet set = new();
        set.Add(5, 9);
        set.Add(0, ulong.MaxValue);
        Assert.True(set.Contains(0, ulong.MaxValue));
        set.Remove(7, 7);
        Assert.False(set.Contains(6, 8));
        Assert.Equal([new IoRange(0, 6), new IoRange(8, ulong.MaxValue)], set.Ranges);
    }
}
