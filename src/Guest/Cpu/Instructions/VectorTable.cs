using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions;

/// <summary>Vector instructions without exceptions of their own: mnemonic to operation.</summary>
internal static class VectorTable
{
    public static bool Select(Translator t) =>
        SelectLogic(t) || SelectArithmetic(t) || SelectCompare(t) || SelectMultiply(t) || SelectShuffle(t) || SelectShift(t) || SelectPairs(t) || SelectWiden(t) || SelectCrypto(t);

    private static bool SelectLogic(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pand or Mnemonic.Andps or Mnemonic.Andpd => Vector.Binary<VectorAnd>(t),
        Mnemonic.Pandn or Mnemonic.Andnps or Mnemonic.Andnpd => Vector.Binary<VectorAndNot>(t),
        Mnemonic.Por or Mnemonic.Orps or Mnemonic.Orpd => Vector.Binary<VectorOr>(t),
        Mnemonic.Pxor or Mnemonic.Xorps or Mnemonic.Xorpd => Vector.Binary<VectorXor>(t),
        Mnemonic.Ptest => Vector.Test(t),
        _ => false,
    };

    private static bool SelectArithmetic(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Paddb => Vector.Binary<VectorAdd<byte>>(t),
        Mnemonic.Paddw => Vector.Binary<VectorAdd<ushort>>(t),
        Mnemonic.Paddd => Vector.Binary<VectorAdd<uint>>(t),
        Mnemonic.Paddq => Vector.Binary<VectorAdd<ulong>>(t),
        Mnemonic.Psubb => Vector.Binary<VectorSubtract<byte>>(t),
        Mnemonic.Psubw => Vector.Binary<VectorSubtract<ushort>>(t),
        Mnemonic.Psubd => Vector.Binary<VectorSubtract<uint>>(t),
        Mnemonic.Psubq => Vector.Binary<VectorSubtract<ulong>>(t),
        Mnemonic.Paddsb => Vector.Binary<VectorAddSaturate<sbyte>>(t),
        Mnemonic.Paddsw => Vector.Binary<VectorAddSaturate<short>>(t),
        Mnemonic.Paddusb => Vector.Binary<VectorAddSaturate<byte>>(t),
        Mnemonic.Paddusw => Vector.Binary<VectorAddSaturate<ushort>>(t),
        Mnemonic.Psubsb => Vector.Binary<VectorSubtractSaturate<sbyte>>(t),
        Mnemonic.Psubsw => Vector.Binary<VectorSubtractSaturate<short>>(t),
        Mnemonic.Psubusb => Vector.Binary<VectorSubtractSaturate<byte>>(t),
        Mnemonic.Psubusw => Vector.Binary<VectorSubtractSaturate<ushort>>(t),
        Mnemonic.Pavgb => Vector.Binary<VectorAverageBytes>(t),
        Mnemonic.Pavgw => Vector.Binary<VectorAverageWords>(t),
        Mnemonic.Psignb => Vector.Binary<ApplySign<sbyte>>(t),
        Mnemonic.Psignw => Vector.Binary<ApplySign<short>>(t),
        Mnemonic.Psignd => Vector.Binary<ApplySign<int>>(t),
        Mnemonic.Pabsb => Vector.Binary<AbsoluteValue<sbyte>>(t),
        Mnemonic.Pabsw => Vector.Binary<AbsoluteValue<short>>(t),
        Mnemonic.Pabsd => Vector.Binary<AbsoluteValue<int>>(t),
        _ => false,
    };

    private static bool SelectCompare(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pcmpeqb => Vector.Binary<VectorEqual<byte>>(t),
        Mnemonic.Pcmpeqw => Vector.Binary<VectorEqual<ushort>>(t),
        Mnemonic.Pcmpeqd => Vector.Binary<VectorEqual<uint>>(t),
        Mnemonic.Pcmpeqq => Vector.Binary<VectorEqual<ulong>>(t),
        Mnemonic.Pcmpgtb => Vector.Binary<VectorGreater<sbyte>>(t),
        Mnemonic.Pcmpgtw => Vector.Binary<VectorGreater<short>>(t),
        Mnemonic.Pcmpgtd => Vector.Binary<VectorGreater<int>>(t),
        Mnemonic.Pcmpgtq => Vector.Binary<VectorGreater<long>>(t),
        Mnemonic.Pmaxub => Vector.Binary<VectorMax<byte>>(t),
        Mnemonic.Pmaxuw => Vector.Binary<VectorMax<ushort>>(t),
        Mnemonic.Pmaxud => Vector.Binary<VectorMax<uint>>(t),
        Mnemonic.Pmaxsb => Vector.Binary<VectorMax<sbyte>>(t),
        Mnemonic.Pmaxsw => Vector.Binary<VectorMax<short>>(t),
        Mnemonic.Pmaxsd => Vector.Binary<VectorMax<int>>(t),
        Mnemonic.Pminub => Vector.Binary<VectorMin<byte>>(t),
        Mnemonic.Pminuw => Vector.Binary<VectorMin<ushort>>(t),
        Mnemonic.Pminud => Vector.Binary<VectorMin<uint>>(t),
        Mnemonic.Pminsb => Vector.Binary<VectorMin<sbyte>>(t),
        Mnemonic.Pminsw => Vector.Binary<VectorMin<short>>(t),
        Mnemonic.Pminsd => Vector.Binary<VectorMin<int>>(t),
        Mnemonic.Phminposuw => Vector.Binary<MinimumWordPosition>(t),
        _ => false,
    };

