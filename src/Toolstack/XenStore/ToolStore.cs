using System.Globalization;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.XenStore;

/// <summary>libxenstore in dom0: the tools' connection to <see cref="XenStored"/>.</summary>
/// <param name="faults">Fault injection: the error that a request of this type is answered with; null: none.</param>
public sealed class ToolStore(XenStored store, Func<XenStoreMessage, XenErrno?>? faults = null) : IToolStore
{
    private readonly StoreConnection _connection = store.Connect();

    public uint TransactionStart()
    {
        StoreReply reply = Call(0, XenStoreMessage.TRANSACTION_START, "");
        return uint.TryParse(reply.Text, NumberStyles.None, CultureInfo.InvariantCulture, out uint id) ? id : 0;
    }

    public XenErrno TransactionEnd(uint transaction, bool abort) => Call(transaction, XenStoreMessage.TRANSACTION_END, abort ? "F" : "T").Error;

    public XenErrno Read(uint transaction, string path, out string value)
    {
        StoreReply reply = Call(transaction, XenStoreMessage.READ, path);
        value = Encoding.Latin1.GetString(reply.Payload);
        return reply.Error;
    }

    public XenErrno Directory(uint transaction, string path, out IReadOnlyList<string> names)
    {
        StoreReply reply = Call(transaction, XenStoreMessage.DIRECTORY, path);
        names = reply.Payload.Length == 0 ? [] : reply.Text.Split('\0');
        return reply.Error;
    }

    public XenErrno Write(uint transaction, string path, string value)
        => Request(XenStoreMessage.WRITE, transaction, $"{path}\0{value}").Error;

    public XenErrno MakeDirectory(uint transaction, string path) => Call(transaction, XenStoreMessage.MKDIR, path).Error;

    public XenErrno Remove(uint transaction, string path) => Call(transaction, XenStoreMessage.RM, path).Error;

    public XenErrno SetPermissions(uint transaction, string path, IReadOnlyList<NodePermission> permissions)
        => Call(transaction, XenStoreMessage.SET_PERMS, [path, .. permissions.Select(p => p.ToString())]).Error;

    public XenErrno GetDomainPath(uint domain, out string path)
    {
        StoreReply reply = Call(0, XenStoreMessage.GET_DOMAIN_PATH, Decimal(domain));
        path = reply.Text;
        return reply.Error;
    }

    public XenErrno Introduce(uint domain, ulong gfn, uint port)
        => Call(0, XenStoreMessage.INTRODUCE, Decimal(domain), gfn.ToString(CultureInfo.InvariantCulture), Decimal(port)).Error;

    public XenErrno SetTarget(uint domain, uint target) => Call(0, XenStoreMessage.SET_TARGET, Decimal(domain), Decimal(target)).Error;

    public XenErrno Release(uint domain) => Call(0, XenStoreMessage.RELEASE, Decimal(domain)).Error;

    private StoreReply Call(uint transaction, XenStoreMessage type, params string[] arguments)
        => Request(type, transaction, string.Concat(arguments.Select(a => a + "\0")));

    private StoreReply Request(XenStoreMessage type, uint transaction, string payload)
        => faults?.Invoke(type) is { } refused ? StoreReply.Fail(refused) : store.Request(_connection, type, transaction, Encoding.Latin1.GetBytes(payload));

    private static string Decimal(uint value) => value.ToString(CultureInfo.InvariantCulture);
}
