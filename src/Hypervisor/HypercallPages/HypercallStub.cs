using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.HypercallPages;

/// <summary>The machine code of a flavour: the stub of an ordinary call, and that of <c>HYPERVISOR_iret</c>, which guests jump to.</summary>
/// <param name="Writer">Xen's function that writes it, by release.</param>
/// <param name="Generic">Code of an ordinary slot; the four bytes at <paramref name="NumberOffset"/> become the call's number.</param>
/// <param name="NumberOffset">Unit: bytes from the slot's start.</param>
/// <param name="Iret">Code of slot 23.</param>
internal sealed record HypercallStub(Func<XenRelease, string> Writer, byte[] Generic, int NumberOffset, byte[] Iret)
{
    /// <summary>
    /// Fills a page of 0xCC. 4.0 writes the ordinary stub into slot 23 too and then the iret stub over it, so that the tail of a
    /// longer ordinary stub stays visible; later releases (fca11da0ec, from 4.4.0) leave that slot to the iret stub alone.
    /// </summary>
    public void Fill(Span<byte> page, XenRelease release)
    {
        for (int number = 0; number < HypercallPage.SlotCount; number++)
        {
            Span<byte> slot = page.Slice(number * HypercallPage.SlotSize, HypercallPage.SlotSize);
            bool iret = number == (int)HypercallNumber.iret;
            if (!iret || release == XenRelease.V4_0)
            {
                Generic.CopyTo(slot);
                slot[NumberOffset] = (byte)number;
            }

            if (iret)
                Iret.CopyTo(slot);
        }
    }
}
