namespace XenSim.Hypervisor.Hvm.Devices;

/// <summary>vpic: the two cascaded 8259A interrupt controllers. Line 2 of the first is the second's output.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/vpic.c; Intel 8259A data sheet.</remarks>
internal sealed class Pic
{
    private const int Cascade = 2;
    private readonly Half _master = new(isMaster: true);
    private readonly Half _slave = new(isMaster: false);

    /// <summary>The INT pin of the first controller.</summary>
    public bool Output => _master.Output;

    public void SetLine(int line, bool up)
    {
        if (line < 8)
            _master.SetLine(line, up);
        else
            _slave.SetLine(line - 8, up);
        UpdateCascade();
    }

    /// <summary>vpic_intack of both: the vector, and the request is in service.</summary>
    public int Acknowledge()
    {
        int line = _master.Acknowledge();
        if (line == Cascade)
        {
            int second = _slave.Acknowledge();
            UpdateCascade();
            return _slave.Base + (second < 0 ? 7 : second);
        }

        return _master.Base + (line < 0 ? 7 : line);
    }

    public static bool Claims(ulong port) => port is 0x20 or 0x21 or 0xA0 or 0xA1 or 0x4D0 or 0x4D1;

    public byte Read(ulong port) => port switch
    {
        0x4D0 => _master.LevelLines,
        0x4D1 => _slave.LevelLines,
        _ => (port < 0x80 ? _master : _slave).Read((port & 1) != 0),
    };

    public void Write(ulong port, byte value)
    {
        switch (port)
        {
            case 0x4D0:
                _master.LevelLines = (byte)(value & 0xF8);
                break;
            case 0x4D1:
                _slave.LevelLines = (byte)(value & 0xDE);
                break;
            default:
                (port < 0x80 ? _master : _slave).Write((port & 1) != 0, value);
                break;
        }

        UpdateCascade();
    }

    private void UpdateCascade() => _master.SetLine(Cascade, _slave.Output);

    /// <summary>One controller.</summary>
    private sealed class Half(bool isMaster)
    {
        private byte _requests;
        private byte _inService;
        private byte _mask;
        private byte _lines;
        private int _initialising;
        private bool _readsInService;
        private bool _polls;
        private bool _autoEnd;
        private bool _rotatesOnAutoEnd;
        private bool _specialMask;
        private bool _fullyNested;
        private bool _needsFourth;
        private int _lowestPriority = 7;

        public int Base { get; private set; }

        public byte LevelLines { get; set; }

        public bool Output => Highest() >= 0;

        public void SetLine(int line, bool up)
        {
            byte bit = (byte)(1 << line);
            bool was = (_lines & bit) != 0;
            _lines = (byte)(up ? _lines | bit : _lines & ~bit);
            if (up && (!was || (LevelLines & bit) != 0))
                _requests |= bit;
            else if (!up)
                _requests = (byte)(_requests & ~bit);
        }

        public int Acknowledge()
        {
            int line = Highest();
            if (line < 0)
                return -1;
            byte bit = (byte)(1 << line);
            if ((LevelLines & bit) == 0)
                _requests = (byte)(_requests & ~bit);
            if (!_autoEnd)
                _inService |= bit;
            else if (_rotatesOnAutoEnd)
                _lowestPriority = line;
            return line;
        }

        public byte Read(bool isMask)
        {
            if (_polls)
            {
                _polls = false;
                int line = Acknowledge();
                return line < 0 ? (byte)0 : (byte)(line | 0x80);
            }

            return isMask ? _mask : _readsInService ? _inService : _requests;
        }

        public void Write(bool isMask, byte value)
        {
            if (isMask)
                WriteData(value);
            else if ((value & 0x10) != 0)
                Initialise(value);
            else if ((value & 0x08) != 0)
                WriteOcw3(value);
            else
                WriteOcw2(value);
        }

        private void Initialise(byte value)
        {
            (_requests, _inService, _mask, _lowestPriority) = (0, 0, 0, 7);
            (_readsInService, _specialMask, _autoEnd, _fullyNested, _rotatesOnAutoEnd) = (false, false, false, false, false);
            _needsFourth = (value & 1) != 0;
            _initialising = (value & 2) != 0 ? 3 : 2;
        }

        /// <summary>ICW2, ICW3 where there are two controllers, ICW4; afterwards the mask.</summary>
        private void WriteData(byte value)
        {
            switch (_initialising)
            {
                case 2 or 3:
                    Base = value & 0xF8;
                    _initialising = _initialising == 2 ? 4 : _needsFourth ? 5 : 0;
                    break;
                case 4:
                    _initialising = _needsFourth ? 5 : 0;
                    break;
                case 5:
                    _autoEnd = (value & 2) != 0;
                    _fullyNested = (value & 0x10) != 0;
                    _initialising = 0;
                    break;
                default:
                    _mask = value;
                    break;
            }
        }

        private void WriteOcw2(byte value)
        {
            int command = value >> 5, level = value & 7;
            switch (command)
            {
                case 0 or 4: // rotate in automatic end of interrupt: off, on
                    _rotatesOnAutoEnd = command == 4;
                    break;
                case 1 or 5: // non-specific end
                    int line = FirstInOrder(_specialMask ? (byte)(_inService & ~_mask) : _inService);
                    if (line < 0)
                        break;
                    _inService = (byte)(_inService & ~(1 << line));
                    if (command == 5)
                        _lowestPriority = line;
                    break;
                case 3 or 7: // specific end
                    _inService = (byte)(_inService & ~(1 << level));
                    if (command == 7)
                        _lowestPriority = level;
                    break;
                case 6:
                    _lowestPriority = level;
                    break;
            }
        }

        private void WriteOcw3(byte value)
        {
            if ((value & 0x40) != 0)
                _specialMask = (value & 0x20) != 0;
            if ((value & 0x04) != 0)
                _polls = true;
            if ((value & 0x02) != 0)
                _readsInService = (value & 1) != 0;
        }

        /// <summary>The unmasked request above everything in service; -1: none.</summary>
        private int Highest()
        {
            int request = FirstInOrder((byte)(_requests & ~_mask));
            if (request < 0)
                return -1;
            byte service = _specialMask ? (byte)(_inService & ~_mask) : _inService;

            // Special fully nested: the second controller may interrupt itself with a higher line.
            if (_fullyNested && isMaster)
                service = (byte)(service & ~(1 << Cascade));
            int serving = FirstInOrder(service);
            return serving < 0 || Order(request) < Order(serving) ? request : -1;
        }

        private int Order(int line) => (line - _lowestPriority - 1) & 7;

        private int FirstInOrder(byte lines)
        {
            for (int i = 1; i <= 8; i++)
            {
                int line = (_lowestPriority + i) & 7;
                if ((lines >> line & 1) != 0)
                    return line;
            }

            return -1;
        }
    }
}
