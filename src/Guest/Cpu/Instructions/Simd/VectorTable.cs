using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>Vector instructions without exceptions of their own: mnemonic to operation.</summary>
internal static class VectorTable
{
    public static bool Select(Translator t) =>
        SelectLogic(t) || SelectArithmetic(t) || SelectCompare(t) || SelectMultiply(t) || SelectShuffle(t) || SelectShift(t) || SelectPairs(t) || SelectWiden(t) || SelectCrypto(t);

    private static bool SelectLogic(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pand or Mnemonic.Andps or Mnemonic.Andpd or Mnemonic.Vpand or Mnemonic.Vandps or Mnemonic.Vandpd => Vector.Binary<VectorAnd>(t),
        Mnemonic.Pandn or Mnemonic.Andnps or Mnemonic.Andnpd or Mnemonic.Vpandn or Mnemonic.Vandnps or Mnemonic.Vandnpd => Vector.Binary<VectorAndNot>(t),
        Mnemonic.Por or Mnemonic.Orps or Mnemonic.Orpd or Mnemonic.Vpor or Mnemonic.Vorps or Mnemonic.Vorpd => Vector.Binary<VectorOr>(t),
        Mnemonic.Pxor or Mnemonic.Xorps or Mnemonic.Xorpd or Mnemonic.Vpxor or Mnemonic.Vxorps or Mnemonic.Vxorpd => Vector.Binary<VectorXor>(t),
        Mnemonic.Ptest => Vector.Test(t),
        _ => false,
    };

    private static bool SelectArithmetic(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Paddb or Mnemonic.Vpaddb => Vector.Binary<VectorAdd<byte>>(t),
        Mnemonic.Paddw or Mnemonic.Vpaddw => Vector.Binary<VectorAdd<ushort>>(t),
        Mnemonic.Paddd or Mnemonic.Vpaddd => Vector.Binary<VectorAdd<uint>>(t),
        Mnemonic.Paddq or Mnemonic.Vpaddq => Vector.Binary<VectorAdd<ulong>>(t),
        Mnemonic.Psubb or Mnemonic.Vpsubb => Vector.Binary<VectorSubtract<byte>>(t),
        Mnemonic.Psubw or Mnemonic.Vpsubw => Vector.Binary<VectorSubtract<ushort>>(t),
        Mnemonic.Psubd or Mnemonic.Vpsubd => Vector.Binary<VectorSubtract<uint>>(t),
        Mnemonic.Psubq or Mnemonic.Vpsubq => Vector.Binary<VectorSubtract<ulong>>(t),
        Mnemonic.Paddsb or Mnemonic.Vpaddsb => Vector.Binary<VectorAddSaturate<sbyte>>(t),
        Mnemonic.Paddsw or Mnemonic.Vpaddsw => Vector.Binary<VectorAddSaturate<short>>(t),
        Mnemonic.Paddusb or Mnemonic.Vpaddusb => Vector.Binary<VectorAddSaturate<byte>>(t),
        Mnemonic.Paddusw or Mnemonic.Vpaddusw => Vector.Binary<VectorAddSaturate<ushort>>(t),
        Mnemonic.Psubsb or Mnemonic.Vpsubsb => Vector.Binary<VectorSubtractSaturate<sbyte>>(t),
        Mnemonic.Psubsw or Mnemonic.Vpsubsw => Vector.Binary<VectorSubtractSaturate<short>>(t),
        Mnemonic.Psubusb or Mnemonic.Vpsubusb => Vector.Binary<VectorSubtractSaturate<byte>>(t),
        Mnemonic.Psubusw or Mnemonic.Vpsubusw => Vector.Binary<VectorSubtractSaturate<ushort>>(t),
        Mnemonic.Pavgb or Mnemonic.Vpavgb => Vector.Binary<VectorAverageBytes>(t),
        Mnemonic.Pavgw or Mnemonic.Vpavgw => Vector.Binary<VectorAverageWords>(t),
        Mnemonic.Psignb or Mnemonic.Vpsignb => Vector.Binary<ApplySign<sbyte>>(t),
        Mnemonic.Psignw or Mnemonic.Vpsignw => Vector.Binary<ApplySign<short>>(t),
        Mnemonic.Psignd or Mnemonic.Vpsignd => Vector.Binary<ApplySign<int>>(t),
        Mnemonic.Pabsb or Mnemonic.Vpabsb => Vector.Binary<AbsoluteValue<sbyte>>(t),
        Mnemonic.Pabsw or Mnemonic.Vpabsw => Vector.Binary<AbsoluteValue<short>>(t),
        Mnemonic.Pabsd or Mnemonic.Vpabsd => Vector.Binary<AbsoluteValue<int>>(t),
        _ => false,
    };