    private static bool SelectMultiply(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pmullw => Vector.Binary<VectorMultiplyLow>(t),
        Mnemonic.Pmulld => Vector.Binary<MultiplyLowDoublewords>(t),
        Mnemonic.Pmulhw => Vector.Binary<VectorMultiplyHigh>(t),
        Mnemonic.Pmulhuw => Vector.Binary<VectorMultiplyHighUnsigned>(t),
        Mnemonic.Pmulhrsw => Vector.Binary<MultiplyHighRounded>(t),
        Mnemonic.Pmuludq => Vector.Binary<VectorMultiplyWide>(t),
        Mnemonic.Pmuldq => Vector.Binary<MultiplyWideSigned>(t),
        Mnemonic.Rcpps => Vector.Binary<Approximate<Reciprocal, AllLanes>>(t),
        Mnemonic.Rcpss => Vector.Binary<Approximate<Reciprocal, FirstLane>>(t),
        Mnemonic.Rsqrtps => Vector.Binary<Approximate<ReciprocalRoot, AllLanes>>(t),
        Mnemonic.Rsqrtss => Vector.Binary<Approximate<ReciprocalRoot, FirstLane>>(t),
        Mnemonic.Pmaddwd => Vector.Binary<VectorMultiplyAdd>(t),
        Mnemonic.Pmaddubsw => Vector.Binary<MultiplyAddBytes>(t),
        Mnemonic.Psadbw => Vector.Binary<VectorAbsoluteDifferences>(t),
        Mnemonic.Mpsadbw => Vector.Binary<BlockDifferences>(t),
        _ => false,
    };

    private static bool SelectShuffle(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Punpcklbw => Vector.Binary<UnpackLow<byte>>(t),
        Mnemonic.Punpcklwd => Vector.Binary<UnpackLow<ushort>>(t),
        Mnemonic.Punpckldq or Mnemonic.Unpcklps => Vector.Binary<UnpackLow<uint>>(t),
        Mnemonic.Punpcklqdq or Mnemonic.Unpcklpd => Vector.Binary<UnpackLow<ulong>>(t),
        Mnemonic.Punpckhbw => Vector.Binary<UnpackHigh<byte>>(t),
        Mnemonic.Punpckhwd => Vector.Binary<UnpackHigh<ushort>>(t),
        Mnemonic.Punpckhdq or Mnemonic.Unpckhps => Vector.Binary<UnpackHigh<uint>>(t),
        Mnemonic.Punpckhqdq or Mnemonic.Unpckhpd => Vector.Binary<UnpackHigh<ulong>>(t),
        Mnemonic.Packsswb => Vector.Binary<PackSignedWords>(t),
        Mnemonic.Packssdw => Vector.Binary<PackSignedDoublewords>(t),
        Mnemonic.Packuswb => Vector.Binary<PackUnsignedWords>(t),
        Mnemonic.Packusdw => Vector.Binary<PackUnsignedDoublewords>(t),
        Mnemonic.Pshufd => Vector.Binary<ShuffleDoublewords>(t),
        Mnemonic.Pshuflw => Vector.Binary<ShuffleLowWords>(t),
        Mnemonic.Pshufhw => Vector.Binary<ShuffleHighWords>(t),
        Mnemonic.Shufps => Vector.Binary<ShuffleSingles>(t),
        Mnemonic.Shufpd => Vector.Binary<ShuffleDoubles>(t),
        Mnemonic.Pshufb => Vector.Binary<ShuffleBytes>(t),
        Mnemonic.Palignr => Vector.Binary<AlignRight>(t),
        Mnemonic.Pblendw => Vector.Binary<BlendByImmediate<ushort>>(t),
        Mnemonic.Blendps => Vector.Binary<BlendByImmediate<uint>>(t),
        Mnemonic.Blendpd => Vector.Binary<BlendByImmediate<ulong>>(t),
        Mnemonic.Pblendvb => Vector.Masked<BlendBySign<sbyte>>(t),
        Mnemonic.Blendvps => Vector.Masked<BlendBySign<int>>(t),
        Mnemonic.Blendvpd => Vector.Masked<BlendBySign<long>>(t),
        Mnemonic.Movsldup => Vector.Binary<DuplicateEvenSingles>(t),
        Mnemonic.Movshdup => Vector.Binary<DuplicateOddSingles>(t),
        Mnemonic.Movddup => Vector.Binary<DuplicateLowDouble>(t),
        _ => false,
    };

