namespace XenSim.Simulator.BuiltInGuests;

/// <summary>
/// Where the built-in PV guests look for a field of start_info. Source: xen/include/public/xen.h, struct start_info; a test holds the numbers against
/// the wire structures, which would cost a start of the program reflection.
/// </summary>
/// <param name="Wide">Offset in bytes for a 64-bit guest.</param>
/// <param name="Narrow">Offset in bytes for a 32-bit guest.</param>
public readonly record struct StartInfoField(int Wide, int Narrow)
{
    public static StartInfoField NrPages => new(32, 32);

    public static StartInfoField SharedInfo => new(40, 36);

    public static StartInfoField Flags => new(48, 40);

    public static StartInfoField StoreMfn => new(56, 44);

    public static StartInfoField StoreEvtchn => new(64, 48);

    public static StartInfoField ConsoleMfn => new(72, 52);

    public static StartInfoField ConsoleEvtchn => new(80, 56);

    public static StartInfoField PtBase => new(88, 60);

    public static StartInfoField MfnList => new(104, 68);
}