    private static bool SelectCompare(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pcmpeqb or Mnemonic.Vpcmpeqb => Vector.Binary<VectorEqual<byte>>(t),
        Mnemonic.Pcmpeqw or Mnemonic.Vpcmpeqw => Vector.Binary<VectorEqual<ushort>>(t),
        Mnemonic.Pcmpeqd or Mnemonic.Vpcmpeqd => Vector.Binary<VectorEqual<uint>>(t),
        Mnemonic.Pcmpeqq or Mnemonic.Vpcmpeqq => Vector.Binary<VectorEqual<ulong>>(t),
        Mnemonic.Pcmpgtb or Mnemonic.Vpcmpgtb => Vector.Binary<VectorGreater<sbyte>>(t),
        Mnemonic.Pcmpgtw or Mnemonic.Vpcmpgtw => Vector.Binary<VectorGreater<short>>(t),
        Mnemonic.Pcmpgtd or Mnemonic.Vpcmpgtd => Vector.Binary<VectorGreater<int>>(t),
        Mnemonic.Pcmpgtq or Mnemonic.Vpcmpgtq => Vector.Binary<VectorGreater<long>>(t),
        Mnemonic.Pmaxub or Mnemonic.Vpmaxub => Vector.Binary<VectorMax<byte>>(t),
        Mnemonic.Pmaxuw or Mnemonic.Vpmaxuw => Vector.Binary<VectorMax<ushort>>(t),
        Mnemonic.Pmaxud or Mnemonic.Vpmaxud => Vector.Binary<VectorMax<uint>>(t),
        Mnemonic.Pmaxsb or Mnemonic.Vpmaxsb => Vector.Binary<VectorMax<sbyte>>(t),
        Mnemonic.Pmaxsw or Mnemonic.Vpmaxsw => Vector.Binary<VectorMax<short>>(t),
        Mnemonic.Pmaxsd or Mnemonic.Vpmaxsd => Vector.Binary<VectorMax<int>>(t),
        Mnemonic.Pminub or Mnemonic.Vpminub => Vector.Binary<VectorMin<byte>>(t),
        Mnemonic.Pminuw or Mnemonic.Vpminuw => Vector.Binary<VectorMin<ushort>>(t),
        Mnemonic.Pminud or Mnemonic.Vpminud => Vector.Binary<VectorMin<uint>>(t),
        Mnemonic.Pminsb or Mnemonic.Vpminsb => Vector.Binary<VectorMin<sbyte>>(t),
        Mnemonic.Pminsw or Mnemonic.Vpminsw => Vector.Binary<VectorMin<short>>(t),
        Mnemonic.Pminsd or Mnemonic.Vpminsd => Vector.Binary<VectorMin<int>>(t),
        Mnemonic.Phminposuw or Mnemonic.Vphminposuw => Vector.Binary<MinimumWordPosition>(t),
        _ => false,
    };

    private static bool SelectMultiply(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pmullw or Mnemonic.Vpmullw => Vector.Binary<VectorMultiplyLow>(t),
        Mnemonic.Pmulld or Mnemonic.Vpmulld => Vector.Binary<MultiplyLowDoublewords>(t),
        Mnemonic.Pmulhw or Mnemonic.Vpmulhw => Vector.Binary<VectorMultiplyHigh>(t),
        Mnemonic.Pmulhuw or Mnemonic.Vpmulhuw => Vector.Binary<VectorMultiplyHighUnsigned>(t),
        Mnemonic.Pmulhrsw or Mnemonic.Vpmulhrsw => Vector.Binary<MultiplyHighRounded>(t),
        Mnemonic.Pmuludq or Mnemonic.Vpmuludq => Vector.Binary<VectorMultiplyWide>(t),
        Mnemonic.Pmuldq or Mnemonic.Vpmuldq => Vector.Binary<MultiplyWideSigned>(t),
        Mnemonic.Rcpps or Mnemonic.Vrcpps => Vector.Binary<Approximate<Reciprocal, AllLanes>>(t),
        Mnemonic.Rcpss or Mnemonic.Vrcpss => Vector.Binary<Approximate<Reciprocal, FirstLane>>(t),
        Mnemonic.Rsqrtps or Mnemonic.Vrsqrtps => Vector.Binary<Approximate<ReciprocalRoot, AllLanes>>(t),
        Mnemonic.Rsqrtss or Mnemonic.Vrsqrtss => Vector.Binary<Approximate<ReciprocalRoot, FirstLane>>(t),
        Mnemonic.Pmaddwd or Mnemonic.Vpmaddwd => Vector.Binary<VectorMultiplyAdd>(t),
        Mnemonic.Pmaddubsw or Mnemonic.Vpmaddubsw => Vector.Binary<MultiplyAddBytes>(t),
        Mnemonic.Psadbw or Mnemonic.Vpsadbw => Vector.Binary<VectorAbsoluteDifferences>(t),
        Mnemonic.Mpsadbw or Mnemonic.Vmpsadbw => Vector.Binary<BlockDifferences>(t),
        _ => false,
    };

