using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Console;

/// <summary>One guest's console page, <c>xencons_interface</c>. Indices run freely and wrap; sizes are powers of two.</summary>
/// <remarks>Source: xen/include/public/io/console.h; tools/console/daemon/io.c: buffer_append, handle_tty_read.</remarks>
internal sealed class ConsoleRing(IForeignMapping mapping, uint port)
{
    private const uint InSize = 1024;
    private const uint OutSize = 2048;

    private readonly Queue<byte> _typed = new();

    public IForeignMapping Mapping => mapping;

    public uint Port => port;

    /// <summary>Takes everything the guest has written; nonsense indices give nothing.</summary>
    public byte[] TakeOutput()
    {
        ref XenconsInterface page = ref mapping.Page(0).AsStruct<XenconsInterface>();
        uint count = unchecked(page.OutProd - page.OutCons);
        if (count is 0 or > OutSize)
            return [];
        byte[] bytes = new byte[count];
        for (uint i = 0; i < count; i++)
            bytes[i] = page.Out[(int)(unchecked(page.OutCons + i) % OutSize)];
        page.OutCons = page.OutProd;
        return bytes;
    }

    public void Type(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
            _typed.Enqueue(b);
    }

    /// <summary>Puts as many typed bytes as the guest's ring takes. True if any.</summary>
    public bool PutInput()
    {
        ref XenconsInterface page = ref mapping.Page(0).AsStruct<XenconsInterface>();
        uint used = unchecked(page.InProd - page.InCons);
        bool any = false;
        while (used < InSize && _typed.TryDequeue(out byte b))
        {
            page.In[(int)(page.InProd % InSize)] = b;
            page.InProd = unchecked(page.InProd + 1);
            used++;
            any = true;
        }

        return any;
    }
}
