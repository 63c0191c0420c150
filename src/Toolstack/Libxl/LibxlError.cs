namespace XenSim.Toolstack.Libxl;

/// <summary>libxl's own return codes: 4.17 shifted those of 4.0 by one.</summary>
internal static class LibxlError
{
    public const long FAIL_40 = -2;
    public const long NOMEM_40 = -4;
    public const long FAIL = -3;
    public const long INVAL = -6;
    public const long DOMAIN_NOTFOUND = -21;
}