    private static bool SelectShuffle(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Punpcklbw or Mnemonic.Vpunpcklbw => Vector.Binary<UnpackLow<byte>>(t),
        Mnemonic.Punpcklwd or Mnemonic.Vpunpcklwd => Vector.Binary<UnpackLow<ushort>>(t),
        Mnemonic.Punpckldq or Mnemonic.Unpcklps or Mnemonic.Vpunpckldq or Mnemonic.Vunpcklps => Vector.Binary<UnpackLow<uint>>(t),
        Mnemonic.Punpcklqdq or Mnemonic.Unpcklpd or Mnemonic.Vpunpcklqdq or Mnemonic.Vunpcklpd => Vector.Binary<UnpackLow<ulong>>(t),
        Mnemonic.Punpckhbw or Mnemonic.Vpunpckhbw => Vector.Binary<UnpackHigh<byte>>(t),
        Mnemonic.Punpckhwd or Mnemonic.Vpunpckhwd => Vector.Binary<UnpackHigh<ushort>>(t),
        Mnemonic.Punpckhdq or Mnemonic.Unpckhps or Mnemonic.Vpunpckhdq or Mnemonic.Vunpckhps => Vector.Binary<UnpackHigh<uint>>(t),
        Mnemonic.Punpckhqdq or Mnemonic.Unpckhpd or Mnemonic.Vpunpckhqdq or Mnemonic.Vunpckhpd => Vector.Binary<UnpackHigh<ulong>>(t),
        Mnemonic.Packsswb or Mnemonic.Vpacksswb => Vector.Binary<PackSignedWords>(t),
        Mnemonic.Packssdw or Mnemonic.Vpackssdw => Vector.Binary<PackSignedDoublewords>(t),
        Mnemonic.Packuswb or Mnemonic.Vpackuswb => Vector.Binary<PackUnsignedWords>(t),
        Mnemonic.Packusdw or Mnemonic.Vpackusdw => Vector.Binary<PackUnsignedDoublewords>(t),
        Mnemonic.Pshufd or Mnemonic.Vpshufd => Vector.Binary<ShuffleDoublewords>(t),
        Mnemonic.Pshuflw or Mnemonic.Vpshuflw => Vector.Binary<ShuffleLowWords>(t),
        Mnemonic.Pshufhw or Mnemonic.Vpshufhw => Vector.Binary<ShuffleHighWords>(t),
        Mnemonic.Shufps or Mnemonic.Vshufps => Vector.Binary<ShuffleSingles>(t),
        Mnemonic.Shufpd or Mnemonic.Vshufpd => Vector.Binary<ShuffleDoubles>(t),
        Mnemonic.Pshufb or Mnemonic.Vpshufb => Vector.Binary<ShuffleBytes>(t),
        Mnemonic.Palignr or Mnemonic.Vpalignr => Vector.Binary<AlignRight>(t),
        Mnemonic.Pblendw or Mnemonic.Vpblendw => Vector.Binary<BlendByImmediate<ushort>>(t),
        Mnemonic.Blendps or Mnemonic.Vblendps => Vector.Binary<BlendByImmediate<uint>>(t),
        Mnemonic.Blendpd or Mnemonic.Vblendpd => Vector.Binary<BlendByImmediate<ulong>>(t),
        Mnemonic.Pblendvb or Mnemonic.Vpblendvb => Vector.Masked<BlendBySign<sbyte>>(t),
        Mnemonic.Blendvps or Mnemonic.Vblendvps => Vector.Masked<BlendBySign<int>>(t),
        Mnemonic.Blendvpd or Mnemonic.Vblendvpd => Vector.Masked<BlendBySign<long>>(t),
        Mnemonic.Movsldup or Mnemonic.Vmovsldup => Vector.Binary<DuplicateEvenSingles>(t),
        Mnemonic.Movshdup or Mnemonic.Vmovshdup => Vector.Binary<DuplicateOddSingles>(t),
        Mnemonic.Movddup or Mnemonic.Vmovddup => Vector.Binary<DuplicateLowDouble>(t),
        _ => false,
    };