    private static bool SelectShift(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Psllw => Vector.Shift<ShiftLeft<ushort>>(t),
        Mnemonic.Pslld => Vector.Shift<ShiftLeft<uint>>(t),
        Mnemonic.Psllq => Vector.Shift<ShiftLeft<ulong>>(t),
        Mnemonic.Psrlw => Vector.Shift<ShiftRight<ushort>>(t),
        Mnemonic.Psrld => Vector.Shift<ShiftRight<uint>>(t),
        Mnemonic.Psrlq => Vector.Shift<ShiftRight<ulong>>(t),
        Mnemonic.Psraw => Vector.Shift<ShiftRightSigned<short>>(t),
        Mnemonic.Psrad => Vector.Shift<ShiftRightSigned<int>>(t),
        Mnemonic.Pslldq => Vector.Shift<ShiftBytesLeft>(t),
        Mnemonic.Psrldq => Vector.Shift<ShiftBytesRight>(t),
        _ => false,
    };

    private static bool SelectPairs(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Phaddw => Vector.Binary<Neighbours<PairSum, short>>(t),
        Mnemonic.Phaddd => Vector.Binary<Neighbours<PairSum, int>>(t),
        Mnemonic.Phaddsw => Vector.Binary<Neighbours<PairSaturatedSum, short>>(t),
        Mnemonic.Phsubw => Vector.Binary<Neighbours<PairDifference, short>>(t),
        Mnemonic.Phsubd => Vector.Binary<Neighbours<PairDifference, int>>(t),
        Mnemonic.Phsubsw => Vector.Binary<Neighbours<PairSaturatedDifference, short>>(t),
        _ => false,
    };

    private static bool SelectWiden(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pmovsxbw => Vector.Binary<Widen<sbyte, short>>(t),
        Mnemonic.Pmovsxbd => Vector.Binary<Widen<sbyte, int>>(t),
        Mnemonic.Pmovsxbq => Vector.Binary<Widen<sbyte, long>>(t),
        Mnemonic.Pmovsxwd => Vector.Binary<Widen<short, int>>(t),
        Mnemonic.Pmovsxwq => Vector.Binary<Widen<short, long>>(t),
        Mnemonic.Pmovsxdq => Vector.Binary<Widen<int, long>>(t),
        Mnemonic.Pmovzxbw => Vector.Binary<Widen<byte, short>>(t),
        Mnemonic.Pmovzxbd => Vector.Binary<Widen<byte, int>>(t),
        Mnemonic.Pmovzxbq => Vector.Binary<Widen<byte, long>>(t),
        Mnemonic.Pmovzxwd => Vector.Binary<Widen<ushort, int>>(t),
        Mnemonic.Pmovzxwq => Vector.Binary<Widen<ushort, long>>(t),
        Mnemonic.Pmovzxdq => Vector.Binary<Widen<uint, long>>(t),
        _ => false,
    };

    private static bool SelectCrypto(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Aesenc => Vector.Binary<AesEncrypt>(t),
        Mnemonic.Aesenclast => Vector.Binary<AesEncryptLast>(t),
        Mnemonic.Aesdec => Vector.Binary<AesDecrypt>(t),
        Mnemonic.Aesdeclast => Vector.Binary<AesDecryptLast>(t),
        Mnemonic.Aesimc => Vector.Binary<AesInverseMixColumns>(t),
        Mnemonic.Aeskeygenassist => Vector.Binary<AesKeyAssist>(t),
        Mnemonic.Pclmulqdq => Vector.Binary<CarrylessMultiply>(t),
        Mnemonic.Sha1rnds4 => Vector.Binary<Sha1Rounds>(t),
        Mnemonic.Sha1nexte => Vector.Binary<Sha1NextE>(t),
        Mnemonic.Sha1msg1 => Vector.Binary<Sha1Message1>(t),
        Mnemonic.Sha1msg2 => Vector.Binary<Sha1Message2>(t),
        Mnemonic.Sha256msg1 => Vector.Binary<Sha256Message1>(t),
        Mnemonic.Sha256msg2 => Vector.Binary<Sha256Message2>(t),
        Mnemonic.Sha256rnds2 => Vector.Masked<Sha256Rounds>(t),
        _ => false,
    };
}
