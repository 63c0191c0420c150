using System.Security.Cryptography;
using XenSim.Simulator.Input;
using XenSim.Simulator.Tracing;
using XenSim.Simulator.Tracing.Traces;

namespace XenSim.Simulator.Scenarios;

/// <summary>
/// A scenario's whole trace as a digest and, if there is a folder for it, as a file. The file is that of the last run that passed; one that failed lies beside it,
/// so that the two can be compared.
/// </summary>
internal sealed class ScenarioTrace : IEventConsumer, IDisposable
{
    private readonly string? _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly JsonLinesWriter _writer;

    /// <param name="file">Of the last run that passed; null: nothing is written.</param>
    /// <exception cref="InputException">It cannot be written.</exception>
    public ScenarioTrace(string? file)
    {
        _file = file;
        try
        {
            Stream kept = file is null ? Stream.Null : new FileStream(FailedFile(file), FileMode.Create, FileAccess.Write);
            _writer = new JsonLinesWriter(new BufferedStream(new HashingStream(_hash, kept), 1 << 16));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException(file!, $"cannot be written: {e.Message}");
        }
    }

    public bool Wants(Type eventType) => true;

    public void On(in TimedEvent e) => _writer.On(e);

    /// <summary>The session is over.</summary>
    /// <param name="passed">The file takes the place of the last one that passed.</param>
    /// <returns>The digest, and where a failed run first differs from the last that passed.</returns>
    public (string Digest, IReadOnlyList<string> Divergence) Finish(bool passed)
    {
        _writer.Dispose();
        string digest = Convert.ToHexStringLower(_hash.GetHashAndReset());
        if (_file is null)
            return (digest, []);
        string failed = FailedFile(_file);
        if (passed)
        {
            File.Move(failed, _file, overwrite: true);
            return (digest, []);
        }

        if (!File.Exists(_file))
            return (digest, [$"its trace is {failed}; there is none of a run that passed"]);
        TraceDifference? difference = TraceDiff.Find(TraceFile.Read(_file), TraceFile.Read(failed));
        return (digest, [.. difference?.Lines("the last run that passed", "this one") ?? ["its events are those of the last run that passed"], $"to compare them: xensim diff {_file} {failed}"]);
    }

    public void Dispose()
    {
        _writer.Dispose();
        _hash.Dispose();
    }

    private static string FailedFile(string file) => Path.ChangeExtension(file, ".failed.jsonl");

    /// <summary>Hashes what goes by.</summary>
    private sealed class HashingStream(IncrementalHash hash, Stream next) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            hash.AppendData(buffer);
            next.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => next.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                next.Dispose();
            base.Dispose(disposing);
        }
    }
}