    private static bool SelectShift(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Psllw or Mnemonic.Vpsllw => Vector.Shift<ShiftLeft<ushort>>(t),
        Mnemonic.Pslld or Mnemonic.Vpslld => Vector.Shift<ShiftLeft<uint>>(t),
        Mnemonic.Psllq or Mnemonic.Vpsllq => Vector.Shift<ShiftLeft<ulong>>(t),
        Mnemonic.Psrlw or Mnemonic.Vpsrlw => Vector.Shift<ShiftRight<ushort>>(t),
        Mnemonic.Psrld or Mnemonic.Vpsrld => Vector.Shift<ShiftRight<uint>>(t),
        Mnemonic.Psrlq or Mnemonic.Vpsrlq => Vector.Shift<ShiftRight<ulong>>(t),
        Mnemonic.Psraw or Mnemonic.Vpsraw => Vector.Shift<ShiftRightSigned<short>>(t),
        Mnemonic.Psrad or Mnemonic.Vpsrad => Vector.Shift<ShiftRightSigned<int>>(t),
        Mnemonic.Pslldq or Mnemonic.Vpslldq => Vector.Shift<ShiftBytesLeft>(t),
        Mnemonic.Psrldq or Mnemonic.Vpsrldq => Vector.Shift<ShiftBytesRight>(t),
        _ => false,
    };

    private static bool SelectPairs(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Phaddw or Mnemonic.Vphaddw => Vector.Binary<Neighbours<PairSum, short>>(t),
        Mnemonic.Phaddd or Mnemonic.Vphaddd => Vector.Binary<Neighbours<PairSum, int>>(t),
        Mnemonic.Phaddsw or Mnemonic.Vphaddsw => Vector.Binary<Neighbours<PairSaturatedSum, short>>(t),
        Mnemonic.Phsubw or Mnemonic.Vphsubw => Vector.Binary<Neighbours<PairDifference, short>>(t),
        Mnemonic.Phsubd or Mnemonic.Vphsubd => Vector.Binary<Neighbours<PairDifference, int>>(t),
        Mnemonic.Phsubsw or Mnemonic.Vphsubsw => Vector.Binary<Neighbours<PairSaturatedDifference, short>>(t),
        _ => false,
    };

    private static bool SelectWiden(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Pmovsxbw or Mnemonic.Vpmovsxbw => Vector.Extend<Widen<sbyte, short>>(t),
        Mnemonic.Pmovsxbd or Mnemonic.Vpmovsxbd => Vector.Extend<Widen<sbyte, int>>(t),
        Mnemonic.Pmovsxbq or Mnemonic.Vpmovsxbq => Vector.Extend<Widen<sbyte, long>>(t),
        Mnemonic.Pmovsxwd or Mnemonic.Vpmovsxwd => Vector.Extend<Widen<short, int>>(t),
        Mnemonic.Pmovsxwq or Mnemonic.Vpmovsxwq => Vector.Extend<Widen<short, long>>(t),
        Mnemonic.Pmovsxdq or Mnemonic.Vpmovsxdq => Vector.Extend<Widen<int, long>>(t),
        Mnemonic.Pmovzxbw or Mnemonic.Vpmovzxbw => Vector.Extend<Widen<byte, short>>(t),
        Mnemonic.Pmovzxbd or Mnemonic.Vpmovzxbd => Vector.Extend<Widen<byte, int>>(t),
        Mnemonic.Pmovzxbq or Mnemonic.Vpmovzxbq => Vector.Extend<Widen<byte, long>>(t),
        Mnemonic.Pmovzxwd or Mnemonic.Vpmovzxwd => Vector.Extend<Widen<ushort, int>>(t),
        Mnemonic.Pmovzxwq or Mnemonic.Vpmovzxwq => Vector.Extend<Widen<ushort, long>>(t),
        Mnemonic.Pmovzxdq or Mnemonic.Vpmovzxdq => Vector.Extend<Widen<uint, long>>(t),
        _ => false,
    };

    private static bool SelectCrypto(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Aesenc or Mnemonic.Vaesenc => Vector.Binary<AesEncrypt>(t),
        Mnemonic.Aesenclast or Mnemonic.Vaesenclast => Vector.Binary<AesEncryptLast>(t),
        Mnemonic.Aesdec or Mnemonic.Vaesdec => Vector.Binary<AesDecrypt>(t),
        Mnemonic.Aesdeclast or Mnemonic.Vaesdeclast => Vector.Binary<AesDecryptLast>(t),
        Mnemonic.Aesimc or Mnemonic.Vaesimc => Vector.Binary<AesInverseMixColumns>(t),
        Mnemonic.Aeskeygenassist or Mnemonic.Vaeskeygenassist => Vector.Binary<AesKeyAssist>(t),
        Mnemonic.Pclmulqdq or Mnemonic.Vpclmulqdq => Vector.Binary<CarrylessMultiply>(t),
        Mnemonic.Gf2p8mulb or Mnemonic.Vgf2p8mulb => Vector.Binary<GaloisMultiply>(t),
        Mnemonic.Gf2p8affineqb or Mnemonic.Vgf2p8affineqb => Vector.Binary<GaloisAffine>(t),
        Mnemonic.Gf2p8affineinvqb or Mnemonic.Vgf2p8affineinvqb => Vector.Binary<GaloisAffineInverse>(t),
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
