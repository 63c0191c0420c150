using System.Buffers.Binary;
using System.Text;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Toolstack.Tests.XenStore;

/// <summary>The guest's end of a xenstore ring, written from xen/include/public/io/xs_wire.h.</summary>
internal sealed class GuestRing(byte[] page)
{
    public void Send(XenStoreMessage type, uint request, uint transaction, string payload)
    {
        byte[] body = Encoding.Latin1.GetBytes(payload);
        byte[] message = new byte[16 + body.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)type);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), request);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), transaction);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(12), (uint)body.Length);
        body.CopyTo(message, 16);
        SendRaw(message);
    }

    public void SendRaw(byte[] bytes)
    {
        foreach (byte b in bytes)
        {
            page[Word(2052) % 1024] = b;
            Set(2052, Word(2052) + 1);
        }
    }

    public (XenStoreMessage Type, uint Request, string Payload)? Receive()
    {
        if (Word(2060) - Word(2056) < 16)
            return null;
        byte[] header = Take(16);
        byte[] body = Take((int)BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(12)));
        return ((XenStoreMessage)BinaryPrimitives.ReadUInt32LittleEndian(header), BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4)), Encoding.Latin1.GetString(body));
    }

    public uint Word(int at) => BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(at));

    public void Set(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(at), value);

    public byte[] Take(int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = page[1024 + (int)(Word(2056) % 1024)];
            Set(2056, Word(2056) + 1);
        }

        return bytes;
    }
}
